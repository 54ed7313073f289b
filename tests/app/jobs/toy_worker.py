"""A whole worker process, to be killed: `python -m tests.app.jobs.toy_worker URL`."""

import sys

from app.db import make_engine
from app.jobs.runner import Runner
from tests.app.jobs.toys import WORK, settings

if __name__ == "__main__":
    Runner(make_engine(sys.argv[1]), settings(), [WORK]).run_forever()
