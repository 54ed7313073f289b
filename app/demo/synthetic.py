"""Made-up pilots of the second demonstration: what each tries, and the answers of its people, drawn from a seed.

Nothing here was measured. Every title and source that comes of it says `synthetic`.
"""

import random
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

MEASURE, REFERENCE_SD = "social_isolation", 20.0
"""Points of the scale from 0 (none) to 100; lower is better."""
LEVEL, CORRELATION = 50.0, 0.7
WAVES = {"pre": "baseline", "post": "followup", "y1": "retention"}


@dataclass(frozen=True)
class Round:
    """One iteration: the benefit drawn for the treated, SD units, at the follow-up and, if measured, a year on."""

    people: int
    benefit: float
    lasting: float | None = None
    lessons: str = "Nothing went wrong that could have been foreseen."


@dataclass(frozen=True)
class Script:
    """A pilot: rounds in their order, and what its review says about spreading it."""

    title: str
    seed: int
    rounds: tuple[Round, ...]
    scalable: bool = True
    why: str = "Costs and staffing fit into what every clinic has."

    def plan(self) -> dict[str, Any]:
        """Its evaluation plan, the same in every round."""
        return {
            "design": "parallel",
            "treated": "intervention",
            "control": "waitlist",
            "randomised": True,
            "waves": [{"key": key, "kind": kind} for key, kind in WAVES.items()],
            "followup_months": 6,
            "measures": [
                {
                    "measure": MEASURE,
                    "role": "primary",
                    "reference_sd": REFERENCE_SD,
                    "reference_sd_source": "made up (synthetic)",
                }
            ],
        }

    def people(self, iteration: int) -> list[str]:
        """Pseudonyms of the people of a round."""
        return [f"s{self.seed}-{iteration}-{number:03}" for number in range(self.rounds[iteration - 1].people)]

    def rows(self, iteration: int, wave: str, arms: Mapping[str, str]) -> list[dict[str, Any]]:
        """The answers at a wave; `arms` is how chance assigned the people."""
        chosen = self.rounds[iteration - 1]
        benefit = {"pre": 0.0, "post": chosen.benefit, "y1": chosen.lasting or 0.0}[wave]
        rows = []
        for person in self.people(iteration):
            before = random.Random(f"{person} before").gauss(0, 1)
            noise = random.Random(f"{person} {wave}").gauss(0, 1)
            value = before if wave == "pre" else CORRELATION * before + (1 - CORRELATION**2) ** 0.5 * noise
            if arms[person] == "intervention":
                value -= benefit
            score = min(100, max(0, round(LEVEL + REFERENCE_SD * value)))
            rows.append({"participant": person, "arm": arms[person], "value": score})
        return rows


FACILITATED = Script(
    "Facilitated small groups (synthetic)",
    seed=11,
    rounds=(
        Round(
            140,
            0.55,
            lessons="It helps, but every group needs a trained facilitator: too complex and costly to spread.",
        ),
    ),
    scalable=False,
    why="A trained facilitator for every six physicians.",
)
SELF_FACILITATED = Script(
    "Self-facilitated groups over a meal (synthetic)",
    seed=12,
    rounds=(
        Round(80, 0.2, lessons="Half of the groups met after the shift, and were not attended. Meet over lunch."),
        Round(160, 0.55, lasting=0.5),
    ),
)
LAKESIDE = Script("Groups over a meal at Lakeside (synthetic)", seed=13, rounds=(Round(140, 0.5),))
HILLSIDE = Script("Groups over a meal at Hillside (synthetic)", seed=14, rounds=(Round(140, 0.45),))
QUIET_ROOMS = Script("Quiet rooms (synthetic)", seed=15, rounds=(Round(140, 0.6, lasting=0.5),))
# What adopters of the quiet rooms reported: they disagree, so that nobody knows what the next one would find.
REPORTED = (("Seaside", 1.05), ("Woodside", 0.05), ("Riverside", 0.85), ("Hilltop", 0.1))
REPORTED_SE = 0.1
