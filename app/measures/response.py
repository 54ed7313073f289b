"""What came of a wave: response and attrition of its arms and of them together, and what it does to the grade; pure.

Arms of too few people show no response; then nothing is shown of all arms together either, which less the others
would tell it (ADR 0010).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from analysis.documents import Design
from analysis.grade import ATTRITION_GAP, ATTRITION_TOTAL, Circumstances, Loss, grade, loss
from app.measures.models import WaveKind

type Shares = Mapping[str, float | None]


class AttritionOf(StrEnum):
    """The people that attrition is a share of."""

    INVITED = "invited"
    BASELINE = "baseline"


@dataclass(frozen=True, kw_only=True)
class WaveFacts:
    """What is known of a wave.

    `invited` and `answered` count people by arm, `waiting` those who answered and have no arm yet. `primary`: how many
    of them answered the primary `measure`, whose attrition it is. `followed`: how many linked people of an arm were
    seen before the start, and of them here. `graded` are the arms that are compared.
    """

    kind: WaveKind
    design: Design
    arms: Sequence[str]
    graded: Sequence[str]
    invited: Mapping[str, int] = field(default_factory=dict)
    answered: Mapping[str, int] = field(default_factory=dict)
    primary: Mapping[str, int] = field(default_factory=dict)
    waiting: int = 0
    measure: str | None = None
    followed: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    least: int = 1


@dataclass(frozen=True, kw_only=True)
class Total:
    """All arms together, with who has no arm yet; None: not known or not shown. Shares are from 0 to 1."""

    invited: int | None
    responded: int | None
    response_rate: float | None
    attrition: float | None


@dataclass(frozen=True, kw_only=True)
class Response:
    """What is shown of a wave; `lowers_grade` None: not known, not shown, or a wave before the start."""

    responded: Mapping[str, int | None]
    response_rate: Shares
    attrition: Shares
    attrition_of: AttritionOf | None
    suppressed: Sequence[str]
    total: Total
    lowers_grade: bool | None
    says: str


def lost_of_invited(arms: Sequence[str], invited: Mapping[str, int], answered: Mapping[str, int]) -> dict[str, float]:
    """Share of the invited who did not answer (the primary measure), by arm; empty unless every arm's is known."""
    if not all(invited.get(arm) and arm in answered for arm in arms):
        return {}
    return {arm: 1 - answered[arm] / invited[arm] for arm in arms}


def lost_of_followed(arms: Sequence[str], followed: Mapping[str, tuple[int, int]]) -> dict[str, float]:
    """Share of the linked people of each arm who were seen before and not after; empty unless every arm's is known."""
    lost = {arm: 1 - kept / n for arm, (n, kept) in followed.items()}
    return lost if set(arms) <= lost.keys() else {}


def response_of(facts: WaveFacts) -> Response:
    """What is shown of a wave."""
    few = {arm for arm, n in facts.answered.items() if 0 < n < facts.least}
    rate: dict[str, float | None] = {
        arm: facts.answered.get(arm, 0) / n if n and arm not in few else None for arm, n in facts.invited.items()
    }
    lost, of, started = _attrition(facts, few, rate)
    hidden = bool(few) or 0 < facts.waiting < facts.least
    known = [share for arm in facts.graded if (share := lost.get(arm)) is not None]
    found = None
    if started and len(known) == len(facts.graded) and not few:
        shares = dict(zip(facts.graded, known, strict=True))
        found = loss(shares, {arm: started[arm] for arm in facts.graded})
    invited = sum(facts.invited.values()) if all(facts.invited.get(arm) for arm in facts.arms) else None
    responded = None if hidden else sum(facts.answered.values()) + facts.waiting
    total = Total(
        invited=invited,
        responded=responded,
        response_rate=responded / invited if responded is not None and invited else None,
        attrition=found.total if found is not None else None,
    )
    lowers = found.lowers and grade(Circumstances(facts.design)).by_design != "D" if found is not None else None
    return Response(
        responded={arm: None if arm in few else n for arm, n in facts.answered.items()},
        response_rate=rate,
        attrition=lost,
        attrition_of=of,
        suppressed=sorted(few),
        total=total,
        lowers_grade=lowers,
        says=_says(facts, total, lost, found, hidden=hidden, lowers=lowers),
    )


def _attrition(
    facts: WaveFacts, few: set[str], rate: Shares
) -> tuple[dict[str, float | None], AttritionOf | None, Mapping[str, int]]:
    """The share lost in each arm as it is shown, of whom, and how many they were; as the analysis takes it."""
    if facts.kind is WaveKind.BASELINE:
        return dict.fromkeys(rate), None, {}
    few = few | {arm for arm, n in facts.primary.items() if 0 < n < facts.least}
    told = {arm: n for arm, n in facts.primary.items() if arm not in few and facts.invited.get(arm)}
    of_invited = {arm: 1 - told[arm] / facts.invited[arm] if arm in told else None for arm in rate}
    if lost_of_invited(facts.arms, facts.invited, facts.primary):
        return of_invited, AttritionOf.INVITED, facts.invited
    if lost := lost_of_followed(facts.arms, facts.followed):
        # Those who were seen twice are a table of their own.
        unlinked = few | {arm for arm, counts in facts.followed.items() if any(0 < n < facts.least for n in counts)}
        shown = {arm: None if arm in unlinked else lost[arm] for arm in facts.arms}
        return shown, AttritionOf.BASELINE, {arm: n for arm, (n, _) in facts.followed.items()}
    return of_invited, AttritionOf.INVITED if told else None, {}


def _says(
    facts: WaveFacts, total: Total, lost: Shares, found: Loss | None, *, hidden: bool, lowers: bool | None
) -> str:
    """One or two plain sentences."""
    said = [_answers(facts, total, hidden=hidden)]
    if found is not None:
        arms = ", ".join(f"{percent(lost[arm] or 0.0, 1)} in {arm}" for arm in facts.graded)
        of = f"Attrition of {facts.measure}" if facts.measure is not None else "Attrition"
        said.append(f"{of} {percent(found.total, 1)} ({arms}): {_judged(found, lowers=bool(lowers))}")
    elif facts.kind is not WaveKind.BASELINE and (facts.answered or facts.waiting):
        unshown = hidden or facts.followed or any(0 < n < facts.least for n in facts.primary.values())
        why = "not shown, groups of so few people are not" if unshown else "not known for every arm"
        said.append(f"Attrition is {why}")
    return " ".join(f"{sentence}." for sentence in said)


def _answers(facts: WaveFacts, total: Total, *, hidden: bool) -> str:
    if hidden:
        few = sorted(arm for arm, n in facts.answered.items() if 0 < n < facts.least)
        return f"How many answered is not shown: they are too few {f'in {", ".join(few)}' if few else 'without an arm'}"
    if not total.responded:
        return "Nobody has answered yet"
    if total.invited is None:
        return f"{total.responded} answered; how many were invited is not recorded for every arm"
    return f"{total.responded} of {total.invited} answered ({percent(total.responded / total.invited)})"


def _judged(found: Loss, *, lowers: bool) -> str:
    most, gap = f"{ATTRITION_TOTAL:.0%}".replace("%", " %"), f"{ATTRITION_GAP * 100:.0f} points"
    if not found.lowers:
        return f"no more than {most}, and the arms no more than {gap} apart, so the grade stays"
    above = f"above {most}" if Loss(found.total, 0.0).lowers else f"the arms are more than {gap} apart"
    return f"{above}, so the grade is lowered one step" if lowers else f"{above}, but grade D is not lowered further"


def percent(share: float, digits: int = 0) -> str:
    """A share in words: 0.704 is "70 %"; with one digit "70.4 %", and 0.7 is "70 %" all the same."""
    return f"{share * 100:.{digits}f}".removesuffix(".0") + " %"
