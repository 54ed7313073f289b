"""Every kind of item on the timeline has its sentence; pure."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.lifecycle.story import LONGEST, SENTENCES, What, people, quoted, says

ANALYSIS = {
    "kind": "confirmatory",
    "look": 1,
    "retention_wave": None,
    "retained": None,
    "p_benefit": None,
    "recommendation": "refine",
    "grade": "B",
    "says": "Refine: the effect is too small.",
    "refused": None,
}
SIGNED = {
    "outcome": "refine",
    "recommended": "refine",
    "grade": "A",
    "provisional": False,
    "rationale": "As the rule says.",
    "override_reason": None,
}
MOVED = {"from": "test", "to": "scale", "reason": "As decided.", "decision": None, "retirement": None}
EVENT = {"title": "EHR go-live", "unit": "Ward 1", "starts_on": date(2026, 3, 1), "ends_on": date(2026, 3, 14)}
REVIEW = {"kind": "controlled_evaluation", "due_on": "2027-05-01", "finding": "It was kept.", "outcome": "confirmed"}
ALLOCATED = {"kind": "here", "level": "participant", "subjects": 40, "seed": 7, "method": "blocks", "allocated_on": "d"}

TOLD: list[tuple[What, dict[str, Any], str]] = [
    (What.CREATED, {"title": "Huddles", "driver": "teamwork"}, "Ana began the pilot “Huddles” about teamwork."),
    (
        What.CONTEXT,
        {**EVENT, "description": "With support on site"},
        "EHR go-live in Ward 1, 2026-03-01 to 2026-03-14, fell into the evaluation interval: With support on site.",
    ),
    (What.WAVE_BEGAN, {"wave": "pre", "kind": "baseline"}, "The baseline wave pre began."),
    (
        What.PLAN_WRITTEN,
        {"design": "parallel", "primary": "mbi_ee"},
        "Ana began the plan of iteration 2: parallel, judged by mbi_ee.",
    ),
    (What.ALLOCATED, ALLOCATED, "Ana had 40 people allocated to the arms by chance, with seed 7."),
    (
        What.ALLOCATED,
        {**ALLOCATED, "subjects": None},
        "Ana had a few people allocated to the arms by chance, with seed 7.",
    ),
    (
        What.ALLOCATED,
        {**ALLOCATED, "level": "unit", "subjects": 4},
        "Ana had 4 units allocated to the arms by chance, with seed 7.",
    ),
    (
        What.ALLOCATED,
        {**ALLOCATED, "kind": "elsewhere", "allocated_on": "2026-01-01"},
        "Ana declared an allocation made elsewhere on 2026-01-01: blocks.",
    ),
    (
        What.PLAN_APPROVED,
        {"reason": "No six months to spare."},
        "Ana approved that the plan departs from the default rule, because: No six months to spare.",
    ),
    (What.PLAN_LOCKED, {"number": 1}, "Ana locked the plan of iteration 2, version 1."),
    (
        What.PLAN_AMENDED,
        {"number": 2, "reason": "Later."},
        "Ana amended the plan of iteration 2 to version 2: Later.",
    ),
    (
        What.DATA_ENTERED,
        {"measure": "mbi_ee", "wave": "pre", "rows": 48},
        "Ana entered 48 answers of mbi_ee at pre.",
    ),
    (
        What.DATA_ENTERED,
        {"measure": "mbi_ee", "wave": "pre", "rows": None},
        "Ana entered a few answers of mbi_ee at pre.",
    ),
    (
        What.DATA_ENTERED,
        {"measure": "mbi_ee", "wave": None, "rows": None},
        "Ana entered summaries of mbi_ee.",
    ),
    (What.ANALYSIS_ASKED, ANALYSIS, "Ana asked for the confirmatory analysis of look 1."),
    (
        What.ANALYSIS_SUCCEEDED,
        ANALYSIS,
        "The confirmatory analysis of look 1 recommends `refine` (grade B): the effect is too small.",
    ),
    (
        What.ANALYSIS_SUCCEEDED,
        {**ANALYSIS, "refused": "no data of the follow-up"},
        "The confirmatory analysis of look 1 was refused: no data of the follow-up.",
    ),
    (
        What.ANALYSIS_SUCCEEDED,
        {**ANALYSIS, "retention_wave": "r12", "recommendation": None},
        "The analysis of what was retained at r12 ended with a result of grade B.",
    ),
    (
        What.ANALYSIS_SUCCEEDED,
        {**ANALYSIS, "retention_wave": "y1", "retained": True, "p_benefit": 0.973},
        "The analysis of what was retained at y1 found (grade B): the effect lasts, P(δ > 0) = 0.97.",
    ),
    (
        What.ANALYSIS_SUCCEEDED,
        {**ANALYSIS, "retention_wave": "y1", "retained": False, "p_benefit": 0.6},
        "The analysis of what was retained at y1 found (grade B): that the effect lasts is not shown, P(δ > 0) = 0.60.",
    ),
    (What.ANALYSIS_FAILED, ANALYSIS, "The confirmatory analysis of look 1 failed; it may be asked for again."),
    (What.ANALYSIS_CANCELLED, ANALYSIS, "The confirmatory analysis of look 1 was cancelled."),
    (What.DECIDED, SIGNED, "Ana signed `refine` (grade A), as recommended: As the rule says."),
    (What.DATA_IMPORTED, {"entries": 48, "source": "Survey März.csv"}, "Ana imported 48 answers from Survey März.csv."),
    (What.DATA_IMPORTED, {"entries": None, "source": None}, "Ana imported a few answers from a file."),
    (
        What.DATA_CORRECTED,
        {"entries": None, "reason": "Typed 72 for 27"},
        "Ana corrected a few entries of the data, because: Typed 72 for 27.",
    ),
    (
        What.DATA_CORRECTED,
        {"entries": 12, "reason": "The scale was reversed."},
        "Ana corrected 12 entries of the data, because: The scale was reversed.",
    ),
    (
        What.DECIDED,
        {**SIGNED, "recommended": "scale", "override_reason": "One ward is too few."},
        "Ana signed `refine` (grade A), more cautious than the recommendation `scale`, because: One ward is too few.",
    ),
    (
        What.DECIDED,
        {**SIGNED, "recommended": "indeterminate", "override_reason": "Time is up."},
        "Ana signed `refine` (grade A), although the analysis could not tell, because: Time is up.",
    ),
    (
        What.DECIDED,
        {**SIGNED, "outcome": "scale", "recommended": "scale", "grade": "C", "provisional": True},
        "Ana signed `scale` (provisionally, grade C), as recommended: As the rule says.",
    ),
    (What.LEARNED, {"text": "Begin early"}, "Ana recorded what iteration 2 taught: Begin early."),
    (What.MOVED, MOVED, "Ana moved the pilot from test to scale: As decided."),
    (
        What.MOVED,
        {**MOVED, "to": "refine", "decision": "refine", "reason": None},
        "Iteration 2 closed with `refine`: Ana moved the pilot from test to refine.",
    ),
    (
        What.MOVED,
        {**MOVED, "to": "retired", "retirement": "not_scalable"},
        "Ana retired the pilot as not scalable: As decided.",
    ),
    (What.SUCCESSOR, {"title": "By telephone"}, "The pilot “By telephone” follows for the same driver, named by Ana."),
    (
        What.PROGRAM_ESTABLISHED,
        {"dimension": "community"},
        "Ana established the intervention as a foundational program (community).",
    ),
    (
        What.PROGRAM_DEMOTED,
        {"dimension": "community"},
        "The foundational program (community) was demoted: the evidence no longer held.",
    ),
    (What.REVIEW_OPENED, REVIEW, "A review is due on 2027-05-01: controlled evaluation."),
    (
        What.REVIEW_COMPLETED,
        REVIEW,
        "Ana completed the review (controlled evaluation) and found `confirmed`: It was kept.",
    ),
    (
        What.REVIEW_COMPLETED,
        {**REVIEW, "outcome": "ended", "finding": "The pilot went to refine."},
        "The review (controlled evaluation) is no longer due: The pilot went to refine.",
    ),
]


def test_every_kind_has_a_sentence_and_every_sentence_is_tried() -> None:
    assert set(SENTENCES) == set(What) == {what for what, _, _ in TOLD}


@pytest.mark.parametrize(("what", "details", "sentence"), TOLD)
def test_sentence(what: What, details: dict[str, Any], sentence: str) -> None:
    # What the item keeps and the sentence does not need may be empty or there.
    assert says(what, "Ana", 2, {"description": None, **details}) == sentence


@given(st.none() | st.text(max_size=3 * LONGEST))
def test_somebodys_words_end_on_one_line_in_a_full_stop(text: str | None) -> None:
    found = quoted(text)
    assert found[-1] in ".!?…"
    assert len(found) <= LONGEST + 3
    assert found == " ".join(found.split()) or found.startswith(": ")
    assert "\n" not in found


@given(st.none() | st.integers(0, 1000))
def test_fewer_than_five_people_are_never_counted(count: int | None) -> None:
    found = people(count, "answers")
    assert found == ("a few answers" if count is None or count < 5 else f"{count} answers")
