"""Design `parallel`, binary outcomes: counts of two arms become the inputs of a model (docs/methods.md §3)."""

import math

import numpy as np

from analysis.cells import Sums, log_odds
from analysis.designs.arms import (
    both_arms,
    control_of,
    normal_summary,
    post_only,
    require_two_arms,
    small_arms,
    wrong_shape,
)
from analysis.designs.binary_cells import BINARY, counted
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.cluster_binary import parallel_inputs, several_units
from analysis.designs.inputs import Inputs, TwoProportions
from analysis.designs.prepared import Note, Prepared, Question
from analysis.documents import CountOf
from analysis.errors import Refused
from analysis.rows import counts_of, reduce_rows

__all__ = ["KAPPA_LOGIT", "binary"]


def binary(question: Question) -> Prepared:
    """Counts after the intervention in two arms; the baseline is shown as balance and in an effect beside."""
    require_two_arms(question)
    counts = _counts(question)
    by_arm = question.by_arm(counts)
    after = {a: _add([c for c in cs if c.wave == question.followup]) for a, cs in by_arm.items()}
    before = {a: _add([c for c in cs if c.wave == question.plan.baseline]) for a, cs in by_arm.items()}
    control, treated = both_arms(question, after)
    cap, cap_notes = post_only(question, seen_before=any(before.values()))
    notes = [*cap_notes, *_no_contrast(question, control, treated)]
    if question.plan.priors.effect == "flat" and any(x in (0, n) for x, n in (control, treated)):
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: an arm with no event or nothing but events and a flat prior on the effect "
            "leave its log odds without bound.",
            "Give the effect a proper prior, for example mean 0 and SD 0.5.",
        )
    kappa = question.sign * KAPPA_LOGIT
    sizes = {question.plan.treated: treated[1], control_of(question): control[1]}
    small = small_arms(question, {arm: Sums(n, 0.0, 0.0) for arm, n in sizes.items()})
    inputs: Inputs = TwoProportions(
        np.array([control[0], treated[0]], float), np.array([control[1], treated[1]], float), kappa
    )
    units_per_arm = None
    by_unit = counted(question, [question.followup])
    if several_units(by_unit):
        inputs, unit_notes, units_per_arm = parallel_inputs(question, BINARY, by_unit)
        notes += unit_notes
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n=sizes,
        warnings=(*notes, *small),
        beside={
            "comparison": "post-only",
            "rates": {question.plan.treated: _share(treated), control_of(question): _share(control)},
            **_baseline_beside(question, before, control, treated),
        },
        cap=cap,
        units_per_arm=units_per_arm,
    )


def _counts(question: Question) -> list[CountOf]:
    data = question.data
    if data.counts is not None:
        return data.counts
    if data.rows is None:
        raise wrong_shape(question, "rows (0 or 1) or counts")
    rows = question.placed(data.rows)
    reduce_rows(rows, question.plan.baseline, question.followup)  # refuses doubles and people who changed arms
    return counts_of(rows)


def _no_contrast(question: Question, control: tuple[int, int], treated: tuple[int, int]) -> list[Note]:
    (xc, nc), (xt, nt) = control, treated
    if xc + xt not in (0, nc + nt):
        return []
    message = (
        f"Everybody or nobody has the event in both arms ({xt} of {nt} against {xc} of {nc}): the data can hardly "
        "tell a difference, and what is shown comes from the priors."
    )
    return [Note("no_contrast", message, question.measure.measure)]


def _baseline_beside(
    question: Question,
    before: dict[str, tuple[int, int] | None],
    control: tuple[int, int],
    treated: tuple[int, int],
) -> dict[str, object]:
    """Balance of the baseline, and the difference in differences of log odds (Beta(1, 1) each), in SD units."""
    first_control, first_treated = before.get(control_of(question)), before.get(question.plan.treated)
    if first_control is None or first_treated is None:
        return {}
    logits = [log_odds(*arm) for arm in (treated, control, first_treated, first_control)]
    kappa = question.sign * KAPPA_LOGIT
    gap_before = logits[2][0] - logits[3][0]
    gap = logits[0][0] - logits[1][0] - gap_before
    sd = math.sqrt(sum(variance for _, variance in logits)) / KAPPA_LOGIT
    return {
        "balance": {
            question.plan.treated: _share(first_treated),
            control_of(question): _share(first_control),
            "difference_sd": gap_before / kappa,
        },
        "baseline_adjusted": {
            "method": "difference in differences of log odds, unlinked people",
            **normal_summary(gap / kappa, sd, question.plan.interval),
        },
    }


def _share(count: tuple[int, int]) -> dict[str, float]:
    return {"x": count[0], "n": count[1], "share": count[0] / count[1]}


def _add(counts: list[CountOf]) -> tuple[int, int] | None:
    return (sum(c.x for c in counts), sum(c.n for c in counts)) if counts else None
