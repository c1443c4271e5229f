"""Ceremonies that are killed before each line of their minutes, or as a step begins; then resumed.

`python -m tests.ceremony.killed FOLDER` prints a line of JSON for each. It is a process of its own
that forks before it loads any PKCS#11 module: that costs less than to start one for each.
"""

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from cryptography.hazmat.primitives.keywrap import aes_key_wrap

from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.quorum.officers import private_key
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event, Minutes, events
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script, load_script
from tmsd.config.key_sets import KeyAlgorithm

_LABELS = ("zone", "sent")
_ZONE_MASTER, _SENT = bytes(range(32)), bytes(range(16))
_IMPORT = """
[[steps]]
do = "import-key"
label = "zone"
version = 1
algorithm = "aes256"
purpose = "zone-master"
custodians = ["karl"]
"""
_IMPORT_WRAPPED = f"""
[[steps]]
do = "import-wrapped-key"
label = "sent"
version = 1
algorithm = "aes128"
form = "aes-kw"
zone_key = "zone"
kcv = "{check_value(_SENT, KeyAlgorithm.AES128).hex()}"
file = "sent.key"
"""


def main(folder: Path) -> None:
    """Kill a ceremony at each place that there is."""
    for name in ("anna", "berta", "carl", "dora"):
        private_key(name)  # the same in every process
    for begun in (False, True):
        for at in range(1, 100):
            place = folder / f"{at}{'begun' if begun else ''}"
            place.mkdir()
            if not _killed(place, at, begun=begun):
                break
            print(json.dumps(_resumed(place) | {"at": at, "begun": begun}), flush=True)  # noqa: T201  the answer


def _killed(place: Path, at: int, *, begun: bool) -> bool:
    """Conduct a ceremony that is killed before a line of its minutes; say whether it was.

    With `begun`, it is killed after the line by which a step begins, of which `at` is the number.
    """

    def conduct() -> None:
        softhsm = SoftHsm(place)
        token = softhsm.make_token()
        (place / "token.json").write_text(json.dumps([token.label, token.serial]))
        _kill_at(at, begun=begun)
        begin(_script(place), _room(place, token))

    return _in_a_process(conduct) == -signal.SIGKILL


def _resumed(place: Path) -> dict[str, object]:
    """Go on with it, and tell what came of it."""

    def go_on() -> None:
        label, serial = json.loads((place / "token.json").read_text())
        environment = {"SOFTHSM2_CONF": str(place / "softhsm2.conf")}
        where = _room(place, TokenAddress(_module(), label, serial, environment))
        has_begun = minutes_of(where).exists() and events(minutes_of(where))
        if has_begun:
            resume(_script(place), where)
        else:  # nothing had been opened, so there is nothing to go on with
            minutes_of(where).unlink(missing_ok=True)
            begin(_script(place), where)
        found = review(minutes_of(where))
        with where.token() as token:
            keys = [len(token.find_keys(KeyReference(label, 1))) for label in _LABELS]
        result = {
            "faults": [str(fault) for fault in found.faults],
            "steps": found.steps,
            "signed_by": found.signed_by,
            "keys": keys,
        }
        (place / "result.json").write_text(json.dumps(result))

    status = _in_a_process(go_on)
    result: dict[str, object] = json.loads((place / "result.json").read_text())
    return {**result, "status": status}


def _in_a_process(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  the parent sees the status
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _kill_at(at: int, *, begun: bool) -> None:
    note = Minutes.note
    count = 0

    def killed(self: Minutes, event: Event, facts: Mapping[str, str | int | bool]) -> Record:
        nonlocal count
        if begun and event is not Event.BEGUN:
            return note(self, event, facts)
        count += 1
        if count < at:
            return note(self, event, facts)
        if begun:
            note(self, event, facts)
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    setattr(Minutes, "note", killed)  # noqa: B010  a method is not assigned to, as mypy has it


def _script(place: Path) -> Script:
    (place / "sent.key").write_bytes(aes_key_wrap(_ZONE_MASTER, _SENT))
    return load_script(script(place, ENROL, _IMPORT, _IMPORT_WRAPPED))


def _room(place: Path, token: TokenAddress) -> Room:
    typed = {"component 1 of 1 of key 'zone' version 1": [_ZONE_MASTER.hex().encode()]}
    return room(place, token, Present(typed=typed))


def _module() -> Path:
    return Path("/usr/lib/softhsm/libsofthsm2.so")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
