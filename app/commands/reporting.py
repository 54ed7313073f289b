"""`pilotlight report`: where a pilot stands, on one page."""

from typing import Annotated

import typer
from rich.console import Console

from app.client import Analysis, NoEstimate, Pilot, Pilotlight
from app.commands.session import HERE, Json, Key, Url, console, plain, print_json, service_at
from app.commands.tables import analysis_lines, heading, next_lines, pilot_lines, waves_table


def report(
    pilot: Annotated[str, typer.Argument(help="The pilot's id")],
    key: Key,
    url: Url = HERE,
    *,
    as_json: Json = False,
) -> None:
    """Where a pilot stands: its waves, its newest confirmatory analysis, and what is missing next."""
    with service_at(url, key) as service:
        if as_json:
            print_json(_whole(service, pilot))
        else:
            _show(service, pilot)


def _whole(service: Pilotlight, pilot_id: str) -> dict[str, object]:
    pilot = service.pilot(pilot_id)
    analysis = pilot.newest_analysis()
    return {
        "pilot": pilot.raw,
        "waves": [wave.raw for wave in pilot.waves()],
        "analysis": None if analysis is None else analysis.raw,
        "next": pilot.next(),
    }


def _show(service: Pilotlight, pilot_id: str) -> None:
    out, pilot = console(), service.pilot(pilot_id)
    for part in pilot_lines(pilot):
        out.print(part, soft_wrap=True)
    analysis = pilot.newest_analysis()
    _show_waves(out, pilot, analysis)
    if analysis is None:
        out.print(heading("No confirmatory analysis yet"))
    else:
        try:
            for part in analysis_lines(analysis, analysis.result):
                out.print(part)
        except NoEstimate as error:
            out.print(heading("The newest confirmatory analysis has no estimate"))
            out.print(plain(error), soft_wrap=True)
        for warning in analysis.warnings:
            out.print(f"note: {plain(warning.get('message'))}", soft_wrap=True)
    out.print(heading("Next"))
    for part in next_lines(pilot.next()):
        out.print(part, soft_wrap=True)


def _show_waves(out: Console, pilot: Pilot, analysis: Analysis | None) -> None:
    """Those of this iteration; before there are any, those of the one that was analysed."""
    iteration = pilot.iteration
    waves = pilot.waves()
    if not waves and analysis is not None:
        iteration = analysis.iteration
        waves = pilot.waves(iteration)
    out.print(heading(f"Waves of iteration {iteration}"))
    out.print(waves_table(waves) if waves else "none yet: the plan has them (PUT …/plan)")
    for wave in waves:
        if wave.says and any(share is not None for share in wave.attrition.values()):
            out.print(plain(f"{wave.key}: {wave.says}"), soft_wrap=True)
