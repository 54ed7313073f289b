"""The table of what is offered in docs/methods.md is the code's; everything else is refused with a reason."""

import re
from itertools import product
from pathlib import Path

import pytest

from analysis.designs import OFFERED, STRUCTURES, prepare
from analysis.designs.prepared import Question
from analysis.documents import Design, Family, MeasureData, Plan
from analysis.errors import Refused
from analysis.models import VERSIONS

METHODS = Path(__file__).parents[2] / "docs" / "methods.md"


def documented() -> dict[tuple[Design, Family], tuple[str, ...]]:
    """The table's cells: the models of each design and family; none where it is refused."""
    lines = METHODS.read_text().splitlines()
    first = next(i for i, line in enumerate(lines) if line.startswith("| design | normal |"))
    families = [Family(cell.strip()) for cell in lines[first].strip("|").split("|")[1:]]
    found = {}
    for line in lines[first + 2 : first + 2 + len(Design)]:
        design, *cells = line.strip("|").split("|")
        for family, cell in zip(families, cells, strict=True):
            found[Design(design.strip(" `")), family] = tuple(re.findall(r"`(\w+)`", cell))
    return found


def test_the_table_names_the_models_of_everything_that_is_offered() -> None:
    table = documented()
    assert set(table) == set(product(Design, Family))
    assert {key: set(models) for key, models in table.items() if models} == {k: set(m) for k, m in STRUCTURES.items()}
    assert set(STRUCTURES) == set(OFFERED)
    assert {model for models in STRUCTURES.values() for model in models} | {"synthesis"} == set(VERSIONS)


@pytest.mark.parametrize(("design", "family"), sorted(set(product(Design, Family)) - set(OFFERED)))
def test_what_the_table_leaves_empty_is_refused_and_told_what_is_offered(design: Design, family: Family) -> None:
    plan = Plan.model_validate(
        {
            "design": design,
            "control": "control",
            "baseline": "pre",
            "measures": [{"measure": "m", "family": family, "direction": "lower_is_better", "reference_sd": 1}],
        }
    ).expanded()
    with pytest.raises(Refused) as refusal:
        prepare(Question(plan, plan.measures[0], MeasureData(rows=[]), "post"))
    assert refusal.value.code == "not_offered"
    assert "parallel × ordinal" in refusal.value.what_would_help
