"""Secrets at rest and signatures, as pure functions; held against a plain HMAC and the library."""

import base64
import hmac
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from app.webhooks.signing import Unreadable, new_secret, readable, seal, signed_headers, unseal

OFFSETS = st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=OFFSETS)  # noqa: DTZ001 - gets its zone
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
IDS = st.text(st.characters(min_codepoint=33, max_codepoint=126), min_size=1, max_size=36)


def by_hand(secret: str, event_id: str, seconds: int, payload: bytes) -> str:
    """A signature from nothing but the specification."""
    key = base64.b64decode(secret[len("whsec_") :])
    return "v1," + base64.b64encode(hmac.digest(key, f"{event_id}.{seconds}.".encode() + payload, "sha256")).decode()


def test_a_secret_is_32_random_bytes_behind_its_prefix() -> None:
    made = {new_secret() for _ in range(100)}
    assert len(made) == 100
    assert {len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) for secret in made} == {32}


@given(IDS, MOMENTS, TEXTS, st.integers(1, 5))
def test_signatures_are_those_of_the_specification(event_id: str, at: datetime, text: str, count: int) -> None:
    secrets, payload = [new_secret() for _ in range(count)], text.encode()
    headers = signed_headers(event_id, at, payload, secrets)
    assert set(headers) == {"webhook-id", "webhook-timestamp", "webhook-signature"}
    assert headers["webhook-id"] == event_id
    # Whatever zone the instant came in, and whatever zone this machine is in: whole seconds since 1970 in UTC.
    seconds = (at - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert headers["webhook-timestamp"] == str(seconds)
    assert headers["webhook-signature"].split() == [by_hand(secret, event_id, seconds, payload) for secret in secrets]


@given(TEXTS)
def test_the_library_verifies_with_each_secret_and_no_other(text: str) -> None:
    secrets, body = [new_secret(), new_secret()], json.dumps({"text": text}, ensure_ascii=False).encode()
    headers = signed_headers("019b2f04-7ad9-7c15-8be2-41f60d93c57a", datetime.now(UTC), body, secrets)
    for secret in secrets:
        assert Verifier(secret).verify(body, headers) == {"text": text}
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body + b" ", headers)
    with pytest.raises(WebhookVerificationError):
        Verifier(new_secret()).verify(body, headers)


def test_what_is_stored_reads_like_nothing_and_never_twice_the_same() -> None:
    secret = new_secret()
    first, second = seal(secret, "key of the service"), seal(secret, "key of the service")
    assert first != second
    assert unseal(first, "key of the service") == unseal(second, "key of the service") == secret
    raw = base64.urlsafe_b64decode(first)
    for trace in (secret.encode(), base64.b64decode(secret[6:])):
        assert trace not in raw
        assert trace not in first.encode()
    assert len(first) <= 500  # its column


@pytest.mark.parametrize("sealed", [seal(new_secret(), "another"), "", "no token", "gAAAAA=="])
def test_another_key_or_a_damaged_row_is_told_with_what_would_help(sealed: str) -> None:
    with pytest.raises(Unreadable, match=r"another PILOTLIGHT_SECRET_KEY: .*rotate the secret"):
        unseal(sealed, "mine")


def test_after_a_change_of_the_key_a_rotation_helps_at_once() -> None:
    fresh = new_secret()
    old = seal(new_secret(), "before")
    assert readable([seal(fresh, "after"), old], "after") == [fresh]
    for nothing in ([old], []):
        with pytest.raises(Unreadable):
            readable(nothing, "after")
