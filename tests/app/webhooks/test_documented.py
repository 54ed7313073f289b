"""What docs/webhooks.md tells receivers to run works, and its figures are those of the code."""

import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from standardwebhooks import Webhook

from app.config import Settings
from app.webhooks.delivery import BREATH, BUSY, DISABLE_AFTER, JITTER, waits_of
from app.webhooks.service import MOST
from app.webhooks.signing import new_secret, signed_headers

TEXT = (Path(__file__).parents[3] / "docs" / "webhooks.md").read_text("utf-8")
UNITS = {"s": timedelta(seconds=1), "min": timedelta(minutes=1), "h": timedelta(hours=1)}


def span(text: str) -> timedelta:
    return sum((int(number) * UNITS[unit] for number, unit in re.findall(r"(\d+) (s|min|h)\b", text)), timedelta())


def test_the_plain_way_to_verify_agrees_with_the_library() -> None:
    (code,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
    names: dict[str, Any] = {}
    exec(code, names)
    verified = names["verified"]
    secret, body, at = new_secret(), '{"title": "Überlastung – 值班"}'.encode(), datetime.now(UTC)
    headers = signed_headers("019b2f04", at, body, [new_secret(), secret])
    assert Webhook(secret).verify(body, headers)["title"].startswith("Über")
    assert verified(secret, headers, body)
    assert not verified(secret, headers, body + b" ")
    assert not verified(new_secret(), headers, body)
    assert not verified(secret, signed_headers("019b2f04", at - timedelta(minutes=6), body, [secret]), body)
    assert not verified(secret, headers | {"webhook-id": "another"}, body)
    for name, value in itertools.product(headers, ["", "x", "v1", "v1,", "v1,é", "-1", "9" * 30]):
        assert not verified(secret, headers | {name: value}, body)
    assert not verified(secret, {}, body)


def test_the_table_of_tries_is_the_schedule() -> None:
    rows = re.findall(r"^\| (\d+) \| (\S+ \w+|–) \| (.+?) \|$", TEXT, re.MULTILINE)
    waits = waits_of(Settings(_env_file=None).webhook_retry_seconds)  # type: ignore[call-arg]
    assert [int(number) for number, _, _ in rows] == list(range(1, len(waits) + 2))
    assert [span(wait) for _, wait, _ in rows[1:]] == list(waits)
    # Sums leave out what is less than a minute, once there are minutes.
    sums = [sum(waits[: i + 1], timedelta()) for i in range(len(waits))]
    shown = [total if total < timedelta(minutes=1) else total - timedelta(seconds=5) for total in sums]
    assert [span(total) for _, _, total in rows[1:]] == shown


def test_other_figures() -> None:
    settings = Settings(_env_file=None)  # type: ignore[call-arg]
    assert f"within {settings.webhook_timeout_seconds:.0f} s" in TEXT
    assert f"`PILOTLIGHT_WEBHOOK_PAYLOAD_DAYS` ({settings.webhook_payload_days})" in TEXT
    assert f"{MOST} endpoints for an organization" in TEXT
    assert JITTER == 1 / 5
    assert "up to a fifth" in TEXT
    assert "429, 502, 503 or 504" in TEXT
    assert {429, 502, 503, 504} == BUSY
    assert f"for {BREATH.seconds} s" in TEXT
    assert timedelta(days=5) == DISABLE_AFTER
    assert "failed for five days" in TEXT
