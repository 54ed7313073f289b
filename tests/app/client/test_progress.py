"""Who waits sees how far it is; who does not watch sees nothing."""

import io
import sys
from types import ModuleType
from typing import Any

import pytest

from app.client import NotFinished, NotReached
from app.client.progress import Bar
from app.client.waiting import wait_for


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Script:
    """A connection whose work goes on a step at each question."""

    def __init__(self, *steps: dict[str, Any] | NotReached) -> None:
        self.steps, self.waits = list(steps), list[float]()

    def get(self, _path: str) -> dict[str, Any]:
        step = self.steps.pop(0)
        if isinstance(step, NotReached):
            raise step
        return step

    def sleep(self, seconds: float) -> None:
        self.waits.append(seconds)


def test_a_bar_on_a_terminal() -> None:
    out = Terminal()
    with Bar("analysis", out) as tell:
        tell(0.0, "waits for a worker")
        tell(0.0, "waits for a worker")
        tell(0.5, "runs")
        tell(1.0, "done")
    lines = out.getvalue().split("\r")[1:]
    assert lines[0] == f"analysis [{'·' * 30}]   0% waits for a worker"
    assert lines[1].rstrip() == f"analysis [{'█' * 15}{'·' * 15}]  50% runs"
    assert len(lines[1]) == len(lines[0])  # nothing of the longer line stays
    assert lines[2].rstrip() == f"analysis [{'█' * 30}] 100% done"
    assert lines[2].endswith("\n")
    assert len(lines) == 3


def test_silence_in_a_pipe_and_a_bar_in_a_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    out = io.StringIO()
    with Bar("analysis", out) as tell:
        tell(0.5, "runs")
    assert out.getvalue() == ""
    monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    with Bar("analysis", out) as tell:
        tell(0.5, "runs")
    assert "50% runs" in out.getvalue()


def test_questions_grow_rare_and_have_an_end() -> None:
    running = {"id": "a1", "status": "running", "progress": 0.2}
    connection = Script(*[running] * 99)
    moments = iter(range(99))
    with pytest.raises(NotFinished, match="the analysis a1 is running after 20 s; it goes on at the service"):
        wait_for(
            connection,  # type: ignore[arg-type]
            "/v1/analyses/a1",
            running,
            label="analysis",
            progress=False,
            seconds=20,
            clock=lambda: float(next(moments)),
        )
    assert connection.waits[0] == 0.1
    assert connection.waits == sorted(connection.waits)
    assert connection.waits[-1] == 2.0


@pytest.mark.parametrize(("away", "reaches"), [(5, True), (6, False)])
def test_a_restart_of_the_service_is_waited_for(away: int, reaches: bool) -> None:  # noqa: FBT001
    running = {"id": "a1", "status": "running", "progress": 0.2}
    done = {"id": "a1", "status": "succeeded", "progress": 1.0}
    connection = Script(*[NotReached("away")] * away, running, *[NotReached("away")] * 5, done)
    told: list[str] = []

    def wait() -> dict[str, Any]:
        return wait_for(
            connection,  # type: ignore[arg-type]
            "/v1/analyses/a1",
            running,
            label="analysis",
            progress=lambda _share, words: told.append(words),
            seconds=900,
        )

    if reaches:
        assert wait() == done
    else:
        with pytest.raises(NotReached, match="away"):
            wait()
    assert "the service does not answer; asking on" in told
