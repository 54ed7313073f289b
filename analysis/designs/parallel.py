"""Design `parallel`: two arms side by side. Cells and plan become the inputs of a model (docs/methods.md §3)."""

import math

import numpy as np
from scipy.special import ndtri

from analysis.cells import PairedSums, Sums, check_scale, paired_sums_of, sums_of, total
from analysis.designs.inputs import Ancova, AncovaUnknownR, TwoMeans, TwoProportions
from analysis.designs.prepared import SMALL_ARM, Note, Prepared, Question
from analysis.documents import Cell, Change, CountOf, Pair
from analysis.errors import Refused
from analysis.proportions import log_odds
from analysis.rows import cells_of, counts_of, reduce_rows

KAPPA_LOGIT = math.pi / math.sqrt(3)
"""SD of the standard logistic distribution: logits a SD unit."""
SINGULAR = 1e-9
"""Share of unexplained variance below which a correlation counts as ±1."""


def normal(question: Question) -> Prepared:
    """Linked data give an ANCOVA, changes a difference of mean changes, the rest a post-only comparison."""
    _two_arms(question)
    data = question.data
    if data.rows is not None:
        reduced = reduce_rows(data.rows, question.plan.baseline, question.followup)
        for row in data.rows:
            question.check_wave(row.wave)
        if not reduced.pairs:
            return _unlinked(question, reduced.cells)
        prepared = _linked(question, reduced.pairs)
        return _with_missing(question, prepared, reduced.lost, reduced.unseen, reduced.unlinked)
    if data.pairs is not None:
        return _linked(question, data.pairs)
    if data.changes is not None:
        return _changes(question, data.changes)
    if data.cells is not None:
        return _unlinked(question, data.cells)
    raise _wrong_shape(question, "rows, pairs, changes or cells")


def _linked(question: Question, pairs: list[Pair]) -> Prepared:
    by_arm = question.by_arm(pairs)
    arms = {arm: total(paired_sums_of(p) for p in entries) for arm, entries in by_arm.items()}
    control, treated = _both(question, arms)
    notes = [*_pooled_units(question, pairs), *_small(question, arms)]
    for arm, sums in arms.items():
        if sums is not None:
            check_scale(question.measure, sums.first, f"{arm}, baseline")
            check_scale(question.measure, sums.second, f"{arm}, follow-up")
            if sums.n > 2 and sums.residual_share < SINGULAR:
                raise _no_spread(question, arm, "the follow-up follows from the baseline without error (r is ±1)")
            _needs_spread(question, arm, sums.second)
    scale, scale_notes = _reference_sd(question, [control.first, treated.first])
    centre = question.measure.reference_mean
    if centre is None:
        centre = (control.first + treated.first).mean
    c, t = (a.standardised(centre, question.sign * scale) for a in (control, treated))
    priors = question.plan.priors
    unknown = c.s12 is None or t.s12 is None
    if unknown:
        partly = not (c.s12 is None and t.s12 is None)
        notes.append(
            Note(
                "correlation_unknown",
                "The correlation between baseline and follow-up was not reported"
                + (" for every arm or unit" if partly else "")
                + "; it is taken as 0.65 give or take 0.15, and the interval is wider for it.",
                question.measure.measure,
            )
        )
        inputs: AncovaUnknownR | Ancova = AncovaUnknownR.of(c, t, priors.sigma.scale)
    else:
        flat = priors.slope == "flat"
        slope = (0.0, 0.0) if priors.slope == "flat" else (priors.slope.mean, priors.slope.sd**-2)
        if flat and c.s11 + t.s11 == 0:
            raise Refused(
                "improper_posterior",
                f"{question.measure.measure}: the baseline does not vary, so a flat prior leaves the slope undefined.",
                "Give the slope a proper prior, for example mean 0.5 and SD 0.5.",
            )
        inputs = Ancova.of(c, t, slope, priors.sigma.scale)
    return Prepared(
        measure=question.measure,
        inputs=inputs,
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, _control(question): control.n},
        warnings=(*notes, *scale_notes),
        beside={"model": "ancova", "balance": _balance(question, control.first, treated.first, scale)},
    )


def _changes(question: Question, changes: list[Change]) -> Prepared:
    by_arm = question.by_arm(changes)
    arms = {arm: total(sums_of(c) for c in entries) for arm, entries in by_arm.items()}
    control, treated = _both(question, arms)
    for arm, sums in arms.items():
        if sums is not None:
            _needs_spread(question, arm, sums)
    scale, scale_notes = _reference_sd(question, [])
    span = None
    if question.measure.minimum is not None and question.measure.maximum is not None:
        span = question.measure.maximum - question.measure.minimum
    for arm, sums in arms.items():
        if sums is not None and span is not None and abs(sums.mean) > span:
            raise Refused(
                "off_the_scale",
                f"{question.measure.measure}, {arm}: a mean change of {sums.mean:g} is more than the scale is wide.",
                "Check the unit and the variant of the instrument.",
            )
    c, t = (a.standardised(0.0, question.sign * scale) for a in (control, treated))
    note = Note(
        "change_score_only",
        "Only changes are known: the comparison cannot adjust for the baseline and is less precise than it could be.",
        question.measure.measure,
    )
    return Prepared(
        measure=question.measure,
        inputs=TwoMeans.of(c, t, question.plan.priors.sigma.scale),
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, _control(question): control.n},
        warnings=(note, *_pooled_units(question, changes), *_small(question, arms), *scale_notes),
        beside={"model": "difference of mean changes"},
    )


def _unlinked(question: Question, cells: list[Cell]) -> Prepared:
    by_arm = question.by_arm(cells)
    after = {a: total(sums_of(c) for c in cs if c.wave == question.followup) for a, cs in by_arm.items()}
    before = {a: total(sums_of(c) for c in cs if c.wave == question.plan.baseline) for a, cs in by_arm.items()}
    control, treated = _both(question, after)
    for wave, arms in ((question.followup, after), (question.plan.baseline, before)):
        for arm, sums in arms.items():
            if sums is not None:
                check_scale(question.measure, sums, f"{arm}, {wave}")
    for arm, sums in after.items():
        if sums is not None:
            _needs_spread(question, arm, sums)
    baselines = [s for s in before.values() if s is not None]
    cap, notes = _post_only(question, seen_before=bool(baselines))
    scale, scale_notes = _reference_sd(question, baselines)
    centre = question.measure.reference_mean
    if centre is None:
        pooled = total(baselines) or (control + treated)
        centre = pooled.mean
    c, t = (a.standardised(centre, question.sign * scale) for a in (control, treated))
    beside: dict[str, object] = {"model": "post-only comparison"}
    first_c, first_t = before.get(_control(question)), before.get(question.plan.treated)
    if first_c is not None and first_t is not None:
        beside["balance"] = _balance(question, first_c, first_t, scale)
        gap = (treated.mean - first_t.mean) - (control.mean - first_c.mean)
        variance = sum(s.sd**2 / s.n for s in (control, treated, first_c, first_t))
        beside["difference_in_differences"] = _normal_summary(
            gap / (question.sign * scale), math.sqrt(variance) / scale, question.plan.interval
        )
    return Prepared(
        measure=question.measure,
        inputs=TwoMeans.of(c, t, question.plan.priors.sigma.scale),
        raw_per_sd=question.sign * scale,
        n={question.plan.treated: treated.n, _control(question): control.n},
        warnings=(*notes, *_pooled_units(question, cells), *_small(question, after), *scale_notes),
        beside=beside,
        cap=cap,
    )


def binary(question: Question) -> Prepared:
    """Counts after the intervention, two arms; the baseline is shown as balance and beside."""
    _two_arms(question)
    data = question.data
    if data.rows is not None:
        for row in data.rows:
            question.check_wave(row.wave)
        reduce_rows(data.rows, question.plan.baseline, question.followup)  # refuses duplicates and changed arms
        counts = counts_of(data.rows)
    elif data.counts is not None:
        counts = data.counts
    else:
        raise _wrong_shape(question, "rows (0 or 1) or counts")
    by_arm = question.by_arm(counts)
    after = {a: _add([c for c in cs if c.wave == question.followup]) for a, cs in by_arm.items()}
    before = {a: _add([c for c in cs if c.wave == question.plan.baseline]) for a, cs in by_arm.items()}
    (xc, nc), (xt, nt) = _both(question, after)
    cap, notes = _post_only(question, seen_before=any(before.values()))
    if xc + xt in (0, nc + nt):
        notes = (
            *notes,
            Note(
                "no_contrast",
                f"Everybody or nobody has the event in both arms ({xt} of {nt} against {xc} of {nc}): "
                "the data can hardly tell a difference, and what is shown comes from the priors.",
                question.measure.measure,
            ),
        )
    if question.plan.priors.effect == "flat" and (xc in (0, nc) or xt in (0, nt)):
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: an arm with no event or nothing but events and a flat prior on the effect "
            "leave its log odds without bound.",
            "Give the effect a proper prior, for example mean 0 and SD 0.5.",
        )
    kappa = question.sign * KAPPA_LOGIT
    beside: dict[str, object] = {"model": "post-only comparison", "rates": {
        question.plan.treated: {"x": xt, "n": nt}, _control(question): {"x": xc, "n": nc}}}
    first_c, first_t = before.get(_control(question)), before.get(question.plan.treated)
    if first_c and first_t:
        parts = [log_odds(xt, nt), log_odds(xc, nc), log_odds(*first_t), log_odds(*first_c)]
        gap = (parts[0][0] - parts[1][0]) - (parts[2][0] - parts[3][0])
        before_gap = (parts[2][0] - parts[3][0]) / kappa
        beside["balance"] = {
            question.plan.treated: {"x": first_t[0], "n": first_t[1], "share": first_t[0] / first_t[1]},
            _control(question): {"x": first_c[0], "n": first_c[1], "share": first_c[0] / first_c[1]},
            "difference_sd": before_gap,
        }
        beside["baseline_adjusted"] = {
            "method": "difference in differences of log odds, unlinked people",
            **_normal_summary(gap / kappa, math.sqrt(sum(v for _, v in parts)) / KAPPA_LOGIT, question.plan.interval),
        }
    sums = {question.plan.treated: Sums(nt, 0, 0), _control(question): Sums(nc, 0, 0)}
    return Prepared(
        measure=question.measure,
        inputs=TwoProportions(np.array([xc, xt], float), np.array([nc, nt], float), kappa),
        raw_per_sd=None,
        n={question.plan.treated: nt, _control(question): nc},
        warnings=(*notes, *_pooled_units(question, counts), *_small(question, sums)),
        beside=beside,
        cap=cap,
    )


# --- what may be compared ---------------------------------------------------------------------------------------


def _control(question: Question) -> str:
    return str(question.plan.control)


def _two_arms(question: Question) -> None:
    if question.plan.control is None:
        raise Refused(
            "control_missing",
            "A parallel design compares two arms, and the plan names no control.",
            "Name the control arm in the plan, or plan a design without one.",
        )


def _both[T](question: Question, arms: dict[str, T | None]) -> tuple[T, T]:
    """Control and treated; `Refused` when one has no data at the look's wave."""
    control, treated = arms.get(_control(question)), arms.get(question.plan.treated)
    if control is None or treated is None:
        empty = _control(question) if control is None else question.plan.treated
        raise Refused(
            "arm_empty",
            f"{question.measure.measure}: arm {empty!r} has no data at wave {question.followup!r}.",
            "Collect or enter the missing wave of that arm; one arm alone shows a change, not an effect.",
        )
    return control, treated


def _post_only(question: Question, *, seen_before: bool) -> tuple[str | None, tuple[Note, ...]]:
    """Whether a comparison after the fact may stand: randomisation excuses it, nothing else does."""
    if question.plan.randomised:
        return None, ()
    if seen_before:
        raise Refused(
            "baseline_unlinked",
            f"{question.measure.measure}: arms that were not randomised differ before the start; the baseline is "
            "there but not linked to the follow-up, so a parallel comparison would ignore it.",
            "Plan the design `did`, or enter linked data: pairs, or rows with a participant.",
        )
    note = Note(
        "post_only_not_randomised",
        "The arms were not randomised and nobody was measured before: a difference may have been there all along. "
        "The outcome is capped at refine.",
        question.measure.measure,
    )
    return "no baseline in arms that were not randomised", (note,)


def _needs_spread(question: Question, arm: str, sums: Sums) -> None:
    """Refuse one person alone, and several without any spread: a variance cannot be learned from either."""
    if sums.n < 2:
        raise Refused(
            "too_few_people",
            f"{question.measure.measure}: arm {arm!r} has one person; no spread can be learned from one.",
            "At least two people an arm are needed, and many more for an answer of use.",
        )
    if sums.ss <= 1e-12 * max(1.0, abs(sums.mean)) ** 2:
        raise _no_spread(question, arm, f"all {sums.n} values are the same (SD 0)")


def _no_spread(question: Question, arm: str, why: str) -> Refused:
    return Refused(
        "no_variation",
        f"{question.measure.measure}: in arm {arm!r} {why}; a normal model would call its effect certain.",
        "Check the SD and the correlation; where everyone truly is at the same value, a binary or ordinal "
        "version of the measure fits better.",
    )


def _wrong_shape(question: Question, shapes: str) -> Refused:
    return Refused(
        "wrong_shape",
        f"{question.measure.measure}: a {question.measure.family.value} measure in a parallel design cannot be "
        f"given as {question.data.shape}.",
        f"Give {shapes}.",
    )


# --- scale, balance, warnings -----------------------------------------------------------------------------------


def _reference_sd(question: Question, baselines: list[Sums]) -> tuple[float, tuple[Note, ...]]:
    """The plan's reference SD, else the pooled baseline SD within arms with a warning, else `Refused`."""
    if question.measure.reference_sd is not None:
        return question.measure.reference_sd, ()
    free = sum(s.n - 1 for s in baselines)
    ss = sum(s.ss for s in baselines)
    if free < 1 or ss <= 0:
        raise Refused(
            "reference_sd_missing",
            f"{question.measure.measure}: no reference SD is planned and no baseline is there to take one from.",
            "Set reference_sd in the plan: the benchmark's SD of the specialty, or the measure's default.",
        )
    note = Note(
        "reference_sd_from_data",
        "No reference SD was planned; the pooled SD of the baseline stands in. Freeze one in the plan.",
        question.measure.measure,
    )
    return math.sqrt(ss / free), (note,)


def _balance(question: Question, control: Sums, treated: Sums, scale: float) -> dict[str, object]:
    return {
        question.plan.treated: {"n": treated.n, "mean": treated.mean, "sd": treated.sd},
        _control(question): {"n": control.n, "mean": control.mean, "sd": control.sd},
        "difference_sd": question.sign * (treated.mean - control.mean) / scale,
    }


def _normal_summary(mean: float, sd: float, prob: float) -> dict[str, object]:
    half = float(ndtri(0.5 + prob / 2)) * sd
    return {
        "mean": mean,
        "sd": sd,
        "interval": {"low": mean - half, "high": mean + half, "prob": prob, "kind": "normal approximation"},
    }


def _add(counts: list[CountOf]) -> tuple[int, int] | None:
    return (sum(c.x for c in counts), sum(c.n for c in counts)) if counts else None


def _pooled_units(question: Question, items: list[Pair] | list[Change] | list[Cell] | list[CountOf]) -> list[Note]:
    units = {item.unit for item in items if item.unit is not None}
    if len(units) < 2:
        return []
    return [
        Note(
            "units_pooled",
            f"The data name {len(units)} units; this design pools them, which is right when people were assigned one "
            "by one. Where whole units were assigned, plan the design `cluster`.",
            question.measure.measure,
        )
    ]


def _small(question: Question, arms: dict[str, Sums | None] | dict[str, PairedSums | None]) -> list[Note]:
    small = {arm: sums.n for arm, sums in arms.items() if sums is not None and sums.n < SMALL_ARM}
    if not small:
        return []
    listed = ", ".join(f"{arm} {n}" for arm, n in small.items())
    message = f"Few people ({listed}): the priors weigh as much as the data."
    return [Note("small_arm", message, question.measure.measure)]


def _with_missing(
    question: Question,
    prepared: Prepared,
    lost: dict[str | None, int],
    unseen: dict[str | None, int],
    unlinked: int,
) -> Prepared:
    """Count who is missing in a wave; say what became of them and read attrition off the rows."""
    name, notes = question.measure.measure, list(prepared.warnings)
    if lost:
        message = f"{sum(lost.values())} people were not seen again. Given their baseline they are taken as missing at random."
        notes.append(Note("followup_missing", message, name))
    if unseen:
        message = f"{sum(unseen.values())} people have a follow-up and no baseline; the adjusted comparison cannot use them."
        notes.append(Note("baseline_missing", message, name))
    if unlinked:
        message = f"{unlinked} rows name no participant and cannot be linked; the comparison of linked people leaves them out."
        notes.append(Note("rows_unlinked", message, name))
    attrition = {arm: lost.get(arm, 0) / (lost.get(arm, 0) + n) for arm, n in prepared.n.items()}
    return Prepared(
        measure=prepared.measure,
        inputs=prepared.inputs,
        raw_per_sd=prepared.raw_per_sd,
        n=prepared.n,
        warnings=tuple(notes),
        attrition=attrition,
        beside=prepared.beside,
        cap=prepared.cap,
    )
