"""Challenges that a card alone is told, and their tickets, over a real challenge key."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmsd.config.reserved_keys import CHALLENGE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.vault.message import MAX_TICKET
from tmsd.worker import tickets
from tmsd.worker.card_challenges import CardChallenge, make, verify
from tmsd.worker.keyring import Keyring

ISSUED, EXPIRES = 1_000_000, 1_300_000
CHALLENGE = CardChallenge(
    "tps-demo", "pilot", 2, bytes(range(10)), bytes(range(16)), ISSUED, EXPIRES
)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
CHALLENGES = st.builds(
    CardChallenge,
    caller=NAMES,
    key_set=NAMES,
    key_version=st.integers(1, 255),
    diversification_data=st.binary(min_size=1, max_size=10),
    nonce=st.binary(min_size=16, max_size=16),
    issued=st.just(ISSUED),
    expires=st.integers(ISSUED + 1, 2**63),
)


def refusal(keyring: Keyring, ticket: bytes, caller: str = "tps-demo", now: int = ISSUED) -> str:
    with pytest.raises(ServiceError) as refused:
        verify(keyring, ticket, caller, now)
    assert refused.value.code is Code.CHALLENGE_NOT_ISSUED
    assert refused.value.pointer == "/proof/ticket"
    return refused.value.detail


@settings(deadline=None)
@given(challenge=CHALLENGES, version=st.sampled_from([1, 2]))
def test_a_ticket_gives_back_the_challenge_and_the_card(
    keyring: Keyring, challenge: CardChallenge, version: int
) -> None:
    secret, ticket = make(keyring, version, challenge)

    assert verify(keyring, ticket, challenge.caller, challenge.expires - 1) == (secret, challenge)
    assert len(secret) == 16
    assert len(ticket) <= MAX_TICKET


def test_the_challenge_is_not_in_its_ticket_and_is_another_for_each(keyring: Keyring) -> None:
    secret, ticket = make(keyring, 1, CHALLENGE)
    assert secret not in ticket
    for other in (
        replace(CHALLENGE, nonce=bytes(16)),
        replace(CHALLENGE, diversification_data=bytes(10)),
        replace(CHALLENGE, caller="tps-demoo", key_set="ilot"),
    ):
        assert make(keyring, 1, other)[0] != secret
    assert make(keyring, 2, CHALLENGE)[0] != secret


def test_any_flipped_bit_is_refused(keyring: Keyring) -> None:
    _, ticket = make(keyring, 1, CHALLENGE)
    for bit in range(len(ticket) * 8):
        forged = bytearray(ticket)
        forged[bit // 8] ^= 1 << bit % 8
        assert "altered" in refusal(keyring, bytes(forged))


@settings(deadline=None)
@given(ticket=st.binary(max_size=MAX_TICKET))
def test_bytes_that_were_never_a_ticket_are_refused(keyring: Keyring, ticket: bytes) -> None:
    assert "altered" in refusal(keyring, ticket)


def test_a_ticket_is_for_its_caller_and_its_time_alone(keyring: Keyring) -> None:
    _, ticket = make(keyring, 1, CHALLENGE)
    assert "another caller" in refusal(keyring, ticket, caller="tps")
    assert "expired" in refusal(keyring, ticket, now=EXPIRES)
    assert "set back" in refusal(keyring, ticket, now=ISSUED - tickets.MAX_SKEW_MS - 1)


def test_tickets_of_host_challenges_are_others(keyring: Keyring) -> None:
    host = tickets.IssuedChallenge("tps-demo", bytes(16), ISSUED, EXPIRES)
    assert "altered" in refusal(keyring, tickets.make(keyring, 1, host))
    _, ticket = make(keyring, 1, CHALLENGE)
    with pytest.raises(ServiceError, match="altered"):
        tickets.verify(keyring, ticket, "tps-demo", ISSUED)


def test_what_the_key_macs_for_a_challenge_is_no_ticket(keyring: Keyring) -> None:
    secret, ticket = make(keyring, 1, CHALLENGE)
    said = ticket[:-16]
    assert keyring.service_mac(CHALLENGE_KEY, 1, b"\x03" + said[1:]) == secret
    assert "altered" in refusal(keyring, b"\x03" + said[1:] + secret)
