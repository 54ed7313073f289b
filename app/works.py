"""Every kind of background work, for whoever starts a worker."""

from typing import Any, Final

from app.analyses.service import WORK as ANALYSES
from app.jobs.work import Work
from app.simulations.service import WORK as SIMULATIONS
from app.syntheses.service import WORK as SYNTHESES

WORKS: Final[tuple[Work[Any], ...]] = (ANALYSES, SIMULATIONS, SYNTHESES)
