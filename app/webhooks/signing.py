"""Secrets and signatures as Standard Webhooks 1.0 has them: made, sealed at rest, used; pure.

At rest a secret is a Fernet token under a key derived from `PILOTLIGHT_SECRET_KEY`: who has the database alone cannot
sign.
"""

import base64
import secrets
from collections.abc import Iterable
from contextlib import suppress
from datetime import UTC, datetime
from functools import lru_cache
from typing import Final

from cryptography.fernet import Fernet, InvalidToken
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from standardwebhooks import Webhook as Signer

PREFIX: Final = "whsec_"
SECRET_BYTES: Final = 32
UNREADABLE: Final = (
    "the signing secret was sealed under another PILOTLIGHT_SECRET_KEY: give the key back to every process of the"
    " service, or rotate the secret of this webhook"
)


class Unreadable(Exception):
    """The secret was sealed under another `PILOTLIGHT_SECRET_KEY`."""


def new_secret() -> str:
    """A secret as the receiver gets it: `whsec_` and the base64 of 32 random bytes."""
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


@lru_cache(maxsize=4)
def _cipher(master: str) -> Fernet:
    derived = HKDF(algorithm=SHA256(), length=32, salt=None, info=b"pilotlight webhook secrets").derive(master.encode())
    return Fernet(base64.urlsafe_b64encode(derived))


def seal(secret: str, master: str) -> str:
    """What is stored of a secret."""
    return _cipher(master).encrypt(secret.encode()).decode()


def unseal(sealed: str, master: str) -> str:
    """The secret; raises Unreadable."""
    try:
        return _cipher(master).decrypt(sealed.encode()).decode()
    except InvalidToken:
        raise Unreadable(UNREADABLE) from None


def readable(sealed: Iterable[str], master: str) -> list[str]:
    """The secrets that can be read; raises Unreadable when none can.

    After a change of the key a rotation helps at once: what is left of the old secrets does not hold up the new one.
    """
    found = []
    for one in sealed:
        with suppress(Unreadable):
            found.append(unseal(one, master))
    if not found:
        raise Unreadable(UNREADABLE)
    return found


def signed_headers(event_id: str, at: datetime, payload: bytes, signing: Iterable[str]) -> dict[str, str]:
    """The three headers of a try at `at`: one signature for each secret that is in force."""
    moment = at.astimezone(UTC)
    signatures = [Signer(secret).sign(event_id, moment, payload.decode()) for secret in signing]
    return {
        "webhook-id": event_id,
        "webhook-timestamp": str(int(moment.timestamp())),
        "webhook-signature": " ".join(signatures),
    }
