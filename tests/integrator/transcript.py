"""Documents with commands for a shell (`sh` blocks) and what these write (`text` blocks)."""

import os
import re
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```sh\n(.*?)^```\n(?:\n```text\n(.*?)^```\n)?", re.MULTILINE | re.DOTALL)
_SEPARATOR = "\x1e"  # which no command writes
_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Block:
    """Commands, and what they write to standard output."""

    commands: str
    output: str


def blocks(document: Path) -> list[Block]:
    """Return the commands of a document; those without a `text` block after them write nothing."""
    found = _BLOCK.findall(document.read_text())
    return [Block(commands, output) for commands, output in found]


def outputs(commands: list[str], directory: Path, port: int, ocsp_port: int) -> list[str]:
    """Run commands in one shell, which stops at the first that fails; return what each wrote.

    Args:
        commands: blocks of them.
        directory: where the shell begins.
        port: in its $PORT.
        ocsp_port: in its $OCSP_PORT.
    """
    script = "set -euo pipefail\n" + f"echo '{_SEPARATOR}'\n".join(commands)
    programs = Path(sys.executable).parent
    environment = {
        **os.environ,
        "PATH": f"{programs}:{os.environ['PATH']}",
        "PORT": str(port),
        "OCSP_PORT": str(ocsp_port),
    }
    written, complaints = directory / "written", directory / "complaints"
    with (
        written.open("wb") as out,
        complaints.open("wb") as err,
        subprocess.Popen(
            ["bash", "-c", script],
            cwd=directory,
            env=environment,
            stdout=out,
            stderr=err,
            start_new_session=True,
        ) as shell,
    ):
        try:
            shell.wait(_SECONDS)
        finally:
            with suppress(ProcessLookupError):  # nothing is left of it
                os.killpg(shell.pid, signal.SIGTERM)
    assert shell.returncode == 0, complaints.read_text() + written.read_text()
    return written.read_text().split(f"{_SEPARATOR}\n")
