"""A process of the service that kills itself once what it imports is entered, before that is committed.

`python -m tests.acceptance.mortal api` or `… importer`; `… importer immortal` is a worker that lives: it only imports,
and is there at once.
"""

import os
import signal
import sys
from collections.abc import Callable
from typing import Any

from app.config import Settings
from app.db import make_engine
from app.imports import judged, service
from app.jobs.runner import Runner


def _then_dies(taken_over: Callable[..., Any]) -> Callable[..., Any]:
    def dies(*args: Any) -> Any:
        taken_over(*args)
        os.kill(os.getpid(), signal.SIGKILL)

    return dies


if __name__ == "__main__":
    what, *how = sys.argv[1:]
    if not how:
        service.taken_over = _then_dies(judged.taken_over)
    if what == "importer":
        settings = Settings()
        Runner(make_engine(settings.url), settings, [service.WORK]).run_forever()
    else:
        from app.cli import main

        sys.argv[1:] = [what]
        main()
