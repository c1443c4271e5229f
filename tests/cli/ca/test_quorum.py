"""`tmsctl ca propose` and `issue`: a quorum, where there is one, approves what is certified."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509

from tests.cli.ca.commands import request, tool
from tests.quorum.officers import pem
from tests.site.authority import CA
from tests.site.certificates import issue, wanted
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.fixtures import RunningSite
from tests.site.identities import RA
from tests.site.policies import activated, enrol_officers, told
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.verification import verify
from tmsd.cli.main import tmsctl
from tmsd.quorum import request as requests

ROOT = Path(__file__).parents[3]
PASSWORD = "of an officer"


@pytest.fixture(scope="module")
def governed(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a CA, whose officers have approved its policy."""
    with ExitStack() as made:
        site = Site(tmp_path_factory.mktemp("governed"), softhsm, batches=[], ca=True)
        made.callback(site.close)
        enrol_officers(site)
        activated(site, site.policy)
        yield site


def arguments(site: Site, command: str, csr: Path, *others: str | Path) -> list[str]:
    named = ("--config", site.configuration, "--ca", CA, "--profile", "officer", "--csr", csr)
    return ["ca", command, *map(str, (*named, *others))]


def ca(site: Site, command: str, csr: Path, *others: str | Path) -> Result:
    return CliRunner().invoke(tmsctl, arguments(site, command, csr, *others))


def proposed(site: Site, folder: Path, csr: Path) -> Path:
    """Ask the officers for a certificate."""
    out = folder / "request.json"
    told(ca(site, "propose", csr, "--requester", "olaf", "--out", out))
    return out


def approved(asked: Path, officer: str) -> Path:
    """Have an officer approve at their own desk, by a key in a file."""
    key, out = asked.with_name("of-officer.key"), asked.with_name(f"{officer}.approval")
    key.write_bytes(pem(officer, PASSWORD.encode()))
    files = ("--request", asked, "--quorum", asked.with_name("quorum.json"))
    command = ["officer", "approve", *map(str, (*files, "--key", key, "--out", out))]
    done = CliRunner().invoke(tmsctl, command, input=f"y\n{PASSWORD}\n")
    assert f"Approved by {officer}: " in told(done)
    return out


def answered(asked: Path, *officers: str) -> list[str | Path]:
    """Return what `issue` is given."""
    approvals = [approved(asked, officer) for officer in officers]
    return ["--request", asked, *(word for each in approvals for word in ("--approval", each))]


def refusal(done: Result, exit_code: int = 1) -> str:
    assert done.exit_code == exit_code, done.output
    return done.stderr.splitlines()[-1].removeprefix("Error: ")


def test_officers_approve_it_apart_and_it_is_issued_once(governed: Site, tmp_path: Path) -> None:
    csr, first, again = request(tmp_path, "Olga"), tmp_path / "a.pem", tmp_path / "b.pem"

    assert refusal(ca(governed, "issue", csr, "--out", first)).startswith(
        "issuance-refused: approval-required: 2 officers have to approve"
    )
    asked = proposed(governed, tmp_path, csr)
    told(ca(governed, "issue", csr, *answered(asked, "anna", "berta"), "--out", first))
    told(ca(governed, "issue", csr, *answered(asked, "berta", "carl"), "--out", again))

    assert first.read_bytes() == again.read_bytes()
    certificate = x509.load_pem_x509_certificate(first.read_bytes())
    read = requests.decode(asked.read_bytes())
    assert read.request_id == f"{certificate.serial_number:032x}"
    trust = governed.policy.resolve().with_name(f"{CA}.pem")
    verified = tool("openssl", "verify", "-x509_strict", "-CAfile", trust, first)
    assert verified.stdout == f"{first}: OK\n"

    record = governed.directory / "audit.tmsctl.jsonl"
    assert verify(record).clean
    events = [json.loads(line) for line in record.read_text().splitlines()]
    intents = [event for event in events if event["operation"] == "ca.issue.intent"]
    intent = next(each for each in intents if each["details"]["request"] == read.request_id)
    assert (
        intent["details"]
        | {
            "serial_number": read.request_id,
            "request_sha256": read.digest.hex(),
            "requester": "olaf",
            "approved_by": "anna, berta",
        }
        == intent["details"]
    )


def test_what_was_killed_after_it_was_signed_goes_on_as_one_certificate(
    governed: Site, tmp_path: Path
) -> None:
    csr, out = request(tmp_path, "Oskar"), tmp_path / "out.pem"
    asked = proposed(governed, tmp_path, csr)
    command = arguments(governed, "issue", csr, *answered(asked, "anna", "carl"), "--out", out)
    killed = subprocess.run(
        [sys.executable, "-m", "tests.cli.policy.killed", "tmsd.ca.issuing._issue", *command],
        cwd=ROOT,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL
    assert not out.exists()

    told(ca(governed, "issue", csr, *answered(asked, "anna", "berta"), "--out", out))

    certificate = x509.load_pem_x509_certificate(out.read_bytes())
    named = ("--config", governed.configuration, "--ca", CA, "--subject", "Oskar", "--json")
    found = told(CliRunner().invoke(tmsctl, ["ca", "search", *map(str, named)]))
    [record] = json.loads(found)["certificates"]
    assert record["serial_number"] == f"{certificate.serial_number:032x}"


def test_too_few_approvals_and_another_request_leave_nothing_behind(
    governed: Site, tmp_path: Path
) -> None:
    csr, other, out = request(tmp_path, "Oda"), request(tmp_path, "Otto"), tmp_path / "out.pem"
    asked = proposed(governed, tmp_path, csr)

    too_few = ca(governed, "issue", csr, *answered(asked, "anna"), "--out", out)
    altered = ca(governed, "issue", other, *answered(asked, "anna", "berta"), "--out", out)

    assert "approvals-missing: 1 of 2 persons have approved" in refusal(too_few)
    assert "request-of-other-certificate: it differs from what is at hand" in refusal(altered)
    assert not out.exists()
    record = governed.directory / "audit.tmsctl.jsonl"
    last = json.loads(record.read_text().splitlines()[-1])
    assert (last["outcome"], last["details"]["rule"]) == ("refused", "request-of-other-certificate")


def test_what_is_said_twice_or_of_nobody_is_refused_on_the_command_line(
    governed: Site, tmp_path: Path
) -> None:
    csr, out = request(tmp_path, "Olga"), tmp_path / "out.pem"
    unnamed = ca(governed, "propose", csr, "--requester", "Olaf O", "--out", out)
    assert refusal(unnamed).startswith("request-invalid: request-malformed: ")
    alone = ca(governed, "issue", csr, "--approval", csr, "--out", out)
    assert "approvals take --request" in refusal(alone, 2)
    assert not out.exists()


def test_no_caller_gets_it_though_the_quorum_has_approved(governed: Site, tmp_path: Path) -> None:
    csr = request(tmp_path, "Ophelia")
    asked = proposed(governed, tmp_path, csr)
    approvals = [approved(asked, officer).read_text() for officer in ("anna", "berta")]
    body = wanted("officer", csr.read_text())
    carried = body | {"approval": {"request": asked.read_text(), "approvals": approvals}}
    with Daemon(governed) as daemon:
        running = RunningSite(governed, daemon.wait_until_ready())
        with running.caller(RA) as caller:
            by_role, by_approval = issue(caller, body), issue(caller, carried)

    assert (by_role.status, by_role.document["type"]) == (
        403,
        "urn:tmsd:problem:profile-not-allowed",
    )
    assert (by_approval.status, by_approval.document["type"]) == (
        400,
        "urn:tmsd:problem:request-invalid",
    )
