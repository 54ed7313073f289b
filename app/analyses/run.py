"""The warm child process that fits and synthesises: the only import in the service of what samples."""

import json
import os
import traceback
from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from app.config import Settings
from app.jobs.child import Progress, serve

# Two arms of people: what most pilots are, and quick to compile. The worker takes requests when these are ready.
FIRST = ("two_means", "ancova", "two_proportions")
# Then, while nobody asks for anything, the others, in the order in which they are likely to be needed.
NEXT = (
    "waves",
    "ancova_units",
    "ancova_unknown_r",
    "unit_proportions",
    "paired_proportions",
    "series",
    "unit_ordinal",
    "unit_counts",
    "series_counts",
    "wedge_means",
    "wedge_proportions",
    "paired_ordinal",
    "share",
    "synthesis",
)


# The last fit: its pictures are mostly asked for right after it. The same request gives the same fit in any case.
_last: tuple[dict[str, Any], Any] | None = None


def _fitted(fit: dict[str, Any], progress: Progress) -> tuple[Any, Any]:
    """What is asked, and its fit: the last one where that was of the same."""
    global _last  # noqa: PLW0603 - one thread works, one request after the other
    from analysis.documents import FitRequest  # noqa: PLC0415 - NumPy and all that, once the cache folder is set
    from analysis.fit import fit_with_draws  # noqa: PLC0415

    asked = FitRequest.model_validate(fit)
    if _last is None or _last[0] != fit:
        _last = None  # two sets of draws need not be held at once
        _last = fit, fit_with_draws(asked, progress=progress)
    return asked, _last[1]


def _fit(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.draw_files import files  # noqa: PLC0415
    from app.analyses.files import sent  # noqa: PLC0415
    from app.analyses.plotting import draw  # noqa: PLC0415

    asked, fitted = _fitted(request["fit"], progress)
    if "refused" in fitted.answer:
        return {"result": fitted.answer, "plots": []}
    drawn, warned = draw(asked, fitted, request["unit_names"], request.get("suppressed"))
    result = {**fitted.answer, "warnings": [*fitted.answer["warnings"], *warned]}
    about = {**request.get("about", {}), "versions": json.dumps(result["provenance"]["versions"])}
    try:
        kept = sent(files(fitted.draws, about))
    except Exception as error:  # noqa: BLE001 - a file is no reason to lose an analysis
        traceback.print_exc()
        message = f"The draws could not be kept ({type(error).__name__}); the result stands without them."
        result["warnings"] = [*result["warnings"], {"code": "draws_failed", "message": message, "measure": None}]
        kept = {}
    return {"result": result, "plots": drawn, "files": kept}


def _picture(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from app.analyses.plotting import pictures  # noqa: PLC0415

    asked, fitted = _fitted(request["fit"], progress)
    if asked.data_hash() != request["pictures_of"]:  # rows were deleted since: it would be the picture of other data
        return {"pictures": []}
    return {"pictures": pictures(asked, fitted, request["unit_names"], request.get("suppressed"), progress)}


def _synthesise(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    from analysis.evidence import SynthesisRequest  # noqa: PLC0415
    from analysis.synthesis import synthesise  # noqa: PLC0415

    return synthesise(SynthesisRequest.model_validate(request["synthesise"]), progress=progress)


def _answer(request: dict[str, Any], progress: Progress) -> dict[str, Any]:
    if "synthesise" in request:
        return _synthesise(request, progress)
    return _picture(request, progress) if "pictures_of" in request else _fit(request, progress)


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
