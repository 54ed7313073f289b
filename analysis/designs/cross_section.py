"""Design `cross_section`, normal outcomes: anonymous surveys before and after in one group (docs/methods.md §3)."""

from dataclasses import replace

from analysis.designs.arms import wrong_shape
from analysis.designs.prepared import Note, Prepared, Question
from analysis.designs.seen import at_wave, seen
from analysis.designs.waves_of import empty_wave, one_group


def normal(question: Question) -> Prepared:
    """Cells and rows of two waves as different people; never paired by row order, nor by a participant."""
    data, arm = question.data, question.plan.treated
    if data.rows is None and data.cells is None:
        raise wrong_shape(question, "rows or cells; people who are linked over the waves are the design `paired`")
    if question.plan.baseline is None:
        raise empty_wave(question, arm, None)
    waves = [question.plan.baseline, question.followup]
    found = seen(question, waves, linked=False)
    for position, wave in enumerate(waves):
        if at_wave(found, arm, position) is None:
            raise empty_wave(question, arm, wave)
    prepared = one_group(question, found, waves, "two anonymous waves of one group")
    if any(row.participant is not None for row in data.rows or []):
        message = "The rows name participants, which this design does not use; `paired` would, and is more precise."
        return replace(
            prepared, warnings=(*prepared.warnings, Note("participants_unused", message, question.measure.measure))
        )
    return prepared
