"""`tmsctl key` as tests run it, and tables of policies for its keys."""

from pathlib import Path
from subprocess import CompletedProcess

from tests.ceremony.keys import check_value
from tests.cli.sites import tmsctl
from tmsd.config.key_sets import KeyAlgorithm

DOGTAG = """
[key_sets.dogtag]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active" }
"""

TRANSPORT_KEY = """
[transport_keys.tps]
label = "for the TPS"
algorithm = "des3"
version = 2
"""


def key(site: Path, command: str, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
    """Run `tmsctl key COMMAND`; no PIN is ever shown."""
    done = tmsctl("key", command, "--config", site / "tmsd.toml", *arguments, stdin=stdin)
    for pin in (site / "credentials").iterdir():
        assert pin.read_text() not in done.stdout + done.stderr
    return done


def import_key(
    site: Path, key_set: str, version: int, algorithm: str, stdin: str
) -> CompletedProcess[str]:
    arguments = ["--key-set", key_set, "--version", str(version), "--algorithm", algorithm]
    return key(site, "import", *arguments, stdin=stdin)


def listed(site: Path) -> list[list[str]]:
    """Return the lines of `tmsctl key list`, cut into cells."""
    done = key(site, "list")
    assert (done.returncode, done.stderr) == (0, "")
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in done.stdout.splitlines()
    ]


def kcv(value: bytes, algorithm: str) -> str:
    return check_value(value, KeyAlgorithm(algorithm)).hex()
