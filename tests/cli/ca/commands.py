"""`tmsctl ca` as tests run it, and what relying parties' tools say of what it wrote."""

import json
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

from click.testing import CliRunner, Result

from tests.cli.sites import tmsctl
from tests.site.certificates import csr
from tests.terminal import PATIENCE
from tmsd.cli.ca import ca as commands

CA = "demo"


def ca(
    site: Path, command: str, *arguments: str | Path, name: str | None = CA, stdin: str = ""
) -> CompletedProcess[str]:
    """Run `tmsctl ca COMMAND`, with `--ca` unless there is no name; no PIN is ever shown."""
    named = [] if name is None else ["--ca", name]
    config = site / "tmsd.toml"
    done = tmsctl("ca", command, "--config", config, *named, *arguments, stdin=stdin)
    for pin in (site / "credentials").iterdir():
        assert pin.read_text() not in done.stdout + done.stderr
    return done


def told(site: Path, command: str, *arguments: str | Path, name: str | None = CA) -> str:
    """Run a command that succeeds; return what it printed."""
    done = ca(site, command, *arguments, name=name)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def document(
    site: Path, command: str, *arguments: str, name: str | None = CA
) -> Mapping[str, object]:
    """Run a command with `--json`; return its document."""
    read = json.loads(told(site, command, *arguments, "--json", name=name))
    assert isinstance(read, dict)
    return read


def looked(site: Path, command: str, *arguments: str) -> Result:
    """Run a command that only looks within this process, which is quicker."""
    named = ("--config", str(site / "tmsd.toml"), "--ca", CA)
    return CliRunner().invoke(commands, [command, *named, *arguments])


def found(site: Path, *arguments: str) -> Mapping[str, Any]:
    """Search; return the document, as `looked` runs it."""
    result = looked(site, "search", "--json", *arguments)
    assert result.exit_code == 0, result.output
    document: dict[str, Any] = json.loads(result.stdout)
    return document


def refusal(done: CompletedProcess[str], exit_code: int = 1) -> str:
    """Return the one line of a command that was refused."""
    assert (done.returncode, done.stdout) == (exit_code, "")
    [line] = done.stderr.splitlines()
    return line.removeprefix("Error: ")


def recorded(site: Path) -> Sequence[Mapping[str, object]]:
    """Return what was done by `tmsctl`, from its own record."""
    lines = (site / "audit" / "tmsd.tmsctl.jsonl").read_text().splitlines()
    records = map(json.loads, lines)
    return [record for record in records if record["operation"].startswith("ca.")]


def request(folder: Path, common_name: str = "Alice") -> Path:
    """Write a request for signing for a new key."""
    file = folder / f"{common_name}.csr"
    file.write_text(csr(common_name))
    return file


def issued(
    site: Path, folder: Path, common_name: str = "Alice", profile: str = "token-authentication"
) -> tuple[Path, str]:
    """Issue a certificate; return its file and its serial number."""
    out = folder / f"{common_name}.pem"
    asked = ("--profile", profile, "--csr", request(folder, common_name), "--out", out)
    return out, told(site, "issue", *asked).splitlines()[0].split()[-1]


def tool(*command: str | Path) -> CompletedProcess[str]:
    """Run a tool of somebody else's."""
    return subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE, check=False)


def verified(site: Path, certificate: Path, *options: str | Path) -> CompletedProcess[str]:
    """Run `openssl verify`, which trusts the site's root alone."""
    root, chain = site / "cas" / "demo-root.pem", site / "cas" / "demo.pem"
    trust = ("-x509_strict", "-CAfile", root, "-untrusted", chain)
    return tool("openssl", "verify", *trust, *options, certificate)
