"""What is known of a pilot, as tables and sentences for a person; only what the service says, nothing computed."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from app.client import Analysis, Criterion, Effect, Estimate, Pilot, Result, Wave
from app.commands.session import plain, table

# How a criterion reads: what `scale` asks for, and what would lead to `replace`.
ASKED = {True: "met", False: "unmet", None: "not assessed"}
REPLACES = {True: "would replace", False: "no reason to replace", None: "not assessed"}
NONE = "–"


def heading(text: str) -> Text:
    """A line above a part."""
    return Text(f"\n{plain(text)}", style="bold")


def pilot_lines(pilot: Pilot) -> Iterator[RenderableType]:
    """Which pilot it is, and where it stands."""
    yield Text(plain(pilot.title), style="bold")
    stage = f"{pilot.stage} (provisional)" if pilot.provisional else pilot.stage
    yield plain(f"{stage}, iteration {pilot.iteration} · driver {pilot.driver} · lead {pilot.lead} · {pilot.id}")


def waves_table(waves: Sequence[Wave]) -> Table:
    """Response and attrition, a line for each wave and arm; a wave that is only planned has dashes."""
    made = table("wave", "kind", "arm", numbers=("invited", "responded", "response", "attrition"))
    for wave in waves:
        arms = dict.fromkeys([*wave.invited, *wave.responded]) or [NONE]
        for arm in arms:
            made.add_row(
                plain(wave.key),
                wave.kind,
                plain(arm),
                _number(wave.invited.get(arm)),
                _number(wave.responded.get(arm)),
                _share(wave.response_rate.get(arm)),
                _share(wave.attrition.get(arm)),
            )
    return made


def analysis_lines(analysis: Analysis, result: Result) -> Iterator[RenderableType]:
    """What an analysis found: effects, the rule's criteria, its checks, the recommendation."""
    of = f"retention wave {analysis.retention_wave}" if analysis.retention_wave else f"look {analysis.look}"
    ended = (analysis.finished_at or "")[:10]
    title = f"{analysis.kind.capitalize()} analysis of iteration {analysis.iteration}, {of}, {ended}"
    yield heading(f"{title}: evidence grade {result.grade}")
    yield effects_table(result.effects)
    yield ""
    if result.recommendation.criteria:
        yield criteria_table(result.recommendation.criteria)
        yield ""
    yield gates_line(result)
    provisional = " (provisional)" if result.recommendation.provisional else ""
    yield Text(f"Recommendation: {result.recommendation.outcome}{provisional}", style="bold")
    yield plain(result.recommendation.says)


def effects_table(effects: Sequence[Effect]) -> Table:
    """The effects with their intervals: in SD units after the bias of the grade, and as observed in the own unit."""
    kind = next((f"{e.adjusted.prob:.0%} {e.adjusted.kind}" for e in effects if e.adjusted), "")
    made = table("measure", "", numbers=(f"effect, {kind}" if kind else "effect", "P(benefit)", "P(meaningful)"))
    for effect in effects:
        verdict = f": {effect.verdict}" if effect.verdict else ""
        made.add_row(
            plain(f"{effect.measure}, {effect.role}{verdict}"),
            "SD units",
            _estimate(effect.adjusted),
            _number(effect.p_benefit),
            _number(effect.p_meaningful),
        )
        made.add_row("", "own unit", _estimate(effect.natural))
    return made


def criteria_table(criteria: Sequence[Criterion]) -> Table:
    """The rule that was fixed beforehand, criterion by criterion."""
    made = table("criterion of the rule", "measure", numbers=("value", "threshold"))
    made.add_column("")
    for criterion in criteria:
        words = REPLACES if criterion.decides == "replace" else ASKED
        made.add_row(
            criterion.name,
            plain(criterion.measure or ""),
            _number(criterion.value),
            _number(criterion.threshold),
            Text(words.get(criterion.met, NONE), style="green" if criterion.met else ""),
        )
    return made


def gates_line(result: Result) -> str:
    """Whether the computation can be relied on."""
    failed = [gate for gate in result.gates if not gate.passed]
    if not failed:
        return f"Checks of the computation: all {len(result.gates)} passed"
    named = ", ".join(f"{g.name} {_number(g.value)} (threshold {_number(g.threshold)})" for g in failed)
    return f"Checks of the computation: FAILED {named}"


def next_lines(moves: Sequence[Mapping[str, Any]]) -> Iterator[RenderableType]:
    """Where the pilot may go from here, and what each move still takes."""
    for move in moves:
        missing = [plain(item["message"]) for item in move["unmet"]]
        if not missing:
            yield f"to {move['to']}: everything is there"
        elif len(missing) == 1:
            yield f"to {move['to']}: {missing[0]}"
        else:
            yield f"to {move['to']}:"
            yield from (f"  - {text}" for text in missing)


def _estimate(estimate: Estimate | None) -> str:
    return NONE if estimate is None else str(estimate)


def _share(share: float | None) -> str:
    return NONE if share is None else f"{share:.0%}"


def _number(value: object) -> str:
    if isinstance(value, float) and not value.is_integer():
        return f"{value:.3f}"
    return NONE if value is None else plain(f"{value:g}" if isinstance(value, float) else value)
