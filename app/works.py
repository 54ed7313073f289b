"""Every kind of background work, for whoever starts a worker."""

from functools import partial
from typing import Any, Final

from app.analyses.pictures import WORK as PICTURES
from app.analyses.service import WORK as ANALYSES
from app.auth.kept_answers import ANSWERS
from app.imports.service import WORK as IMPORTS
from app.jobs.chores import Chore, Chores
from app.jobs.runner import MakeLoop
from app.jobs.work import Work
from app.measures.reminders import REMINDERS
from app.simulations.parts import PARTS as SIMULATION_PARTS
from app.simulations.parts import WORK as SIMULATIONS
from app.syntheses.service import WORK as SYNTHESES
from app.webhooks.courier import Courier
from app.webhooks.retention import RETENTION

# A slot takes what comes first here first: pictures wait for whoever waits for numbers, parts of
# large simulations for small ones.
WORKS: Final[tuple[Work[Any], ...]] = (
    ANALYSES,
    IMPORTS,
    SIMULATIONS,
    SYNTHESES,
    PICTURES,
    SIMULATION_PARTS,
)
CHORES: Final[tuple[Chore, ...]] = (REMINDERS, RETENTION, ANSWERS)
LOOPS: Final[tuple[MakeLoop, ...]] = (Courier, partial(Chores, CHORES))
