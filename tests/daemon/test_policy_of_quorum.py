"""Where the token has a quorum, a front that was taken over cannot change the policy.

The test is the front: it writes into files what it likes, puts into the token what it can without a
login, and starts workers. It has neither the PIN nor the officers' keys.
"""

import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from pkcs11 import Attribute, ObjectClass

from hsm.module import find_token, load_module
from tests.daemon.test_worker_sockets import listening, with_worker_socket, worker_at
from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import RANDOM
from tests.site.daemon import PATIENCE, Daemon, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.site.identities import BRANCH, TPS
from tests.site.operations_socket import ask, with_socket
from tests.site.policies import (
    QUORUM,
    activated,
    approved,
    enrol_officers,
    new_policy,
    run,
    told,
)
from tests.softhsm.tokens import SoftHsm
from tmsd.config.policy import approvals_file, load_policy
from tmsd.config.reserved_keys import POLICY_DOCUMENT, QUORUM_DOCUMENT
from tmsd.quorum import approval as approvals
from tmsd.quorum import canonical, policy_approval
from tmsd.quorum import request as requests
from tmsd.quorum.officer_key import KeyOfFile
from tmsd.quorum.policy_approval import PolicyApprovals
from tmsd.quorum.policy_in_force import PolicyInForce
from tmsd.quorum.quorum import Officer
from tmsd.vault.framing import FrameReader
from tmsd.vault.messages import Reply
from tmsd.vault.worker_messages import Started, StartFailed

MALLORY = f"""
[callers.mallory]
public_key_sha256 = "{"a" * 64}"
roles = ["tps"]
key_sets = ["*"]
"""
BLOCKED = "blocked.txt"
KDF3 = 'diversification = "kdf3"'
NONE = 'diversification = "none"\nundiversified = true'
OWN_KEY = KeyOfFile(ec.generate_private_key(ec.SECP256R1()))


class Governed:
    """A site whose officers have approved versions 1 and 2 of its policy."""

    def __init__(self, site: Site) -> None:
        self.site = site
        (site.directory / BLOCKED).write_text("b" * 64)
        site.policy.write_text(f'blocked_keys = "{BLOCKED}"\n{site.policy.read_text()}')
        enrol_officers(site)
        activated(site, site.policy)
        activated(site, new_policy(site, 2))

    def file(self, version: int) -> Path:
        """Return where a version is kept."""
        return self.site.directory / "policies" / str(version) / "policy.toml"

    def text(self, version: int = 2) -> str:
        return self.file(version).read_text()

    def approvals(self, version: int = 2) -> PolicyApprovals:
        return policy_approval.decode(approvals_file(self.file(version)).read_bytes())

    def put(self, text: str, beside: PolicyApprovals | None) -> None:
        """Put a policy in place, and approvals beside it, as a front does."""
        self.site.policy.unlink()
        self.site.policy.write_text(text)
        if beside is not None:
            approvals_file(self.site.policy).write_bytes(canonical.encode(beside))

    def put_back(self) -> None:
        """Have the policy in its place that is in force."""
        self.site.policy.unlink()
        approvals_file(self.site.policy).unlink(missing_ok=True)
        self.site.policy.symlink_to(self.file(2))


@pytest.fixture(scope="module")
def governed(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Governed]:
    with ExitStack() as made:
        site = Site(tmp_path_factory.mktemp("governed"), softhsm, batches=[AES128])
        made.callback(site.close)
        yield Governed(site)


def said_by_worker(site: Site) -> Started | StartFailed:
    """Start a worker, as a front that keeps to no rule, and return what it says first."""
    ours, theirs = socket.socketpair()
    command = [sys.executable, "-m", "tmsd.worker", "--config", str(site.configuration)]
    with (
        theirs,
        subprocess.Popen(
            [*command, "--descriptor", str(theirs.fileno())],
            pass_fds=[theirs.fileno()],
            stderr=subprocess.DEVNULL,
        ) as worker,
        ours,
    ):
        theirs.close()
        ours.settimeout(PATIENCE)
        reader = FrameReader(Reply)
        while not (replies := reader.feed(ours.recv(65536))):
            pass
        ours.close()
        worker.wait(PATIENCE)
    answer = replies[0].answer
    assert isinstance(answer, Started | StartFailed)
    return answer


@contextmanager
def in_token_without_login(site: Site, documents: dict[str, msgspec.Struct]) -> Iterator[None]:
    """Put documents into the token as whoever reaches it can; take them out again."""
    found = find_token(load_module(site.token.module, site.token.environment), site.token)
    with found.open(rw=True) as session:
        made = [
            session.create_object(
                {
                    Attribute.CLASS: ObjectClass.DATA,
                    Attribute.TOKEN: True,
                    Attribute.PRIVATE: False,
                    Attribute.APPLICATION: "tmsd",
                    Attribute.LABEL: label,
                    Attribute.VALUE: canonical.encode(document),
                }
            )
            for label, document in documents.items()
        ]
        yield
        for each in made:
            each.destroy()


def with_a_caller_of_its_own(governed: Governed) -> None:
    governed.put(governed.text() + MALLORY, governed.approvals())


def undiversified_as_a_next_version(governed: Governed) -> None:
    text = governed.text().replace("version = 2", "version = 3").replace(KDF3, NONE)
    governed.put(text, governed.approvals())


def the_one_before(governed: Governed) -> None:
    governed.put(governed.text(1), governed.approvals(1))


def without_approvals(governed: Governed) -> None:
    governed.put(governed.text(), None)


def with_a_forged_approval(governed: Governed) -> None:
    given = governed.approvals()
    anna, berta = given.approvals
    signature = OWN_KEY.sign(given.request.to_be_signed()).hex()
    forged = (anna, msgspec.structs.replace(berta, signature=signature))
    governed.put(governed.text(), msgspec.structs.replace(given, approvals=forged))


def with_fewer_keys_blocked(governed: Governed) -> None:
    (governed.site.directory / BLOCKED).write_text("")
    governed.put(governed.text(), governed.approvals())


def approved_and_not_activated(governed: Governed) -> None:
    site = governed.site
    policy = new_policy(site, 3)
    approved(site, policy)
    asked = requests.decode((site.directory / "request-3.json").read_bytes())
    files = [site.directory / f"{name}-3.approval" for name in ("anna", "berta")]
    given = tuple(approvals.decode(file.read_bytes()) for file in files)
    governed.put(policy.read_text(), PolicyApprovals(request=asked, approvals=given))


ATTACKS = [
    (with_a_caller_of_its_own, "policy-altered"),
    (undiversified_as_a_next_version, "policy-unsigned"),
    (the_one_before, "policy-older"),
    (without_approvals, "policy-unsigned"),
    (with_a_forged_approval, "approval-signature-wrong"),
    (with_fewer_keys_blocked, "policy-altered"),
    (approved_and_not_activated, "policy-not-activated"),
]


@pytest.mark.parametrize(
    ("attack", "rule"), ATTACKS, ids=lambda value: getattr(value, "__name__", value)
)
def test_a_worker_refuses_what_the_front_puts_in_place(
    governed: Governed, attack: Callable[[Governed], None], rule: str
) -> None:
    shutil.copy(governed.file(2).with_name(BLOCKED), governed.site.directory)
    try:
        attack(governed)
        said = said_by_worker(governed.site)
    finally:
        governed.put_back()

    assert isinstance(said, StartFailed)
    assert said.reason.partition(":")[0] == rule


def test_it_refuses_files_that_are_changed_where_they_are_kept(governed: Governed) -> None:
    kept = governed.file(2)
    before = kept.read_text()
    kept.write_text(before + MALLORY)
    said = said_by_worker(governed.site)
    kept.write_text(before)

    assert isinstance(said, StartFailed)
    assert said.reason.startswith("policy-altered: version 2 is in force, and this is not what")


def test_it_takes_no_quorum_and_no_policy_that_came_into_the_token_without_a_login(
    governed: Governed,
) -> None:
    me = Officer("mallory", "Mallory Example", OWN_KEY.public_key.hex())
    officers = msgspec.structs.replace(
        QUORUM, number=9, approvals=1, officers=(me,), rehearsal=True
    )
    governed.put(governed.text() + MALLORY, governed.approvals())
    altered = load_policy(governed.site.policy)
    forged = PolicyInForce(
        version=2,
        digest=altered.digest,
        quorum=officers.digest,
        approved_by=("mallory",),
        activated=0,
    )
    documents = {QUORUM_DOCUMENT: officers, POLICY_DOCUMENT: forged}
    with in_token_without_login(governed.site, documents):
        said = said_by_worker(governed.site)
    governed.put_back()

    assert isinstance(said, StartFailed)
    assert said.reason.startswith("policy-altered: ")


def test_it_takes_what_the_officers_approved_and_says_who_they_are(governed: Governed) -> None:
    said = said_by_worker(governed.site)

    assert isinstance(said, Started)
    assert said.policy_digest == load_policy(governed.file(2)).digest
    assert said.policy_approval is not None
    assert said.policy_approval.approved_by == ["anna", "berta"]


def reload(daemon: Daemon, told: str) -> None:
    before = daemon.log.count(told)
    daemon.send(signal.SIGHUP)
    wait_until(lambda: daemon.log.count(told) > before)


def without_branch(site: Site) -> Path:
    """Write a next policy, in which nobody knows the key of a caller."""
    key = load_policy(site.policy).callers[BRANCH].public_key_sha256
    return new_policy(site, 2, lambda text: text.replace(key, "0" * 64))


def test_the_old_policy_goes_on_until_the_officers_new_one_is_activated(
    make_site: MakeSite,
) -> None:
    site = make_site()
    operations = with_socket(site)
    enrol_officers(site)
    activated(site, site.policy)
    policy = without_branch(site)
    given = approved(site, policy, ("berta", "carl"))
    in_force = site.policy.read_text()
    with Daemon(site) as daemon, Caller(site, TPS) as tps, Caller(site, BRANCH) as branch:
        daemon.wait_until_ready()
        assert "unsigned" not in daemon.log
        site.policy.write_text(in_force + MALLORY)  # through the link, where it is kept
        reload(daemon, "the new configuration is not taken: policy-altered: ")

        assert branch.post(RANDOM, {"length": 1}).status == 200
        _, state = ask(operations, "/state")
        assert (state["policy"]["version"], state["policy"]["signed"]) == (1, True)
        assert state["reload"]["refused"].startswith("policy-altered: version 1 is in force")

        site.policy.write_text(in_force)
        assert told(run(site, "activate", *given))
        assert branch.post(RANDOM, {"length": 1}).status == 200
        reload(daemon, "policy version 2 and certificates are taken")

        assert branch.post(RANDOM, {"length": 1}).code == "caller-unknown"
        assert tps.post(RANDOM, {"length": 1}).status == 200
        _, state = ask(operations, "/state")
        assert state["policy"]["approved_by"] == ["berta", "carl"]
        assert state["reload"] == {"refused": None}
        assert not any(warning.startswith("unsigned") for warning in state["warnings"])
        assert daemon.stop() == 0


def test_a_token_that_comes_back_serves_by_no_policy_whose_place_was_taken(
    make_site: MakeSite,
) -> None:
    site = make_site()
    enrol_officers(site)
    activated(site, site.policy)
    with Daemon(site) as daemon, Caller(site, TPS) as tps:
        daemon.wait_until_ready()
        activated(site, without_branch(site))
        assert tps.post(RANDOM, {"length": 1}).status == 200
        with site.token_taken_away():
            daemon.wait_until_told("the token is lost")
        daemon.wait_until_told(
            "the token is not back: policy-older: it is version 1; 2 is in force"
        )

        assert tps.post(RANDOM, {"length": 1}).code == "hsm-unavailable"
        reload(daemon, "policy version 2 and certificates are taken")
        assert tps.post(RANDOM, {"length": 1}).status == 200
        assert daemon.stop() == 0


def test_an_unsigned_policy_takes_no_worker_from_a_socket_of_its_own(make_site: MakeSite) -> None:
    """There is no room for a successor there, and the policy is not taken in vain."""
    site = make_site()
    path = with_worker_socket(site)
    enrol_officers(site)
    activated(site, site.policy)
    with listening(path) as listener, worker_at(listener, site) as worker, Daemon(site) as daemon:
        daemon.wait_until_ready()
        new_policy(site, 2).replace(site.policy)
        reload(daemon, "the new configuration is not taken: policy-unsigned: ")

        with Caller(site, TPS) as tps:
            assert tps.post(RANDOM, {"length": 1}).status == 200
        assert worker.poll() is None
        assert daemon.stop() == 0
