"""The evidence package: which documents it holds, how they follow from a request and its answer, and its manifest.

Stdlib and the documents only, pure: the service writes packages, `verify.py` reads them. The same analysis gives the
same bytes.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any
from urllib.parse import quote

from analysis.documents import Plan
from analysis.draw_names import NETCDF, PARQUET
from analysis.tables import CELL_COLUMNS, SUMMARY_COLUMNS, as_csv, cell_lines, summary_lines

FORMAT, VERSION = "pilotlight-evidence", 1
MANIFEST, README = "manifest.json", "README.txt"
PLAN, REQUEST, RESULT = "plan.json", "request.json", "result.json"
DIAGNOSTICS = "diagnostics.json"
DERIVED = (PLAN, "cells.csv", "summaries.csv", "summaries.json", DIAGNOSTICS, "versions.json")
"""What follows from the request, the result and the warnings; made again to verify."""
NAMES = frozenset({MANIFEST, README, REQUEST, RESULT, *DERIVED, NETCDF, PARQUET})
PLOT = re.compile(r"plots/[A-Za-z0-9_.~%-]{1,300}/[a-z_]{1,40}\.svg")
SAYS = """Evidence package of one analysis by Pilotlight

plan.json         the evaluation plan in its long form; plan_hash is the SHA-256 of its canonical JSON
request.json      what the library was asked: plan, data, look, seed
cells.csv         the data of request.json, a line a cell
result.json       its answer: estimates, gates, recommendation, provenance
summaries.csv     estimates, probabilities and diagnostics of result.json, a line a quantity; summaries.json: the same
diagnostics.json  gates, sampler, predictive checks, warnings of the result and of the data
draws.nc          every draw of every run as netCDF (xarray.open_datatree), with the sampler's statistics
draws.parquet     the same draws, a row a draw
plots/            the plots by measure, SVG
versions.json     the versions of what computed it
manifest.json     what this is of, and the SHA-256 of every other file

Effects are in SD units; above 0 is benefit. Cells marked `suppressed` are of too few people to be shown, or would tell
such by subtraction. What is not here, and why, is in manifest.json under `left_out`.

To verify:   python -m analysis verify package.zip
It compares every file with the manifest, both hashes with the documents, fits request.json again with its seed and
compares every number. Exit code 0: reproduced. 1: not reproduced. 2: no package, or damaged. 3: sound as far as can be
checked, but not to be fitted again, because data are hidden or were deleted.
The hashes show that files belong together, not who made them. plan_hash and data_hash are of plan and data alone: who
changes the attrition or the look in request.json and fits again has a sound package with the same two, and perhaps
another grade. To know that a package is the service's, compare the SHA-256 of manifest.json, which names every byte,
with the service: its first 32 digits are the ETag of GET /v1/analyses/{analysis_id}/package.
"""


def in_words(document: object) -> bytes:
    """JSON for people and programs; the same document gives the same bytes."""
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, sort_keys=True, indent=1)
    return f"{text}\n".encode()


def documents(
    request: Mapping[str, Any], result: Mapping[str, Any], warnings: Sequence[Mapping[str, str]]
) -> dict[str, bytes]:
    """Every document but the manifest by name; `warnings` are those of the data."""
    plan = Plan.model_validate(request["plan"]).expanded().model_dump(mode="json")
    lines = summary_lines(result)
    provenance = result.get("provenance", {})
    effects = result["effects"]
    diagnostics = {
        "gates": result.get("gates", []),
        "sampler": provenance.get("sampler"),
        "predictive": {effect["measure"]: effect.get("predictive", []) for effect in effects},
        "prior_sensitivity": {effect["measure"]: effect.get("prior_sensitivity") for effect in effects},
        "warnings": result.get("warnings", []),
        "data_warnings": warnings,
    }
    versions = {name: provenance.get(name) for name in ("versions", "engine", "model", "models")}
    return {
        README: SAYS.encode(),
        PLAN: in_words(plan),
        REQUEST: in_words(request),
        RESULT: in_words(result),
        "cells.csv": as_csv(cell_lines(request["data"]), CELL_COLUMNS),
        "summaries.csv": as_csv(lines, SUMMARY_COLUMNS),
        "summaries.json": in_words(lines),
        DIAGNOSTICS: in_words(diagnostics),
        "versions.json": in_words(versions),
    }


def plot_name(measure: str, name: str) -> str:
    """Where a plot lies; a measure's key may hold what a file name must not."""
    return f"plots/{quote(measure, safe='').replace('..', '%2E%2E')}/{name}.svg"


def digest(parts: Iterable[bytes]) -> dict[str, Any]:
    """SHA-256 and size of a file, as the manifest has them."""
    found, size = hashlib.sha256(), 0
    for part in parts:
        found.update(part)
        size += len(part)
    return {"sha256": found.hexdigest(), "bytes": size}


def manifest(
    about: Mapping[str, Any], files: Mapping[str, Mapping[str, Any]], left_out: Mapping[str, str], unfit: str | None
) -> dict[str, Any]:
    """What the package is of, and the digest of each file; `unfit` says why it cannot be fitted again, None: it can."""
    return {
        "format": FORMAT,
        "version": VERSION,
        **about,
        "refit": {"possible": unfit is None, "why_not": unfit},
        "left_out": dict(left_out),
        "files": {name: dict(files[name]) for name in sorted(files)},
    }
