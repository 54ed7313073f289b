"""Where the reference SD of a planned measure comes from: a benchmark, what was stated, or the measure's default.

The library's plan holds the number and its source in words; which benchmark it was is kept beside it, with the version.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from sqlmodel import Session

from analysis.documents import Family, Plan
from app.benchmarks.models import Benchmark
from app.benchmarks.service import replaced_by, says
from app.catalog.models import Measure
from app.plans.models import Origin, PlanVersion
from app.plans.schemas import PlannedMeasureIn, ReferenceSdOut

SERVICE_ONLY = frozenset({"benchmark_id", "benchmark_mean"})
DEFAULT_SOURCE = "the measure's default"
# Defaults are in raw units; the reference SD of these families is one of logarithms.
ON_LOGS = frozenset({Family.COUNT, Family.DURATION})

Fault = tuple[str, str, str]
Origins = Mapping[str, Mapping[str, str | None]]
"""By measure: `origin` and, of a benchmark, its id."""


@dataclass(frozen=True)
class Completed:
    """A plan in its long form, and where its reference SDs come from."""

    plan: Plan
    origins: Origins


@dataclass
class Resolved:
    """What a plan says of one measure's scale, where it comes from, and what is wrong with it."""

    values: dict[str, Any]
    origin: Origin = Origin.STATED
    benchmark_id: str | None = None
    faults: list[Fault] = field(default_factory=list)


def resolve(
    session: Session, organization_id: str, asked: PlannedMeasureIn, known: Measure, before: Origins
) -> Resolved:
    """The scale of a measure as asked for, completed from its benchmark or from the catalogue.

    `before` is what the version before says: a plan that is written again as it was read keeps its benchmark.
    """
    given = asked.model_dump(include={"reference_sd", "reference_sd_source", "reference_mean"})
    found = Resolved(given)
    if asked.benchmark_id is not None:
        _from_benchmark(session, organization_id, asked, found)
        return found
    if asked.benchmark_mean:
        message = "benchmark_mean takes the mean of a benchmark: name it in benchmark_id"
        found.faults.append(("benchmark_mean", message, "missing"))
    default = (known.default_sd, known.sd_source or DEFAULT_SOURCE)
    kept = session.get(Benchmark, before.get(known.key, {}).get("benchmark_id") or "")
    if given["reference_sd"] is None and known.default_sd is not None and known.family not in ON_LOGS:
        given["reference_sd"], given["reference_sd_source"] = default
        found.origin = Origin.MEASURE_DEFAULT
    elif given["reference_sd"] is None:
        found.origin = Origin.POOLED_BASELINE if known.family is Family.NORMAL else Origin.FAMILY
    elif kept is not None and (given["reference_sd"], given["reference_sd_source"]) == (kept.sd, says(kept)):
        found.origin, found.benchmark_id = Origin.BENCHMARK, kept.id
    elif (given["reference_sd"], given["reference_sd_source"]) == default:
        found.origin = Origin.MEASURE_DEFAULT
    return found


def _from_benchmark(session: Session, organization_id: str, asked: PlannedMeasureIn, found: Resolved) -> None:
    row = session.get(Benchmark, asked.benchmark_id)
    if row is None or row.organization_id not in {None, organization_id}:
        message = f"there is no benchmark {asked.benchmark_id!r}; GET /v1/benchmarks?measure={asked.measure} lists them"
        found.faults.append(("benchmark_id", message, "unknown_benchmark"))
        return
    found.faults += _benchmark_faults(session, asked, row)
    found.origin, found.benchmark_id = Origin.BENCHMARK, row.id
    found.values |= {"reference_sd": row.sd, "reference_sd_source": says(row)}
    if asked.benchmark_mean:
        found.values["reference_mean"] = row.mean


def _benchmark_faults(session: Session, asked: PlannedMeasureIn, row: Benchmark) -> Iterator[Fault]:
    if row.measure != asked.measure:
        yield "benchmark_id", f"this benchmark is of {row.measure}, not of {asked.measure}", "other_measure"
        return
    if (newer := replaced_by(session, row)) is not None:
        yield "benchmark_id", f"this benchmark was corrected; name the one that replaces it, {newer}", "replaced"
    stated = [("reference_sd", row.sd)] + ([("reference_mean", row.mean)] if asked.benchmark_mean else [])
    for name, value in stated:
        own = getattr(asked, name)
        if own is not None and own != value:
            message = (
                f"the benchmark says {value:g}, the plan {own:g}: leave {name} out, or leave the benchmark out and say "
                "in reference_sd_source where yours comes from"
            )
            yield name, message, "differs_from_benchmark"
    if asked.reference_sd_source not in {None, says(row)}:
        yield "reference_sd_source", "the source is the benchmark's; leave it out", "differs_from_benchmark"


def family_faults(asked: PlannedMeasureIn, family: Family) -> Iterator[Fault]:
    """A benchmark is the scale of normal measures only: on the others one SD unit is fixed (docs/methods.md, 2)."""
    if asked.benchmark_id is not None and family is not Family.NORMAL:
        message = f"{asked.measure} is {family.value}: one SD unit is fixed there, no benchmark tells it; leave it out"
        yield "benchmark_id", message, "not_normal"


def reference_sds_out(version: PlanVersion) -> list[ReferenceSdOut]:
    """The reference SD of each measure of a version, and where it comes from."""
    origins = version.reference_sds or {}
    return [
        ReferenceSdOut(
            measure=planned["measure"],
            reference_sd=planned["reference_sd"],
            source=planned["reference_sd_source"],
            origin=origins.get(planned["measure"], {}).get("origin"),
            benchmark_id=origins.get(planned["measure"], {}).get("benchmark_id"),
        )
        for planned in version.plan["measures"]
    ]
