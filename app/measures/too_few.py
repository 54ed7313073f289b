"""An arm of too few people shows no effect: any estimate would be of people who can be recognised."""

from collections.abc import Mapping

from analysis.documents import Plan, Role
from app.errors import Conflict
from app.measures.confidential import Shapes, people_of
from app.measures.snapshot import Snapshot, baselines
from app.measures.suppression import Table


def too_few(data: Mapping[str, Shapes], plan: Plan, wave: str, least: int) -> list[Table]:
    """The arms that an analysis up to `wave` would use with fewer than `least` people; pure."""
    waves = {*baselines(plan, wave), wave}
    return [
        table
        for measure, shapes in data.items()
        for table, units in sorted(people_of(measure, shapes, waves, wave).items())
        if 0 < sum(units.values()) < least
    ]


def without_few(taken: Snapshot, plan: Plan, wave: str, least: int) -> list[Table]:
    """Take measures with an arm of too few people out of a snapshot and say so; what is few in the primary comes back.

    The primary stays: without it there is nothing to analyse, and whoever asks has to be told why.
    """
    primary = {m.measure for m in plan.measures if m.role is Role.PRIMARY}
    few = too_few(taken.data, plan, wave, least)
    for table in few:
        if table.measure not in primary and taken.data.pop(table.measure, None) is not None:
            taken.warn("too_few_people", f"{_said(table, least)}; the measure is left out")
    return [table for table in few if table.measure in primary]


def refuse_few(few: list[Table], least: int) -> None:
    """Raise Conflict `too_few_people`, which names each arm and wave."""
    if few:
        said = "; ".join(_said(table, least) for table in few)
        msg = (
            f"{said}: no effect can be shown without showing who they are. Enter the answers that are missing, or plan "
            "larger arms or without that wave"
        )
        arms = [{"measure": t.measure, "arm": t.arm or None, "wave": t.wave} for t in few]
        raise Conflict(msg, "too_few_people", too_few=arms)


def _said(table: Table, least: int) -> str:
    who = "people seen before and after" if table.linked else "people"
    arm = f" in the arm {table.arm}" if table.arm else ""
    return f"{table.measure}: fewer than {least} {who}{arm} at {table.wave}"
