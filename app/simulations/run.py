"""The child process that simulates: the only import of `analysis.operating` in the service; no PyMC here."""

from typing import Any

from app.jobs.child import Progress, serve

NICENESS = 15
"""Behind the analyses of real pilots, which somebody waits for."""


def _simulate(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis import operating  # noqa: PLC0415 - seconds and memory that only who simulates pays
    from analysis.scenario import SimulateRequest  # noqa: PLC0415

    match request:
        case {"whole": asked}:
            return operating.simulate(SimulateRequest.model_validate(asked), progress)
        case {"part": asked, "chunks": chunks}:
            return operating.part(SimulateRequest.model_validate(asked), chunks, progress)
        case {"merge": asked, "answers": answers}:
            return operating.merged(SimulateRequest.model_validate(asked), answers)
    msg = f"nothing to simulate in {sorted(request)}"
    raise ValueError(msg)


if __name__ == "__main__":
    serve(_simulate, niceness=NICENESS)
