"""`pilotlight analyse`: ask for an analysis, wait, and read what it found."""

from typing import Annotated

import typer

from app.commands.progress import progress
from app.commands.session import HERE, Json, Key, Url, console, plain, print_json, service_at
from app.commands.tables import analysis_lines


def analyse(
    pilot: Annotated[str, typer.Argument(help="The pilot's id")],
    key: Key,
    url: Url = HERE,
    look: Annotated[int | None, typer.Option(min=1, help="Which planned look; default: the last")] = None,
    seed: Annotated[int | None, typer.Option(min=0, help="A seed of your own: the analysis is exploratory")] = None,
    wave: Annotated[str | None, typer.Option(help="A retention wave, after scaling; then without --look")] = None,
    *,
    no_wait: Annotated[bool, typer.Option("--no-wait", help="Ask for it, and print its id")] = False,
    as_json: Json = False,
) -> None:
    """Analyse the data of a pilot as they are now, under its plan."""
    if look is not None and wave is not None:
        msg = "give --look or --wave: a retention wave is no planned look"
        raise typer.BadParameter(msg)
    with service_at(url, key) as service:
        analysis = service.pilot(pilot).analyse(seed=seed, look=look, wave=wave)
        if not no_wait:
            with progress("analysis") as tell:
                analysis = analysis.wait(progress=tell)
        if as_json:
            print_json(analysis.raw)
            return
        if no_wait:
            console().print(f"{analysis.kind} analysis {analysis.id} is {analysis.status}")
            return
        for part in analysis_lines(analysis, analysis.result):
            console().print(part)
        for warning in analysis.warnings:
            console().print(f"note: {plain(warning.get('message'))}", soft_wrap=True)
