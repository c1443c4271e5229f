"""Where officers are enrolled, nobody does alone to keys what a ceremony does."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from tests.site.directory import Site
from tmsd.cli.main import tmsctl


@pytest.mark.parametrize(
    "command",
    [
        ("import", "--key-set", "aes128", "--version", "2", "--algorithm", "aes128"),
        ("generate", "--key-set", "aes128", "--version", "2"),
        ("generate", "--service", "channel"),
        ("destroy", "--key-set", "aes128", "--version", "1", "--yes"),
    ],
)
def test_keys_of_such_a_token_take_a_ceremony(governed: Site, command: tuple[str, ...]) -> None:
    verb, *arguments = command
    require_refused("key", verb, "--config", str(governed.configuration), *arguments)


def test_a_root_of_such_a_token_takes_a_ceremony(governed: Site, tmp_path: Path) -> None:
    out = tmp_path / "root.pem"
    root = ("--label", "root", "--subject", "CN=Root", "--out", str(out))
    require_refused("ca", "make-root", "--config", str(governed.configuration), *root)
    assert not out.exists()


def require_refused(*command: str) -> None:
    refused = CliRunner().invoke(tmsctl, command, input="00" * 16)

    assert (refused.exit_code, refused.stdout) == (1, "")
    assert refused.stderr == (
        "Error: ceremony-required: the keys of this token are under the quorum of pilot, "
        "2 of 3 officers: tmsctl ceremony run does it by a script that they approve\n"
    )
