"""What leaves the service of an analysis: its draws, its summaries as lines, the cells it used; only what is shown."""

from typing import Any

from sqlmodel import Session

from analysis.draw_names import CSV, NETCDF, PARQUET
from analysis.tables import Line, summary_lines
from app.analyses.files import files_of
from app.analyses.models import Analysis, AnalysisFile
from app.analyses.shown import analysis_out, data_shown, small_since
from app.errors import Conflict, NotFound
from app.jobs.models import JobStatus
from app.measures.confidential import warning_of

FILES = {"parquet": PARQUET, "csv": CSV, "netcdf": NETCDF}
DRAWS_HIDDEN = "these draws tell of groups of too few people: they were made when smaller groups were shown"
AGAIN = "ask for the analysis again with the same seed: it is exploratory, and of unchanged data has the same numbers"


def estimate_of(analysis: Analysis) -> dict[str, Any]:
    """The stored result; Conflict `not_ended`, `no_result`, `no_estimate` where there are no numbers."""
    if not analysis.status.final:
        msg = f"the analysis is {analysis.status.value}; ask again when its status is final"
        raise Conflict(msg, "not_ended")
    if analysis.result is None or analysis.status is not JobStatus.SUCCEEDED:
        msg = f"the analysis has {analysis.status.value} and has no result; ask for another"
        raise Conflict(msg, "no_result")
    if "refused" in analysis.result:
        refusal = analysis.result["refused"]
        msg = f"there is no estimate: {refusal['message']}. What would help: {refusal['what_would_help']}"
        raise Conflict(msg, "no_estimate")
    return analysis.result


def draws_of(session: Session, analysis: Analysis) -> dict[str, AnalysisFile]:
    """The files of the draws by name; raises as `estimate_of`, and NotFound `suppressed`, `no_draws`."""
    result = estimate_of(analysis)
    if small_since(session, analysis):
        raise NotFound(DRAWS_HIDDEN, "suppressed")
    found = files_of(session, analysis.id)
    if not found and result.get("provenance", {}).get("engine") == "exact":
        msg = "the exact engine computes the posterior without drawing from it; its numbers are in the result"
        raise NotFound(msg, "no_draws")
    if not found:
        msg = f"the draws of this analysis were not kept; {AGAIN}"
        raise NotFound(msg, "no_draws")
    return found


def summaries_of(session: Session, analysis: Analysis) -> list[Line]:
    """The lines of the result as it is shown; raises as `estimate_of`."""
    estimate_of(analysis)
    return summary_lines(analysis_out(session, analysis).result or {})


def cells_of(session: Session, analysis: Analysis) -> tuple[dict[str, Any], list[dict[str, str]]]:
    """The data the analysis used as they may be shown, and the warning that says what is not."""
    data, hidden = data_shown(session, analysis)
    return data, warning_of(hidden)
