"""Forest of the studies of a synthesis: as reported, shrunken, their mean and what to expect elsewhere."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.lines import Line2D

from analysis.evidence import Evidence, EvidenceRole, SynthesisRequest
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

    `answer` holds `mu`, `new` ({mean, interval, p_benefit}), `tau` and `studies` [{organization, mean, interval,
    counted_as?}] in the order of the evidence; effects in SD units, benefit to the right. Entries that count as one
    study are drawn in one row. Raises `Refused` where the synthesis was, and for an answer to another request.
    """
    if "mu" not in answer or not answer.get("studies"):
        raise nothing_to_plot("the synthesis gave no estimate", "See the refusal of the synthesis.")
    mu, new = answer["mu"], answer["new"]
    if len(answer["studies"]) != len(request.evidence):
        raise nothing_to_plot("the answer is to other evidence", "Give the request that was answered.")
    studies = _studies(request.evidence, answer["studies"])
    labelled = len(studies) <= MOST_LABELLED
    rows = [_study(listed, entries, labelled=labelled) for listed, entries in studies]
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
        for y, (_, found) in enumerate(studies):
            step = min(0.14, 0.36 / len(found))
            for i, entry in enumerate(found):
                at = y - (0.28 if labelled else 0) - step * (i - (len(found) - 1) / 2)
                _observed(axes, at, entry, limits, labelled=labelled)
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


def _studies(
    evidence: Sequence[Evidence], listed: Sequence[Mapping[str, Any]]
) -> list[tuple[Mapping[str, Any], list[Evidence]]]:
    """The distinct studies in the order of their first entries, each with its entries: nobody is drawn twice."""
    found: dict[object, tuple[Mapping[str, Any], list[Evidence]]] = {}
    for i, (entry, study) in enumerate(zip(evidence, listed, strict=True)):
        counted = study.get("counted_as")
        found.setdefault(counted["organization"] if counted else i, (study, []))[1].append(entry)
    return list(found.values())


def _limits(rows: Sequence[Row], request: SynthesisRequest) -> tuple[float, float]:
    """Limits that hold every result, zero and the MMD; an interval as reported may run out of them."""
    low, high = min(0.0, *(r.low for r in rows)), max(request.mmd, *(r.high for r in rows))
    ends = [e.effect_sd + side * NORMAL_95 * e.se_sd for e in request.evidence for side in (-1, 1)]
    return far_span(low, high, tuple(ends), reach=1.0)


def _folded(organization: str) -> str:
    return " ".join(organization.split()).casefold()


def _study(study: Mapping[str, Any], entries: Sequence[Evidence], *, labelled: bool) -> Row:
    low, high = study["interval"]["low"], study["interval"]["high"]
    alone = {"organization": study["organization"], "role": entries[0].role.value, "grade": entries[0].grade}
    counted = study.get("counted_as") or alone
    many = f", {len(entries)} entries" if len(entries) > 1 else ""
    label = f"{name(counted['organization'], 22)}\n{counted['role']}, grade {counted['grade']}{many}"
    marker = "^" if counted["role"] == EvidenceRole.ORIGIN else "o"
    size, width = (4.5, 1.5) if labelled else (2.0, 0.6)
    return Row(label, study["mean"], low, high, estimate(study["mean"], low, high), marker, BLUE, size, width)


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
               label="as reported, ±1.96 SE (arrow: farther out)"),
        Line2D([], [], color=BLUE, marker="o", markersize=4.5, label=f"shrunken{less} (triangle: origin)"),
    ]  # fmt: skip
