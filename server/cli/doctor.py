"""`open-agent doctor`: looks at everything a server needs, and says in a line each what to mend."""

import asyncio
import logging
from collections.abc import AsyncIterator
from typing import Final

import typer
from rich.text import Text

from config.errors import ConfigError
from config.settings import Settings, load_settings
from server.cli.checks.files import read_files
from server.cli.checks.finding import Finding, Verdict, fault, ok
from server.cli.checks.machine import check_data_folder, check_port, check_python
from server.cli.remote import JsonOption
from server.cli.tables import open_console, print_json

_SIGNS: Final[dict[Verdict, tuple[str, str]]] = {"ok": ("✓", "green"), "note": ("-", "yellow"), "fault": ("✗", "red")}


def doctor(as_json: JsonOption = False) -> None:
    """Check the set-up, and say what to mend.

    Looks at settings, files, models (a remote one is asked for a word), MCP servers (each is started once), database,
    disk and port. Itself it changes nothing. Ends with 1 if anything is at fault.
    """
    logging.disable(logging.CRITICAL)  # what goes wrong is a finding here, told once
    findings = asyncio.run(_tell(as_json))
    faults = sum(finding.verdict == "fault" for finding in findings)
    if as_json:
        print_json([{"part": each.part, "verdict": each.verdict, "detail": each.line} for each in findings])
    else:
        print(f"\n{faults} to mend." if faults else "\nAll is well.")
    if faults:
        raise typer.Exit(1)


async def _tell(as_json: bool) -> list[Finding]:
    console, findings = open_console(), list[Finding]()
    async for finding in diagnose():
        findings.append(finding)
        if not as_json:
            sign, style = _SIGNS[finding.verdict]
            line = Text.assemble((sign, style), f" {finding.part:<18} ", finding.line)
            console.print(line, soft_wrap=True)
    return findings


async def diagnose() -> AsyncIterator[Finding]:
    """Yields findings as they are made. What cannot be looked at because of a fault before it is left out."""
    yield check_python()
    try:
        settings = load_settings()
    except ConfigError as error:
        for line in str(error).splitlines():
            yield fault("settings", line)
        return
    yield ok("settings", f"the model is {settings.default_selector}")
    async for finding in _diagnose_parts(settings):
        yield finding


async def _diagnose_parts(settings: Settings) -> AsyncIterator[Finding]:
    files = read_files(settings)
    for finding in files.findings:
        yield finding
    for finding in check_data_folder(settings):
        yield finding
    yield await asyncio.to_thread(check_port, settings)

    # seconds, in which the lines above can be read
    from server.cli.checks.product import check_product  # noqa: PLC0415

    async for finding in check_product(settings, files):
        yield finding
