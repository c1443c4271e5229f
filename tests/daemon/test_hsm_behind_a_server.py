"""A daemon whose HSM is behind p11-kit's server, which is killed and comes back under callers.

p11-kit 0.24 hands on no derivation, no wrapping and no AES-CMAC (tests/softhsm/p11_kit.py). So the
policy has no key sets: callers get random bytes and certificates. The daemon's own keys make their
MACs in steps, those of receipts and of what lies between preparing a certificate and signing it.
"""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Event
from uuid import uuid4

import pytest
from cryptography import x509

from hsm.attributes import SERVICE_MAC_KEY_IN_STEPS
from tests.cli.sites import tmsctl
from tests.site.authority import CA
from tests.site.certificates import issue, wanted
from tests.site.channels import RANDOM
from tests.site.contract import Answer
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import Site
from tests.site.faulty import RECOVERY_SECONDS
from tests.site.fixtures import RunningSite
from tests.softhsm.p11_kit import P11KitServer
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Outcome

pytestmark = pytest.mark.xdist_group("p11-kit")  # one site for all

_PAUSE = 0.02
WORKERS = 3
LOST, BACK = "the token is lost", "the token is back"


@pytest.fixture(scope="module")
def made(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site with a CA and no cards; all that is left to the daemon is as it has it by default."""
    site = Site(
        tmp_path_factory.mktemp("site"),
        softhsm,
        batches=(),
        ca=True,
        service_keys=SERVICE_MAC_KEY_IN_STEPS,
        deadline_seconds=None,
        workers=None,
        slow_workers=None,
    )
    yield site
    site.close()


@pytest.fixture(scope="module")
def server(made: Site) -> Iterator[P11KitServer]:
    """The server of the site's token, which runs."""
    server = P11KitServer(made.directory, made.token)
    server.start()
    yield server
    server.kill()


@pytest.fixture(scope="module")
def site(made: Site, server: P11KitServer) -> Iterator[RunningSite]:
    """The site, running behind the server."""
    made.write_configuration(server.token)
    with Daemon(made) as daemon:
        yield RunningSite(made, daemon.wait_until_ready())
        assert daemon.stop() == 0


@dataclass(frozen=True, slots=True)
class Answers:
    """What callers were told, in its order."""

    random: list[Answer] = field(default_factory=list)
    certificates: list[Answer] = field(default_factory=list)

    def end_with(self, status: int) -> bool:
        """Say whether the latest of both have a status."""
        return all(each and each[-1].status == status for each in (self.random, self.certificates))


@contextmanager
def asking(site: RunningSite) -> Iterator[Answers]:
    """Let one caller ask for random bytes and one for certificates, over and over."""
    answers, over = Answers(), Event()

    def ask_for_random() -> None:
        with site.caller() as caller:
            while not over.is_set():
                answers.random.append(caller.post(RANDOM, {"length": 16}))
                time.sleep(_PAUSE)

    def ask_for_certificates() -> None:
        body, key = wanted(), uuid4().hex
        with site.caller() as caller:
            while not over.is_set():
                answer = issue(caller, body, key)
                answers.certificates.append(answer)
                if answer.status == 200:
                    body, key = wanted(), uuid4().hex
                time.sleep(_PAUSE)

    with ThreadPoolExecutor() as threads:
        working = [threads.submit(each) for each in (ask_for_random, ask_for_certificates)]
        try:
            yield answers
        finally:
            over.set()
        for each in working:
            each.result()


def all_workers_have_the_token(log: str) -> bool:
    return log.count("is logged in") == WORKERS and log.count(LOST) == log.count(BACK)


def test_a_server_that_is_killed_is_a_503_until_it_is_back(
    site: RunningSite, server: P11KitServer
) -> None:
    with asking(site) as answers:
        for _ in range(3):
            wait_until(lambda: answers.end_with(200))
            server.kill()
            wait_until(lambda: answers.end_with(503))
            server.start()
            wait_until(lambda: answers.end_with(200), RECOVERY_SECONDS)

    authority = x509.load_pem_x509_certificate((site.site.directory / f"{CA}.pem").read_bytes())
    serial_numbers = set()
    for answer in answers.certificates:
        if answer.status == 200:
            certificate = x509.load_pem_x509_certificate(answer.document["certificate"].encode())
            certificate.verify_directly_issued_by(authority)
            serial_numbers.add(certificate.serial_number)
    assert len(serial_numbers) == sum(answer.status == 200 for answer in answers.certificates)
    for answer in (*answers.random, *answers.certificates):
        decisions = [record.decision for record in site.trail.of_request(answer.request_id)]
        if answer.status == 200:
            digest = sha256(answer.content).hexdigest()
            assert [each.answer_digest for each in decisions].count(digest) == 1
        else:
            assert answer.code == "hsm-unavailable"
            assert int(answer.headers["retry-after"]) > 0
            assert decisions[-1].outcome is not Outcome.ALLOWED


def test_a_server_that_is_killed_while_nobody_asks_is_a_503_at_once(
    site: RunningSite, server: P11KitServer
) -> None:
    wait_until(lambda: all_workers_have_the_token(site.daemon.log))
    lost = site.daemon.log.count(LOST)
    server.kill()
    site.daemon.wait_until_told(LOST, lost + WORKERS)
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable"

        server.start()
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).status == 200, RECOVERY_SECONDS)


def test_the_policy_needs_nothing_that_the_server_does_not_hand_on(site: RunningSite) -> None:
    checked = tmsctl("check", "hsm", "--config", site.site.configuration)

    assert (checked.returncode, checked.stderr) == (0, "")
    # Whether AES-CMAC is handed on goes by p11-kit's version: 0.24 does not.
    assert "The HSM can do all that" in checked.stdout


def test_receipts_that_were_made_in_steps_are_verified_in_the_hsm(site: RunningSite) -> None:
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200

    audit, configuration = site.site.audit_file, site.site.configuration
    result = tmsctl("audit", "verify", audit, "--config", configuration)

    assert result.returncode == 0, result.stdout
    assert "their MACs were checked by" in result.stdout
