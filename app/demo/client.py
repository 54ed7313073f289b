"""A few calls of the JSON API, as any client would make them."""

import time
from collections.abc import Callable, Iterator
from typing import Any

import httpx

Say = Callable[[str], None]
FINAL = frozenset({"succeeded", "failed", "cancelled"})


class Refused(RuntimeError):
    """The service answered with a problem."""


class Client:
    """One person's key at one service."""

    def __init__(self, url: str, key: str) -> None:
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=60)

    def call(self, method: str, path: str, body: Any = None) -> Any:
        """The JSON of an answer; Refused with the service's own words otherwise."""
        response = self.http.request(method, path, json=body)
        if response.is_error:
            problem = response.json()
            more = [f"{e.get('loc')}: {e['msg']}" for e in problem.get("errors", [])]
            more += [u["message"] for u in problem.get("unmet", [])]
            raise Refused(f"{method} {path}: {problem['detail']} " + "; ".join(more))
        return response.json()

    def every(self, path: str) -> Iterator[dict[str, Any]]:
        """All items of a list."""
        cursor: str | None = ""
        while cursor is not None:
            page = self.call(
                "GET", f"{path}{'&' if '?' in path else '?'}limit=200" + (f"&cursor={cursor}" if cursor else "")
            )
            yield from page["items"]
            cursor = page["next_cursor"]

    def wait_for(
        self, analysis: dict[str, Any], say: Say, of: str = "analyses", seconds: float = 900
    ) -> dict[str, Any]:
        """The analysis (or another kind of work) once its status is final, telling its progress on the way."""
        deadline = time.monotonic() + seconds
        told = ""
        while analysis["status"] not in FINAL:
            if time.monotonic() > deadline:
                raise Refused(f"{of} {analysis['id']} has not ended after {seconds:.0f} s")
            time.sleep(0.2)
            analysis = self.call("GET", f"/v1/{of}/{analysis['id']}")
            news = (
                "waits for the worker to warm up" if analysis["status"] == "queued" else f"{analysis['progress']:.0%}"
            )
            if news != told:
                say(f"    analysis: {news}")
                told = news
        return dict(analysis)
