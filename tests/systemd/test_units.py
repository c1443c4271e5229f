"""The unit files: systemd has nothing to say against them, and little is exposed."""

import re
import subprocess
from pathlib import Path

import pytest

from tmsd.config.daemon import WorkerConfig

UNITS = Path(__file__).parents[2] / "systemd"
SERVICES = (
    *("tmsd.service", "tmsd-worker@.service"),
    *("tmsd-ocsp.service", "tmsd-ocsp-worker.service"),
)
ALL = (*SERVICES, *(service.replace(".service", ".socket") for service in SERVICES))

USERS = ["tmsd", "tmsd-worker", "tmsd-ocsp", "tmsd-ocsp-worker"]

# Out of 100, as its option has it: 4 is what `systemd-analyze security` shows as 0.4.
HIGHEST_EXPOSURE = 4


def analyze(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", *arguments], capture_output=True, text=True, check=False
    )


@pytest.fixture
def units(tmp_path: Path) -> Path:
    """Copies that name programs which are there: tmsd is not installed where tests run."""
    for unit in ALL:
        text = (UNITS / unit).read_text()
        (tmp_path / unit).write_text(re.sub(r"(?m)^(Exec\w+=)/opt/tmsd/\S+", r"\1/bin/true", text))
    return tmp_path


@pytest.mark.parametrize("unit", ALL)
def test_systemd_understands_every_line(unit: str, units: Path) -> None:
    verified = analyze("verify", str(units / unit.replace("@.", "@1.")))
    assert verified.stderr == ""
    assert verified.returncode == 0


def test_a_worker_that_wears_out_is_replaced_long_before_its_memory_ends_it() -> None:
    """What a long CRL takes comes on top of what it has gathered."""
    [limit] = re.findall(r"(?m)^MemoryMax=(\d+)G$", (UNITS / "tmsd-worker@.service").read_text())
    assert (int(limit) << 10) >= 2 * WorkerConfig().recycle_megabytes


@pytest.mark.parametrize("unit", ALL)
def test_every_section_is_there_once(unit: str) -> None:
    """The second would be merged into the first, and what it says would win."""
    sections = re.findall(r"(?m)^\[(\w+)\]$", (UNITS / unit).read_text())
    assert len(sections) == len(set(sections))


def test_a_line_that_systemd_does_not_understand_would_be_seen(units: Path) -> None:
    service = units / "tmsd.service"
    service.write_text(service.read_text().replace("ProtectHome=", "ProtectHouse="))
    assert "ProtectHouse" in analyze("verify", str(service)).stderr


@pytest.mark.parametrize("unit", ALL)
def test_each_section_stands_once(unit: str) -> None:
    sections = re.findall(r"(?m)^\[(\w+)\]$", (UNITS / unit).read_text())
    assert sections == sorted(set(sections), key=sections.index)


@pytest.mark.parametrize("unit", SERVICES)
def test_little_is_exposed_and_no_more_would_pass(unit: str, tmp_path: Path) -> None:
    security = ("security", "--offline=true", "--no-pager", f"--threshold={HIGHEST_EXPOSURE}")
    as_it_is = analyze(*security, str(UNITS / unit))
    assert as_it_is.returncode == 0, as_it_is.stdout
    with_network = tmp_path / unit
    with_network.write_text((UNITS / unit).read_text().replace("\nPrivateNetwork=yes\n", "\n"))
    assert analyze(*security, str(with_network)).returncode != 0


def test_only_workers_are_given_a_pin_and_each_the_one_of_its_token() -> None:
    given = {
        unit: re.findall(r"(?m)^LoadCredential=(.*)$", (UNITS / unit).read_text())
        for unit in SERVICES
    }
    assert given == {
        "tmsd.service": [],
        "tmsd-worker@.service": ["hsm-pin:/etc/credstore/tmsd.hsm-pin"],
        "tmsd-ocsp.service": [],
        "tmsd-ocsp-worker.service": ["ocsp-hsm-pin:/etc/credstore/tmsd.ocsp-hsm-pin"],
    }


def test_each_service_has_a_user_of_its_own_who_is_in_no_group_of_another() -> None:
    for key in ("User", "Group"):
        names = [re.findall(rf"(?m)^{key}=(.*)$", (UNITS / unit).read_text()) for unit in SERVICES]
        assert names == [[user] for user in USERS]
    assert "SupplementaryGroups" not in "".join((UNITS / unit).read_text() for unit in SERVICES)
    made = re.findall(r"(?m)^u (\S+) ", (UNITS / "tmsd.sysusers.conf").read_text())
    assert made == USERS


def test_the_responder_writes_nowhere_and_sees_nothing_of_front_and_workers() -> None:
    unit = (UNITS / "tmsd-ocsp.service").read_text()
    assert not re.search(r"(?m)^(State|Runtime|Cache|Logs)Directory=|^ReadWritePaths=", unit)
    hidden = " ".join(re.findall(r"(?m)^InaccessiblePaths=(.*)$", unit)).split()
    of_others = ("/var/lib/tmsd", "/run/tmsd", "/var/lib/tmsd-worker", "/run/tmsd-worker")
    assert {f"-{place}" for place in (*of_others, "/var/lib/tmsd-ocsp-worker")} <= set(hidden)
    nonces = (UNITS / "tmsd-ocsp-worker.service").read_text()
    hidden = " ".join(re.findall(r"(?m)^InaccessiblePaths=(.*)$", nonces)).split()
    assert {f"-{place}" for place in (*of_others, "/var/lib/tmsd-store")} <= set(hidden)
