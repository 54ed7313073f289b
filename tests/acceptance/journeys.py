"""Pilots that move, asked for by clients that repeat what was not answered."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any
from uuid import uuid4

import httpx

from tests.app.steps import NOTES, PLAN

STAGES = ("develop", "test", "refine", "develop", "retired")
PATIENCE = 600  # repetitions, a tenth of a second apart
LOCKED = {**PLAN, "baseline_missing_reason": "published before and after"}
ENDS = {"reason": "As it was agreed.", "lessons": "Coaches have to be found early."}


async def insist(client: httpx.AsyncClient, method: str, path: str, body: Any = None) -> Any:
    """The JSON of an answer to a form or a CSV file; asked again, under one key, as often as the service was away."""
    token = {"Idempotency-Key": str(uuid4())}
    sent: dict[str, Any] = {"json": body}
    if isinstance(body, str):
        token["Content-Type"], sent = "text/csv", {"content": body}
    for _ in range(PATIENCE):
        try:
            answer = await client.request(method, path, **sent, headers=token)
        except httpx.TransportError:
            await asyncio.sleep(0.1)
            continue
        if answer.status_code == httpx.codes.SERVICE_UNAVAILABLE:  # the database is away: nothing was changed
            await asyncio.sleep(0.1)
            continue
        assert answer.is_success, f"{method} {path}: {answer.status_code} {answer.text}"
        return answer.json()
    msg = f"{method} {path} was never answered"
    raise TimeoutError(msg)


class Ward:
    """An organization with what a pilot needs; `client` has the key of an administrator of the service."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self.client = client
        self.id = self.unit = self.intervention = ""

    async def open(self) -> None:
        """Make it."""
        self.id = (await insist(self.client, "POST", "/v1/organizations", {"name": "Northfield"}))["id"]
        unit = {"name": "Ward 1", "headcount": 40}
        self.unit = (await insist(self.client, "POST", f"/v1/organizations/{self.id}/units", unit))["id"]
        coaching = {
            "title": "Coaching",
            "description": "Six sessions.",
            "driver": "self_valuation",
            "organization_id": self.id,
            "ownership_role": "own",
        }
        self.intervention = (await insist(self.client, "POST", "/v1/interventions", coaching))["id"]

    async def subscribe(self, url: str) -> tuple[str, str]:
        """Have moves told there; the webhook's id and its secret."""
        body = {"url": url, "events": ["pilot.stage_changed"], "organization_id": self.id}
        made = await insist(self.client, "POST", "/v1/webhooks", body)
        return made["id"], made["secret"]

    async def pilot(self) -> str:
        """A pilot that may leave `discover`; its path."""
        body = {"title": "Coaching", "organization_id": self.id, "driver": "self_valuation", "unit_ids": [self.unit]}
        made = await insist(self.client, "POST", "/v1/pilots", body)
        path = f"/v1/pilots/{made['id']}"
        await insist(self.client, "PATCH", path, {**NOTES, "intervention_id": self.intervention})
        return path

    async def journey(self, in_test: Callable[[str], Awaitable[None]] | None = None) -> AsyncIterator[dict[str, Any]]:
        """The five moves of a pilot through an iteration, another one begun and given up; one by one.

        `in_test` is awaited, with the pilot's path, when it has come there.
        """
        path = await self.pilot()
        for number, stage in enumerate(STAGES):
            if stage == "test":
                await insist(self.client, "PUT", f"{path}/plan", LOCKED)
                await insist(self.client, "POST", f"{path}/plan/lock")
            more = ENDS if number > 1 else {}
            stop = {"retirement": "stopped"} if stage == "retired" else {}
            yield await insist(self.client, "POST", f"{path}/moves", {"to": stage, **more, **stop})
            if stage == "test" and in_test is not None:
                await in_test(path)
