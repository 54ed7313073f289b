"""The child process that simulates: the only import of `analysis.operating` in the service; no PyMC here."""

from typing import Any

from app.jobs.child import Progress, serve


def _simulate(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.operating import simulate  # noqa: PLC0415 - seconds and memory that only who simulates pays
    from analysis.scenario import SimulateRequest  # noqa: PLC0415

    return simulate(SimulateRequest.model_validate(request), progress)


if __name__ == "__main__":
    serve(_simulate)
