"""What designs of two arms share: whether the arms may be compared, on which scale, with which warnings."""

import math
from collections.abc import Mapping, Sequence

from scipy.special import ndtri

from analysis.cells import PairedSums, Sums
from analysis.designs.prepared import SMALL_ARM, Note, Question
from analysis.documents import Family
from analysis.errors import Refused

SD_DOUBTED, SD_IMPOSSIBLE = 0.40, 0.05
"""Shares of the reference SD below which a reported SD is doubted, and below which it is no SD of these values."""
CHANGE_DOUBTED, CHANGE_IMPOSSIBLE = 0.45, 0.20
"""The same of changes, whose SD is √(2 (1 − r)) reference SDs: at these shares r would be 0.90 and 0.98."""
SD_TOO_LARGE = 100.0
SD_TELLS = 5
REFERENCE_SMALL = 1.5
"""People an arm from which on a tiny SD is no accident."""

# --- what may be compared ---------------------------------------------------------------------------------------


def control_of(question: Question) -> str:
    """Key of the control arm."""
    return str(question.plan.control)


def require_two_arms(question: Question) -> None:
    """Refuse a plan without a control arm."""
    if question.plan.control is None:
        raise Refused(
            "control_missing",
            f"The design {question.plan.design.value} compares two arms, and the plan names no control.",
            "Name the control arm in the plan, or plan a design without one.",
        )


def both_arms[T](question: Question, arms: dict[str, T | None]) -> tuple[T, T]:
    """Control and treated; `Refused` when one has no data at the look's wave."""
    control, treated = arms.get(control_of(question)), arms.get(question.plan.treated)
    if control is None or treated is None:
        empty = control_of(question) if control is None else question.plan.treated
        raise Refused(
            "arm_empty",
            f"{question.measure.measure}: arm {empty!r} has no data at wave {question.followup!r}.",
            "Collect or enter the missing wave of that arm; one arm alone shows a change, not an effect.",
        )
    return control, treated


def post_only(question: Question, *, seen_before: bool) -> tuple[str | None, list[Note]]:
    """Whether a comparison after the fact may stand: randomisation excuses it, nothing else does."""
    if question.plan.randomised:
        return None, []
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
    return "no baseline in arms that were not randomised", [note]


def require_spread(question: Question, arm: str, sums: Sums, least: int = 2) -> None:
    """Refuse arms of fewer than `least` people, and arms without any spread: no variance can be learned from them.

    A slope needs three: two people always lie on a line.
    """
    if sums.n < least:
        raise Refused(
            "too_few_people",
            f"{question.measure.measure}: arm {arm!r} has {sums.n} of the {least} people that can show any spread.",
            f"At least {least} people an arm are needed, and many more for an answer of use.",
        )
    if sums.ss <= 1e-12 * max(1.0, abs(sums.mean)) ** 2:
        raise no_spread(question, arm, f"all {sums.n} values are the same (SD 0)")


def no_spread(question: Question, arm: str, why: str) -> Refused:
    """The refusal of an arm without variation."""
    return Refused(
        "no_variation",
        f"{question.measure.measure}: in arm {arm!r} {why}; a normal model would call its effect certain.",
        "Check the SD and the correlation; where everyone truly is at the same value, a binary or ordinal "
        "version of the measure fits better.",
    )


def wrong_shape(question: Question, shapes: str) -> Refused:
    """The refusal of data in a shape this design has no use for."""
    article = "an" if question.measure.family is Family.ORDINAL else "a"
    return Refused(
        "wrong_shape",
        f"{question.measure.measure}: {article} {question.measure.family.value} measure in the design "
        f"{question.plan.design.value} cannot be given as {question.data.shape}.",
        f"Give {shapes}.",
    )


# --- scale, balance, warnings -----------------------------------------------------------------------------------


def reference_sd(
    question: Question, baselines: list[Sums], reported: list[Sums], changes: Sequence[Sums] = ()
) -> tuple[float, list[Note]]:
    """The plan's reference SD, else the pooled baseline SD within arms with a warning, else `Refused`.

    `reported` are values whose SDs should be of its size, those of `changes` somewhat smaller: a standard error
    entered as SD is neither.
    """
    name, planned = question.measure.measure, question.measure.reference_sd
    if planned is not None:
        notes = [
            *_plausible_sds(name, planned, [*baselines, *reported], SD_DOUBTED, SD_IMPOSSIBLE),
            *_plausible_sds(name, planned, changes, CHANGE_DOUBTED, CHANGE_IMPOSSIBLE),
        ]
        return planned, [*notes[:1], *_small_reference(name, planned, baselines or reported)]
    free, ss = sum(s.n - 1 for s in baselines), sum(s.ss for s in baselines)
    if free < 1 or ss <= 0:
        raise Refused(
            "reference_sd_missing",
            f"{name}: no reference SD is planned and no baseline is there to take one from.",
            "Set reference_sd in the plan: the benchmark's SD of the specialty, or the measure's default.",
        )
    message = "No reference SD was planned; the pooled SD of the baseline stands in. Freeze one in the plan."
    return math.sqrt(ss / free), [Note("reference_sd_from_data", message, name)]


def _small_reference(name: str, planned: float, sums: Sequence[Sums]) -> list[Note]:
    """A warning where people differ far more than the reference SD says: effects look larger than they are."""
    free, ss = sum(s.n - 1 for s in sums if s.n > 1), sum(s.ss for s in sums if s.n > 1)
    ratio = math.sqrt(ss / free) / planned if free >= SD_TELLS and ss > 0 else 0.0
    if ratio <= REFERENCE_SMALL:
        return []
    message = (
        f"People differ by an SD of {ratio:.2g} times the reference SD ({planned:g}): in SD units it looks that "
        "much larger than it is. Take the SD of a benchmark or of the baseline, and say whence it is."
    )
    return [Note("reference_sd_small", message, name)]


def _plausible_sds(name: str, planned: float, sums: Sequence[Sums], doubted: float, impossible: float) -> list[Note]:
    """A warning where an SD is small against the reference SD; `Refused` where no such values could have it."""
    shares = [s.sd / planned for s in sums if s.n > 1 and s.ss > 0]
    if not shares:
        return []
    if max(shares) > SD_TOO_LARGE:
        raise Refused(
            "sd_impossible",
            f"{name}: a reported SD is {max(shares):.3g} times the reference SD ({planned:g}).",
            "Check the unit of the data and of the plan's reference SD; both are in the unit of the measure.",
        )
    least = min(shares)
    if any(s.sd < impossible * planned for s in sums if s.n >= SD_TELLS and s.ss > 0):
        raise Refused(
            "sd_impossible",
            f"{name}: a reported SD is only {least:.2g} of the reference SD ({planned:g}); people do not differ so "
            "little, and the effect would look far more certain than it is.",
            "Enter the SD, not the standard error: SE × √n. If the SD is right, check the plan's reference SD.",
        )
    if least >= doubted:
        return []
    message = (
        f"A reported SD is only {least:.2g} of the reference SD ({planned:g}): was a standard error entered? The "
        "effect would look far more certain than it is. Enter the SD, not the standard error: SE × √n."
    )
    return [Note("sd_implausible", message, name)]


def balance(question: Question, control: Sums, treated: Sums, scale: float) -> dict[str, object]:
    """The baseline of both arms, and their difference in SD units, oriented: positive favours the treated arm."""
    return {
        question.plan.treated: {"n": treated.n, "mean": treated.mean, "sd": treated.sd},
        control_of(question): {"n": control.n, "mean": control.mean, "sd": control.sd},
        "difference_sd": question.sign * (treated.mean - control.mean) / scale,
    }


def normal_summary(mean: float, sd: float, prob: float) -> dict[str, object]:
    """Mean, SD and an interval that takes them as normal."""
    half = float(ndtri(0.5 + prob / 2)) * sd
    return {
        "mean": mean,
        "sd": sd,
        "interval": {"low": mean - half, "high": mean + half, "prob": prob, "kind": "normal approximation"},
    }


def small_arms(question: Question, arms: Mapping[str, Sums | PairedSums]) -> list[Note]:
    """A warning where an arm is so small that the priors decide."""
    small = {arm: sums.n for arm, sums in arms.items() if sums.n < SMALL_ARM}
    if not small:
        return []
    listed = ", ".join(f"{arm} {n}" for arm, n in small.items())
    message = f"Few people ({listed}): the priors weigh as much as the data."
    return [Note("small_arm", message, question.measure.measure)]
