"""Every kind of background work, for whoever starts a worker."""

from typing import Any, Final

from app.analyses.pictures import WORK as PICTURES
from app.analyses.service import WORK as ANALYSES
from app.imports.service import WORK as IMPORTS
from app.jobs.runner import MakeLoop
from app.jobs.work import Work
from app.measures.reminders import Reminders
from app.simulations.service import WORK as SIMULATIONS
from app.syntheses.service import WORK as SYNTHESES
from app.webhooks.courier import Courier

# A slot takes what comes first here first: pictures wait for whoever waits for numbers.
WORKS: Final[tuple[Work[Any], ...]] = (ANALYSES, IMPORTS, SIMULATIONS, SYNTHESES, PICTURES)
LOOPS: Final[tuple[MakeLoop, ...]] = (Courier, Reminders)
