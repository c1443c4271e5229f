"""Approvals count where enough persons have signed exactly what was asked, and in time."""

from dataclasses import dataclass
from datetime import timedelta

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.quorum.officers import HOUR, NOW, officer, quorum, request, signer
from tmsd.quorum import approval as approvals
from tmsd.quorum import canonical
from tmsd.quorum.approval import Approval, approve, given_elsewhere, require_approved
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_LIFE_SECONDS, Request

QUORUM = quorum()
REQUEST = request(QUORUM)


def approved_by(*names: str, asked: Request = REQUEST, by: Quorum = QUORUM) -> list[Approval]:
    """Return the approvals of officers."""
    return [approve(asked, by, signer(name), NOW) for name in names]


BY_ANNA, BY_CARL = approved_by("anna", "carl")
WRITTEN = canonical.encode(BY_ANNA)


def refusal(
    given: list[Approval], asked: Request = REQUEST, by: Quorum = QUORUM, seconds: int = 0
) -> Rule:
    """Return the rule that a request with these approvals breaks."""
    with pytest.raises(ApprovalRefused) as refused:
        require_approved(asked, by, given, NOW + timedelta(seconds=seconds))
    return refused.value.rule


def test_as_many_as_it_takes_approve() -> None:
    for pair in (("anna", "berta"), ("berta", "carl"), ("carl", "anna"), ("anna", "berta", "carl")):
        officers = require_approved(REQUEST, QUORUM, approved_by(*pair), NOW)

        assert [each.name for each in officers] == list(pair)


def test_fewer_do_not_count() -> None:
    assert refusal([]) is Rule.APPROVALS_MISSING
    assert refusal(approved_by("anna")) is Rule.APPROVALS_MISSING


def test_one_officer_who_approves_twice_counts_once() -> None:
    assert refusal(approved_by("carl", "carl")) is Rule.APPROVALS_MISSING


def test_one_person_with_two_keys_counts_once() -> None:
    two_keys = quorum(
        officer("anna"), officer("dora", person="Anna Example"), officer("berta"), officer("carl")
    )
    asked = request(two_keys)

    assert (
        refusal(approved_by("anna", "dora", asked=asked, by=two_keys), asked, two_keys)
        is Rule.APPROVALS_MISSING
    )


def test_who_asks_cannot_approve() -> None:
    asked = request(QUORUM, requester="anna")

    with pytest.raises(ApprovalRefused) as refused:
        approve(asked, QUORUM, signer("anna"), NOW)

    assert refused.value.rule is Rule.APPROVAL_BY_REQUESTER
    forged = Approval(
        request_sha256=asked.digest.hex(),
        officer="anna",
        signature=signer("anna").sign(asked.to_be_signed()).hex(),
    )
    others = approved_by("berta", "carl", asked=asked)
    assert refusal([forged, *others], asked) is Rule.APPROVAL_BY_REQUESTER


def test_who_asks_cannot_approve_by_another_key_of_theirs() -> None:
    two_keys = quorum(
        officer("anna"), officer("dora", person="Anna Example"), officer("berta"), officer("carl")
    )
    asked = request(two_keys, requester="anna")

    with pytest.raises(ApprovalRefused) as refused:
        approve(asked, two_keys, signer("dora"), NOW)

    assert refused.value.rule is Rule.APPROVAL_BY_REQUESTER


def test_a_stranger_cannot_approve() -> None:
    with pytest.raises(ApprovalRefused) as refused:
        approve(REQUEST, QUORUM, signer("dora"), NOW)

    assert refused.value.rule is Rule.APPROVAL_BY_STRANGER
    forged = msgspec.structs.replace(approved_by("anna")[0], officer="dora")
    assert refusal([forged, *approved_by("anna", "berta")]) is Rule.APPROVAL_BY_STRANGER


def test_one_officers_signature_is_not_anothers() -> None:
    by_anna, by_berta = approved_by("anna", "berta")
    swapped = msgspec.structs.replace(by_anna, officer="carl")

    assert refusal([by_berta, swapped]) is Rule.APPROVAL_SIGNATURE_WRONG


def test_an_approval_of_another_request_does_not_count() -> None:
    other = request(QUORUM, seconds=HOUR + 1)

    assert refusal(approved_by("anna", "berta"), other) is Rule.APPROVAL_OF_OTHER_REQUEST


def test_approvals_run_out() -> None:
    given = approved_by("anna", "berta")

    require_approved(REQUEST, QUORUM, given, NOW + timedelta(seconds=HOUR - 1))
    assert refusal(given, seconds=HOUR) is Rule.REQUEST_EXPIRED


def test_no_request_lasts_for_longer_than_a_week() -> None:
    asked = request(QUORUM, seconds=LONGEST_LIFE_SECONDS + 1)

    assert refusal([], asked) is Rule.REQUEST_TOO_LONG_LIVED


def test_approvals_die_with_a_change_of_the_quorum() -> None:
    given = approved_by("anna", "berta")

    assert refusal(given, by=quorum(number=2)) is Rule.REQUEST_OF_OTHER_QUORUM


def test_a_request_to_another_deployment_is_not_approved() -> None:
    asked = msgspec.structs.replace(REQUEST, deployment="production")

    assert refusal([], asked) is Rule.REQUEST_OF_OTHER_QUORUM


@dataclass(frozen=True, slots=True)
class Change:
    """Another value of one of a request's fields."""

    field: str
    value: object


@pytest.mark.parametrize(
    "change",
    [
        Change("action", "policy.forget"),
        Change("parameters", {"version": 8, "sha256": "ab" * 32, "first": False}),
        Change("parameters", {"version": 7, "sha256": "ab" * 32, "first": True}),
        Change("policy_version", 5),
        Change("request_id", "f" * 32),
        Change("requester", "otto"),
        Change("expires", int(NOW.timestamp()) + HOUR + 1),
    ],
    ids=lambda change: change.field,
)
def test_every_field_is_signed(change: Change) -> None:
    altered = msgspec.structs.replace(REQUEST, **{change.field: change.value})
    claimed = [
        msgspec.structs.replace(each, request_sha256=altered.digest.hex())
        for each in approved_by("anna", "berta")
    ]

    assert refusal(claimed, altered) is Rule.APPROVAL_SIGNATURE_WRONG


def test_one_that_was_given_elsewhere_is_looked_at_when_it_is_brought() -> None:
    other = canonical.encode(approved_by("anna", asked=request(QUORUM, seconds=2 * HOUR))[0])

    assert given_elsewhere(WRITTEN, REQUEST, QUORUM) == BY_ANNA
    with pytest.raises(ApprovalRefused) as refused:
        given_elsewhere(other, REQUEST, QUORUM)
    assert refused.value.rule is Rule.APPROVAL_OF_OTHER_REQUEST


def test_an_approval_is_read_as_it_was_written() -> None:
    for each in approved_by("anna", "berta", "carl"):
        assert approvals.decode(canonical.encode(each)) == each


@given(st.binary(max_size=300))
def test_what_is_no_approval_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        approvals.decode(document)

    assert refused.value.rule is Rule.APPROVAL_MALFORMED


@given(st.data())
def test_an_altered_approval_never_counts(data: st.DataObject) -> None:
    document = bytearray(WRITTEN)
    at = data.draw(st.integers(0, len(document) - 1))
    document[at] ^= data.draw(st.integers(1, 255))

    with pytest.raises(ApprovalRefused):
        require_approved(REQUEST, QUORUM, [approvals.decode(bytes(document)), BY_CARL], NOW)
