"""The warm child process that fits: the only import of `analysis.fit` in the service."""

import os
from typing import Any

from app.config import Settings
from app.jobs.child import Progress, serve

os.environ.setdefault("PILOTLIGHT_CACHE_DIR", str(Settings().compile_cache))


def _fit(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.documents import FitRequest  # noqa: PLC0415 - the cache folder is set before anything heavy loads
    from analysis.fit import fit  # noqa: PLC0415

    return fit(FitRequest.model_validate(request), progress=progress)


def _warm() -> None:
    from analysis.fit import warm  # noqa: PLC0415

    warm()


if __name__ == "__main__":
    serve(_fit, _warm)
