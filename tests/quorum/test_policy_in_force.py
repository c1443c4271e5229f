"""A policy is in force when the token remembers it, and a quorum's approvals lie beside it."""

from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.quorum.officers import NOW, officer, quorum
from tests.quorum.policies import EIGHT, QUORUM, SEVEN, SIX, approvals, remembered
from tmsd.quorum import canonical, policy_in_force
from tmsd.quorum.policy_approval import PolicyApprovals, PolicyIdentity
from tmsd.quorum.policy_in_force import PolicyInForce, require_in_force
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule

OF_SEVEN = approvals(SEVEN, SIX)
IN_FORCE = (remembered(SEVEN),)
OTHER_SEVEN = PolicyIdentity(7, "a" * 64)


def refusal(
    policy: PolicyIdentity,
    beside: PolicyApprovals | bytes | None,
    in_force: tuple[PolicyInForce, ...] = IN_FORCE,
    by: Quorum = QUORUM,
) -> Rule:
    """Return the rule by which a policy is refused."""
    with pytest.raises(ApprovalRefused) as refused:
        require_in_force(policy, _written(beside), by, in_force)
    return refused.value.rule


def _written(beside: PolicyApprovals | bytes | None) -> bytes | None:
    return canonical.encode(beside) if isinstance(beside, PolicyApprovals) else beside


def test_what_was_approved_and_activated_is_in_force() -> None:
    found = require_in_force(SEVEN, canonical.encode(OF_SEVEN), QUORUM, IN_FORCE)

    assert found.approved_by == ("anna", "berta")
    assert found.activated_at == NOW


def test_nothing_is_before_the_quorum_has_approved_a_first_one() -> None:
    assert refusal(SEVEN, None, ()) is Rule.POLICY_UNSIGNED
    assert refusal(SEVEN, OF_SEVEN, ()) is Rule.POLICY_UNSIGNED


def test_a_policy_that_nobody_approved_is_refused_by_any_version() -> None:
    assert refusal(OTHER_SEVEN, None) is Rule.POLICY_ALTERED
    assert refusal(OTHER_SEVEN, OF_SEVEN) is Rule.POLICY_ALTERED
    assert refusal(EIGHT, None) is Rule.POLICY_UNSIGNED
    assert refusal(EIGHT, OF_SEVEN) is Rule.POLICY_UNSIGNED


def test_the_one_before_is_refused_with_its_own_approvals() -> None:
    assert refusal(SIX, approvals(SIX, None)) is Rule.POLICY_OLDER


def test_one_that_was_approved_and_not_activated_is_refused() -> None:
    assert refusal(EIGHT, approvals(EIGHT, SEVEN)) is Rule.POLICY_NOT_ACTIVATED


def test_both_are_in_force_while_one_takes_the_others_place() -> None:
    both = (remembered(SEVEN), remembered(EIGHT))
    for policy, before in ((SEVEN, SIX), (EIGHT, SEVEN)):
        found = require_in_force(policy, canonical.encode(approvals(policy, before)), QUORUM, both)
        assert found.identity == policy

    assert refusal(SIX, approvals(SIX, None), both) is Rule.POLICY_OLDER
    assert refusal(OTHER_SEVEN, OF_SEVEN, both) is Rule.POLICY_OLDER


def test_the_approvals_have_to_be_there_and_right() -> None:
    first, second = OF_SEVEN.approvals
    alone = msgspec.structs.replace(OF_SEVEN, approvals=(first,))
    swapped = msgspec.structs.replace(second, signature=first.signature)
    forged = msgspec.structs.replace(OF_SEVEN, approvals=(first, swapped))
    garbled = canonical.encode(OF_SEVEN).replace(b":", b": ", 1)

    assert refusal(SEVEN, None) is Rule.POLICY_UNSIGNED
    assert refusal(SEVEN, approvals(EIGHT, SEVEN)) is Rule.POLICY_UNSIGNED
    assert refusal(SEVEN, alone) is Rule.APPROVALS_MISSING
    assert refusal(SEVEN, forged) is Rule.APPROVAL_SIGNATURE_WRONG
    assert refusal(SEVEN, garbled) is Rule.APPROVAL_MALFORMED


def test_what_was_approved_in_time_stays_in_force_for_years() -> None:
    years_ago = NOW - timedelta(days=3000)
    old = approvals(SEVEN, SIX, now=years_ago)
    written = canonical.encode(old)

    assert require_in_force(SEVEN, written, QUORUM, (remembered(SEVEN, activated=years_ago),))
    late = remembered(SEVEN, activated=years_ago + timedelta(days=8))
    assert refusal(SEVEN, old, (late,)) is Rule.REQUEST_EXPIRED


def test_another_quorum_keeps_to_what_the_one_before_put_in_force() -> None:
    other = quorum(officer("anna"), officer("carl"), officer("dora"), number=2)
    written = canonical.encode(OF_SEVEN)

    assert require_in_force(SEVEN, written, other, IN_FORCE)
    by_other = (remembered(SEVEN, by=other),)
    assert refusal(SEVEN, OF_SEVEN, by_other, other) is Rule.REQUEST_OF_OTHER_QUORUM


@given(st.integers(1, 2**31 - 1), st.integers(0, 2**37 - 1))
def test_what_a_token_remembers_is_read_as_it_was_written(version: int, activated: int) -> None:
    one = msgspec.structs.replace(remembered(SEVEN), version=version, activated=activated)

    assert policy_in_force.decode(canonical.encode(one)) == one


def test_what_it_could_not_have_been_told_is_refused() -> None:
    written = canonical.encode(remembered(SEVEN))
    for wrong in (b"", b"{}", written[:-1], written.replace(b'"version":7', b'"version":0')):
        with pytest.raises(ApprovalRefused) as refused:
            policy_in_force.decode(wrong)
        assert refused.value.rule is Rule.POLICY_MALFORMED
