"""Forest of the units of one measure: how far each lies from its arm, shrunken towards it."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from analysis.plots.forest import ROW, Row, draw
from analysis.plots.style import (
    BLUE,
    GREY,
    ORANGE,
    SD_UNITS,
    drawing,
    estimate,
    name,
    nothing_to_plot,
    plain,
    zero_line,
)

MOST_LABELLED = 40
"""Units that a page holds with their names; more are drawn in order, without."""
_TALLEST = 6.0


def units(effect: Mapping[str, Any], names: Mapping[str, str] | None = None, hidden: Collection[str] = ()) -> str:
    """Unit-level effects of the treated units above, departures of the control units from their arm below.

    `effect` is the measure's block of an answer; `effect["units"]` lists {unit, arm, n, departure, effect} with
    summaries {mean, sd, interval} in SD units, `effect` null for control units. `names` says what a unit is called.
    The diamond is the overall effect as estimated (`effect["sd"]`). `hidden` units have too few people to be shown.
    Raises `Refused` without units to show.
    """
    all_units = effect.get("units") or []
    listed = [unit for unit in all_units if unit["unit"] not in hidden]
    if not listed:
        raise nothing_to_plot(
            f"{effect['measure']} has no effects by unit", "Give the unit of every row, and plan a design with units."
        )
    called = names or {}
    treated = sorted((u for u in listed if u["effect"] is not None), key=lambda u: -u["effect"]["mean"])
    control = sorted((u for u in listed if u["effect"] is None), key=lambda u: -u["departure"]["mean"])
    labelled = len(listed) <= MOST_LABELLED
    overall = [] if effect.get("sd") is None or not treated else [_overall(effect["sd"])]
    panels = [
        (f"{_many(treated, 'treated unit')}: effect", [_row(u, "effect", called, labelled) for u in treated], overall),
        (f"{_many(control, 'control unit')}: departure from their arm",
         [_row(u, "departure", called, labelled) for u in control], []),
    ]  # fmt: skip
    panels = [panel for panel in panels if panel[1]]
    inches = ROW if labelled else _TALLEST / len(listed)
    sizes = [0.3 + inches * len(rows) + ROW * len(pooled) for _, rows, pooled in panels]
    bar = (treated or control)[0]["effect" if treated else "departure"]["interval"]
    heading = f"{name(effect['measure'], 40)} ({effect['role']}): {_many(listed, 'unit')}, shrunken to their mean"
    if not labelled:
        heading += "\nin the order of their means, without names"
    if left_out := len(all_units) - len(listed):
        heading += (
            f"\n{_many([None] * left_out, 'more unit')} not shown: too few people, or told from such by subtraction"
        )
    with drawing(f"Effects by unit on {effect['measure']}", 1.2 + sum(sizes), heading) as drawn:
        grid = drawn.figure.subplots(len(panels), 1, sharex=True, squeeze=False, height_ratios=sizes)
        for axes, (title, rows, pooled) in zip(grid[:, 0], panels, strict=True):
            draw(axes, rows, pooled, labelled=labelled, step=ROW / inches)
            axes.set_title(title, fontsize=8.5, loc="left")
            zero_line(axes)
        axes.set_xlabel(
            f"{SD_UNITS}\nbars: {plain(100 * bar['prob'])} % {bar['kind']} intervals"
            + ("; diamond: effect over all" if overall else "")
        )
    return drawn.svg


def _many(of: Sequence[Any], what: str) -> str:
    return f"{len(of)} {what}{'' if len(of) == 1 else 's'}"


def _overall(summary: Mapping[str, Any]) -> Row:
    low, high = summary["interval"]["low"], summary["interval"]["high"]
    said = estimate(summary["mean"], low, high)
    return Row("all", summary["mean"], low, high, said, "D", ORANGE, 6.5, 2.2)


def _row(unit: Mapping[str, Any], what: str, called: Mapping[str, str], labelled: bool) -> Row:  # noqa: FBT001
    summary = unit[what]
    low, high = summary["interval"]["low"], summary["interval"]["high"]
    label = f"{name(called.get(unit['unit'], unit['unit']), 18)} (n {plain(unit['n'])})"
    said = estimate(summary["mean"], low, high)
    shape = ("o", BLUE) if what == "effect" else ("s", GREY)
    size, width = (4.0, 1.2) if labelled else (1.4, 0.5)
    return Row(label, summary["mean"], low, high, said, *shape, size, width)
