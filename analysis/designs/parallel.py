"""Design `parallel`, normal outcomes: two arms side by side become the inputs of a model (docs/methods.md §3)."""

import math
from dataclasses import replace

from analysis.cells import Sums, check_scale, paired_sums_of, sums_of, total
from analysis.designs.arms import (
    balance,
    both_arms,
    control_of,
    no_spread,
    normal_summary,
    post_only,
    reference_sd,
    require_spread,
    require_two_arms,
    small_arms,
    wrong_shape,
)
from analysis.designs.inputs import Ancova, AncovaUnknownR, Inputs, TwoMeans
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.units_of import (
    baseline_notes,
    has_units,
    of_means,
    of_pairs,
    unit_baselines,
    units_notes,
    units_per_arm,
)
from analysis.documents import Cell, Change, Design, Pair
from analysis.errors import Refused
from analysis.rows import Reduced, reduce_rows

SINGULAR = 1e-4
"""Share of unexplained variance (r beyond ±0.99995) below which a correlation counts as ±1."""


def normal(question: Question) -> Prepared:
    """Linked data give an ANCOVA, changes a difference of mean changes, the rest a post-only comparison.

    From two named units on, and in the design `cluster` always, units have effects of their own.
    """
    require_two_arms(question)
    data = question.data
    if data.rows is not None:
        reduced = reduce_rows(question.placed(data.rows), question.plan.baseline, question.followup)
        if not reduced.pairs:
            return _unlinked(question, reduced.cells)
        return _with_missing(_linked(question, reduced.pairs), reduced)
    if data.pairs is not None:
        return _linked(question, data.pairs)
    if data.changes is not None:
        return _changes(question, data.changes)
    if data.cells is not None:
        return _unlinked(question, data.cells)
    raise wrong_shape(question, "rows, pairs, changes or cells")


def _linked(question: Question, pairs: list[Pair]) -> Prepared:
    arms = {arm: total(paired_sums_of(p) for p in entries) for arm, entries in question.by_arm(pairs).items()}
    control, treated = both_arms(question, arms)
    for arm, sums in ((control_of(question), control), (question.plan.treated, treated)):
        check_scale(question.measure, sums.first, f"{arm}, baseline")
        check_scale(question.measure, sums.second, f"{arm}, follow-up")
        require_spread(question, arm, sums.second, least=3)
        if sums.residual_share < SINGULAR:
            raise no_spread(question, arm, "the follow-up follows from the baseline as good as without error (r is ±1)")
    scale, scale_notes = reference_sd(question, [control.first, treated.first], [control.second, treated.second])
    centre = question.measure.reference_mean
    if centre is None:
        centre = (control.first + treated.first).mean
    c, t = (a.standardised(centre, question.sign * scale) for a in (control, treated))
    notes = [*units_notes(question, pairs), *small_arms(question, {a: s for a, s in arms.items() if s}), *scale_notes]
    inputs: Inputs
    sigma_scale = question.plan.priors.sigma.scale
    if c.s12 is None or t.s12 is None:
        inputs = AncovaUnknownR.of(c, t, sigma_scale)
        known = c.s12 is not None or t.s12 is not None
        message = (
            "The correlation between baseline and follow-up was not reported"
            + (" for every arm" if known else "")
            + "; it is taken as 0.65 give or take 0.15, and the interval is wider for it."
        )
        notes.append(Note("correlation_unknown", message, question.measure.measure))
    else:
        inputs = Ancova.of(c, t, _slope(question, c.s11 + t.s11), sigma_scale)
    if has_units(question, pairs):
        inputs = of_pairs(question, pairs, centre, scale, (control.first + treated.first).mean)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, control_of(question): control.n},
        warnings=tuple(notes),
        beside={"comparison": "ancova", "balance": balance(question, control.first, treated.first, scale)},
        units_per_arm=units_per_arm(question, pairs),
        centre=centre,
    )


def _slope(question: Question, baseline_ss: float) -> tuple[float, float]:
    """Mean and precision of the slope's prior; a flat one needs a baseline that varies."""
    prior = question.plan.priors.slope
    if prior != "flat":
        return prior.mean, prior.sd**-2
    if baseline_ss == 0:
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: the baseline does not vary, so a flat prior leaves the slope undefined.",
            "Give the slope a proper prior, for example mean 0.5 and SD 0.5.",
        )
    return 0.0, 0.0


def _changes(question: Question, changes: list[Change]) -> Prepared:
    arms = {arm: total(sums_of(c) for c in entries) for arm, entries in question.by_arm(changes).items()}
    control, treated = both_arms(question, arms)
    for arm, sums in ((control_of(question), control), (question.plan.treated, treated)):
        _check_change(question, arm, sums)
        require_spread(question, arm, sums)
    scale, scale_notes = reference_sd(question, [], [], [control, treated])
    c, t = (a.standardised(0.0, question.sign * scale) for a in (control, treated))
    message = (
        "Only changes are known: the comparison cannot adjust for the baseline and is less precise than it could be."
    )
    notes = [
        Note("change_score_only", message, question.measure.measure),
        *units_notes(question, changes),
        *small_arms(question, {a: s for a, s in arms.items() if s}),
        *scale_notes,
    ]
    inputs: Inputs = TwoMeans.of(c, t, question.plan.priors.sigma.scale)
    if has_units(question, changes):
        inputs = of_means(question, changes, {}, 0.0, scale)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, control_of(question): control.n},
        warnings=tuple(notes),
        beside={"comparison": "difference of mean changes"},
        units_per_arm=units_per_arm(question, changes),
    )


def _check_change(question: Question, arm: str, sums: Sums) -> None:
    """Refuse changes wider than the scale: a mean beyond its width, or an SD that no changes within it can have."""
    low, high = question.measure.minimum, question.measure.maximum
    if low is not None and high is not None:
        span = high - low
        check_scale(question.measure.model_copy(update={"minimum": -span, "maximum": span}), sums, f"{arm}, change")


def _unlinked(question: Question, cells: list[Cell]) -> Prepared:
    by_arm = question.by_arm(cells)
    after = {a: total(sums_of(c) for c in cs if c.wave == question.followup) for a, cs in by_arm.items()}
    before = {a: total(sums_of(c) for c in cs if c.wave == question.plan.baseline) for a, cs in by_arm.items()}
    control, treated = both_arms(question, after)
    for wave, arms in ((question.followup, after), (question.plan.baseline, before)):
        for arm, sums in arms.items():
            if sums is not None:
                check_scale(question.measure, sums, f"{arm}, {wave}")
    require_spread(question, control_of(question), control)
    require_spread(question, question.plan.treated, treated)
    baselines = [s for s in before.values() if s is not None]
    by_unit = has_units(question, cells)
    before_by_unit = unit_baselines(question, cells) if question.plan.design is Design.CLUSTER and by_unit else {}
    cap, cap_notes = (None, []) if before_by_unit else post_only(question, seen_before=bool(baselines))
    scale, scale_notes = reference_sd(question, baselines, [control, treated])
    centre = question.measure.reference_mean
    if centre is None:
        centre = (total(baselines) or control + treated).mean
    c, t = (a.standardised(centre, question.sign * scale) for a in (control, treated))
    notes = [
        *cap_notes,
        *units_notes(question, cells),
        *small_arms(question, {a: s for a, s in after.items() if s}),
        *scale_notes,
    ]
    inputs: Inputs = TwoMeans.of(c, t, question.plan.priors.sigma.scale)
    if by_unit:
        inputs = of_means(question, [x for x in cells if x.wave == question.followup], before_by_unit, centre, scale)
        notes += baseline_notes(question, cells, before_by_unit)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, control_of(question): control.n},
        warnings=tuple(notes),
        beside={
            "comparison": "adjusted for the units' baseline means" if before_by_unit else "post-only",
            **_baseline_beside(question, before, control, treated, scale),
        },
        cap=cap,
        units_per_arm=units_per_arm(question, cells),
        centre=centre,
    )


def _baseline_beside(
    question: Question, before: dict[str, Sums | None], control: Sums, treated: Sums, scale: float
) -> dict[str, object]:
    """Balance of an unlinked baseline and the difference in differences, both beside the post-only comparison."""
    first_control, first_treated = before.get(control_of(question)), before.get(question.plan.treated)
    if first_control is None or first_treated is None:
        return {}
    gap = (treated.mean - first_treated.mean) - (control.mean - first_control.mean)
    variance = sum(s.sd**2 / s.n for s in (control, treated, first_control, first_treated))
    return {
        "balance": balance(question, first_control, first_treated, scale),
        "difference_in_differences": normal_summary(
            gap / (question.sign * scale), math.sqrt(variance) / scale, question.plan.interval
        ),
    }


def _with_missing(prepared: Prepared, reduced: Reduced) -> Prepared:
    """Say what became of people seen in one wave only, and read attrition off the rows.

    Under ANCOVA the likelihood of y2 given y1 is of the people with both; who has only a baseline adds nothing to it
    when missingness depends on the baseline (MAR).
    """
    name, notes = prepared.measure.measure, list(prepared.warnings)
    lost, unseen = sum(reduced.lost.values()), sum(reduced.unseen.values())
    for code, count, message in (
        ("followup_missing", lost, "were not seen again; given their baseline they are taken as missing at random."),
        ("baseline_missing", unseen, "have a follow-up and no baseline; the adjusted comparison leaves them out."),
        ("rows_unlinked", reduced.unlinked, "name no participant; the comparison of linked people leaves them out."),
    ):
        if count:
            notes.append(Note(code, f"{count} {'rows' if code == 'rows_unlinked' else 'people'} {message}", name))
    attrition = {arm: reduced.lost.get(arm, 0) / (reduced.lost.get(arm, 0) + n) for arm, n in prepared.n.items()}
    return replace(prepared, warnings=tuple(notes), attrition=attrition)
