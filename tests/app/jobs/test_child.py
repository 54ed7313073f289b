"""The conversation with a real child process."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.jobs.warm import Answer, Cancelled, Exited, Failed, Message, Nudge, Progress, Ready, WarmChild, parse
from tests.app.jobs.toys import CHILD, alive, until


@pytest.fixture
def child() -> Iterator[WarmChild]:
    child = WarmChild(CHILD)
    assert isinstance(child.hear(10), Ready)
    yield child
    child.close()
    assert not alive(child.pid)


def outcome(child: WarmChild) -> Message:
    """Hear on until the end of the job; progress must rise meanwhile."""
    share = 0.0
    while True:
        message = child.hear(10)
        assert message is not None, "the child is silent"
        if not isinstance(message, Progress):
            return message
        assert message.share >= share
        share = message.share


def test_it_answers_one_request_after_the_other_in_the_same_process(child: WarmChild) -> None:
    for steps in (1, 7):
        child.ask({"steps": steps})
        assert outcome(child) == Answer({"pid": child.pid, "steps": steps})


def test_what_the_work_prints_or_reads_does_not_disturb_the_conversation(
    child: WarmChild, capfd: pytest.CaptureFixture[str]
) -> None:
    child.ask({"do": "print"})
    assert isinstance(outcome(child), Answer)
    assert "forged" not in capfd.readouterr().out


@pytest.mark.parametrize(
    ("do", "code", "words"),
    [
        ("error", "error", "ValueError: the matrix is singular"),
        ("coded error", "bad_cells", "cell 3 has no people"),
        ("not json", "error", "not JSON serializable"),
        ("nan", "error", "not JSON compliant"),
    ],
)
def test_an_error_has_a_code_and_a_message_and_the_child_lives_on(
    child: WarmChild, do: str, code: str, words: str
) -> None:
    child.ask({"do": do})
    failed = outcome(child)
    assert isinstance(failed, Failed)
    assert failed.failure["code"] == code
    assert words in failed.failure["message"]
    assert "Traceback" not in failed.failure["message"]
    child.ask({})
    assert isinstance(outcome(child), Answer)


def test_what_is_done_later_waits_until_nobody_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trace = tmp_path / "trace"
    trace.touch()
    monkeypatch.setenv("TOY_LATER", str(trace))
    child = WarmChild(CHILD)
    assert isinstance(child.hear(10), Ready)
    try:
        child.ask({"steps": 100, "pause": 0.02})
        assert isinstance(outcome(child), Answer)
        assert trace.read_text() == ""
        until(lambda: trace.read_text().split("\n")[:3] == ["step 0", "step 1", "step 2"])
        child.ask({})  # a step that failed has not ended it
        assert isinstance(outcome(child), Answer)
    finally:
        child.close()


def test_it_obeys_a_cancel_at_its_next_report_and_lives_on(child: WarmChild) -> None:
    child.ask({"steps": 1000, "pause": 0.02})
    assert isinstance(child.hear(10), Progress)
    child.cancel()
    assert outcome(child) == Cancelled()
    child.ask({})
    assert isinstance(outcome(child), Answer)


def test_a_cancel_that_comes_late_does_not_hit_the_next_request(child: WarmChild) -> None:
    child.ask({})
    assert isinstance(outcome(child), Answer)
    child.cancel()
    child.ask({"steps": 3})
    assert isinstance(outcome(child), Answer)


def test_its_death_is_heard(child: WarmChild) -> None:
    child.ask({"do": "crash"})
    assert outcome(child) == Exited(-9)
    child.ask({})  # nobody hears it, nothing breaks


def test_a_nudge_is_heard_once(child: WarmChild) -> None:
    child.nudge()
    child.nudge()
    assert child.hear(1) == Nudge()
    assert child.hear(0) is None


def test_it_runs_in_a_group_of_its_own_behind_the_api(child: WarmChild) -> None:
    assert os.getpgid(child.pid) == child.pid != os.getpgid(0)
    assert os.getpriority(os.PRIO_PROCESS, child.pid) > os.getpriority(os.PRIO_PROCESS, 0)


def test_words_about_an_older_job_are_dropped() -> None:
    assert parse({"job": 1, "answer": {}}, 2) is None
    assert parse({"job": 2, "cancelled": True}, 2) == Cancelled()
