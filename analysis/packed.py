"""Reads an evidence package that a stranger may have made: nothing is written to disk, no size is believed.

Whether what is in it is true, `verify.py` says.
"""

import json
import zipfile
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from analysis.package import FORMAT, MANIFEST, NAMES, PLOT, REQUEST, RESULT, VERSION, digest

MOST_BYTES = 1 << 30
MOST_MEMBERS = 1000
RATIO, ALWAYS = 300, 1 << 20
FORMS = (
    (REQUEST, "data", dict),
    (RESULT, "provenance", dict),
    (RESULT, "effects", list),
    (RESULT, "gates", list),
    (RESULT, "warnings", list),
    (RESULT, "recommendation", dict),
    (MANIFEST, "refit", dict),
    (MANIFEST, "left_out", dict),
)
"""Parts of documents that are read further: all are objects, or lists of objects, or not there."""
"""A member may unpack to this many times its size, or to a mebibyte."""


class Damaged(Exception):
    """It is no evidence package, or not as it was made; the message says what is wrong."""


@dataclass(frozen=True)
class Packed:
    """The manifest, the request and the result as documents, and every file as bytes."""

    manifest: dict[str, Any]
    request: dict[str, Any]
    result: dict[str, Any]
    files: dict[str, bytes]


def read(path: Path) -> Packed:
    """The package, each file as its manifest says; raises Damaged."""
    try:
        with zipfile.ZipFile(path) as archive:
            files = _files(archive)
    except (OSError, zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError) as error:
        raise Damaged(f"not to be read as a ZIP archive: {error}") from error
    manifest = _document(files, MANIFEST)
    if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
        raise Damaged(f"{MANIFEST} is not of {FORMAT}, version {VERSION}")
    _as_listed(manifest, files)
    packed = Packed(manifest, _document(files, REQUEST), _document(files, RESULT), files)
    _formed({MANIFEST: manifest, REQUEST: packed.request, RESULT: packed.result})
    return packed


def _formed(found: dict[str, dict[str, Any]]) -> None:
    for name, part, form in FORMS:
        held = found[name].get(part, form())
        if not isinstance(held, form) or (form is list and not all(isinstance(one, dict) for one in held)):
            raise Damaged(f"{part} in {name} is not what it is in an evidence package")
    for shapes in found[REQUEST].get("data", {}).values():
        entries = shapes.values() if isinstance(shapes, dict) else [shapes]
        if not all(isinstance(some, list) and all(isinstance(one, dict) for one in some) for some in entries):
            raise Damaged(f"data in {REQUEST} are not what they are in an evidence package")


def _files(archive: zipfile.ZipFile) -> dict[str, bytes]:
    members = archive.infolist()
    if len(members) > MOST_MEMBERS or sum(member.file_size for member in members) > MOST_BYTES:
        raise Damaged("larger than any evidence package")
    files: dict[str, bytes] = {}
    for member in members:
        name = member.orig_filename
        if name in files or (name not in NAMES and PLOT.fullmatch(name) is None):
            raise Damaged(f"holds {name!r}, which no evidence package does, or holds it twice")
        if member.file_size > max(ALWAYS, RATIO * member.compress_size):
            raise Damaged(f"{name} would unpack to {member.file_size} bytes from {member.compress_size}")
        with archive.open(member) as content:
            files[name] = content.read(member.file_size + 1)
    return files


def _document(files: dict[str, bytes], name: str) -> dict[str, Any]:
    try:
        found = json.loads(files[name])
    except KeyError:
        raise Damaged(f"there is no {name}") from None
    except (ValueError, RecursionError) as error:
        raise Damaged(f"{name} is not JSON: {error}") from error
    if not isinstance(found, dict):
        raise Damaged(f"{name} is no document")
    return found


def _as_listed(manifest: dict[str, Any], files: dict[str, bytes]) -> None:
    listed = manifest.get("files")
    if not isinstance(listed, dict):
        raise Damaged(f"{MANIFEST} lists no files")
    there = files.keys() - {MANIFEST}
    if missing := sorted(listed.keys() - there):
        raise Damaged(f"missing: {', '.join(missing)}")
    if more := sorted(there - listed.keys()):
        raise Damaged(f"not in {MANIFEST}: {', '.join(more)}")
    if changed := sorted(name for name in there if listed[name] != digest([files[name]])):
        raise Damaged(f"changed since {MANIFEST} was written: {', '.join(changed)}")
