"""The command line of `tmsd`: one program serves callers, another relying parties."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from tmsd.command import main

PROGRAM = Path(sys.executable).with_name("tmsd")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ([], "Missing option '--config'"),
        (["ocsp"], "Missing option '--config'"),
        (["--config", "tmsd.toml", "ocsp", "--config", "tmsd.toml"], "stands after the command"),
        (["crl"], "No such command 'crl'"),
    ],
)
def test_a_command_line_that_is_wrong_says_what_would_be_right(
    arguments: list[str], words: str
) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert words in result.stderr


@pytest.mark.parametrize(
    ("command", "name"), [([], "tmsd"), (["ocsp"], "tmsd-ocsp")], ids=["the front", "the responder"]
)
def test_each_program_says_why_it_cannot_start(
    command: list[str], name: str, tmp_path: Path
) -> None:
    file = tmp_path / "tmsd.toml"
    ended = subprocess.run(
        [PROGRAM, *command, "--config", file], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert f"{name} cannot go on: {file}" in ended.stderr
