"""Files of an analysis in the database: kept in chunks, handed out chunk by chunk; what is in them is made elsewhere.

Kept in the database, so that an API on another machine than the worker's hands them out, and a backup has them.
"""

import base64
import hashlib
import zlib
from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import Engine
from sqlmodel import Session, col, select

from app.analyses.models import AnalysisFile, AnalysisFileChunk
from app.db import reading

CHUNK = 256 * 1024
"""Bytes; two or three of them are all that a download holds in memory."""
GZIP = zlib.MAX_WBITS | 16


def sent(files: Mapping[str, bytes]) -> dict[str, str]:
    """Files as the child sends them: base64 in JSON. 3 MB, what a usual analysis has, take 0.05 s."""
    return {name: base64.b64encode(content).decode("ascii") for name, content in files.items()}


def store(session: Session, analysis_id: str, files: Mapping[str, str]) -> None:
    """Keep what the child sent; raises ValueError for what is no base64."""
    for name, text in files.items():
        content = base64.b64decode(text, validate=True)
        digest = hashlib.sha256(content).hexdigest()
        unpacked = _unpacked_size(content) if name.endswith(".gz") else len(content)
        session.add(
            AnalysisFile(analysis_id=analysis_id, name=name, size=len(content), sha256=digest, full_size=unpacked)
        )
        session.flush()
        session.add_all(
            AnalysisFileChunk(analysis_id=analysis_id, name=name, number=number, content=content[start : start + CHUNK])
            for number, start in enumerate(range(0, len(content), CHUNK))
        )


def _unpacked_size(content: bytes) -> int:
    """Bytes of a gzip file of one member, unpacked; its last four bytes say so for less than 4 GiB."""
    if len(content) < 18:  # noqa: PLR2004 - the shortest there is
        msg = "not a gzip file"
        raise ValueError(msg)
    return int.from_bytes(content[-4:], "little")


def files_of(session: Session, analysis_id: str) -> dict[str, AnalysisFile]:
    """The files of an analysis by name."""
    found = session.exec(
        select(AnalysisFile).where(AnalysisFile.analysis_id == analysis_id).order_by(col(AnalysisFile.name))
    )
    return {file.name: file for file in found}


def pieces(engine: Any, file: AnalysisFile) -> Iterator[bytes]:
    """The bytes as stored, a chunk at a time, each read in a transaction of its own.

    A slow reader holds no connection; files are written once and never deleted, so that every chunk is there.
    """
    count = -(-file.size // CHUNK)
    for number in range(count):
        with reading(engine) as session:
            yield session.get_one(AnalysisFileChunk, (file.analysis_id, file.name, number)).content


def unpacked(parts: Iterator[bytes]) -> Iterator[bytes]:
    """The bytes of a gzip file unpacked on the way, never more than `CHUNK` at a time."""
    reader = zlib.decompressobj(GZIP)
    for part in parts:
        waiting = part
        while waiting:
            yield reader.decompress(waiting, CHUNK)
            waiting = reader.unconsumed_tail
    if rest := reader.flush():
        yield rest


def engine_of(session: Session) -> Engine:
    """The engine behind a session, for what is read after its request has ended."""
    bind = session.get_bind()
    return bind if isinstance(bind, Engine) else bind.engine
