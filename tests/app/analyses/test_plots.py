"""Plots: stored with the result, handed out as they are, said which there are; drawn from a real fit elsewhere."""

import hashlib
from typing import Any

import pytest

from tests.app.steps import PLAN, REFUSAL, Finish, an_answer, in_test, ok, refused
from tests.conftest import House, on_sqlite

pytestmark = [pytest.mark.anyio, on_sqlite]
BOTH = {**PLAN, "measures": [*PLAN["measures"], {"measure": "mbi_burnout", "role": "secondary"}]}


def drawn(*places: tuple[str, str]) -> list[dict[str, str]]:
    return [{"measure": m, "name": n, "svg": f"<svg>{m} {n} é</svg>"} for m, n in places]


async def succeeded(house: House, finish: Finish, plots: list[dict[str, str]], answer: Any = None) -> str:
    path = await in_test(house, BOTH)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    finish(asked["id"], answer or an_answer(), plots)
    return f"/v1/analyses/{asked['id']}"


async def test_a_plot_is_of_the_primary_measure_unless_another_is_named(house: House, finish: Finish) -> None:
    plots = drawn(("mbi_burnout", "rank"), ("mbi_ee", "posterior"), ("mbi_ee", "rank"))
    path = await succeeded(house, finish, plots)
    response = await house.lead.get(f"{path}/plots/rank.svg")
    assert (response.status_code, response.text) == (200, "<svg>mbi_ee rank é</svg>")
    assert response.headers["content-type"].startswith("image/svg+xml")
    assert response.headers["content-security-policy"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert response.headers["etag"] == f'"{hashlib.sha256(response.content).hexdigest()[:32]}"'
    other = await house.lead.get(f"{path}/plots/rank.svg?measure=mbi_burnout")
    assert other.text == "<svg>mbi_burnout rank é</svg>"
    assert other.headers["etag"] != response.headers["etag"]
    listed = (await ok(house.lead.get(path)))["plots"]
    assert len(listed) == 3
    for address in listed:
        assert (await house.lead.get(address)).status_code == 200, address


async def test_what_was_not_drawn_is_named_with_what_was(house: House, finish: Finish) -> None:
    path = await succeeded(house, finish, drawn(("mbi_ee", "posterior"), ("mbi_ee", "rank")))
    problem = await refused(house.lead.get(f"{path}/plots/units.svg"), 404, "no_plot")
    assert "posterior, rank" in problem["detail"]
    assert problem["plots"] == [{"measure": "mbi_ee", "name": name} for name in ("posterior", "rank")]
    problem = await refused(house.lead.get(f"{path}/plots/rank.svg?measure=mbi_burnout"), 404, "no_plot")
    assert "mbi_ee" in problem["detail"]
    await refused(house.lead.get(f"{path}/plots/rank.svg?mesure=mbi_ee"), 422, "invalid")


async def test_before_a_result_and_without_an_estimate_there_is_none(house: House, finish: Finish) -> None:
    path = await in_test(house)
    asked = await ok(house.analyst.post(f"{path}/analyses"), 202)
    address = f"/v1/analyses/{asked['id']}/plots/posterior.svg"
    assert "queued" in (await refused(house.lead.get(address), 404, "no_plot"))["detail"]
    finish(asked["id"], REFUSAL)
    assert "no estimate" in (await refused(house.lead.get(address), 404, "no_plot"))["detail"]


async def test_a_neighbour_sees_no_plot(house: House, neighbour: House, finish: Finish) -> None:
    path = await succeeded(house, finish, drawn(("mbi_ee", "posterior")))
    await refused(neighbour.lead.get(f"{path}/plots/posterior.svg"), 404, "not_found")
