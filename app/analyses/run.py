"""The warm child process that fits and synthesises: the only import in the service of what samples."""

import os
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from app.config import Settings
from app.jobs.child import Progress, serve

# Two arms of people: what most pilots are, and quick to compile. The worker takes requests when these are ready.
FIRST = ("two_means", "ancova", "two_proportions")
# Then, while nobody asks for anything, the others, in the order in which they are likely to be needed.
NEXT = ("waves", "ancova_units", "ancova_unknown_r", "unit_proportions", "paired_proportions", "synthesis")


def _fit(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.documents import FitRequest  # noqa: PLC0415 - NumPy and all that, once the cache folder is set
    from analysis.fit import fit_with_draws  # noqa: PLC0415
    from app.analyses.plotting import draw  # noqa: PLC0415

    asked = FitRequest.model_validate(request["fit"])
    fitted = fit_with_draws(asked, progress=progress)
    if "refused" in fitted.answer:
        return {"result": fitted.answer, "plots": []}
    drawn, warned = draw(asked, fitted, request["unit_names"], request.get("suppressed"))
    return {"result": {**fitted.answer, "warnings": [*fitted.answer["warnings"], *warned]}, "plots": drawn}


def _synthesise(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.evidence import SynthesisRequest  # noqa: PLC0415
    from analysis.synthesis import synthesise  # noqa: PLC0415

    return synthesise(SynthesisRequest.model_validate(request["synthesise"]), progress=progress)


def _answer(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    work = _synthesise if "synthesise" in request else _fit
    return work(request, progress)


def _warm() -> None:
    from analysis.fit import warm  # noqa: PLC0415
    from app.analyses.plotting import warm as warm_plots  # noqa: PLC0415

    warm(*FIRST)
    warm_plots()


def _later() -> Iterable[Callable[[], object]]:
    """Compile what no request has needed so far; a request that comes before its model is ready compiles it itself."""
    from analysis.fit import warm  # noqa: PLC0415

    return [partial(warm, structure) for structure in NEXT]


if __name__ == "__main__":
    # Before anything heavy is imported: what was compiled, and what Matplotlib found out about the fonts, lasts.
    cache = Settings().compile_cache
    os.environ.setdefault("PILOTLIGHT_CACHE_DIR", str(cache))
    os.environ.setdefault("MPLCONFIGDIR", str(cache / "matplotlib"))
    serve(_answer, _warm, _later)
