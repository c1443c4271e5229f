"""Sites of Dogtag, each a CS.cfg with what those who import it say, and what is to come of it.

`python -m tests.dogtag_import.sites` writes anew what comes of them, to be reviewed as a change.
"""

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from click.testing import CliRunner, Result

from tests.site.kra import kra_certificate_pem
from tmsd.cli.main import tmsctl

SITES = Path(__file__).parent / "sites"

GIVEN = {
    "shipped": (),
    "recorded": (
        *("--shared-secret-algorithm", "des3", "--master-key", "aes256_master=aes256"),
        *("--master-key", "aes_master=aes128", "--kra-certificate", "KRA"),
        *("--tps-certificate", "TPS-tps.example-8443=KRA"),
    ),
    "smartcards": ("--scp", "01", "--scp", "03", "--master-key", "kmc=aes256"),
    "legacy": ("--release", "10"),
}
"""What is said beside the file; KRA is a certificate."""


def run(cs_cfg: Path, output: Path, *given: str) -> Result:
    """Import a CS.cfg in this process."""
    certificate = output.parent / "certificate.pem"
    certificate.write_bytes(kra_certificate_pem())
    options = [option.replace("KRA", str(certificate)) for option in given]
    command = ["import", "dogtag-tks", str(cs_cfg), "--output", str(output), *options]
    return CliRunner().invoke(tmsctl, command)


def imported(site: str, output: Path) -> dict[str, str]:
    """Import a site; return its policy, the ceremony's script, and what was told as JSON."""
    result = run(SITES / f"{site}.cfg", output, *GIVEN[site], "--json")
    assert result.exit_code == 0, result.output
    told = json.loads(result.stdout)
    for place in ("source", "written"):
        del told[place]
    return {
        "policy.toml": (output / "policy.toml").read_text(),
        "import-keys.toml": (output / "import-keys.toml").read_text(),
        "json": json.dumps(told, indent=1) + "\n",
    }


def main() -> None:
    """Write what comes of each site beside it."""
    for site in GIVEN:
        with TemporaryDirectory() as directory:
            for name, text in imported(site, Path(directory) / "made").items():
                (SITES / f"{site}.{name}").write_text(text)


if __name__ == "__main__":
    main()
