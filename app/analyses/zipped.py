"""A ZIP archive written as it is sent; the same members give the same bytes. Nothing here knows what is in them."""

import io
import zipfile
from collections.abc import Iterable, Iterator

EPOCH = (1980, 1, 1, 0, 0, 0)
READABLE = 0o644 << 16
UNIX = 3


class _Outbox(io.RawIOBase):
    """Holds what was written until it is taken; it cannot be sought, as what was sent cannot be changed."""

    def __init__(self) -> None:
        self._held: list[bytes] = []

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        content = bytes(memoryview(data))  # type: ignore[arg-type]
        self._held.append(content)
        return len(content)

    def take(self) -> bytes:
        held, self._held = b"".join(self._held), []
        return held


def zipped(members: Iterable[tuple[str, Iterable[bytes]]]) -> Iterator[bytes]:
    """The archive in pieces; each member is read when its turn comes, a part at a time."""
    outbox = _Outbox()
    with zipfile.ZipFile(outbox, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, parts in members:
            info = zipfile.ZipInfo(name, EPOCH)
            info.compress_type, info.external_attr, info.create_system = zipfile.ZIP_DEFLATED, READABLE, UNIX
            with archive.open(info, "w", force_zip64=False) as member:
                for part in parts:
                    member.write(part)
                    if piece := outbox.take():
                        yield piece
            yield outbox.take()
    yield outbox.take()
