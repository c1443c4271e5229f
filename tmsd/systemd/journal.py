"""Logging: entries with fields to systemd's journal, or else lines on standard error.

    journalctl -u tmsd TMSD_EVENT=worker-ended
    journalctl -u tmsd TMSD_CALLER=tps-demo -o verbose

The record of what was done is the audit log; the journal is for those who run the service.
Nothing secret is in either.
"""

import logging
import os
import sys
from collections.abc import Mapping
from enum import Enum

from tmsd.systemd.library import imported

_FORMAT = "%(levelname)s %(name)s: %(message)s"


class Event(Enum):
    """What somebody may want to be woken by; docs/operations.md lists them.

    The value is the MESSAGE_ID: it names the event for good, whatever words a later version
    finds for it.
    """

    READY = "d8368c38e9314a838263334b25bd8c4a"
    RELOADED = "4c4b130967144d72b8a49c127774d64f"
    RELOAD_REFUSED = "10c4507919d9455c87299878c5cf8137"
    CRL_RUNS_OUT = "ee737069706c403dbf9f443bcc5dd823"
    CONNECTION_TURNED_AWAY = "7191e34793e0464cb8768c46c6dd8181"
    STOPPING = "67dfd587e6274eff844819dc986d2eca"
    WORKER_READY = "2e0449618a1845b1b44e380a61de88bc"
    WORKER_ENDED = "e516ff785bbe4c2ca1fa456d023d97ea"
    WORKER_REFUSED = "0841f86a162b45ddbfea6fb0de3d8963"
    FAILED = "c433b7a2beb24f17b0ecdd707803a344"
    REQUEST_REFUSED = "b695ffb0b4bd422491f1285d33516e86"
    REQUEST_FAILED = "5ab77481ae324e6393e590ee3abd99f1"
    CARD_FAILS_WITH_SEVERAL_CALLERS = "916474790e1146fcb348589d79503e47"

    @property
    def word(self) -> str:
        """Its name as it stands in TMSD_EVENT."""
        return self.name.lower().replace("_", "-")


def about(
    event: Event,
    *,
    caller: str | None = None,
    worker: object = None,
    request: str | None = None,
    code: str | None = None,
) -> Mapping[str, object]:
    """Return the fields of a log entry, for the argument `extra` of a logging call.

    Args:
        event: what happened.
        caller: the caller's name in the policy.
        worker: which worker, as the journal of its unit or its process number shows it.
        request: the request's id, which its audit records have as well.
        code: the code of a refusal.
    """
    told = {
        "TMSD_CALLER": caller,
        "TMSD_WORKER": worker,
        "TMSD_REQUEST": request,
        "TMSD_CODE": code,
    }
    fields = {name: str(value) for name, value in told.items() if value is not None}
    return {"MESSAGE_ID": event.value, "TMSD_EVENT": event.word, **fields}


def log_to_journal_or_stderr(identifier: str) -> bool:
    """Send what this process logs where it is read; say whether that is the journal.

    Args:
        identifier: the name of the program in the journal (SYSLOG_IDENTIFIER).
    """
    journal = imported("systemd.journal") if _stderr_is_the_journal() else None
    if journal is None:
        logging.basicConfig(level=logging.INFO, format=_FORMAT, stream=sys.stderr)
        return False

    def send(message: str, /, **fields: object) -> None:
        # The handler adds all that a log record has. The journal takes upper-case names alone,
        # and arguments and exceptions stand in the message already.
        taken = {name: value for name, value in fields.items() if name.isupper()}
        for repeated in ("CODE_ARGS", "EXCEPTION_INFO"):
            taken.pop(repeated, None)
        journal.send(message, **taken)

    handler = journal.JournalHandler(sender_function=send, SYSLOG_IDENTIFIER=identifier)
    logging.basicConfig(level=logging.INFO, format="%(message)s", handlers=[handler])
    return True


def _stderr_is_the_journal() -> bool:
    """Compare standard error with what systemd connected to the journal (systemd.exec(5))."""
    device, _, inode = os.environ.get("JOURNAL_STREAM", "").partition(":")
    try:
        status = os.fstat(sys.stderr.fileno())
    except (OSError, ValueError, AttributeError):  # closed, or replaced by something else
        return False
    return (device, inode) == (str(status.st_dev), str(status.st_ino))
