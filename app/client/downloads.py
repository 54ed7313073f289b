"""A download that is whole, or leaves nothing: bytes are counted and hashed on the way, its name comes last."""

import base64
import binascii
import hashlib
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from uuid import uuid4

from app.client.errors import Damaged

DIGEST = re.compile(r"sha-256=:([A-Za-z0-9+/=]+):")


class Whole:
    """What the headers of an answer say of its bytes: their number, and their SHA-256 (RFC 9530)."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        length = headers.get("Content-Length", "")
        # Of a compressed answer both are of other bytes than those that arrive here.
        encoded = headers.get("Content-Encoding", "identity") != "identity"
        self.length = int(length) if length.isdecimal() and not encoded else None
        self.sha256 = None if encoded else _sha256(headers)

    def check(self, parts: Iterable[bytes]) -> None:
        """Raise Damaged when the bytes are others."""
        for _ in self.passed(parts):
            pass

    def passed(self, parts: Iterable[bytes]) -> Iterable[bytes]:
        """The parts one by one; raises Damaged after the last of them when they are not what was sent."""
        count, digest = 0, hashlib.sha256()
        for part in parts:
            count += len(part)
            digest.update(part)
            yield part
        if self.length is not None and count != self.length:
            msg = f"{count} of {self.length} bytes arrived; download it again"
            raise Damaged(msg)
        if self.sha256 is not None and digest.digest() != self.sha256:
            msg = "the download does not fit the hash that came with it (SHA-256); download it again"
            raise Damaged(msg)


def _sha256(headers: Mapping[str, str]) -> bytes | None:
    told = headers.get("Repr-Digest") or headers.get("Content-Digest") or ""
    found = DIGEST.search(told)
    try:
        return base64.b64decode(found.group(1), validate=True) if found else None
    except binascii.Error:
        return None


def save(parts: Iterable[bytes], whole: Whole, to: Path) -> Path:
    """The file `to` with these bytes. Whatever happens, there is the whole file under this name or what was before."""
    part = to.with_name(f".{to.name}.{uuid4().hex[:8]}.part")
    try:
        with part.open("xb") as file:
            file.writelines(whole.passed(parts))
        part.replace(to)
    except BaseException:
        part.unlink(missing_ok=True)
        raise
    return to
