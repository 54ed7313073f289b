"""What a reader gets of an analysis: its result without the units that are hidden, and hashes that cannot be guessed.

The stored result stays whole. Every answer that holds a result is built here.
"""

from dataclasses import replace
from typing import Any

from sqlmodel import Session, select

from analysis.documents import Design, FitRequest, Plan
from app.analyses.models import Analysis
from app.analyses.schemas import AnalysisOut
from app.measures.confidential import people_of, smallest_cell, suppressed_of, warning_of
from app.measures.crossed import as_entered, suppress_crossed
from app.measures.keyed import keyed
from app.measures.shown import data_out
from app.measures.suppression import Suppressed, Table, Unit, suppress
from app.pilots.models import Pilot

HIDDEN = {"n": None, "departure": None, "effect": None, "suppressed": True}
# What a result says of the people of an arm, at one wave or over all of them.
TOTALS: dict[str, Any] = {"n": {}, "rates": {}, "predictive": []}
# Readers look for the sentence first; what it rests on are pages of numbers.
READ_FIRST = ("recommendation", "grade")
# Plots that show units, and those that show an arm at a wave.
OF_UNITS, OF_TABLES = "units", frozenset({"cell_means", "categories", "predictive"})


def kept(suppressed: Suppressed, plan: Plan) -> dict[str, Any]:
    """What is hidden, as it is stored with an analysis of this plan; tables by the arms of its data."""
    # The analysis of a retention wave may be of another design, and takes the arms as they were entered.
    of_data = suppressed.as_analysed if plan.design is Design.STEPPED_WEDGE else suppressed
    return {
        "least": suppressed.least,
        "units": sorted(suppressed.units, key=lambda unit: unit or ""),
        "tables": [list(table) for table in sorted(of_data.tables)],
    }


def _kept_tables(analysis: Analysis) -> frozenset[Table]:
    """The tables that were hidden when an analysis was asked for."""
    return frozenset(Table(*table) for table in (analysis.suppressed or {}).get("tables", []))


def _few(analysis: Analysis, now: Suppressed) -> frozenset[Table]:
    """The tables of a stepped wedge that are hidden as a whole, now or when it was asked for; none of other designs.

    Of other designs an arm of too few people is refused: no analysis has its total.
    """
    if analysis.request["plan"]["design"] != Design.STEPPED_WEDGE:
        return frozenset()
    return frozenset(table for table in _kept_tables(analysis) | now.as_analysed.tables if not table.linked)


def untold(analysis: Analysis, now: Suppressed) -> frozenset[str]:
    """The measures of which a result shows no totals: they are over waves, and one of them is hidden as a whole."""
    return frozenset(table.measure for table in _few(analysis, now))


def forms(session: Session, data_hash: str) -> frozenset[str]:
    """The two forms in which a hash of data may be stored."""
    return frozenset({data_hash, keyed(session, data_hash)})


def analysis_out(session: Session, analysis: Analysis) -> AnalysisOut:
    """The analysis as its readers see it."""
    answer = AnalysisOut.model_validate(analysis)
    answer.provenance = _provenance(session, analysis)
    if analysis.result is None:
        return answer
    suppressed = suppressed_of(session, _pilot(session, analysis), analysis.iteration)
    result = result_out(analysis.result, suppressed.units, answer.provenance, untold(analysis, suppressed))
    answer.result = {name: result[name] for name in READ_FIRST if name in result} | result
    answer.warnings = [*answer.warnings, *warning_of(suppressed)]
    return answer


def result_out(
    result: dict[str, Any],
    units: frozenset[Unit],
    provenance: dict[str, Any],
    measures: frozenset[str] = frozenset(),
) -> dict[str, Any]:
    """A result whose hidden units are only named, without the totals of these `measures`. Pure."""
    shown = dict(result)
    if "effects" in result:
        shown["effects"] = [
            {
                **effect,
                **({name: none for name, none in TOTALS.items() if name in effect} if of_few else {}),
                "units": [row | HIDDEN if is_hidden(row, units) else row for row in effect.get("units", [])],
            }
            for effect in result["effects"]
            for of_few in [effect["measure"] in measures]
        ]
    if "provenance" in result:
        shown["provenance"] = dict(result["provenance"])
        if "data_hash" in result["provenance"]:
            # The library's own hash is of the bare data.
            shown["provenance"]["data_hash"] = provenance["data_hash"]
        if provenance["seed"] is None:
            shown["provenance"]["seed"] = None
    return shown


def is_hidden(row: dict[str, Any], units: frozenset[Unit]) -> bool:
    """Whether a row of units is not shown; who has no unit goes by the name of the arm."""
    return row["unit"] in units or (None in units and row["unit"] == row["arm"])


def hidden_since(session: Session, analysis: Analysis, name: str, measure: str) -> bool:
    """Whether a plot shows what was not hidden yet when it was drawn."""
    if name != OF_UNITS and name not in OF_TABLES:
        return False
    now = suppressed_of(session, _pilot(session, analysis), analysis.iteration)
    if name == OF_UNITS:
        return not now.units <= frozenset((analysis.suppressed or {}).get("units", []))
    if any(table.measure == measure for table in _few(analysis, now) - _kept_tables(analysis)):
        return True
    return _is_older(session, analysis) and any(table.measure == measure for table in now.tables)


def _is_older(session: Session, analysis: Analysis) -> bool:
    """Whether it was asked for when smaller groups were shown."""
    return int((analysis.suppressed or {}).get("least", 1)) < smallest_cell(session)


def _provenance(session: Session, analysis: Analysis) -> dict[str, Any]:
    """The provenance; of an older analysis with small groups without what would confirm a guess of their values."""
    if not small_since(session, analysis):
        return analysis.provenance
    return {**analysis.provenance, "data_hash": keyed(session, analysis.data_hash), "seed": None}


def small_since(session: Session, analysis: Analysis) -> bool:
    """Whether it was asked for when smaller groups were shown, and has such: its files tell seed, hash and arms."""
    if not _is_older(session, analysis):
        return False
    request = FitRequest.model_validate(analysis.request)
    waves = {wave.key for wave in request.plan.waves}
    return any(
        suppress(people_of(measure, shapes, waves, request.plan.followup), smallest_cell(session))
        for measure, shapes in analysis.request["data"].items()
    )


def data_shown(session: Session, analysis: Analysis) -> tuple[dict[str, Any], Suppressed]:
    """The data an analysis used, with what is hidden in them or in the pilot now only marked; and what that is.

    The cells are judged by how many people they held then; a unit that is hidden by now is hidden here too.
    """
    plan = Plan.model_validate(analysis.request["plan"]).expanded()
    wave = next(look.wave for look in plan.looks if look.look == analysis.look)
    wedge = plan.design is Design.STEPPED_WEDGE
    known = _known(session, analysis, plan)
    already = frozenset((analysis.suppressed or {}).get("units", [])).union(*(each.units for each in known))
    whole = frozenset(_kept_tables(analysis) if wedge else []).union(*(each.tables for each in known))
    people: dict[Table, dict[Unit, int]] = {}
    for measure, shapes in analysis.request["data"].items():
        people |= people_of(measure, shapes, {each.key for each in plan.waves}, wave)
    if wedge:
        ends = {unit.unit_id: plan.treated if unit.starts_on else str(plan.control) for unit in plan.units}
        then = suppress_crossed(*as_entered(people, ends), smallest_cell(session), already).as_analysed
        then = replace(then, alone=then.alone.intersection(*(each.alone for each in known)))
    else:
        then = suppress(people, smallest_cell(session), already)
    hidden = replace(then, tables=then.tables | whole)
    cells = sum(n > 0 and hidden.hides(table, unit) for table, here in people.items() for unit, n in here.items())
    hidden = replace(hidden, cells=cells)
    return data_out(analysis.request["data"], hidden, wave), hidden


def _known(session: Session, analysis: Analysis, plan: Plan) -> list[Suppressed]:
    """What is hidden of the pilot now; of a stepped wedge also of the whole data it was made from.

    Of these it left out whoever started inside a wave.
    """
    pilot = _pilot(session, analysis)
    if plan.design is not Design.STEPPED_WEDGE:
        return [suppressed_of(session, pilot, analysis.iteration)]
    revisions = {None, analysis.data_revision}
    return [suppressed_of(session, pilot, analysis.iteration, at).as_analysed for at in revisions]


def _pilot(session: Session, analysis: Analysis) -> Pilot:
    return session.exec(select(Pilot).where(Pilot.id == analysis.pilot_id)).one()
