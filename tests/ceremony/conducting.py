"""Conducting a ceremony of a test from its opening to where it stops, and on from there."""

import secrets
from pathlib import Path

from tmsd.audit.chain_file import ChainFile
from tmsd.ceremony.minutes import Minutes, events
from tmsd.ceremony.progress import Progress, progress
from tmsd.ceremony.room import Room
from tmsd.ceremony.running import conduct, open_ceremony, resume_ceremony
from tmsd.ceremony.script import Script


def begin(planned: Script, where: Room) -> None:
    """Open a ceremony and conduct it."""
    with ChainFile.open(minutes_of(where)) as chain:
        minutes = Minutes(chain, secrets.token_hex(16), "olaf")
        open_ceremony(planned, where, minutes)
        conduct(planned, where, minutes, Progress(minutes.ceremony, planned.sha256))


def resume(planned: Script, where: Room) -> None:
    """Go on with it."""
    before = progress(events(minutes_of(where)))
    with ChainFile.open(minutes_of(where)) as chain:
        resume_ceremony(planned, where, Minutes(chain, before.ceremony, "olaf"), before)


def minutes_of(where: Room) -> Path:
    """Return where the minutes of a ceremony are."""
    return where.folder / "minutes.jsonl"
