"""Chance assigns arms: stratified permuted-block randomisation; pure, and the same again from the same seed.

CONSORT 2010 (Schulz et al., BMJ 2010;340:c332, items 8–10): within each stratum subjects are dealt into blocks, in each
of which every arm has its share of the seats. A complete block is balanced. Which arms the seats of the last, open
block of a stratum go to is chosen so that these rests do not add up over many small strata:

1. new subjects of a stratum, in random order, first take what seats its open block has left, then whole new blocks;
2. for the rest a block is opened, and its seats are taken one by one, stratum by stratum in random order: of arms that
   are ahead over the whole by a block's share of seats only when no other has a seat left (as in the big stick design,
   Soares & Wu 1983), of the others those dealt least in this call, then least in this stratum, then at random;
3. which subject gets which of the seats is shuffled within the block.

So in every stratum an arm is never ahead by more than a block's share, a list that is allocated at once is balanced
over the whole to about one subject, and people allocated one at a time get plain permuted blocks. Earlier arms are
read, never changed. With small blocks and open arms the last seats of a block can be guessed: allocate whole lists.
"""

import random
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Subject:
    """A unit or a person to be assigned, in a stratum."""

    key: str
    stratum: str = ""


@dataclass(frozen=True)
class Placed:
    """A subject in its arm."""

    key: str
    stratum: str
    arm: str


@dataclass(frozen=True)
class Blocks:
    """Seats of each arm in a block: the ratio of the arms, several times over."""

    seats: Mapping[str, int]

    @property
    def size(self) -> int:
        """Subjects a block."""
        return sum(self.seats.values())

    def left(self, dealt: Mapping[str, int]) -> Counter[str]:
        """The seats left in the open block of a stratum where so many were dealt to each arm; none: no block is open.

        It is as many blocks as the arm with most of its share needs; so a history of other blocks is filled up as well.
        """
        opened = max(-(-dealt.get(arm, 0) // n) for arm, n in self.seats.items())
        return Counter({arm: opened * n - dealt.get(arm, 0) for arm, n in self.seats.items()})


def allocate(subjects: Iterable[Subject], earlier: Sequence[Placed], blocks: Blocks, seed: int) -> list[Placed]:
    """The arms of the subjects who have none yet, in the order in which they were dealt.

    `earlier` are all assignments so far. The order of `subjects` makes no difference.
    """
    chance = random.Random(seed)
    known = {placed.key for placed in earlier}
    waiting: dict[str, list[str]] = {}
    for subject in sorted(set(subjects), key=lambda s: (s.stratum, s.key)):
        if subject.key not in known:
            waiting.setdefault(subject.stratum, []).append(subject.key)
    before: dict[str, Counter[str]] = {}
    for placed in earlier:
        before.setdefault(placed.stratum, Counter())[placed.arm] += 1
    whole = Counter(placed.arm for placed in earlier)
    hands: dict[str, list[str]] = {}  # the arms of each stratum, in the order of its subjects
    rest: dict[str, int] = {}
    for stratum, keys in waiting.items():
        chance.shuffle(keys)
        left = blocks.left(before.get(stratum, {}))
        hands[stratum], rest[stratum] = _full(len(keys), left, blocks, chance)
        whole.update(hands[stratum])
    called: Counter[str] = Counter()
    for stratum in chance.sample(sorted(rest), len(rest)):
        dealt = before.get(stratum, Counter()) + Counter(hands[stratum])
        left = +blocks.left(dealt) or Counter(blocks.seats)
        hand = _deal(rest[stratum], left, whole, called, blocks, chance)
        hands[stratum] += chance.sample(hand, len(hand))
    return [
        Placed(key, stratum, arm)
        for stratum, keys in waiting.items()
        for key, arm in zip(keys, hands[stratum], strict=True)
    ]


def _full(n: int, left: Counter[str], blocks: Blocks, chance: random.Random) -> tuple[list[str], int]:
    """Arms of those who fill the open block and whole blocks after it, and how many of `n` remain."""
    hand: list[str] = []
    seats = list((+left).elements())
    while len(seats) <= n - len(hand):
        hand += chance.sample(seats, len(seats))
        seats = list(Counter(blocks.seats).elements())
    return hand, n - len(hand)


def _deal(
    n: int, left: Counter[str], whole: Counter[str], called: Counter[str], blocks: Blocks, chance: random.Random
) -> list[str]:
    """The arms of `n` seats of an open block; adds them to `whole` (all strata and calls) and `called` (this call)."""
    hand: Counter[str] = Counter()
    share = min(blocks.seats.values())

    def cost(arm: str) -> tuple[float, ...]:
        seats = blocks.seats[arm]
        ahead = share * (whole[arm] / seats - min(whole[other] / k for other, k in blocks.seats.items()))
        return max(0.0, round(ahead - (share - 1), 9)), called[arm] / seats, hand[arm] / seats

    for _ in range(n):
        free = sorted((+(left - hand)).elements())
        least = min(cost(arm) for arm in free)
        arm = chance.choice([seat for seat in free if cost(seat) == least])
        for counter in (hand, whole, called):
            counter[arm] += 1
    return list(hand.elements())
