"""Requests to one service with one key: retries, time-outs, refusals as types, downloads that are whole or not there.

The key is in the headers of requests and nowhere else: no text, exception or log of this package has it.
"""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit
from uuid import uuid4

import httpx

from app.client.downloads import Whole, save
from app.client.errors import Damaged, NotReached, Redirected, refusal
from app.client.retries import PASSING, Retries, is_passing, is_repeatable, retry_after

TIMEOUT = httpx.Timeout(60, connect=10)
# What leaves open whether the service heard it: sent again where that is harmless.
LOST = (
    httpx.ConnectError,
    httpx.ConnectTimeout,
    httpx.ReadError,
    httpx.WriteError,
    httpx.RemoteProtocolError,
)
type Query = Mapping[str, str | int | bool | None]


def checked_url(url: str) -> str:
    """An address without the slash at its end; ValueError where it is none of a service."""
    parts = urlsplit(url.strip())
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        msg = f"{url!r} is no address of a service; it looks like http://127.0.0.1:8000"
        raise ValueError(msg)
    if parts.username or parts.password or parts.query or parts.fragment:
        msg = "the address of the service has no user, password, query or fragment; the key is given apart"
        raise ValueError(msg)
    return url.strip().rstrip("/")


def segment(text: str) -> str:
    """A text as one part of a path, whatever is in it."""
    return quote(text, safe="")


def _bearer(key: str) -> str:
    # Said here, in our own words: a library that cannot send a header repeats it in its exception.
    if not key.strip() or not key.strip().isascii() or any(not c.isprintable() or c == " " for c in key.strip()):
        msg = "this is not a key: it is empty or has characters that no key has; copy it once more"
        raise ValueError(msg) from None
    return f"Bearer {key.strip()}"


class Connection:
    """Sends requests; `sleep` and `chance` are handed in by tests."""

    def __init__(
        self,
        url: str,
        key: str,
        *,
        retries: Retries | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.url, self.retries, self.sleep, self._chance = checked_url(url), retries or Retries(), sleep, chance
        self._http = httpx.Client(
            base_url=self.url, headers={"Authorization": _bearer(key)}, timeout=TIMEOUT, follow_redirects=False
        )

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.url!r})"

    def close(self) -> None:
        """Let go of the connections."""
        self._http.close()

    def get(self, path: str, query: Query | None = None) -> Any:
        """The JSON of an answer."""
        return self.json("GET", path, query=query)

    def json(self, method: str, path: str, *, query: Query | None = None, **content: Any) -> Any:
        """The JSON of an answer; `content` as httpx takes it (`json`, `data`, `files`)."""
        with self._answered(method, path, query, **content) as response:
            try:
                return response.json()
            except ValueError:
                raise refusal(response.status_code, b"") from None

    def every(self, path: str, query: Query | None = None) -> Iterator[dict[str, Any]]:
        """All items of a list, a page at a time."""
        page = self.get(path, {**(query or {}), "limit": 200})
        yield from page["items"]
        while page.get("next_cursor"):
            page = self.get(path, {**(query or {}), "limit": 200, "cursor": page["next_cursor"]})
            yield from page["items"]

    def content(self, path: str, query: Query | None = None) -> bytes:
        """The bytes of an answer, checked against its hash."""
        with self._answered("GET", path, query) as response:
            Whole(response.headers).check([response.content])
            return response.content

    def download(self, path: str, to: Path, query: Query | None = None) -> Path:
        """The bytes of an answer as a file, streamed; it appears once it is whole. A cut connection is tried anew."""
        tried = 0
        while True:
            tried += 1
            try:
                with self._answered("GET", path, query, stream=True) as response:
                    return save(response.iter_bytes(), Whole(response.headers), to)
            except httpx.RequestError as error:
                wait = self.retries.wait(tried, None, self._chance()) if isinstance(error, LOST) else None
                if wait is None:
                    why = f"cut off, tried {_times(tried)} ({type(error).__name__})"
                    raise Damaged(f"the download of {path} was {why}; no file is left") from None
                self.sleep(wait)

    @contextmanager
    def _answered(
        self, method: str, path: str, query: Query | None, *, stream: bool = False, **content: Any
    ) -> Iterator[httpx.Response]:
        """The answer when it is one; raises Refused and NotReached."""
        # Identical at every try, with the boundaries of its parts: the service compares.
        request = self._http.build_request(method, path, params=_given(query), headers=_once(method), **content)
        response = self._sent(request, stream=stream)
        try:
            if not response.is_success:
                raise self._fault(response)
            yield response
        finally:
            response.close()

    def _sent(self, request: httpx.Request, *, stream: bool) -> httpx.Response:
        repeatable = is_repeatable(request.method, request.headers)
        tried = 0
        while True:
            tried += 1
            try:
                response = self._http.send(request, stream=stream)
            except httpx.RequestError as error:
                lost, asked = isinstance(error, LOST), None
                if not (repeatable and lost) or (wait := self.retries.wait(tried, None, self._chance())) is None:
                    raise self._not_reached(error, tried) from None
            else:
                asked = retry_after(response.headers.get("Retry-After"), datetime.now(UTC))
                if not (repeatable and _is_passing(response, asked)):
                    return response
                wait = self.retries.wait(tried, asked, self._chance())
                if wait is None:
                    return response
                response.close()
            self.sleep(wait)

    def _not_reached(self, error: httpx.RequestError, tried: int) -> NotReached:
        why = str(error) or type(error).__name__
        return NotReached(f"no answer from {self.url}, tried {_times(tried)} ({why}). Is the service running there?")

    def _fault(self, response: httpx.Response) -> Exception:
        if response.is_redirect:
            target = urlsplit(response.headers.get("Location", ""))
            where = f"{target.scheme}://{target.hostname}" if target.hostname else "another path"
            told = f"{self.url} answers that it is to be found at {where}; the key is not sent there. "
            told += "If that is your service, give its address."
            return Redirected(response.status_code, {"code": "redirected", "detail": told})
        response.read()
        found = refusal(response.status_code, response.content)
        if response.status_code in PASSING:
            return NotReached(f"{found}. The service at {self.url} cannot answer now; repeat it later.")
        return found


def _times(tried: int) -> str:
    return "once" if tried == 1 else f"{tried} times"


def _is_passing(response: httpx.Response, asked: float | None) -> bool:
    if response.is_success:
        return False
    response.read()
    return is_passing(response.status_code, refusal(response.status_code, response.content).code, asked=asked)


def _given(query: Query | None) -> dict[str, str | int | bool]:
    return {name: value for name, value in (query or {}).items() if value is not None}


def _once(method: str) -> dict[str, str]:
    return {"Idempotency-Key": uuid4().hex} if method == "POST" else {}
