"""An answer and its data as tables: one line a quantity or a cell, the same as JSON and as CSV; stdlib only, pure.

A line is a mapping with every column; what does not apply is None. Nothing is hidden or computed here.
"""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

Line = dict[str, Any]
SUMMARY_COLUMNS = (
    "measure",
    "role",
    "quantity",
    "unit",
    "value",
    "sd",
    "low",
    "high",
    "prob",
    "kind",
    "threshold",
    "passed",
    "suppressed",
    "note",
)
CELL_COLUMNS = (
    "measure",
    "shape",
    "unit",
    "arm",
    "wave",
    "t",
    "participant",
    "value",
    "n",
    "mean",
    "sd",
    "mean_before",
    "mean_after",
    "sd_before",
    "sd_after",
    "r",
    "x",
    "counts",
    "events",
    "exposure",
    "suppressed",
)
ESTIMATES = {
    "sd": "SD units, as observed",
    "adjusted": "SD units, after the bias of the design",
    "raw": "as observed",
}
PROBABILITIES = (
    "p_benefit",
    "p_meaningful",
    "p_below_zero",
    "p_harm",
    "p_rope",
    "p_benefit_sceptical",
    "p_benefit_enthusiastic",
    "p_not_worse",
)
PAIRED = 2
FORMULA = ("=", "+", "-", "@", "\t", "\r")
BOM = "\ufeff"


def summary_lines(result: Mapping[str, Any]) -> list[Line]:
    """Every estimate, probability and diagnostic of an answer; `value` is a posterior mean where there is an `sd`."""
    lines = [line for effect in result["effects"] for line in _of_effect(effect)]
    for gate in result.get("gates", []):
        run = gate.get("run")
        note = gate.get("note") or (f"the worst of all measures and runs: {run}" if run else None)
        found = {"measure": gate.get("measure"), "quantity": f"diagnostic_{gate['name']}", "note": note}
        lines.append(_line(SUMMARY_COLUMNS, found | {k: gate.get(k) for k in ("value", "threshold", "passed")}))
    return lines


def _of_effect(effect: Mapping[str, Any]) -> Iterator[Line]:
    of = {"measure": effect["measure"], "role": effect["role"]}
    for name, unit in ESTIMATES.items():
        block = effect.get(name)
        told = (block or {}).get("unit")
        note = f"{unit}: {told}" if told else unit
        yield _estimate({**of, "quantity": name, "note": note if block else effect.get("reason")}, block)
    for name in PROBABILITIES:
        if name in effect:
            yield _line(SUMMARY_COLUMNS, {**of, "quantity": name, "value": effect[name]})
    for name, value in (effect.get("unadjusted") or {}).items():
        yield _line(SUMMARY_COLUMNS, {**of, "quantity": f"unadjusted_{name}", "value": value})
    evidence = effect.get("evidence") or {}
    if evidence.get("effect_sd") is not None:
        found = {"quantity": "evidence", "value": evidence["effect_sd"], "sd": evidence["se_sd"]}
        yield _line(SUMMARY_COLUMNS, of | found | {"note": "estimate and standard error without prior and bias"})
    for unit in effect.get("units", []):
        for name in ("effect", "departure"):
            if unit.get(name) is not None or unit.get("suppressed"):
                found = {"quantity": f"unit_{name}", "unit": unit["unit"], "note": unit["arm"]}
                yield _estimate({**of, **found, "suppressed": unit.get("suppressed")}, unit.get(name))


def _estimate(of: Line, block: Mapping[str, Any] | None) -> Line:
    found = block or {}
    interval = {k: found.get("interval", {}).get(k) for k in ("low", "high", "prob", "kind")}
    return _line(SUMMARY_COLUMNS, {**of, "value": found.get("mean"), "sd": found.get("sd"), **interval})


def cell_lines(data: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]) -> list[Line]:
    """Every cell of the data of an analysis, in their order; of pairs the means and SDs before and after apart."""
    return [
        _line(CELL_COLUMNS, {"measure": measure, "shape": shape, **_apart(entry)})
        for measure, shapes in data.items()
        for shape, entries in shapes.items()
        for entry in entries or []
    ]


def _apart(entry: Mapping[str, Any]) -> Line:
    found: Line = {}
    for name, value in entry.items():
        if name in {"mean", "sd"} and isinstance(value, list | tuple) and len(value) == PAIRED:
            found |= {f"{name}_before": value[0], f"{name}_after": value[1]}
        elif name == "counts":
            found[name] = " ".join(map(str, value))
        else:
            found[name] = value
    return found


def _line(columns: Sequence[str], found: Mapping[str, Any]) -> Line:
    return {name: found.get(name) for name in columns}


def as_csv(lines: Sequence[Line], columns: Sequence[str]) -> bytes:
    """RFC 4180 with a header, in UTF-8 with the mark by which Excel knows it; None is an empty cell.

    Text that a spreadsheet would take for a formula gets an apostrophe before it.
    """
    out = io.StringIO()
    written = csv.writer(out)
    written.writerow(columns)
    written.writerows([_cell(line[name]) for name in columns] for line in lines)
    return (BOM + out.getvalue()).encode()


def _cell(value: Any) -> Any:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str) and value.startswith(FORMULA):
        return f"'{value}"
    return value
