"""The operating characteristics that a plan was locked with: how often it would scale, refine or replace, by truth.

Simulations stand above plans in the layers and know them; here their table is read by its name.
"""

from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.db import Json
from app.plans.models import PlanVersion

SIMULATIONS = sa.table(
    "simulations",
    sa.column("id", sa.String),
    sa.column("pilot_id", sa.String),
    sa.column("plan_hash", sa.String),
    sa.column("result", Json),
)
OUTCOMES = ("scale", "refine", "replace")


def newest_simulation(session: Session, version: PlanVersion) -> str | None:
    """The id of the newest simulation with an answer of this very plan (by its hash), or None."""
    table = SIMULATIONS.c
    found = session.connection().execute(
        sa.select(table.id, table.result)
        .where(table.pilot_id == version.pilot_id, table.plan_hash == version.hash, table.result.is_not(None))
        .order_by(table.id.desc())
    )
    return next((row.id for row in found if "operating_characteristics" in row.result), None)


def operating_characteristics(session: Session, version: PlanVersion) -> dict[str, Any] | None:
    """The simulation attached at the lock, of a draft the newest of the plan as it stands; None: there is none.

    `{simulation_id, by_effect: [{effect, scale, refine, replace}]}`: the true effect in SD units, shares of pilots.
    """
    attached = version.simulation_id if version.locked_at is not None else newest_simulation(session, version)
    if attached is None:
        return None
    table = SIMULATIONS.c
    result = session.connection().scalar(sa.select(table.result).where(table.id == attached))
    rows = [
        {"effect": row["effect"], **{outcome: row[outcome]["share"] for outcome in OUTCOMES}}
        for row in (result or {}).get("operating_characteristics", [])
    ]
    return {"simulation_id": attached, "by_effect": rows}
