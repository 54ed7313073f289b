"""Family `share` in the design `parallel`: x of n trials a record, overdispersion looked at and modelled."""

import math
from collections import Counter

import numpy as np

from analysis.cells import log_odds
from analysis.designs.arms import both_arms, control_of, normal_summary, post_only, require_two_arms
from analysis.designs.binary_inputs import KAPPA_LOGIT
from analysis.designs.dispersion import Dispersion, Group, binomial_group, judged
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import refuse_partly_named
from analysis.designs.share_inputs import Shares
from analysis.documents import CountOf
from analysis.errors import Refused

Arms = dict[str, list[CountOf]]


def parallel(question: Question) -> Prepared:
    """Records of two arms after the start; the baseline is shown as balance and in an effect beside."""
    require_two_arms(question)
    if question.data.counts is None:
        raise Refused(
            "wrong_shape",
            f"{question.measure.measure}: shares cannot be given as {question.data.shape}: how sure a share is "
            "hangs on the number of trials it is of, and that is not in there.",
            "Give counts: x of n trials of each unit (or person), arm and wave.",
        )
    by_arm = question.by_arm(question.data.counts)
    refuse_partly_named(question, [c.unit for c in question.data.counts])
    after, before = (_of_wave(by_arm, wave) for wave in (question.followup, question.plan.baseline))
    control, treated = both_arms(question, {arm: cells or None for arm, cells in after.items()})
    cap, notes = post_only(question, seen_before=any(before.values()))
    everything = Dispersion.of([*_groups(after), *_groups(before)])
    prepared = Prepared(
        measure=question.measure,
        inputs=_inputs(question, control, treated),
        raw_per_sd=None,
        n={question.plan.treated: len(treated), control_of(question): len(control)},
        warnings=(*notes, *_no_contrast(question, control, treated)),
        beside={
            "comparison": "post-only",
            "rates": {question.plan.treated: _share(treated), control_of(question): _share(control)},
            **_baseline_beside(question, before, after, max(everything.ratio, 1.0)),
        },
        cap=cap,
        raw_unit="difference of shares",
    )
    return judged(prepared, Dispersion.of(_groups(after)), "binomial", "beta-binomial")


def _inputs(question: Question, control: list[CountOf], treated: list[CountOf]) -> Shares:
    """Records that are alike are one, in a fixed order."""
    kinds = Counter((c.x, c.n, side) for side, cells in ((-0.5, control), (0.5, treated)) for c in cells)
    listed = np.array([(*kind, records) for kind, records in sorted(kinds.items())], dtype=np.float64)
    x, n, side, records = listed.T
    inputs = Shares(x, n, side, records, kappa=question.sign * KAPPA_LOGIT, dispersed=1.0)
    if question.plan.priors.effect == "flat" and not inputs.bounded:
        raise Refused(
            "improper_posterior",
            f"{question.measure.measure}: an arm with no event or nothing but events and a flat prior on the effect "
            "leave its log odds without bound.",
            "Give the effect a proper prior, for example mean 0 and SD 0.5.",
        )
    return inputs


def _of_wave(by_arm: Arms, wave: str | None) -> Arms:
    return {arm: [c for c in cells if c.wave == wave] for arm, cells in by_arm.items()}


def _groups(arms: Arms) -> list[Group]:
    return [
        binomial_group(*np.array([(c.x, c.n) for c in cells], dtype=np.float64).T) for cells in arms.values() if cells
    ]


def _no_contrast(question: Question, control: list[CountOf], treated: list[CountOf]) -> list[Note]:
    (xt, nt), (xc, nc) = _totals(treated), _totals(control)
    if xc + xt not in (0, nc + nt):
        return []
    message = (
        f"All shares are the same end of the scale ({xt} of {nt} against {xc} of {nc}): the data can hardly tell a "
        "difference, and what is shown comes from the priors."
    )
    return [Note("no_contrast", message, question.measure.measure)]


def _baseline_beside(question: Question, before: Arms, after: Arms, beyond: float) -> dict[str, object]:
    """Balance, and the difference in differences of log odds in SD units, its SE widened by the overdispersion."""
    treated, control = question.plan.treated, control_of(question)
    if not before.get(treated) or not before.get(control):
        return {}
    told = {
        (arm, w): log_odds(*_totals(arms[arm])) for w, arms in enumerate((before, after)) for arm in (treated, control)
    }
    gaps = [told[treated, w][0] - told[control, w][0] for w in (0, 1)]
    kappa = question.sign * KAPPA_LOGIT
    sd = math.sqrt(beyond * sum(variance for _, variance in told.values())) / KAPPA_LOGIT
    return {
        "balance": {
            treated: _share(before[treated]),
            control: _share(before[control]),
            "difference_sd": gaps[0] / kappa,
        },
        "baseline_adjusted": {
            "method": "difference in differences of log odds, unlinked records",
            **normal_summary((gaps[1] - gaps[0]) / kappa, sd, question.plan.interval),
        },
    }


def _totals(cells: list[CountOf]) -> tuple[int, int]:
    return sum(c.x for c in cells), sum(c.n for c in cells)


def _share(cells: list[CountOf]) -> dict[str, float]:
    x, n = _totals(cells)
    return {"x": x, "n": n, "share": x / n, "records": len(cells)}
