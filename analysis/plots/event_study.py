"""Event study of a comparison over time: how the arms moved apart before the start, and after it."""

from collections.abc import Mapping
from typing import Any

from analysis.plots.forest import ROW, Row, draw
from analysis.plots.style import GREY, ORANGE, SD_UNITS, drawing, estimate, name, nothing_to_plot, plain, zero_line


def event_study(effect: Mapping[str, Any]) -> str:
    """What would be the effect between any two waves in a row before the start, where there can be none; then Δ.

    `effect` is the measure's block of an answer with `parallel_trends`: [{step, mean, sd, interval}], oriented to
    benefit. Raises `Refused` where there is but one wave before the start.
    """
    trends = effect.get("parallel_trends") or []
    if not trends or effect.get("sd") is None:
        raise nothing_to_plot(
            f"{effect['measure']} has no two waves before the start", "Plan a second baseline wave to see the trends."
        )
    rows = [_row(f"before: wave {t['step']} to {t['step'] + 1}", t) for t in trends]
    after = _row("after the start", effect["sd"], marker="D", colour=ORANGE, size=6.5, width=2.2)
    heading = f"{name(effect['measure'], 40)} ({effect['role']}): how the arms moved apart"
    with drawing(f"Event study of {effect['measure']}", 1.3 + ROW * (len(rows) + 1), heading) as drawn:
        axes = drawn.figure.subplots()
        draw(axes, rows, [after])
        zero_line(axes)
        bars = plain(100 * effect["sd"]["interval"]["prob"])
        axes.set_xlabel(f"{SD_UNITS}\nbars: {bars} % intervals; before the start there can be no effect")
    return drawn.svg


def _row(
    label: str,
    summary: Mapping[str, Any],
    marker: str = "o",
    colour: str = GREY,
    size: float = 5.0,
    width: float = 1.4,
) -> Row:
    low, high = summary["interval"]["low"], summary["interval"]["high"]
    said = estimate(summary["mean"], low, high)
    return Row(label, summary["mean"], low, high, said, marker, colour, size, width)
