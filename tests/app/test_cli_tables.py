"""Tables and progress of the command line, from what the service says to what is on the screen."""

import io

import pytest
from rich.console import Console

from app.client import Criterion, Effect, Result, Wave
from app.commands.progress import lines, progress
from app.commands.tables import criteria_table, effects_table, gates_line, waves_table
from tests.app.steps import an_answer

EMPTY = {"response_rate": {}, "attrition": {}}


def drawn(*parts: object) -> str:
    """What is on the screen, without the way its lines are broken."""
    out = io.StringIO()
    for part in parts:
        Console(file=out, width=120, markup=False).print(part)
    return " ".join(out.getvalue().split())


def test_what_is_not_known_is_a_dash() -> None:
    hidden = Wave.of({"key": "post", "kind": "followup", "invited": {"a": 4}, "responded": {"a": None}} | EMPTY)
    assert "post followup a 4 – – –" in drawn(waves_table([hidden]))
    missing = Effect.read({"measure": "turnover", "role": "balancing", "verdict": "unknown", "adjusted": None})
    assert "turnover, balancing: unknown SD units – – – own unit –" in drawn(effects_table([missing]))
    open_ = Criterion.of({"name": "p_benefit", "measure": None, "value": None, "threshold": 0.95, "met": None})
    assert "p_benefit – 0.950 not assessed" in drawn(criteria_table([open_]))
    months = Criterion.of({"name": "followup_months", "value": 6.0, "threshold": 12.0, "met": False})
    assert "followup_months 6 12 unmet" in drawn(criteria_table([months]))
    harm = Criterion.of({"name": "p_harm", "value": 0.2, "threshold": 0.8, "met": False, "decides": "replace"})
    assert "p_harm 0.200 0.800 no reason to replace" in drawn(criteria_table([harm]))


def test_a_check_that_failed_is_named() -> None:
    answer = an_answer("indeterminate", gates_passed=False, provisional=True)
    assert gates_line(Result.read(answer)) == "Checks of the computation: FAILED rhat 1.200 (threshold 1.010)"


def test_progress_in_lines_is_told_once() -> None:
    told: list[str] = []
    tell = lines("import", told.append)
    for share, words in ((0, "waits"), (0, "waits"), (0.01, "runs"), (0.05, "runs"), (0.31, "runs"), (1, "done")):
        tell(share, words)
    assert told == ["import: waits, 0%", "import: runs, 1%", "import: runs, 31%", "import: done, 100%"]


def test_progress_on_a_terminal_is_a_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    out = Terminal()
    monkeypatch.setattr("sys.stderr", out)
    monkeypatch.setenv("TERM", "xterm")
    with progress("analysis") as tell:
        tell(0.5, "runs")
    assert "analysis: runs" in out.getvalue()
    assert "50%" in out.getvalue()
