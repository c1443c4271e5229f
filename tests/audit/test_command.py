"""`tmsctl audit verify`: exit codes, the lines it names, and the limits it admits."""

from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.audit.samples import chain, lines
from tmsd.audit import verification
from tmsd.cli.audit import audit


def run_verify(path: Path) -> Result:
    return CliRunner().invoke(audit, ["verify", str(path)])


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "audit.log"
    path.write_bytes(b"".join(lines(chain(5))))
    return path


def test_a_clean_log_exits_0_and_tells_its_end_for_comparison(log: Path) -> None:
    result = run_verify(log)
    assert result.exit_code == 0
    assert "records 5, faults 0" in result.output
    assert "number 5" in result.output
    assert chain(5)[-1].hash in result.output


def test_a_clean_report_says_what_it_cannot_know(log: Path) -> None:
    assert "cut off" in run_verify(log).output


def test_a_faulty_log_exits_1_and_names_every_line(log: Path) -> None:
    whole = lines(chain(5))
    log.write_bytes(b"".join([whole[0], whole[2], b"?\n", whole[4]]))
    result = run_verify(log)
    assert result.exit_code == 1
    assert "line 2: sequence gap: record 3 stands where 2 should" in result.output
    assert "line 3: no record: the line is not JSON" in result.output


@pytest.mark.parametrize("name", ["absent.log", "."])
def test_what_cannot_be_read_exits_2_and_says_why(tmp_path: Path, name: str) -> None:
    result = run_verify(tmp_path / name)
    assert result.exit_code == 2
    assert "cannot be read" in result.output


def test_of_a_long_log_it_says_how_far_it_is(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verification, "LINES_BETWEEN_PROGRESS", 2)

    result = run_verify(log)

    first, second = result.stderr.splitlines()
    assert first.startswith("line 2, 4")
    assert second.startswith("line 4, 8")
    assert "line 2," not in result.stdout


def test_a_configuration_that_cannot_be_read_is_no_verdict(log: Path) -> None:
    result = CliRunner().invoke(audit, ["verify", str(log), "--config", str(log.parent / "no")])

    assert result.exit_code == 2
    assert "receipts cannot be checked" in result.stderr


def test_a_forged_line_cannot_write_control_characters_to_the_terminal(log: Path) -> None:
    forged = lines(chain(1))[0].replace(b'"caller"', b'"\\u001b[2J":1,"caller"')
    log.write_bytes(forged)
    assert "\x1b" not in run_verify(log).output
