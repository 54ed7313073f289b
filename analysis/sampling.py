"""The only place that compiles and samples: PyMC models, compiled once a process and structure, run by nutpie.

No prior, likelihood or rule lives here. PyMC, PyTensor, numba and nutpie are imported on first use (5–12 s).

Backend: numba, the only one of nutpie's that needs no further package (JAX is not installed). PyTensor keeps its
numba functions on disk; nutpie's outer wrapper of about 2 s a structure is compiled again in every process.
`numba__fastmath` is off: with it a function compiled afresh and the same one read from the cache round differently,
and the same seed would give other draws before and after the first start.
"""

import hashlib
import importlib
import os
import sys
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from analysis import exact
from analysis.designs.inputs import Inputs
from analysis.models import VERSIONS
from analysis.priors import Run, drawn_effect

Array = NDArray[np.float64]
Report = Callable[[float], None]

CACHE_VARIABLE = "PILOTLIGHT_CACHE_DIR"
FREE = "free"
"""The position in the coordinates of a preconditioned model: what is reported of it has names of its own."""
STATISTICS = ("diverging", "energy", "n_steps", "step_size", "mean_tree_accept")
"""What is kept of the sampler's statistics."""
POLL_SECONDS = 0.005
PROGRESS_MILLISECONDS = 20

_compiled: dict[str, Any] = {}
_compiling = threading.Lock()


@dataclass(frozen=True, slots=True)
class Sampler:
    """Settings of NUTS; part of an answer's provenance."""

    chains: int = 4
    draws: int = 1000
    tune: int = 500
    target_accept: float = 0.9
    CAREFUL: ClassVar[float] = 0.99

    def more(self, factor: int) -> "Sampler":
        """The same with `factor` times the draws."""
        return replace(self, draws=self.draws * factor)

    def careful(self) -> "Sampler":
        """The same with smaller steps, for a posterior that made trajectories diverge."""
        return replace(self, target_accept=self.CAREFUL, tune=2 * self.tune)


@dataclass(frozen=True, eq=False)
class Draws:
    """A sampled posterior: arrays (chain, draw, …) by name, and what the sampler says of each draw, (chain, draw)."""

    values: dict[str, Array]
    statistics: dict[str, Array]

    @property
    def divergences(self) -> int:
        """Draws whose trajectory diverged."""
        return int(self.statistics["diverging"].sum())

    @property
    def energy(self) -> Array:
        """The Hamiltonian of each draw."""
        return self.statistics["energy"]


def cache_dir() -> Path:
    """Folder of the compile caches: `PILOTLIGHT_CACHE_DIR`, else the user's cache folder, else a temporary one."""
    if given := os.environ.get(CACHE_VARIABLE):
        return Path(given)
    base = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pilotlight"
    try:
        base.mkdir(parents=True, exist_ok=True)
    except OSError:
        return Path(tempfile.gettempdir()) / f"pilotlight-cache-{os.getuid()}"
    return base


def _prepare() -> None:
    """Point the compile caches at a folder that lasts; without effect where PyTensor was imported before."""
    if "pytensor" in sys.modules:
        return
    folder = cache_dir()
    folder.mkdir(parents=True, exist_ok=True)
    flags = [f for f in os.environ.get("PYTENSOR_FLAGS", "").split(",") if f]
    named = {f.split("=")[0] for f in flags}
    # cxx empty: nothing here needs a C compiler, and a machine without one would be warned about it.
    for name, value in (("base_compiledir", str(folder / "pytensor")), ("numba__fastmath", "False"), ("cxx", "")):
        if name not in named:
            flags.append(f"{name}={value}")
    os.environ["PYTENSOR_FLAGS"] = ",".join(flags)
    os.environ.setdefault("NUMBA_CACHE_DIR", str(folder / "numba"))


def _model_of(structure: str) -> ModuleType:
    return importlib.import_module(f"analysis.models.{structure}")


def compiled(structure: str) -> Any:
    """The compiled model of a structure; the first call in a process pays for it."""
    if structure not in VERSIONS:
        raise KeyError(structure)
    if structure in _compiled:  # whoever samples does not wait for another structure's compile
        return _compiled[structure]
    with _compiling:
        if structure not in _compiled:
            _prepare()
            import nutpie  # noqa: PLC0415 (seconds; only who samples pays)
            from pytensor.configdefaults import config  # noqa: PLC0415

            model = _model_of(structure).build()
            with config.change_flags(numba__fastmath=False), warnings.catch_warnings():
                # A hint that one loop stays two; it costs nothing at this size.
                warnings.filterwarnings("ignore", "Loop fusion failed", UserWarning)
                _compiled[structure] = nutpie.compile_pymc_model(model)
        return _compiled[structure]


def warm(*structures: str) -> dict[str, float]:
    """Compile the named structures, all when none is named, and draw a little; seconds by structure.

    Afterwards no fit in this process compiles.
    """
    seconds = {}
    for structure in structures or tuple(VERSIONS):
        start = time.perf_counter()
        model = compiled(structure)
        import nutpie  # noqa: PLC0415 (after the caches are set)

        nutpie.sample(model, draws=10, tune=50, chains=1, cores=1, seed=1, progress_bar=False)
        seconds[structure] = time.perf_counter() - start
    return seconds


def derived_seed(seed: int, *names: str) -> int:
    """A seed for one run of an analysis, so that adding a measure does not move the draws of another."""
    text = "|".join([str(seed), *names])
    return int(hashlib.sha256(text.encode()).hexdigest()[:15], 16)


def _result(handle: Any) -> Any:
    """The finished draws; TimeoutError while there are none, ArithmeticError where the density cannot be computed."""
    try:
        return handle.wait(timeout=POLL_SECONDS)
    except RuntimeError as error:
        raise ArithmeticError(f"the sampler gave up: {error}") from error


def sample(inputs: Inputs, run: Run, settings: Sampler, seed: int, report: Report) -> Draws:
    """Sample one posterior: Δ and the nuisances by NUTS, then δ given Δ.

    `report` gets 0…1 from the sampler's own draws; what it raises cancels and propagates.
    """
    data = {**inputs.model_data(), **run.model_data(), **exact.preconditioner(inputs, run)}
    draws = sampled(inputs.structure, data, settings, seed, report)
    delta = drawn_effect(run, draws.values["total"], derived_seed(seed, "delta"))
    return Draws({**draws.values, "delta": delta}, draws.statistics)


def sampled(structure: str, data: Mapping[str, Array], settings: Sampler, seed: int, report: Report) -> Draws:
    """NUTS on a structure with these data. `report` as in `sample`."""
    model = compiled(structure)
    import nutpie  # noqa: PLC0415

    from analysis.models.shared import NAME, packed  # noqa: PLC0415

    model = model.with_data(**{NAME: packed(_model_of(structure).LAYOUT, data)})

    latest = [0.0]

    def listen(chains: list[Any]) -> None:
        done, planned = sum(c.finished_draws for c in chains), sum(c.total_draws for c in chains)
        latest[0] = done / planned if planned else 0.0

    handle = nutpie.sample(
        model,
        draws=settings.draws,
        tune=settings.tune,
        chains=settings.chains,
        cores=min(settings.chains, os.process_cpu_count() or 1),
        target_accept=settings.target_accept,
        seed=seed,
        save_warmup=False,
        progress_bar=False,
        progress_callback=listen,
        progress_rate=PROGRESS_MILLISECONDS,
        blocking=False,
        # Arrow columns: nutpie's DataTree would take longer to build than a small model to sample.
        return_raw_trace=True,
    )
    try:
        result = None
        while result is None:
            report(min(latest[0], 1.0))
            with suppress(TimeoutError):
                result = _result(handle)
        report(1.0)
    except BaseException:
        handle.cancel()
        raise
    drawn, said = result.get_arrow_trace()
    tuned = _column(said, "tuning").sum(axis=1)
    names = [field.name for field in drawn[0].schema if field.name != FREE]
    return Draws(
        {name: _column(drawn, name)[:, int(tuned.max()) :] for name in names},
        {name: _column(said, name)[:, int(tuned.max()) :] for name in STATISTICS},
    )


def _column(chains: list[Any], name: str) -> Array:
    """One column (chain, draw, …) of Arrow batches, one a chain; the tuning draws come first."""
    import pyarrow as pa  # type: ignore[import-untyped]  # noqa: PLC0415 (nutpie brings it)

    shape = [int(size) for size in (chains[0].schema.field(name).metadata or {}).get(b"shape", b"").split(b",") if size]
    columns = [pa.array(chain.column(name)) for chain in chains]
    flat = [column.flatten() if shape else column for column in columns]
    return np.stack([part.to_numpy(zero_copy_only=False).reshape(-1, *shape) for part in flat])
