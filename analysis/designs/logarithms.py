"""Data of positive values turned into data of their logarithms, as far as each shape tells them. No model here.

Of means and SDs the logarithms are taken to be normal: with cv = SD/mean, log values have variance log(1 + cv²) and
mean log(mean) − half of that; two waves with correlation r have log values with log(1 + r cv₁ cv₂) as covariance.
"""

import math
from collections.abc import Sequence

from analysis.designs.arms import wrong_shape
from analysis.designs.prepared import Question
from analysis.documents import Cell, MeasureData, Pair, Row
from analysis.errors import Refused


def logged(question: Question) -> MeasureData:
    """The same data as logarithms; `Refused` for values at or below 0, for changes, and for impossible moments."""
    data = question.data
    if data.rows is not None:
        others = {wave.key for wave in question.plan.waves} - {question.plan.baseline, question.followup}
        rows = [row for row in data.rows if row.wave not in others]
        _refuse_zeros(question, [row.value for row in rows])
        return MeasureData(rows=[_row(row) for row in rows])
    if data.cells is not None:
        _refuse_zeros(question, [cell.mean for cell in data.cells])
        return MeasureData(cells=[_cell(cell) for cell in data.cells])
    if data.pairs is not None:
        _refuse_zeros(question, [mean for pair in data.pairs for mean in pair.mean])
        return MeasureData(pairs=[_pair(question, pair) for pair in data.pairs])
    if data.changes is not None:
        raise Refused(
            "wrong_shape",
            f"{question.measure.measure}: a change of a duration says nothing of the ratio of after to before, "
            "which is how durations are compared.",
            "Give rows, pairs (n, means, SDs and r of both waves) or cells; or plan the measure as `normal`.",
        )
    raise wrong_shape(question, "rows, pairs or cells")


def moments(mean: float, sd: float) -> tuple[float, float]:
    """Mean and SD of the logarithms of values with this mean and SD."""
    variance = math.log1p((sd / mean) ** 2)
    return math.log(mean) - variance / 2, math.sqrt(variance)


def _row(row: Row) -> Row:
    return row.model_copy(update={"value": math.log(row.value)})


def _cell(cell: Cell) -> Cell:
    if cell.sd is None:
        return cell.model_copy(update={"mean": math.log(cell.mean)})
    mean, sd = moments(cell.mean, cell.sd)
    return cell.model_copy(update={"mean": mean, "sd": sd})


def _pair(question: Question, pair: Pair) -> Pair:
    of_waves = [moments(mean, sd) for mean, sd in zip(pair.mean, pair.sd, strict=True)]
    means, sds = (of_waves[0][0], of_waves[1][0]), (of_waves[0][1], of_waves[1][1])
    r = pair.r
    if r is not None and min(sds) > 0:
        product = r * pair.sd[0] / pair.mean[0] * pair.sd[1] / pair.mean[1]
        r = math.log1p(product) / (sds[0] * sds[1]) if product > -1 else -math.inf
        # Printed moments are rounded; a little beyond 1 is 1, which the design then judges.
        if abs(r) > 1.0 + ROUNDED:
            raise Refused(
                "impossible_summary",
                f"{question.measure.measure}: no lognormal values have these means and SDs and a correlation of "
                f"{pair.r:g}.",
                "Enter the rows, or means, SDs and r of the logarithms under a `normal` measure of log values.",
            )
        r = min(max(r, -1.0), 1.0)
    return pair.model_copy(update={"mean": means, "sd": sds, "r": r})


ROUNDED = 0.01


def _refuse_zeros(question: Question, values: Sequence[float]) -> None:
    low = sum(value <= 0 for value in values)
    if not low:
        return
    what = "values" if question.data.rows is not None else "means"
    raise Refused(
        "zero_duration",
        f"{question.measure.measure}: {low} of {len(values)} {what} ({100 * low / len(values):.0f} %) are 0 or below. "
        "Durations are compared by their ratios, on the scale of logarithms, and 0 has none; whether it happens at all "
        "is another question than how long it takes.",
        "Plan two measures: a binary one, whether there was any time, and the duration among those who had any. Or "
        "take a longer period a value, so that nobody has 0.",
    )
