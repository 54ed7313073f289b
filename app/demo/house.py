"""An organization of a demonstration with its units and people; what is there already is used again."""

from collections.abc import Mapping, Sequence
from typing import Any

from app.demo.client import Client, Say


class House:
    """One organization, seen and acted on through the API."""

    def __init__(
        self,
        administrator: Client,
        url: str,
        name: str,
        units: Sequence[Mapping[str, Any]],
        people: Mapping[str, str],
        say: Say,
    ) -> None:
        self.administrator, self.url, self.name, self.people, self.say = administrator, url, name, people, say
        known = {o["name"]: o for o in administrator.every("/v1/organizations")}
        found = known.get(name) or administrator.call("POST", "/v1/organizations", {"name": name})
        self.id = str(found["id"])
        place = f"/v1/organizations/{self.id}/units"
        there = {u["name"]: u for u in administrator.every(place)}
        self.units = [(there.get(u["name"]) or administrator.call("POST", place, u))["id"] for u in units]
        self._clients: dict[str, Client] = {}

    def as_(self, role: str) -> Client:
        """The client of a person; keys are shown once, so the first use makes one."""
        if role not in self._clients:
            person = self.people[role]
            body = {
                "organization_id": self.id,
                "role": role,
                "person": person,
                "label": f"demonstration: {person}",
            }
            self._clients[role] = Client(self.url, self.administrator.call("POST", "/v1/keys", body)["key"])
        return self._clients[role]

    def intervention(self, body: dict[str, Any]) -> dict[str, Any]:
        """The intervention of this title."""
        known = {i["title"]: i for i in self.administrator.every(f"/v1/interventions?organization_id={self.id}")}
        return dict(known.get(body["title"]) or self.as_("lead").call("POST", "/v1/interventions", body))

    def pilot(self, body: dict[str, Any]) -> dict[str, Any]:
        """The pilot of this title."""
        known = {p["title"]: p for p in self.administrator.every(f"/v1/pilots?organization_id={self.id}")}
        whole = {"organization_id": self.id, **body}
        pilot = known.get(body["title"]) or self.as_("lead").call("POST", "/v1/pilots", whole)
        self.say(f"  {pilot['title']} (driver: {pilot['driver']}), in {pilot['stage']}")
        return dict(pilot)
