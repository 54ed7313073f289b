"""The request of `fit`: a plan and the data of its measures."""

import hashlib
from enum import StrEnum
from typing import Annotated, Self

from pydantic import Field, model_validator

from analysis.documents.data import MeasureData
from analysis.documents.plan import Plan
from analysis.documents.values import Document, Key, People, Share, content_hash


class Engine(StrEnum):
    """`nuts` samples a PyMC model; `exact` is the closed form or quadrature, where there is one."""

    NUTS = "nuts"
    EXACT = "exact"


class FitRequest(Document):
    """What `fit` reads."""

    plan: Plan
    data: dict[Key, MeasureData]
    seed: Annotated[int, Field(ge=0, lt=2**63)] | None = None
    look: People | None = Field(default=None, description="Which planned look this is; null: the last")
    engine: Engine = Engine.NUTS
    attrition: dict[Key, Share] | None = Field(
        default=None, description="As the waves of the pilot show it; goes before what the plan declares"
    )

    @model_validator(mode="after")
    def _known_measures(self) -> Self:
        for key in self.data:
            if self.plan.measure(key) is None:
                raise ValueError(f"data of {key!r}, which the plan does not name")
        return self

    @property
    def attrition_in_force(self) -> dict[str, float] | None:
        """Observed attrition by arm, else the declared one, else None (unknown)."""
        return self.attrition or self.plan.attrition

    def data_hash(self) -> str:
        """Hash of the data as given."""
        return content_hash({k: v.model_dump(mode="json", exclude_unset=True) for k, v in self.data.items()})


def confirmatory_seed(plan_hash: str, data_hash: str) -> int:
    """The one seed of the confirmatory analysis of these data under this plan: nobody can shop for another.

    Below 2**48, so that no JSON reader rounds it.
    """
    return int(hashlib.sha256(f"{plan_hash}:{data_hash}".encode()).hexdigest()[:12], 16)
