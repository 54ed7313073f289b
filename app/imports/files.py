"""A file on its way from a request to a worker: compressed parts in the database, which every host reaches."""

import hashlib
import zlib
from dataclasses import dataclass
from itertools import count
from tempfile import SpooledTemporaryFile, TemporaryFile
from typing import BinaryIO

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.imports.models import ImportChunk

PART = 2**20
IN_MEMORY = 2**20
DATA, DICTIONARY = "file", "dictionary"


@dataclass(frozen=True)
class Upload:
    """A file as it came, on disk beyond a megabyte; `mapping` is the JSON text that came with it."""

    name: str
    file: BinaryIO
    size: int
    sha256: str
    mapping: str | None = None
    dictionary: BinaryIO | None = None


def spool() -> BinaryIO:
    """An empty temporary file, in memory while it is small."""
    return SpooledTemporaryFile(max_size=IN_MEMORY)  # type: ignore[return-value]


def digest(file: BinaryIO) -> tuple[int, str]:
    """Size and SHA-256 of a file, which is at its beginning afterwards."""
    file.seek(0)
    found = hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]
    size = file.tell()
    file.seek(0)
    return size, found


def keep(session: Session, import_id: str, part: str, file: BinaryIO) -> None:
    """Store a file for a worker."""
    file.seek(0)
    for number, content in enumerate(iter(lambda: file.read(PART), b"")):
        session.add(ImportChunk(import_id=import_id, part=part, number=number, content=zlib.compress(content, 1)))
        session.flush()
        session.expunge_all()
    file.seek(0)


def take(session: Session, import_id: str, part: str) -> BinaryIO | None:
    """A stored file as a temporary one, or None."""
    file = TemporaryFile()  # noqa: SIM115 - its reader closes it
    for number in count():
        chunk = session.exec(
            select(ImportChunk.content).where(
                ImportChunk.import_id == import_id, ImportChunk.part == part, ImportChunk.number == number
            )
        ).one_or_none()
        if chunk is None:
            break
        file.write(zlib.decompress(chunk))
    if file.tell() == 0:
        file.close()
        return None
    file.seek(0)
    return file


def drop(session: Session, import_id: str) -> None:
    """Remove what was stored of an import's files."""
    session.connection().execute(sa.delete(ImportChunk).where(col(ImportChunk.import_id) == import_id))
