"""`pilotlight import`: a CSV or XLSX file of measurements into a pilot."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table

from app.client import Invalid, NotEntered, Report
from app.commands.progress import progress
from app.commands.session import HERE, REFUSED, Json, Key, Url, console, plain, print_json, say, service_at, table

SHOWN = 20
"""Faults that are listed before it is said how many more there are."""
A_FILE = {"exists": True, "dir_okay": False, "readable": True}


def import_file(
    file: Annotated[Path, typer.Argument(help="A CSV or XLSX file", **A_FILE)],
    pilot: Annotated[str, typer.Option(help="The pilot's id")],
    key: Key,
    url: Url = HERE,
    mapping: Annotated[
        Path | None, typer.Option(help="What the columns are, as JSON; default: as the pilot remembers it", **A_FILE)
    ] = None,
    dictionary: Annotated[Path | None, typer.Option(help="Data dictionary of a REDCap export", **A_FILE)] = None,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be accepted; enter nothing")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Enter what is right, instead of all or nothing")] = False,
    restore: Annotated[bool, typer.Option("--restore", help="Enter also what was taken back before")] = False,
    again: Annotated[bool, typer.Option("--again", help="Enter anonymous answers though the same stand")] = False,
    as_json: Json = False,
) -> None:
    """Enter the measurements of a file. Try it with --dry-run first; the same file twice changes nothing."""
    columns = None if mapping is None else _mapping(mapping)
    why: str | None = None
    with service_at(url, key) as service, progress("import") as tell:
        try:
            report = service.pilot(pilot).import_file(
                file,
                mapping=columns,
                dictionary=dictionary,
                dry_run=dry_run,
                partial=partial,
                restore=restore,
                again=again,
                progress=tell,
            )
        except NotEntered as error:
            report, why = error.report, error.detail
        except Invalid as error:
            if start := error.problem.get("mapping"):
                print_json(start)
                say("a mapping to correct and complete is on standard output; give it with --mapping")
            raise
    if as_json:
        print_json(report.raw)
    else:
        show(report)
    if why is not None:
        say(why.replace("?partial=true", "--partial"))  # as it is called here
    elif not as_json:
        console().print(plain(report))
    if why is not None or (dry_run and report.errors and not partial):
        raise typer.Exit(REFUSED)


def _mapping(file: Path) -> dict[str, Any]:
    try:
        found = json.loads(file.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        msg = f"{file} is not JSON: {error}"
        raise typer.BadParameter(msg, param_hint="--mapping") from None
    if not isinstance(found, dict):
        msg = f"{file} has to be a JSON object, as the `mapping` of a dry run's answer (--dry-run --json)"
        raise typer.BadParameter(msg, param_hint="--mapping")
    return found


def show(report: Report) -> None:
    """What was found out about the file, and its faults."""
    out = console()
    if report.found:
        out.print(f"read as: {plain(report.found)}", soft_wrap=True)
    if report.errors:
        out.print(faults(report))
    more = max(len(report.errors) - SHOWN, 0) + (report.errors_left_out or 0)
    if more:
        out.print(f"… and {more} more; all of them by kind:\n")
        out.print(kinds(report))


def faults(report: Report) -> Table:
    """The first faults, each with its place."""
    made = table("row", "column", "what is wrong, and what would help")
    for error in report.errors[:SHOWN]:
        place = "" if error.row is not None else ".".join(map(str, error.loc or []))
        made.add_row(str(error.row or place), plain(error.column or ""), plain(error.msg))
    return made


def kinds(report: Report) -> Table:
    """Every kind of fault, and how often it is there."""
    made = table("rows", "first row", "column", "what is wrong, as in the first row")
    for fault in report.faults[:SHOWN]:
        first = "" if fault.first_row is None else str(fault.first_row)
        made.add_row(str(fault.rows), first, plain(fault.column or ""), plain(fault.msg))
    return made
