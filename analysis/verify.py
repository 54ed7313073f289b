"""Verifies an evidence package: hashes, documents, and the numbers by fitting it again. Knows nothing of the service.

The rule by which numbers count as the same is in `compared.py`.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from analysis.compared import Difference, differences
from analysis.documents import FitRequest, Plan
from analysis.draw_names import NETCDF, PARQUET
from analysis.package import DERIVED, DIAGNOSTICS, README, documents
from analysis.packed import Damaged, Packed, read

if TYPE_CHECKING:
    from analysis.fit import Fit

SHOWN = 10
"""Differences that are listed; the others are counted."""


class Verdict(IntEnum):
    """The exit code."""

    REPRODUCED = 0
    NOT_REPRODUCED = 1
    DAMAGED = 2
    NOT_REFITTED = 3


SAYS = {
    Verdict.REPRODUCED: "REPRODUCED: the package is whole, and fitting it again gives its numbers",
    Verdict.NOT_REPRODUCED: "NOT REPRODUCED: what differs is named above",
    Verdict.DAMAGED: "DAMAGED: not an evidence package, or not as it was made",
    Verdict.NOT_REFITTED: "NOT REFITTED: whole as far as can be checked; its numbers were not computed again",
}


@dataclass
class Report:
    """What was checked, in order: a name, whether it holds (None: could not be checked), what there is to say."""

    checks: list[tuple[str, bool | None, str]] = field(default_factory=list)
    verdict: Verdict = Verdict.REPRODUCED

    def check(self, name: str, faults: list[str], said: str) -> None:
        """Add a check; with faults nothing is reproduced."""
        more = [f"and {len(faults) - SHOWN} more"] if len(faults) > SHOWN else []
        self.checks.append((name, not faults, "\n".join([*faults[:SHOWN], *more]) or said))
        if faults:
            self.verdict = Verdict.NOT_REPRODUCED

    def __str__(self) -> str:
        """A short table and the verdict."""
        marks = {True: "ok", False: "FAILED", None: "not checked"}
        lines = [
            f"{name if i == 0 else '':<12} {marks[holds] if i == 0 else '':<12} {line}"
            for name, holds, said in self.checks
            for i, line in enumerate(said.splitlines())
        ]
        return "\n".join([*lines, SAYS[self.verdict]])


def main(path: Path) -> int:
    """Verify a package and print the report; the exit code."""
    report = verify(path)
    sys.stdout.write(f"{report}\n")
    return int(report.verdict)


def _fit(request: FitRequest) -> "Fit":
    from analysis.fit import fit_with_draws  # noqa: PLC0415 (seconds; only who fits pays)

    return fit_with_draws(request)


def verify(path: Path, fit: Callable[[FitRequest], "Fit"] = _fit) -> Report:
    """Check a package; `fit` computes it again."""
    report = Report()
    try:
        packed = read(path)
        plan = Plan.model_validate(packed.request.get("plan"))
    except (Damaged, ValidationError) as error:
        said = str(error) if isinstance(error, Damaged) else "request.json has no plan"
        report.checks.append(("files", False, said))
        report.verdict = Verdict.DAMAGED
        return report
    said = f"{len(packed.files) - 1} files are as the manifest says; plots and {README} are not made again"
    report.check("files", [], said)
    report.check("plan hash", _others(packed, "plan_hash", plan.hash()), plan.hash())
    why = unfit(packed)
    if why is not None:
        report.checks += [("data hash", None, why), ("documents", None, why), ("refit", None, why)]
        if report.verdict is Verdict.REPRODUCED:
            report.verdict = Verdict.NOT_REFITTED
        return report
    try:
        request = FitRequest.model_validate(packed.request)
    except ValidationError as error:
        report.check("request", [f"request.json cannot be fitted: {error.errors()[0]['msg']}"], "")
        return report
    report.check("data hash", _others(packed, "data_hash", request.data_hash()), request.data_hash())
    report.check("seed", _others(packed, "seed", request.seed), str(request.seed))
    report.check(
        "documents", list(_underived(packed)), "cells, summaries and diagnostics follow from request and result"
    )
    _compare(report, packed, fit(request))
    return report


def unfit(packed: Packed) -> str | None:
    """Why a package cannot be fitted again; None: it can. What the manifest says of it is not believed."""
    data = packed.request.get("data") or {}
    entries = [e for shapes in data.values() for entries in shapes.values() for e in entries or []]
    if any(entry.get("suppressed") for entry in entries):
        return "cells of too few people are only marked"
    refit = packed.manifest.get("refit") or {}
    if refit.get("possible") is not False:
        return None
    try:
        whole = FitRequest.model_validate(packed.request).data_hash() == packed.manifest.get("data_hash")
    except ValidationError:
        whole = False
    return None if whole else str(refit.get("why_not"))


def _others(packed: Packed, name: str, computed: Any) -> list[str]:
    """Where another value of a hash or seed stands than the documents give."""
    told = {
        "manifest.json": packed.manifest.get(name),
        "result.json": packed.result.get("provenance", {}).get(name),
    }
    return [
        f"{where} says {value}, the documents give {computed}" for where, value in told.items() if value != computed
    ]


def _underived(packed: Packed) -> Iterator[str]:
    """Documents that do not follow from the request and the result."""
    import json  # noqa: PLC0415

    try:
        warnings = json.loads(packed.files[DIAGNOSTICS]).get("data_warnings", [])
        made = documents(packed.request, packed.result, warnings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        yield f"the documents do not have the form of a package: {type(error).__name__} {error}"
        return
    yield from (
        f"{name} does not follow from request and result" for name in DERIVED if packed.files.get(name) != made[name]
    )


def _compare(report: Report, packed: Packed, fitted: "Fit") -> None:
    from analysis.answer import versions  # noqa: PLC0415

    stored = packed.result.get("provenance", {}).get("versions") or {}
    now = dict(versions())
    same = stored == now
    how = "with the same versions: equal"
    if not same:
        others = ", ".join(
            f"{n} {stored.get(n)} → {now.get(n)}" for n in sorted({*stored, *now}) if stored.get(n) != now.get(n)
        )
        how = f"with other versions ({others}): equal within Monte-Carlo error"
    if "refused" in fitted.answer:
        report.check("refit", [f"refused: {fitted.answer['refused']['message']}"], "")
        return
    found: list[Difference] = differences(packed.result, fitted.answer, same_versions=same)
    report.check("refit", [str(d) for d in found], how)
    if PARQUET in packed.files or NETCDF in packed.files:
        from analysis.compared_draws import faults  # noqa: PLC0415

        report.check("draws", faults(packed.files, fitted, same_versions=same), how)
    else:
        left_out = packed.manifest.get("left_out") or {}
        report.checks.append(("draws", None, f"not in the package: {left_out.get(PARQUET)}"))
    if report.verdict is Verdict.REPRODUCED:
        outcome = fitted.answer["recommendation"]["outcome"]
        report.check("outcome", [], f"{outcome}, grade {fitted.answer['grade']}")
