"""The child process that simulates: the only import of `analysis.operating` in the service; no PyMC here."""

from typing import Any

from app.jobs.child import Progress, serve


def _simulate(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.operating import simulate  # noqa: PLC0415 - its own processes import this module too
    from analysis.scenario import SimulateRequest  # noqa: PLC0415

    return simulate(SimulateRequest.model_validate(request), progress)


def _warm() -> None:
    import analysis.operating  # noqa: F401, PLC0415


if __name__ == "__main__":
    serve(_simulate, _warm)
