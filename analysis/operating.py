"""Operating characteristics of a plan: how often pilots of a known truth end in each outcome (docs/methods.md §5).

The front of `simulate`: a request in, JSON out. Pilots are run in several processes where that pays; each has a seed
of its own, so the answer is the same whatever their number. One pilot is in `simulation.py`.
"""

import json
import math
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from analysis.answer import versions
from analysis.designs.prepared import Note
from analysis.documents import Design, Role
from analysis.errors import Refused
from analysis.operating_says import assumptions, says
from analysis.scenario import SimulateRequest
from analysis.simulation import Ended, Simulation, design_prior

POOL_FROM = 4.0
"""Seconds of work from which more processes are started; each takes about two to load."""
CHUNK_SECONDS = 0.4
"""How long a process works before it reports: cancelling waits for no more than this."""
LARGEST_CHUNK = 250
FIRST = 10
"""Pilots after which the time of one is known."""

Progress = Callable[[float], None]
Chunk = tuple[int, int, int]
"""Truth (0: drawn from the design prior), first pilot, and the one after the last."""


def simulate(
    request: SimulateRequest, progress: Progress | None = None, *, processes: int | None = None
) -> dict[str, Any]:
    """Outcome shares for every true effect with Monte-Carlo errors, assurance, and what stood in the way.

    `progress` gets a monotone 0…1; an exception it raises cancels all and propagates. `processes`: at most so many;
    None: one a core. A request that cannot be answered gives `{"refused": {code, message, what_would_help}}`.
    """
    try:
        simulation = Simulation.of(request).rehearsed()
    except Refused as refusal:
        return {"refused": refusal.as_dict()}
    ended = _run(simulation, progress or (lambda _: None), processes or os.process_cpu_count() or 1)
    answer = _answer(simulation, ended)
    json.dumps(answer, allow_nan=False)
    return answer


# --- running ----------------------------------------------------------------------------------------------------


def _run(simulation: Simulation, progress: Progress, processes: int) -> list[list[Ended]]:
    """Every pilot, by truth and in order."""
    request = simulation.request
    truths, pilots = len(request.effects) + 1, request.pilots_each
    ended: list[list[Ended]] = [[] for _ in range(truths)]
    found: dict[Chunk, list[Ended]] = {}
    done = 0

    def note(chunk: Chunk, results: list[Ended]) -> None:
        nonlocal done
        found[chunk] = results
        done += len(results)
        progress(done / (truths * pilots))

    started = time.perf_counter()
    first = (0, 0, min(FIRST, pilots))
    note(first, _chunk(simulation, first))
    each = (time.perf_counter() - started) / first[2]
    chunks = list(_chunks(truths, pilots, first[2], max(1, min(LARGEST_CHUNK, int(CHUNK_SECONDS / each)))))
    if processes > 1 and each * (truths * pilots - first[2]) > POOL_FROM:
        _in_processes(simulation, chunks, processes, note)
    for chunk in chunks:
        if chunk not in found:
            note(chunk, _chunk(simulation, chunk))
    for chunk in sorted(found):
        ended[chunk[0]] += found[chunk]
    return ended


def _chunks(truths: int, pilots: int, done: int, size: int) -> Iterator[Chunk]:
    """Stretches of `size` pilots; the first `done` of truth 0 are left out."""
    for truth in range(truths):
        for start in range(done if truth == 0 else 0, pilots, size):
            yield truth, start, min(start + size, pilots)


def _chunk(simulation: Simulation, chunk: Chunk) -> list[Ended]:
    truth, start, stop = chunk
    return [simulation.pilot(truth, number) for number in range(start, stop)]


def _in_processes(
    simulation: Simulation, chunks: Sequence[Chunk], processes: int, note: Callable[[Chunk, list[Ended]], None]
) -> None:
    """Run chunks in a pool; where processes cannot be started or die, what is missing is left to the caller."""
    context = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(processes, mp_context=context, initializer=_end_with_parent)
    try:
        futures = {pool.submit(_chunk, simulation, chunk): chunk for chunk in chunks}
        for future in as_completed(futures):
            if isinstance(future.exception(), BrokenProcessPool):
                return
            note(futures[future], future.result())
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, killed even: the pool itself would wait for ever."""
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


# --- counting ---------------------------------------------------------------------------------------------------


def share(count: int, of: int) -> dict[str, float]:
    """A share of simulated pilots and its Monte-Carlo standard error."""
    p = count / of
    return {"share": p, "mcse": math.sqrt(p * (1 - p) / of)}


def counted(ended: Sequence[Ended]) -> dict[str, Any]:
    """Outcome shares, what stood in the way of `scale`, and at which look pilots ended."""
    n = len(ended)
    outcomes = Counter(e.outcome for e in ended)
    looks = [e.looks for e in ended]
    mean = sum(looks) / n
    spread = math.sqrt(sum((k - mean) ** 2 for k in looks) / n)
    return {
        "pilots": n,
        **{name: share(outcomes[name], n) for name in ("scale", "refine", "replace", "refused")},
        "provisional": share(sum(e.provisional for e in ended), n),
        "stopped_for_futility": share(sum(e.stopped for e in ended), n),
        "looks": {"mean": mean, "mcse": spread / math.sqrt(n)},
        "unmet": _reasons([e.unmet for e in ended]),
        "replaced_by": _reasons([e.replaced_by for e in ended]),
    }


def _reasons(named: Sequence[Sequence[tuple[str, str | None]]]) -> list[dict[str, Any]]:
    """How often each criterion was named, the most frequent first."""
    counts = Counter(reason for reasons in named for reason in set(reasons))
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0][0], item[0][1] or ""))
    return [{"name": name, "measure": measure, **share(count, len(named))} for (name, measure), count in ranked]


def assurance(ended: Sequence[Ended], mmd: float) -> dict[str, Any]:
    """Shares over the design prior, and given that the true effect is meaningful or that a pilot scaled; null: none."""
    scaled = [e for e in ended if e.outcome == "scale"]
    meaningful = [e for e in ended if e.effect > mmd]
    both = sum(e.outcome == "scale" for e in meaningful)
    rest = len(ended) - len(meaningful)
    return {
        **counted(ended),
        "scale_given_meaningful": share(both, len(meaningful)) if meaningful else None,
        "scale_given_not_meaningful": share(len(scaled) - both, rest) if rest else None,
        "meaningful_given_scale": share(both, len(scaled)) if scaled else None,
    }


# --- answering --------------------------------------------------------------------------------------------------


def _answer(simulation: Simulation, ended: Sequence[Sequence[Ended]]) -> dict[str, Any]:
    request, prior = simulation.request, design_prior(simulation.request)
    primary = next(m for m in simulation.measures if m.role is Role.PRIMARY)
    rows = [{"effect": effect, **counted(e)} for effect, e in zip(request.effects, ended[1:], strict=True)]
    belief = {"design_prior": {"mean": prior.mean, "sd": prior.sd}, **assurance(ended[0], primary.mmd)}
    grade = simulation.graded.letter if simulation.graded is not None else None
    return {
        "measure": primary.measure,
        "mmd": primary.mmd,
        "grade": grade,
        "operating_characteristics": rows,
        "assurance": belief,
        "says": says(request, primary, str(grade), rows, belief),
        "scenario": {
            "people": dict(request.people),
            **_months(request),
            "units": request.units_by_arm if simulation.in_units else None,
            "r": request.r_of(primary),
            "icc": request.icc if simulation.in_units else None,
            "unit_time_sd": request.unit_time_sd if simulation.in_units else None,
            "rate": request.rate_of(primary),
            "attrition": simulation.plan.attrition,
            "effects": {m.measure: request.effect_of(m, 0.0) for m in simulation.measures if m is not primary},
            "bias": request.bias,
        },
        "assumptions": assumptions(request, simulation.measures),
        "warnings": [note.as_dict() for note in _notes(simulation, ended)],
        "provenance": {
            "seed": request.seed,
            "pilots": request.pilots_each,
            "plan_hash": request.plan.hash(),
            "engine": "exact",
            "versions": dict(versions()),
        },
    }


def _notes(simulation: Simulation, ended: Sequence[Sequence[Ended]]) -> list[Note]:
    """What the answer does not cover."""
    message = "Gates of sampling do not apply: the exact engine analysed every pilot. A real pilot is sampled as well."
    notes = [Note("exact_engine", message)]
    able = {m.measure for m in simulation.measures}
    for measure in simulation.request.deciding:
        if measure.measure not in able:
            message = "Its design and family cannot be simulated; it counts as missing, as it would in a real pilot."
            notes.append(Note("measure_not_simulated", message, measure.measure))
    if (simulation.request.units or simulation.plan.units) and not simulation.in_units:
        message = (
            "This design compares people, not units, and the simulated data name none; data that name their units are "
            "analysed with unit effects and leave a wider interval."
        )
        notes.append(Note("units_not_simulated", message))
    if simulation.plan.attrition is None:
        message = "No attrition is planned: the grade is not lowered for it and the tipping point is not assessed."
        notes.append(Note("attrition_unknown", message))
    if refused := sum(e.outcome == "refused" for group in ended for e in group):
        message = f"{refused} simulated pilots had no answer (too few people or events in one of the arms)."
        notes.append(Note("pilots_refused", message))
    return notes


MONTHS = ("months_before", "months_after", "month_sd", "shared_sd", "autocorrelation", "trend", "events_per_month")


def _months(request: SimulateRequest) -> dict[str, Any]:
    """What is supposed of the months of a series."""
    return {name: getattr(request, name) for name in MONTHS} if request.plan.design is Design.ITS else {}
