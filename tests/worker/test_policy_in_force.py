"""The worker asks the token which policy is in force, and believes no token that is gone."""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from hsm.data_objects import add_document, drop_others, replace_documents
from hsm.token import Token
from tests.quorum.policies import QUORUM, approvals, remembered
from tmsd.ceremony.policy_activation import governance
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import CHANNEL_KEY, POLICY_DOCUMENT, QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.policy_approval import PolicyIdentity
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.worker.keyring import Keyring
from tmsd.worker.policy_in_force import require_policy

ROOT = Path(__file__).parents[2]
Load = Callable[[str], Policy]


@pytest.fixture
def token(hsm_token: Token, keyring: Keyring) -> Iterator[Token]:
    """A token without a quorum, whose keyring holds a key."""
    keyring.service_mac(CHANNEL_KEY, 1, b"")
    yield hsm_token
    for label in (QUORUM_DOCUMENT, POLICY_DOCUMENT):
        drop_others(hsm_token, label, b"")


def approved(token: Token, policy: Policy) -> Policy:
    """Have a quorum approve a policy, and the token remember it."""
    identity = PolicyIdentity(policy.version, policy.digest)
    replace_documents(token, QUORUM_DOCUMENT, canonical.encode(QUORUM))
    add_document(token, POLICY_DOCUMENT, canonical.encode(remembered(identity)))
    given = canonical.encode(approvals(identity, None))
    return policy.model_copy(update={"approvals": given})


def test_without_a_quorum_a_policy_needs_no_approval(
    token: Token, keyring: Keyring, policy: Load
) -> None:
    assert require_policy(token, keyring, policy("version = 3\n"), had_quorum=False) is None


def test_a_token_that_had_a_quorum_has_one(token: Token, keyring: Keyring, policy: Load) -> None:
    with pytest.raises(ApprovalRefused, match="has none now") as refused:
        require_policy(token, keyring, policy(""), had_quorum=True)

    assert refused.value.rule is Rule.POLICY_UNSIGNED


def test_what_the_quorum_approved_is_in_force(token: Token, keyring: Keyring, policy: Load) -> None:
    signed = approved(token, policy("version = 3\n"))

    found = require_policy(token, keyring, signed, had_quorum=False)

    assert found is not None
    assert found.policy.approved_by == ("anna", "berta")


def test_officers_of_a_rehearsal_put_nothing_in_force(
    token: Token, keyring: Keyring, policy: Load
) -> None:
    signed = approved(token, policy("version = 3\n"))
    of_rehearsal = msgspec.structs.replace(QUORUM, rehearsal=True)
    replace_documents(token, QUORUM_DOCUMENT, canonical.encode(of_rehearsal))

    with pytest.raises(ApprovalRefused, match="quorum-of-rehearsal"):
        require_policy(token, keyring, signed, had_quorum=False)
    with pytest.raises(ApprovalRefused, match="quorum-of-rehearsal"):
        governance(token)


def test_what_lies_there_without_approvals_is_not(
    token: Token, keyring: Keyring, policy: Load
) -> None:
    unsigned = policy("version = 3\n")
    approved(token, unsigned)

    with pytest.raises(ApprovalRefused) as refused:
        require_policy(token, keyring, unsigned, had_quorum=False)

    assert refused.value.rule is Rule.POLICY_UNSIGNED


def test_an_activation_that_was_interrupted_is_told(
    token: Token, keyring: Keyring, policy: Load, caplog: pytest.LogCaptureFixture
) -> None:
    signed = approved(token, policy("version = 3\n"))
    next_one = remembered(PolicyIdentity(4, "4" * 64))
    add_document(token, POLICY_DOCUMENT, canonical.encode(next_one))

    assert require_policy(token, keyring, signed, had_quorum=False)

    assert "activation of policy version 4 did not come to its end" in caplog.text


def test_no_documents_of_a_token_that_is_gone_say_nothing(tmp_path: Path) -> None:
    program = [sys.executable, "-m", "tests.worker.gone_token", str(tmp_path)]
    done = subprocess.run(program, cwd=ROOT, capture_output=True, text=True, check=True)
    met = json.loads(done.stdout)

    assert (met["before"], met["after"]) == (1, 0)  # and no error
    assert met["unsigned"].startswith("TokenLost: ")
    assert met["inventory"].startswith("TokenLost: ")  # and not that all of its keys are missing
