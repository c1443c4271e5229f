"""The parsers of what cards and callers send: answers to INITIALIZE UPDATE, command APDUs."""

from collections.abc import Iterator

from tests.fuzz import refusals, traces
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import apdu
from tmsd.globalplatform import initialize_update as answer_to

LONGEST_COMMAND = 261


def initialize_updates() -> Iterator[bytes]:
    """Yield published answers, with and without a status word."""
    for answer in traces.values("initialize_update"):
        yield answer
        yield answer + b"\x90\x00"


def initialize_update(data: bytes) -> None:
    """An answer is refused, or its fields are all of it."""
    try:
        card = answer_to.parse(data)
    except ServiceError as refusal:
        refusals.require(refusal, Code.INITIALIZE_UPDATE_INVALID, Code.PROTOCOL_MISMATCH)
        return
    head = card.diversification_data + bytes([card.key_version, card.scp])
    challenge_and_cryptogram = card.card_challenge + card.card_cryptogram
    if card.scp == answer_to.SCP03:
        assert card.i is not None
        body = head + bytes([card.i]) + challenge_and_cryptogram + card.sequence_counter
    else:
        assert card.i is None
        body = head + card.sequence_counter + challenge_and_cryptogram
    assert data in (body, body + b"\x90\x00")
    assert len(card.diversification_data) == 10


def commands() -> Iterator[bytes]:
    """Yield published commands, plain and protected."""
    return traces.values("plain", "wrapped", "protected", "external_authenticate")


def command(data: bytes) -> None:
    """A command is refused, or it is what its fields make."""
    try:
        parsed = apdu.parse(data)
    except ServiceError as refusal:
        refusals.require(refusal, Code.APDU_INVALID)
        return
    assert bytes(parsed) == data
    assert len(data) <= LONGEST_COMMAND
    assert parsed.le is None or 1 <= parsed.le <= 256
