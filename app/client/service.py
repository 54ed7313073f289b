"""The client itself: one service, one key."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Self

from app.client.analyses import Analysis
from app.client.connection import Connection, segment
from app.client.pilots import Pilot
from app.client.retries import Retries

URL, KEY = "PILOTLIGHT_URL", "PILOTLIGHT_KEY"


class Pilotlight:
    """A Pilotlight service, with the key of one person.

    >>> with Pilotlight("http://127.0.0.1:8000", key) as service:  # doctest: +SKIP
    ...     for pilot in service.pilots(stage="test"):
    ...         print(pilot.title, pilot.newest_analysis())
    """

    def __init__(
        self,
        url: str,
        key: str,
        *,
        retries: Retries | None = None,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self.connection = Connection(url, key, retries=retries, sleep=sleep, chance=chance)

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """The service and key that PILOTLIGHT_URL and PILOTLIGHT_KEY of `os.environ` name; ValueError if unset."""
        missing = [name for name in (URL, KEY) if not environment.get(name)]
        if missing:
            msg = f"set {' and '.join(missing)}: the address of the service, and your key"
            raise ValueError(msg)
        return cls(environment[URL], environment[KEY])

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.connection.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the connections."""
        self.connection.close()

    def pilots(
        self,
        *,
        q: str | None = None,
        stage: str | None = None,
        driver: str | None = None,
        lead: str | None = None,
        intervention_id: str | None = None,
        organization_id: str | None = None,
    ) -> Iterator[Pilot]:
        """The pilots that the key may see, oldest first, over all pages; `q` are words in the title."""
        query = {
            "q": q,
            "stage": stage,
            "driver": driver,
            "lead": lead,
            "intervention_id": intervention_id,
            "organization_id": organization_id,
        }
        return (Pilot.of(raw, connection=self.connection) for raw in self.connection.every("/v1/pilots", query))

    def pilot(self, id: str) -> Pilot:  # noqa: A002 - what people call it
        """One pilot; NotFound if there is none that the key may see."""
        return Pilot.of(self.connection.get(f"/v1/pilots/{segment(id)}"), connection=self.connection)

    def analysis(self, id: str) -> Analysis:  # noqa: A002 - what people call it
        """One analysis; NotFound if there is none that the key may see."""
        return Analysis.of(self.connection.get(f"/v1/analyses/{segment(id)}"), connection=self.connection)

    def get(self, path: str, **query: Any) -> Any:
        """The JSON of any other address of the API, such as `/v1/measures`."""
        return self.connection.get(path, query)
