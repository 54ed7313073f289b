"""What happened to a pilot, as sentences; pure. Every kind of item on the timeline has its sentence here.

Counts of people below five are not told, nor is any value that was measured.
"""

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Any

from app.context.rules import Interval, happened
from app.pilots.models import Stage

FEWEST = 5
"""People that may be counted in a sentence."""
LONGEST = 280
"""Characters of somebody's own words within a sentence."""
type Details = Mapping[str, Any]


class What(StrEnum):
    """The kinds of items, in the order in which they follow each other within one instant."""

    CREATED = "pilot.created"
    CONTEXT = "context.event"
    WAVE_BEGAN = "wave.began"
    PLAN_WRITTEN = "plan.written"
    ALLOCATED = "plan.allocated"
    PLAN_APPROVED = "plan.approved"
    PLAN_LOCKED = "plan.locked"
    PLAN_AMENDED = "plan.amended"
    DATA_ENTERED = "data.entered"
    DATA_IMPORTED = "data.imported"
    DATA_CORRECTED = "data.corrected"
    ANALYSIS_ASKED = "analysis.asked"
    ANALYSIS_SUCCEEDED = "analysis.succeeded"
    ANALYSIS_FAILED = "analysis.failed"
    ANALYSIS_CANCELLED = "analysis.cancelled"
    DECIDED = "decision.recorded"
    LEARNED = "lessons.recorded"
    MOVED = "pilot.stage_changed"
    SUCCESSOR = "successor.started"
    PROGRAM_ESTABLISHED = "program.established"
    PROGRAM_DEMOTED = "program.demoted"
    REVIEW_OPENED = "review.opened"
    REVIEW_COMPLETED = "review.completed"


ORDER = list(What)


def quoted(text: str | None, lead: str = ": ") -> str:
    """Somebody's own words as the end of a sentence, on one line, shortened; a full stop where there are none."""
    words = " ".join((text or "").split())
    if not words:
        return "."
    if len(words) > LONGEST:
        words = f"{words[: LONGEST - 1].rstrip()}…"
    return f"{lead}{words}" if words[-1] in ".!?…" else f"{lead}{words}."


def people(count: int | None, noun: str) -> str:
    """A count of people or of what they gave; what is below five, or not told, is "a few"."""
    return f"{count if count is not None and count >= FEWEST else 'a few'} {noun}"


def says(what: What, by: str, iteration: int, details: Details) -> str:
    """One plain sentence."""
    return SENTENCES[what](by, iteration, details)


def _created(by: str, _: int, d: Details) -> str:
    return f"{by} began the pilot “{d['title']}” about {d['driver']}."


def _context(_: str, __: int, d: Details) -> str:
    event = happened(d["title"], d["unit"], Interval(d["starts_on"], d["ends_on"]))
    return f"{event}, fell into the evaluation interval{quoted(d['description'])}"


def _wave(_: str, __: int, d: Details) -> str:
    return f"The {d['kind']} wave {d['wave']} began."


def _written(by: str, iteration: int, d: Details) -> str:
    return f"{by} began the plan of iteration {iteration}: {d['design']}, judged by {d['primary']}."


def _allocated(by: str, _: int, d: Details) -> str:
    if d["kind"] == "elsewhere":
        return f"{by} declared an allocation made elsewhere on {d['allocated_on']}{quoted(d['method'])}"
    subjects = f"{d['subjects']} units" if d["level"] == "unit" else people(d["subjects"], "people")
    return f"{by} had {subjects} allocated to the arms by chance, with seed {d['seed']}."


def _approved(by: str, _: int, d: Details) -> str:
    return f"{by} approved that the plan departs from the default rule{quoted(d['reason'], ', because: ')}"


def _locked(by: str, iteration: int, d: Details) -> str:
    return f"{by} locked the plan of iteration {iteration}, version {d['number']}."


def _amended(by: str, iteration: int, d: Details) -> str:
    return f"{by} amended the plan of iteration {iteration} to version {d['number']}{quoted(d['reason'])}"


def _entered(by: str, _: int, d: Details) -> str:
    if d["wave"] is None:
        return f"{by} entered summaries of {d['measure']}."
    return f"{by} entered {people(d['rows'], 'answers')} of {d['measure']} at {d['wave']}."


def _imported(by: str, _: int, d: Details) -> str:
    return f"{by} imported {people(d['entries'], 'answers')} from {d['source'] or 'a file'}."


def _corrected(by: str, _: int, d: Details) -> str:
    return f"{by} corrected {people(d['entries'], 'entries')} of the data{quoted(d['reason'], ', because: ')}"


def _analysis(d: Details) -> str:
    if d["retention_wave"] is not None:
        return f"analysis of what was retained at {d['retention_wave']}"
    return f"{d['kind']} analysis of look {d['look']}"


def _asked(by: str, _: int, d: Details) -> str:
    return f"{by} asked for the {_analysis(d)}."


def _succeeded(_: str, __: int, d: Details) -> str:
    if d["refused"] is not None:
        return f"The {_analysis(d)} was refused{quoted(d['refused'])}"
    if d["retained"] is not None:
        found = "the effect lasts" if d["retained"] else "that the effect lasts is not shown"
        which = "" if d["kind"] == "confirmatory" else "exploratory "
        return f"The {which}{_analysis(d)} found (grade {d['grade']}): {found}, P(δ > 0) = {d['p_benefit']:.2f}."
    if d["retention_wave"] is not None or d["recommendation"] is None:
        return f"The {_analysis(d)} ended with a result of grade {d['grade']}."
    reason = (d["says"] or "").removeprefix(f"{d['recommendation'].capitalize()}: ")
    return f"The {_analysis(d)} recommends `{d['recommendation']}` (grade {d['grade']}){quoted(reason)}"


def _failed(_: str, __: int, d: Details) -> str:
    return f"The {_analysis(d)} failed; it may be asked for again."


def _cancelled(_: str, __: int, d: Details) -> str:
    return f"The {_analysis(d)} was cancelled."


def _decided(by: str, _: int, d: Details) -> str:
    provisional = "provisionally, " if d["provisional"] else ""
    signed = f"{by} signed `{d['outcome']}` ({provisional}grade {d['grade']})"
    if d["outcome"] == d["recommended"]:
        return f"{signed}, as recommended{quoted(d['rationale'])}"
    if d["recommended"] == "indeterminate":
        return f"{signed}, although the analysis could not tell{quoted(d['override_reason'], ', because: ')}"
    reason = quoted(d["override_reason"], ", because: ")
    return f"{signed}, more cautious than the recommendation `{d['recommended']}`{reason}"


def _learned(by: str, iteration: int, d: Details) -> str:
    return f"{by} recorded what iteration {iteration} taught{quoted(d['text'])}"


def _moved(by: str, iteration: int, d: Details) -> str:
    if d["to"] == Stage.REFINE:
        decided = f" with `{d['decision']}`" if d["decision"] is not None else ""
        closed = f"Iteration {iteration} closed{decided}: {by} moved the pilot from {d['from']} to refine"
        return f"{closed}{quoted(d['reason'], ', because: ')}"
    if d["to"] == Stage.RETIRED:
        how = str(d["retirement"] or "stopped").replace("_", " ")
        return f"{by} retired the pilot as {how}{quoted(d['reason'])}"
    return f"{by} moved the pilot from {d['from']} to {d['to']}{quoted(d['reason'])}"


def _successor(by: str, _: int, d: Details) -> str:
    return f"The pilot “{d['title']}” follows for the same driver, named by {by}."


def _established(by: str, _: int, d: Details) -> str:
    return f"{by} established the intervention as a foundational program ({d['dimension']})."


def _demoted(_: str, __: int, d: Details) -> str:
    return f"The foundational program ({d['dimension']}) was demoted: the evidence no longer held."


def _opened(_: str, __: int, d: Details) -> str:
    return f"A review is due on {d['due_on']}: {str(d['kind']).replace('_', ' ')}."


def _completed(by: str, _: int, d: Details) -> str:
    review = f"review ({str(d['kind']).replace('_', ' ')})"
    if d["outcome"] == "ended":
        return f"The {review} is no longer due{quoted(d['finding'])}"
    found = f" and found `{d['outcome']}`" if d["outcome"] is not None else ""
    return f"{by} completed the {review}{found}{quoted(d['finding'])}"


SENTENCES: Mapping[What, Callable[[str, int, Details], str]] = {
    What.CREATED: _created,
    What.CONTEXT: _context,
    What.WAVE_BEGAN: _wave,
    What.PLAN_WRITTEN: _written,
    What.ALLOCATED: _allocated,
    What.PLAN_APPROVED: _approved,
    What.PLAN_LOCKED: _locked,
    What.PLAN_AMENDED: _amended,
    What.DATA_ENTERED: _entered,
    What.DATA_IMPORTED: _imported,
    What.DATA_CORRECTED: _corrected,
    What.ANALYSIS_ASKED: _asked,
    What.ANALYSIS_SUCCEEDED: _succeeded,
    What.ANALYSIS_FAILED: _failed,
    What.ANALYSIS_CANCELLED: _cancelled,
    What.DECIDED: _decided,
    What.LEARNED: _learned,
    What.MOVED: _moved,
    What.SUCCESSOR: _successor,
    What.PROGRAM_ESTABLISHED: _established,
    What.PROGRAM_DEMOTED: _demoted,
    What.REVIEW_OPENED: _opened,
    What.REVIEW_COMPLETED: _completed,
}
