"""Operating characteristics of a plan: how often pilots of a known truth end in each outcome (docs/methods.md §5).

The front of `simulate`: a request in, JSON out. Pilots are run in several processes where that pays; each has a seed
of its own, so the answer is the same whatever their number. One pilot is in `simulation.py`.
"""

import json
import multiprocessing
import os
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from typing import Any

from analysis.answer import versions
from analysis.designs.prepared import Note
from analysis.documents import Design
from analysis.errors import Refused
from analysis.operating_says import assumptions, says
from analysis.scenario import Chunk, SimulateRequest, stretches
from analysis.simulation import Simulation, design_prior
from analysis.tally import Tally, as_json, assurance, counted, from_json, tally_of

POOL_FROM = 4.0
"""Seconds of work from which more processes are started; each takes about two to load."""
CHUNK_SECONDS = 0.4
"""How long a process works before it reports: cancelling waits for no more than this."""
LARGEST_CHUNK = 250
FIRST = 10
"""Pilots after which the time of one is known."""

Progress = Callable[[float], None]


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
    every = [(truth, 0, request.pilots_each) for truth in range(len(request.effects) + 1)]
    return _answer(simulation, _run(simulation, every, progress, processes))


def part(
    request: SimulateRequest,
    chunks: Sequence[Chunk],
    progress: Progress | None = None,
    *,
    processes: int | None = None,
) -> dict[str, Any]:
    """Tallies of some of the pilots of a request, as JSON: the same whoever computes them, and when."""
    try:
        simulation = Simulation.of(request).rehearsed()
    except Refused as refusal:
        return {"refused": refusal.as_dict()}
    tallies = _run(simulation, [(truth, start, stop) for truth, start, stop in chunks], progress, processes)
    return {"tallies": [[truth, as_json(tally)] for truth, tally in sorted(tallies.items())]}


def merged(request: SimulateRequest, answers: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The answer of `simulate` from those of all its parts."""
    for answer in answers:
        if "refused" in answer:
            return dict(answer)
    tallies: dict[int, Tally] = {truth: Counter() for truth in range(len(request.effects) + 1)}
    for answer in answers:
        for truth, plain in answer["tallies"]:
            tallies[truth] += from_json(plain)
    if any(tally.total() != request.pilots_each for tally in tallies.values()):
        raise ValueError("the parts do not make up the whole")
    return _answer(Simulation.of(request).rehearsed(), tallies)


# --- running ----------------------------------------------------------------------------------------------------


def _run(
    simulation: Simulation, asked: Sequence[Chunk], progress: Progress | None, processes: int | None
) -> dict[int, Tally]:
    """The pilots that are asked for, counted by truth."""
    processes = processes or os.process_cpu_count() or 1
    tallies: dict[int, Tally] = {truth: Counter() for truth, _, _ in asked}
    total = sum(stop - start for _, start, stop in asked)
    noted: set[Chunk] = set()
    done = 0

    def note(chunk: Chunk, tally: Tally) -> None:
        nonlocal done
        noted.add(chunk)
        tallies[chunk[0]] += tally
        done += chunk[2] - chunk[1]
        if progress is not None:
            progress(done / total)

    started = time.perf_counter()
    truth, start, stop = asked[0]
    first = (truth, start, min(start + FIRST, stop))
    note(first, _chunk(simulation, first))
    each = (time.perf_counter() - started) / (first[2] - start)
    size = max(1, min(LARGEST_CHUNK, int(CHUNK_SECONDS / each)))
    left = [(truth, first[2], stop), *asked[1:]]
    chunks = [chunk for of in left for chunk in stretches(*of, size)]
    if processes > 1 and each * (total - done) > POOL_FROM:
        _in_processes(simulation, chunks, processes, note)
    for chunk in chunks:
        if chunk not in noted:
            note(chunk, _chunk(simulation, chunk))
    return tallies


def _chunk(simulation: Simulation, chunk: Chunk) -> Tally:
    truth, start, stop = chunk
    return tally_of((simulation.pilot(truth, number) for number in range(start, stop)), simulation.primary.mmd)


def _in_processes(
    simulation: Simulation, chunks: Sequence[Chunk], processes: int, note: Callable[[Chunk, Tally], None]
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


# --- answering --------------------------------------------------------------------------------------------------


def _answer(simulation: Simulation, tallies: Mapping[int, Tally]) -> dict[str, Any]:
    request, prior, primary = simulation.request, design_prior(simulation.request), simulation.primary
    rows = [{"effect": effect, **counted(tallies[i])} for i, effect in enumerate(request.effects, start=1)]
    belief = {"design_prior": {"mean": prior.mean, "sd": prior.sd}, **assurance(tallies[0])}
    grade = simulation.graded.letter if simulation.graded is not None else None
    answer = {
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
        "warnings": [note.as_dict() for note in _notes(simulation, tallies)],
        "provenance": {
            "seed": request.seed,
            "pilots": request.pilots_each,
            "plan_hash": request.plan.hash(),
            "engine": "exact",
            "versions": dict(versions()),
        },
    }
    json.dumps(answer, allow_nan=False)
    return answer


def _notes(simulation: Simulation, tallies: Mapping[int, Tally]) -> list[Note]:
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
    if refused := sum(n for tally in tallies.values() for e, n in tally.items() if e.outcome == "refused"):
        message = f"{refused} simulated pilots had no answer (too few people or events in one of the arms)."
        notes.append(Note("pilots_refused", message))
    return notes


MONTHS = ("months_before", "months_after", "month_sd", "shared_sd", "autocorrelation", "trend", "events_per_month")


def _months(request: SimulateRequest) -> dict[str, Any]:
    """What is supposed of the months of a series."""
    return {name: getattr(request, name) for name in MONTHS} if request.plan.design is Design.ITS else {}
