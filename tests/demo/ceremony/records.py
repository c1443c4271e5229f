"""What is left of ceremonies: minutes that are verified, altered and printed, and inventories."""

import json
import secrets
from collections.abc import Mapping
from pathlib import Path
from subprocess import CompletedProcess
from tempfile import TemporaryDirectory

from tests.cli.sites import tmsctl
from tests.demo.ceremony.folder import FIRST, SECOND, Ceremony
from tests.demo.findings import Findings
from tests.demo.screen import Screen


class Records:
    """The demonstration's folder after its ceremonies.

    Args:
        folder: it.
        screen: where everything is printed.
        findings: what was as it should be.
    """

    def __init__(self, folder: Path, screen: Screen, findings: Findings) -> None:
        self._folder = folder
        self._screen = screen
        self._findings = findings

    def verify(self, ceremony: Ceremony) -> None:
        """Have the minutes verified, and made into a page."""
        self._screen.step(f"The minutes {ceremony.minutes}")
        self._screen.say("Anybody can check them, offline and by public keys alone:")
        verified = self._run("ceremony", "verify", ceremony.minutes)
        self._findings.require_equal("exit code", 0, verified.returncode)
        self._findings.seen(ceremony.minutes, "accepted, exit code 0")
        self._screen.say("And as a page for the binder:")
        page = self._run("ceremony", "minutes", ceremony.minutes, "--out", ceremony.page)
        self._findings.require_equal("exit code", 0, page.returncode)

    def alter(self, ceremony: Ceremony) -> None:
        """Flip one bit of a copy of the minutes, and have that verified."""
        self._screen.step("Somebody alters one bit of them")
        content = bytearray((self._folder / ceremony.minutes).read_bytes())
        place = secrets.randbelow(len(content))
        line = content.count(b"\n", 0, place) + 1
        content[place] ^= 1
        self._screen.say(f"In a copy, of byte {place}, which is in line {line}.")
        with TemporaryDirectory(prefix="tmsd-altered-") as name:
            copy = Path(name) / "altered.jsonl"
            copy.write_bytes(content)
            refused = self._run("ceremony", "verify", str(copy))
        self._findings.require_equal("exit code", 1, refused.returncode)
        said = f"the first bad line is {line}"
        last = refused.stderr.splitlines()[-1]
        self._findings.require_equal("the line that it names", said, last[-len(said) :])
        self._findings.seen("A copy with one bit flipped", f"refused, exit code 1, line {line}")

    def compare_tokens(self) -> None:
        """Compare what both tokens hold."""
        self._screen.step("What both tokens hold")
        self._screen.say(
            "The officers have signed the inventory of each token. The daemon's own keys and the"
            " audit key are in no backup, so that the second token has others."
        )
        first, second = (self._check_values(ceremony) for ceremony in (FIRST, SECOND))
        rows = [(key, first.get(key, "-"), second.get(key, "-")) for key in {**first, **second}]
        self._screen.table(("KEY", FIRST.token.upper(), SECOND.token.upper()), rows)
        for key in ("staff:1", "visitors:1"):
            self._findings.require_equal(key, first[key], second.get(key))
        self._findings.seen("KCVs of staff:1 and visitors:1", "the same in both tokens")

    def _check_values(self, ceremony: Ceremony) -> Mapping[str, str]:
        files = ("--config", ceremony.configuration, "--inventory", ceremony.inventory)
        compared = self._run("inventory", "compare", *files)
        self._findings.require_equal("exit code", 0, compared.returncode)
        held = json.loads((self._folder / ceremony.inventory).read_bytes())["keys"]
        return {
            f"{key['label']}:{int(key['id'], 16)}": key["check"]
            for key in held
            if key["kind"] == "secret"
        }

    def _run(self, *arguments: str) -> CompletedProcess[str]:
        """Run a `tmsctl` that asks nobody, and show what it says."""
        self._screen.command(("tmsctl", *arguments))
        done = tmsctl(*arguments, cwd=self._folder)
        self._screen.output((done.stdout + done.stderr).splitlines())
        return done
