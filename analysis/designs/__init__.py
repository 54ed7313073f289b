"""Designs, one a file: a planned measure and its data become a model's inputs. No sampling and no rule here."""

from collections.abc import Callable, Mapping
from typing import Final

from analysis.designs import (
    cluster,
    cluster_binary,
    counts,
    cross_section,
    did,
    duration,
    its,
    ordinal,
    paired,
    paired_binary,
    paired_ordinal,
    parallel_binary,
    share_of,
    waves_binary,
    wedge,
)
from analysis.designs.ordinal_as_normal import with_ordinal
from analysis.designs.prepared import Prepared, Question
from analysis.documents import Design, Family
from analysis.errors import Refused

OFFERED: Final[Mapping[tuple[Design, Family], Callable[[Question], Prepared]]] = {
    (Design.PARALLEL, Family.NORMAL): duration.normal,
    (Design.PARALLEL, Family.BINARY): parallel_binary.binary,
    (Design.CLUSTER, Family.NORMAL): cluster.normal,
    (Design.PAIRED, Family.NORMAL): paired.normal,
    (Design.CROSS_SECTION, Family.NORMAL): cross_section.normal,
    (Design.DID, Family.NORMAL): did.normal,
    (Design.CLUSTER, Family.BINARY): cluster_binary.cluster,
    (Design.PAIRED, Family.BINARY): paired_binary.paired,
    (Design.CROSS_SECTION, Family.BINARY): waves_binary.cross_section,
    (Design.DID, Family.BINARY): waves_binary.did,
    (Design.STEPPED_WEDGE, Family.NORMAL): wedge.normal,
    (Design.STEPPED_WEDGE, Family.BINARY): wedge.binary,
    (Design.PARALLEL, Family.COUNT): counts.parallel,
    (Design.CLUSTER, Family.COUNT): counts.cluster,
    (Design.CROSS_SECTION, Family.COUNT): counts.cross_section,
    (Design.DID, Family.COUNT): counts.did,
    (Design.PARALLEL, Family.DURATION): duration.duration,
    (Design.PARALLEL, Family.SHARE): share_of.parallel,
    (Design.PARALLEL, Family.ORDINAL): ordinal.parallel,
    (Design.CLUSTER, Family.ORDINAL): ordinal.cluster,
    (Design.CROSS_SECTION, Family.ORDINAL): ordinal.cross_section,
    (Design.PAIRED, Family.ORDINAL): paired_ordinal.paired,
    (Design.ITS, Family.DURATION): its.duration,
    (Design.ITS, Family.COUNT): its.count,
}
"""What can be fitted. A new design is a file here and a row a family."""

STRUCTURES: Final[Mapping[tuple[Design, Family], tuple[str, ...]]] = {
    (Design.PARALLEL, Family.NORMAL): ("ancova", "two_means", "ancova_unknown_r", "ancova_units"),
    (Design.PARALLEL, Family.BINARY): ("two_proportions", "unit_proportions"),
    (Design.CLUSTER, Family.NORMAL): ("ancova_units",),
    (Design.PAIRED, Family.NORMAL): ("waves",),
    (Design.CROSS_SECTION, Family.NORMAL): ("waves",),
    (Design.DID, Family.NORMAL): ("waves",),
    (Design.CLUSTER, Family.BINARY): ("unit_proportions",),
    (Design.PAIRED, Family.BINARY): ("paired_proportions",),
    (Design.CROSS_SECTION, Family.BINARY): ("unit_proportions",),
    (Design.DID, Family.BINARY): ("unit_proportions",),
    (Design.STEPPED_WEDGE, Family.NORMAL): ("wedge_means",),
    (Design.STEPPED_WEDGE, Family.BINARY): ("wedge_proportions",),
    (Design.PARALLEL, Family.COUNT): ("unit_counts",),
    (Design.CLUSTER, Family.COUNT): ("unit_counts",),
    (Design.CROSS_SECTION, Family.COUNT): ("unit_counts",),
    (Design.DID, Family.COUNT): ("unit_counts",),
    (Design.PARALLEL, Family.DURATION): ("ancova", "two_means", "ancova_unknown_r", "ancova_units"),
    (Design.PARALLEL, Family.SHARE): ("share",),
    (Design.PARALLEL, Family.ORDINAL): ("unit_ordinal",),
    (Design.CLUSTER, Family.ORDINAL): ("unit_ordinal",),
    (Design.CROSS_SECTION, Family.ORDINAL): ("unit_ordinal",),
    (Design.PAIRED, Family.ORDINAL): ("paired_ordinal",),
    (Design.ITS, Family.DURATION): ("series",),
    (Design.ITS, Family.COUNT): ("series_counts",),
}
"""The models each may end in."""


def prepare(question: Question) -> Prepared:
    """The model's inputs for a measure; raises `Refused` for what is not offered or cannot be identified."""
    design, family = question.plan.design, question.measure.family
    if (design, family) not in OFFERED:
        offered = ", ".join(f"{d} × {f}" for d, f in OFFERED)
        raise Refused(
            "not_offered",
            f"{question.measure.measure}: the design {design.value} for {family.value} outcomes is not offered.",
            f"Offered are {offered}. A normal or binary version of the measure may serve.",
        )
    return with_ordinal(question, OFFERED[design, family](question), OFFERED)
