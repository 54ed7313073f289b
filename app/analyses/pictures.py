"""The plots of an analysis as PNG: drawn after it has ended, by a worker that has nothing more urgent to do.

To draw them takes longer than most fits (docs/decisions/0017-what-leaves.md): nobody who waits for numbers shall wait
for pictures of them.
"""

import base64
from typing import Any

from sqlmodel import Session, select

from app.analyses.asked import asked_of_child
from app.analyses.models import Analysis, AnalysisPictures, AnalysisPlot
from app.errors import Conflict, NotFound
from app.jobs.work import Work


def picture(session: Session, plot: AnalysisPlot) -> bytes:
    """The PNG of a plot; Conflict `not_drawn_yet` while it is drawn, NotFound `no_picture` where it never will be."""
    if plot.png is not None:
        return plot.png
    work = session.exec(select(AnalysisPictures).where(AnalysisPictures.analysis_id == plot.analysis_id)).first()
    if work is not None and not work.status.final:
        msg = "the pictures are drawn after the result; ask again in a few seconds, the SVG is there already"
        raise Conflict(msg, "not_drawn_yet", headers={"Retry-After": "3"})
    msg = "this plot has no PNG: take its SVG, or ask for the analysis again with the same seed"
    raise NotFound(msg, "no_picture")


def _request(session: Session, row: AnalysisPictures) -> dict[str, Any]:
    analysis = session.get_one(Analysis, row.analysis_id)
    provenance = (analysis.result or {}).get("provenance", {})
    return {**asked_of_child(session, analysis), "pictures_of": provenance.get("data_hash")}


def _kept(session: Session, row: AnalysisPictures, answer: dict[str, Any]) -> None:
    for drawn in answer["pictures"]:
        plot = session.get(AnalysisPlot, (row.analysis_id, drawn["measure"], drawn["name"]))
        if plot is not None:
            plot.png = base64.b64decode(drawn["png"], validate=True)
            session.add(plot)


WORK = Work(name="pictures", model=AnalysisPictures, child="app.analyses.run", request=_request, succeed=_kept)
