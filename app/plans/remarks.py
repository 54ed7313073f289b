"""What the reader of a plan, and of every result and decision under it, has to know of it."""

from collections.abc import Iterator

from sqlmodel import Session

from app.plans.allocated import SEED_GIVEN, allocations_of
from app.plans.benchmarked import benchmark_remarks, better_benchmarks
from app.plans.departures import departures
from app.plans.models import PlanVersion
from app.plans.rules import ONE_GROUP, Remark, warnings_of
from app.plans.service import plan_of
from app.plans.simulated import newest_simulation


def warnings_about(session: Session, version: PlanVersion) -> list[Remark]:
    """Everything worth a warning at the plan itself."""
    plan = plan_of(version)
    return [*warnings_of(plan), *better_benchmarks(session, version, plan), *remarks_that_travel(session, version)]


def remarks_that_travel(session: Session, version: PlanVersion) -> list[Remark]:
    """What goes with the plan to every analysis, and is frozen into the decision."""
    return list(_travelling(session, version))


def _travelling(session: Session, version: PlanVersion) -> Iterator[Remark]:
    plan = plan_of(version)
    yield from departures(plan)
    yield from benchmark_remarks(session, version, plan)
    attached = version.simulation_id if version.locked_at is not None else newest_simulation(session, version)
    if attached is None:
        message = "how often this plan would scale, refine or replace was not simulated "
        message += "before its lock" if version.locked_at is not None else "yet: POST …/plan/simulate before the lock"
        yield Remark("no_operating_characteristics", message)
    allocations = allocations_of(session, version)
    if chosen := [a for a in allocations if a.method.endswith(SEED_GIVEN)]:
        yield Remark(
            "allocation_seed_given",
            f"the seed of {len(chosen)} of {len(allocations)} allocations was given: who chose it could try which arms "
            "each seed would lead to",
        )
    if plan.randomised and plan.design not in ONE_GROUP and not allocations:
        yield Remark(
            "allocation_undeclared",
            "the plan says that the arms are randomised, but nobody was allocated here (POST …/plan/allocate) and no "
            "allocation elsewhere is declared: the grade rests on the word of the plan",
        )
