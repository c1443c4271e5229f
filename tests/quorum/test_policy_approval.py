"""Officers are asked for a policy by its digest, in place of the one that is in force."""

import msgspec
import pytest

from tests.quorum.officers import NOW
from tests.quorum.policies import EIGHT, QUORUM, SEVEN, SIX
from tmsd.quorum import canonical, policy_approval
from tmsd.quorum import request as requests
from tmsd.quorum.policy_approval import (
    PolicyApprovals,
    PolicyIdentity,
    request_for,
    require_in_place_of,
    require_request_for,
)
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request, require_current

ASKED = request_for(SEVEN, SIX, QUORUM, "olaf", NOW)


def require(request: Request, policy: PolicyIdentity, before: PolicyIdentity | None) -> None:
    require_request_for(request, policy)
    require_in_place_of(request, before)


def refusal(request: Request, policy: PolicyIdentity, before: PolicyIdentity | None) -> Rule:
    with pytest.raises(ApprovalRefused) as refused:
        require(request, policy, before)
    return refused.value.rule


def test_a_request_says_which_policy_takes_which_ones_place() -> None:
    assert requests.decode(canonical.encode(ASKED)) == ASKED
    assert dict(ASKED.parameters) == {
        "version": 7,
        "policy_sha256": SEVEN.digest,
        "in_place_of_sha256": SIX.digest,
    }
    assert ASKED.policy_version == 6
    require_current(ASKED, QUORUM, NOW)
    require_request_for(ASKED, SEVEN)
    require_in_place_of(ASKED, SIX)


def test_the_first_policy_may_have_any_version() -> None:
    for policy in (SIX, SEVEN):
        first = request_for(policy, None, QUORUM, "olaf", NOW)
        require_request_for(first, policy)
        require_in_place_of(first, None)


@pytest.mark.parametrize("before", [SEVEN, EIGHT])
def test_the_next_one_has_the_next_version(before: PolicyIdentity) -> None:
    with pytest.raises(ApprovalRefused, match=f"must say version = {before.version + 1}") as found:
        request_for(SEVEN, before, QUORUM, "olaf", NOW)

    assert found.value.rule is Rule.POLICY_VERSION_NOT_NEXT


def test_a_request_is_for_nothing_else() -> None:
    other = PolicyIdentity(7, "b" * 64)
    more = msgspec.structs.replace(ASKED, parameters={**ASKED.parameters, "more": 1})
    another = msgspec.structs.replace(ASKED, action="key.recover")
    assert refusal(ASKED, other, SIX) is Rule.REQUEST_OF_OTHER_POLICY
    assert refusal(ASKED, SEVEN, PolicyIdentity(6, "b" * 64)) is Rule.REQUEST_OF_OTHER_POLICY
    assert refusal(ASKED, SEVEN, SEVEN) is Rule.REQUEST_OF_OTHER_POLICY
    assert refusal(ASKED, SEVEN, None) is Rule.REQUEST_OF_OTHER_POLICY
    assert refusal(more, SEVEN, SIX) is Rule.REQUEST_OF_OTHER_POLICY
    assert refusal(another, SEVEN, SIX) is Rule.REQUEST_OF_OTHER_POLICY


def test_it_lasts_for_as_long_as_a_request_may() -> None:
    assert ASKED.expires - NOW.timestamp() == LONGEST_LIFE_SECONDS


def test_a_file_of_approvals_is_read_as_it_was_written() -> None:
    given = PolicyApprovals(request=ASKED, approvals=())

    assert policy_approval.decode(canonical.encode(given)) == given
    with pytest.raises(ApprovalRefused):
        policy_approval.decode(canonical.encode(given)[1:])
