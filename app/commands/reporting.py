"""`pilotlight report`: where a pilot stands, on one page."""

from typing import Annotated

import typer

from app.client import NoEstimate, Pilotlight
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
    out.print(heading("Waves"))
    waves = pilot.waves()
    out.print(waves_table(waves) if waves else "none yet: the plan has them, PUT …/waves/{key} says who was invited")
    analysis = pilot.newest_analysis()
    if analysis is None:
        out.print(heading("No confirmatory analysis in this iteration yet"))
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
