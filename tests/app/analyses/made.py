"""An analysis that follows from its request, computed by the exact engine, with draws as a sampler might give."""

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from fastapi import FastAPI

from analysis.documents import FitRequest
from analysis.draw_files import files
from analysis.fit import Fit, fit_with_draws
from analysis.sampling import Draws
from app.analyses.models import Analysis
from app.analyses.plotting import draw
from app.db import transaction
from tests.app.steps import Finish

SHAPES: Mapping[str, tuple[int, ...]] = {"delta": (), "total": (), "sigma": (2,), "sigma_log__": (2,), "r": ()}


def drawn(fitted: Fit, draws: int = 200) -> dict[str, dict[str, Draws]]:
    """Draws of every posterior of a fit, (4, draws, …); the effect has the posterior's own mean and SD."""
    found: dict[str, dict[str, Draws]] = {}
    for measure, runs in fitted.posteriors.items():
        for number, (run, posterior) in enumerate(runs.items()):
            rng = np.random.default_rng(number)
            values = {name: rng.normal(size=(4, draws, *shape)) for name, shape in SHAPES.items()}
            z = (values["delta"] - values["delta"].mean()) / values["delta"].std(ddof=1)
            values["delta"] = posterior.mean + posterior.sd * z
            said = {"diverging": rng.random((4, draws)) > 1, "energy": rng.normal(size=(4, draws))}
            found.setdefault(measure, {})[run] = Draws(values, said)
    return found


def fitted_again(request: FitRequest) -> Fit:
    """What `fit_with_draws` would be, had the exact engine draws; the same each time."""
    fitted = fit_with_draws(request)
    return Fit(fitted.answer, drawn(fitted), fitted.posteriors)


def exactly(app: FastAPI, analysis_id: str, finish: Finish, *, plots: bool = False) -> Fit:
    """End a queued analysis as the child would, by the exact engine; its fit."""
    with transaction(app.state.engine) as session:
        analysis = session.get_one(Analysis, analysis_id)
        analysis.request = {**analysis.request, "engine": "exact"}
        session.add(analysis)
        asked: dict[str, Any] = analysis.request
        about = {"analysis_id": analysis.id, "plan_hash": analysis.plan_hash, "data_hash": analysis.data_hash}
        hidden = analysis.suppressed
    request = FitRequest.model_validate(asked)
    fitted = fitted_again(request)
    assert "refused" not in fitted.answer, fitted.answer
    about |= {"seed": asked["seed"], "versions": json.dumps(fitted.answer["provenance"]["versions"])}
    pictures = draw(request, fitted, {}, hidden)[0] if plots else []
    finish(analysis_id, fitted.answer, pictures, files(fitted.draws, about))
    return fitted
