"""A request says all that is approved, and is signed in a form that has one reading."""

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.quorum.officers import quorum, request
from tmsd.quorum import canonical
from tmsd.quorum import request as requests
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import Request

REQUEST = request(quorum())
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,20}", fullmatch=True)
VALUES = st.text(max_size=20) | st.integers(-(2**53) + 1, 2**53 - 1) | st.booleans()
REQUESTS = st.builds(
    Request,
    deployment=NAMES,
    action=st.from_regex(r"[a-z][a-z0-9.-]{0,20}", fullmatch=True),
    parameters=st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,10}", fullmatch=True), VALUES, max_size=4
    ),
    quorum=st.binary(min_size=32, max_size=32).map(bytes.hex),
    policy_version=st.integers(0, 2**31 - 1),
    request_id=st.binary(min_size=16, max_size=16).map(bytes.hex),
    requester=NAMES,
    expires=st.integers(0, 2**37 - 1),
)


@given(REQUESTS)
def test_a_request_is_read_as_it_was_written(value: Request) -> None:
    assert requests.decode(canonical.encode(value)) == value


@given(REQUESTS)
def test_whatever_it_says_can_be_shown(value: Request) -> None:
    shown = list(value.shown())

    assert all(map(str.isprintable, shown))


def test_it_lasts_until_a_date() -> None:
    endless = msgspec.structs.replace(REQUEST, expires=2**39)

    with pytest.raises(ApprovalRefused, match=r"request-malformed: .*`expires`"):
        requests.decode(canonical.encode(endless))


@given(REQUESTS, REQUESTS)
def test_different_requests_are_signed_differently(one: Request, other: Request) -> None:
    assert (one.to_be_signed() == other.to_be_signed()) is (
        canonical.encode(one) == canonical.encode(other)
    )


@given(st.binary(max_size=300))
def test_what_is_no_request_is_refused_by_name(document: bytes) -> None:
    with pytest.raises(ApprovalRefused) as refused:
        requests.decode(document)

    assert refused.value.rule is Rule.REQUEST_MALFORMED


def test_what_is_signed_begins_with_its_purpose_and_the_deployment() -> None:
    assert REQUEST.to_be_signed().startswith(b"tmsd-approval-v1\x00\x00\x00\x05pilot")


def test_every_parameter_is_shown() -> None:
    shown = "\n".join(REQUEST.shown())

    assert "version: 7" in shown
    assert f"sha256: {'ab' * 32}" in shown
    assert "first: no" in shown
    assert "2031-05-04 11:00:00 UTC" in shown
    assert "\n".join(REQUEST.read_aloud) in shown


def test_a_value_cannot_pretend_to_be_more_lines() -> None:
    tricky = msgspec.structs.replace(REQUEST, parameters={"label": "x\n    version: 8\x1b[2J"})

    assert len(list(tricky.shown())) == len(list(REQUEST.shown())) - 2
    assert "\x1b" not in "".join(tricky.shown())
