"""Family `count` in all its designs: events over an exposure, overdispersion looked at and modelled (methods.md §3)."""

import math
from dataclasses import replace

from analysis.designs.arms import both_arms, control_of, normal_summary, post_only, require_two_arms
from analysis.designs.cell_families import Counts, unlinked_note
from analysis.designs.cluster_binary import cluster_of, parallel_inputs, several_units
from analysis.designs.count_cells import COUNT, UNIT, Records, counted, dispersion_of, few, kappa_of, no_contrast
from analysis.designs.dispersion import judged
from analysis.designs.prepared import Prepared, Question
from analysis.designs.waves_binary import cross_section_of, did_of


def parallel(question: Question) -> Prepared:
    """Two arms after the start; the baseline is shown as balance and in an effect beside."""
    require_two_arms(question)
    baseline, followup = question.plan.baseline, question.followup
    everything = counted(question, [w for w in (baseline, followup) if w])
    arms = (control_of(question), question.plan.treated)
    after, before = (
        {arm: everything.total(arm, wave) for arm in reversed(arms)} for wave in (followup, baseline or "")
    )
    both_arms(question, {arm: r if r.n else None for arm, r in after.items()})
    cap, notes = post_only(question, seen_before=any(r.n for r in before.values()))
    counts = counted(question, [followup])
    units_per_arm = None
    if several_units(counts):
        inputs, unit_notes, units_per_arm = parallel_inputs(question, COUNT, counts)
        notes += unit_notes
    else:
        inputs, _, _ = parallel_inputs(question, COUNT, _pooled(counts))
        inputs = replace(inputs, unit=0.0)
    prepared = Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=None,
        n={arm: r.n for arm, r in after.items()},
        warnings=(
            *notes,
            *(unlinked_note(question, COUNT.answers, everything) if any(r.n for r in before.values()) else []),
            *no_contrast(question, after),
            *few(question, after),
        ),
        beside={
            "comparison": "post-only",
            "rates": {arm: r.as_dict() for arm, r in after.items()},
            **_baseline_beside(question, everything, before, after),
        },
        cap=cap,
        units_per_arm=units_per_arm,
        raw_unit=UNIT,
    )
    return _checked(question, prepared, counts)


def cluster(question: Question) -> Prepared:
    """Whole units in arms; the units' baseline rates enter by a slope on their logarithms."""
    return _checked(question, cluster_of(question, COUNT), counted(question, [question.followup]))


def cross_section(question: Question) -> Prepared:
    """One group before and after."""
    prepared = cross_section_of(question, COUNT)
    return _checked(question, prepared, counted(question, [str(question.plan.baseline), question.followup]))


def did(question: Question) -> Prepared:
    """Two arms over time."""
    waves = [w.key for w in question.plan.waves if w.kind == "baseline"]
    return _checked(question, did_of(question, COUNT), counted(question, [*waves, question.followup]))


def _checked(question: Question, prepared: Prepared, counts: Counts[Records]) -> Prepared:
    return judged(prepared, dispersion_of(question, counts), "Poisson", "negative binomial")


def _pooled(counts: Counts[Records]) -> Counts[Records]:
    """The same with a single unit that both arms are of."""
    by_unit = {(arm, ""): waves for (arm, _), waves in counts.by_unit.items()}
    return Counts(by_unit, ["" for _ in counts.names], counts.nothing, counts.linked)


def _baseline_beside(
    question: Question, everything: Counts[Records], before: dict[str, Records], after: dict[str, Records]
) -> dict[str, object]:
    """Balance of the baseline, and the difference in differences of log rates, in SD units.

    Its SE allows for how much the records of both waves vary beyond chance.
    """
    treated, control = question.plan.treated, control_of(question)
    if not all(r.n for r in before.values()):
        return {}
    kappa, beyond = kappa_of(question), COUNT.spread(question, everything)
    of_each = {(arm, w): waves[arm].told for w, waves in enumerate((before, after)) for arm in (treated, control)}
    gaps = [of_each[treated, w][0] - of_each[control, w][0] for w in (0, 1)]
    sd = math.sqrt(beyond * sum(variance for _, variance in of_each.values())) / abs(kappa)
    return {
        "balance": {**{arm: r.as_dict() for arm, r in before.items()}, "difference_sd": gaps[0] / kappa},
        "baseline_adjusted": {
            "method": "difference in differences of log rates, unlinked people",
            **normal_summary((gaps[1] - gaps[0]) / kappa, sd, question.plan.interval),
        },
    }
