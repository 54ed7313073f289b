"""The JSON front: `python -m analysis fit`, `synthesise`, `simulate` (with `--batch`), `warm`, `verify`.

No statistics here. Exit code 0 for every answer, refusals among them; 2 for a document that is not of the form. Of
`verify`: 0 reproduced, 1 not reproduced, 2 not a package or damaged, 3 not to be fitted again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from analysis.documents import FitRequest
from analysis.evidence import SynthesisRequest
from analysis.scenario import SimulateRequest


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command; returns the exit code."""
    parser = argparse.ArgumentParser(prog="python -m analysis", description="Analyse pilots: JSON in, JSON out.")
    commands = parser.add_subparsers(dest="command", required=True)
    for name, what in (
        ("fit", "fit one request"),
        ("synthesise", "pool the evidence of several organizations"),
        ("simulate", "operating characteristics of a plan"),
    ):
        command = commands.add_parser(name, help=what)
        command.add_argument("--batch", action="store_true", help="one document a line, one answer a line, in order")
    commands.add_parser("warm", help="compile every model and fill the caches on disk")
    verify = commands.add_parser("verify", help="fit an evidence package again and compare every number")
    verify.add_argument("package", type=Path, help="the ZIP file")
    options = parser.parse_args(arguments)
    if options.command == "verify":
        from analysis.verify import main as verified  # noqa: PLC0415

        return verified(options.package)
    if options.command == "warm":
        return _warm()
    return _batch(options.command) if options.batch else _single(options.command)


def _single(command: str) -> int:
    try:
        answer = _answer(command, sys.stdin.read())
    except Exception as error:  # noqa: BLE001 - one line on standard error, never a traceback
        sys.stderr.write(f"{_explained(error)}\n")
        return 2
    _write(answer)
    return 0


def _batch(command: str) -> int:
    for line in sys.stdin:
        try:
            answer = _answer(command, line)
        except Exception as error:  # noqa: BLE001 - whatever one line does, the others are answered
            answer = {"error": _explained(error)}
        _write(answer)
    return 0


def _answer(command: str, text: str) -> dict[str, Any]:
    """The answer to one document; raises when it is not of the form."""
    if command == "synthesise":
        evidence = SynthesisRequest.model_validate_json(text)
        from analysis.synthesis import synthesise  # noqa: PLC0415 (a bad document is told without loading NumPy)

        return synthesise(evidence)
    if command == "simulate":
        scenario = SimulateRequest.model_validate_json(text)
        from analysis.operating import simulate  # noqa: PLC0415

        return simulate(scenario)
    request = FitRequest.model_validate_json(text)
    from analysis.fit import fit  # noqa: PLC0415

    return fit(request)


def _warm() -> int:
    from analysis.sampling import cache_dir, warm  # noqa: PLC0415

    seconds = warm()
    _write({"cache_dir": str(cache_dir()), "seconds": {name: round(s, 2) for name, s in seconds.items()}})
    return 0


def _explained(error: Exception) -> str:
    """One line that says where the document departs from the form, or what else went wrong."""
    if isinstance(error, ValidationError):
        return "; ".join(
            f"{'.'.join(str(part) for part in e['loc']) or 'document'}: {e['msg']}" for e in error.errors()
        )
    if isinstance(error, json.JSONDecodeError | UnicodeDecodeError):
        return f"not JSON: {error}"
    return f"could not be answered: {type(error).__name__}: {' '.join(str(error).split())}"


def _write(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer, ensure_ascii=False, allow_nan=False) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    raise SystemExit(main())
