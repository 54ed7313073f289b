"""A worker process that only delivers, which is there at once: `python -m tests.acceptance.courier`."""

from app.config import Settings
from app.db import make_engine
from app.jobs.runner import Runner
from app.works import LOOPS

if __name__ == "__main__":
    settings = Settings()
    Runner(make_engine(settings.url), settings, (), LOOPS).run_forever()
