"""Forest of the studies of a synthesis: as reported, shrunken, their mean and what to expect elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from analysis.evidence import Evidence, SynthesisRequest
from analysis.plots.forest import Row, draw, mark
from analysis.plots.style import (
    BLACK,
    BLUE,
    GREEN,
    GREY,
    NORMAL_95,
    ORANGE,
    SD_UNITS,
    drawing,
    estimate,
    far_span,
    name,
    nothing_to_plot,
    number,
    percent,
    plain,
    zero_line,
)

MOST_LABELLED = 40
_TALLEST = 8.0
_ROW = 0.27


def synthesis(request: SynthesisRequest, answer: Mapping[str, Any]) -> str:
    """The evidence of a request with the answer of `synthesise`: observed and shrunken effects, μ and θ_new.

    `answer` holds `mu`, `new` ({mean, interval, p_benefit}), `tau` and `studies` [{organization, mean, interval}];
    effects in SD units, benefit to the right. Several entries of one study are drawn in its row. Raises `Refused`
    where the synthesis was.
    """
    if "mu" not in answer or not answer.get("studies"):
        raise nothing_to_plot("the synthesis gave no estimate", "See the refusal of the synthesis.")
    mu, new = answer["mu"], answer["new"]
    studies = list(answer["studies"])
    entries = _entries(request.evidence, studies)
    labelled = len(studies) <= MOST_LABELLED
    rows = [_study(s, e, labelled=labelled) for s, e in zip(studies, entries, strict=True)]
    pooled = [_pooled("mean μ", mu, "D", ORANGE), _pooled("new organization θ", new, "d", GREEN, dashed=True)]
    inches = _ROW if labelled else _TALLEST / len(rows)
    bar = mu["interval"]
    height = 2.2 + inches * len(rows) + _ROW * len(pooled)
    heading = (
        f"{len(studies)} {'study' if len(studies) == 1 else 'studies'}, "
        f"SD between organizations τ {number(answer['tau']['mean'])}\n"
        f"P(mean above 0) {percent(mu['p_benefit'])} · P(a new one above 0) {percent(new['p_benefit'])}"
    )
    with drawing("Synthesis of the evidence", height, heading) as drawn:
        axes = drawn.figure.subplots()
        draw(axes, rows, pooled, labelled=labelled, step=_ROW / inches)
        limits = _limits([*rows, *pooled], request)
        for y, found in enumerate(entries):
            for i, entry in enumerate(found):
                _observed(
                    axes,
                    y - (0.28 if labelled else 0) - 0.14 * (i - (len(found) - 1) / 2),
                    entry,
                    limits,
                    labelled=labelled,
                )
        axes.axhline(len(rows) - 1 + 0.45 * _ROW / inches, color=GREY, linewidth=0.6)
        axes.set_ylim(top=-0.9)
        axes.set_xlim(*limits)
        zero_line(axes)
        axes.axvline(request.mmd, color=BLACK, linewidth=0.9, linestyle=":")
        axes.set_xlabel(
            f"{SD_UNITS}; dotted: MMD {plain(request.mmd)}\n{plain(100 * bar['prob'])} % {bar['kind']} intervals"
        )
        drawn.figure.legend(handles=_legend(bias=request.bias), loc="outside lower left", ncols=1)
    return drawn.svg


def _entries(evidence: Sequence[Evidence], studies: Sequence[Mapping[str, Any]]) -> list[list[Evidence]]:
    """The entries behind each study: in the same order, or by the name where several entries make one study."""
    if len(studies) == len(evidence):
        return [[e] for e in evidence]
    named = [[e for e in evidence if _folded(e.organization) == _folded(s["organization"])] for s in studies]
    # Organizations that share a source are one study, named after all of them.
    joined = [
        [e for e in evidence if f" {_folded(e.organization)} " in f" {_folded(s['organization'])} "] for s in studies
    ]
    return [a or b for a, b in zip(named, joined, strict=True)]


def _limits(rows: Sequence[Row], request: SynthesisRequest) -> tuple[float, float]:
    """Limits that hold every result, zero and the MMD; an interval as reported may run out of them."""
    low, high = min(0.0, *(r.low for r in rows)), max(request.mmd, *(r.high for r in rows))
    ends = [e.effect_sd + side * NORMAL_95 * e.se_sd for e in request.evidence for side in (-1, 1)]
    return far_span(low, high, tuple(ends), reach=1.0)


def _folded(organization: str) -> str:
    return " ".join(organization.split()).casefold()


def _study(study: Mapping[str, Any], entries: Sequence[Evidence], *, labelled: bool) -> Row:
    low, high = study["interval"]["low"], study["interval"]["high"]
    roles = "/".join(dict.fromkeys(e.role.value for e in entries))
    grades = "/".join(sorted({e.grade for e in entries}))
    label = name(study["organization"], 22) + (f"\n{roles}, grade {grades}" if entries else "")
    origin = any(e.role == "origin" for e in entries)
    said = estimate(study["mean"], low, high)
    size, width = (4.5, 1.5) if labelled else (2.0, 0.6)
    return Row(label, study["mean"], low, high, said, "^" if origin else "o", BLUE, size, width)


def _pooled(label: str, summary: Mapping[str, Any], marker: str, colour: str, *, dashed: bool = False) -> Row:
    low, high = summary["interval"]["low"], summary["interval"]["high"]
    said = estimate(summary["mean"], low, high)
    return Row(label, summary["mean"], low, high, said, marker, colour, 6.5, 2.2, dashed)


def _observed(axes: Any, y: float, entry: Evidence, limits: tuple[float, float], *, labelled: bool) -> None:
    low, high = (entry.effect_sd + side * NORMAL_95 * entry.se_sd for side in (-1, 1))
    size, width = (3.5, 0.9) if labelled else (1.4, 0.4)
    mark(axes, y, Row("", entry.effect_sd, low, high, "", "s", GREY, size, width, hollow=True))
    for beyond, at, arrow in ((low < limits[0], limits[0], "<"), (high > limits[1], limits[1], ">")):
        if beyond:
            axes.plot(at, y, arrow, color=GREY, markersize=size, clip_on=False)


def _legend(*, bias: bool) -> list[Line2D]:
    less = ", less the bias of the grade" if bias else ""
    return [
        Line2D([], [], color=GREY, marker="s", markerfacecolor="white", markersize=3.5, linewidth=0.9,
               label="as reported, ±1.96 SE"),
        Line2D([], [], color=BLUE, marker="o", markersize=4.5, label=f"shrunken{less} (triangle: origin)"),
    ]  # fmt: skip
