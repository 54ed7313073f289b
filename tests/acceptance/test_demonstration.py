"""`pilotlight serve --demo` as a user runs it: decisions on published data, a kill in the middle, a second start."""

import math
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

# What lands is tried by `.ci/run` in the same way: the README's command, then both decisions over HTTP.
pytestmark = pytest.mark.slow
PILOTLIGHT = Path(sys.executable).with_name("pilotlight")
WARM_UP = 300  # seconds a cold compile may take on a busy machine


class Service:
    """One installation: a folder, a port, and a process that can be killed and started again."""

    def __init__(self, folder: Path) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.folder, self.log = folder, folder / "log"
        self.url = f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        environment = os.environ | {
            "PILOTLIGHT_VAR_DIR": str(self.folder / "var"),
            "PILOTLIGHT_PORT": str(self.port),
            "PILOTLIGHT_LEASE_SECONDS": "3",
        }
        environment.setdefault("PILOTLIGHT_CACHE_DIR", str(self.folder / "cache"))
        with self.log.open("w") as output:
            self.process = subprocess.Popen(
                [PILOTLIGHT, "serve", "--demo"], env=environment, stdout=output, stderr=output
            )
        self.wait(lambda: re.search(r"^key ", self.output(), re.MULTILINE))
        self.key = re.findall(r"^key +(\S+)", self.output(), re.MULTILINE)[0]

    def wait(self, condition: Callable[[], Any], seconds: float = WARM_UP) -> None:
        deadline = time.monotonic() + seconds
        while not condition():
            assert self.process.poll() is None, self.output()
            assert time.monotonic() < deadline, self.output()
            time.sleep(0.05)

    def output(self) -> str:
        return self.log.read_text()

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {self.key}"}, timeout=60)

    def kill(self) -> None:
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(10)

    def stop(self) -> None:
        self.process.terminate()
        self.process.wait(30)


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    running = Service(tmp_path_factory.mktemp("service"))
    running.start()
    yield running
    running.stop()


def pilot_named(client: httpx.Client, word: str) -> dict[str, Any]:
    (found,) = client.get("/v1/pilots", params={"q": word}).json()["items"]
    return dict(found)


def decided(client: httpx.Client, pilot: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    (decision,) = client.get(f"/v1/pilots/{pilot['id']}/decisions").json()["items"]
    return decision, client.get(f"/v1/analyses/{decision['analysis_id']}").json()


def test_coaching_agrees_with_the_closed_form(service: Service) -> None:
    with service.client() as client:
        pilot = pilot_named(client, "coaching")
        _, analysis = decided(client, pilot)
    # Difference of mean changes in SD units, prior N(0, 0.5), variances plugged in.
    difference = (1.5 - -5.2) / 10.3
    variance = (8.7**2 / 41 + 7.7**2 / 41) / 10.3**2
    precision = 1 / variance + 1 / 0.5**2
    effect = analysis["result"]["effects"][0]
    assert effect["sd"]["mean"] == pytest.approx(difference / variance / precision, abs=0.01)
    assert effect["sd"]["sd"] == pytest.approx(1 / math.sqrt(precision), abs=0.01)


@pytest.mark.parametrize(("word", "follows"), [("coaching", "scale"), ("COMPASS", "refine")])
def test_the_decision_is_what_the_rule_says(service: Service, word: str, follows: str) -> None:
    with service.client() as client:
        pilot = pilot_named(client, word)
        decision, analysis = decided(client, pilot)
        moves = client.get(f"/v1/pilots/{pilot['id']}/moves").json()["items"]
    recommendation = analysis["result"]["recommendation"]
    assert analysis["kind"] == "confirmatory"
    assert decision["outcome"] == recommendation["outcome"] == follows == pilot["stage"]
    assert decision["recommendation"] == recommendation
    assert decision["signed_by"] != pilot["lead"]
    assert [m["to"] for m in moves] == ["develop", "test", follows]
    asked = [c for c in recommendation["criteria"] if c["decides"] == "scale"]
    assert all(c["met"] for c in asked) is (follows == "scale")
    for name in ("seed", "data_hash", "plan_hash", "model", "versions"):
        assert analysis["provenance"][name]


def test_every_plot_of_the_decisions_analysis_is_there(service: Service) -> None:
    with service.client() as client:
        _, analysis = decided(client, pilot_named(client, "coaching"))
        names = [address.rpartition("/")[2].partition(".")[0] for address in analysis["plots"]]
        plots = [client.get(address) for address in analysis["plots"]]
    assert names == ["cell_means", "posterior", "predictive", "prior_posterior", "rank", "trace"]
    assert all(plot.status_code == 200 and "</svg>" in plot.text for plot in plots)


def test_killed_in_the_middle_it_ends_once(service: Service) -> None:
    with service.client() as client:
        pilot = pilot_named(client, "coaching")
        asked = client.post(f"/v1/pilots/{pilot['id']}/analyses", json={}).json()
        place = f"/v1/analyses/{asked['id']}"
        service.wait(lambda: client.get(place).json()["status"] == "running")
        service.kill()
    before = service.key
    service.start()
    assert service.key != before
    with service.client() as client:
        service.wait(lambda: client.get(place).json()["status"] not in {"queued", "running"})
        analysis = client.get(place).json()
        ends = client.get("/v1/audit", params={"resource_id": asked["id"]}).json()["items"]
        # The first confirmatory analysis has the same data and, by its hash, the same seed: the same numbers.
        _, first = decided(client, pilot)
        again = client.get("/v1/pilots").json()["items"]
    assert analysis["status"] == "succeeded"
    assert [e["changes"]["status"] for e in ends if e["action"] == "ended"] == ["succeeded"]
    assert analysis["result"]["effects"] == first["result"]["effects"]
    assert len(again) == 2


def test_attempts_become_a_program_or_do_not(service: Service) -> None:
    """The second demonstration as its command tells it: all criteria are printed, one program passes, one does not."""
    command = [PILOTLIGHT, "demo", "--program", "--url", service.url, "--key", service.key]
    told = subprocess.run(command, capture_output=True, text=True, timeout=WARM_UP, check=True).stdout
    groups, rooms = (
        told[told.index(head) :] for head in ("Self-facilitated groups over a meal (synthetic): ", "Quiet")
    )
    assert "FOUNDATIONAL; the pilot is in foundational" in groups
    assert "NOT_YET; the pilot is in scale" in told
    judged = told[told.rindex("Quiet rooms (synthetic): ") :]
    criteria = dict(re.findall(r"^    (?:met|UNMET|shown) +(\w+) +([\d.]+)", judged, re.MULTILINE))
    assert set(criteria) >= {"retained", "origins", "adopters", "grade_a", "p_benefit_adopters", "no_adopter_harmed"}
    assert float(criteria["p_meaningful"]) >= 0.8
    assert float(criteria["p_benefit_new"]) < 0.9
    assert "refused: " in rooms
    assert "Effective, but not scalable." in told
    with service.client() as client:
        [program] = client.get("/v1/programs").json()["items"]
        assert (program["title"], program["status"]) == ("Self-facilitated groups over a meal (synthetic)", "active")
        family = client.get(f"/v1/interventions/{program['intervention_id']}/family").json()
        assert [a["standing"] for a in family["ancestors"]] == ["effective_not_scalable"]
        pilot = pilot_named(client, "Self-facilitated groups over")
        iterations = client.get(f"/v1/pilots/{pilot['id']}/iterations").json()["items"]
        assert [i["effects"][0]["recommendation"] for i in iterations] == ["refine", "scale"]
        # A second road to what was pooled: the mean of θ̂ weighted by precision lies where μ does.
        evidence = client.get(f"/v1/programs/{program['id']}").json()["evidence"]
        weights = [1 / e["se_sd"] ** 2 for e in evidence]
        pooled = sum(w * e["effect_sd"] for w, e in zip(weights, evidence, strict=True)) / sum(weights)
        synthesis = client.get(f"/v1/syntheses/{program['synthesis_id']}").json()
        assert synthesis["result"]["mu"]["mean"] == pytest.approx(pooled, abs=0.1)
