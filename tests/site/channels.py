"""A card and a caller on their way to a secure channel: each step as a card desk does it."""

from collections.abc import Sequence
from typing import Any

from tests.site.batches import Batch
from tests.site.caller import Caller
from tests.virtual_token.card import Card

OK = bytes.fromhex("9000")
SELECT = bytes.fromhex("00a4040000")

CHALLENGES = "/v1/tks/challenges"
SESSIONS = "/v1/tks/sessions"
WRAP = "/v1/tks/sessions/wrap"
VERIFY = "/v1/tks/cryptograms/verify"
RANDOM = "/v1/tks/random"
KEY_SETS = "/v1/tks/key-sets"

JsonObject = dict[str, Any]


def initialize_update(card: Card, host_challenge: bytes) -> bytes:
    """Select the card's security domain and return its answer to the challenge, with 9000."""
    assert card.transmit(SELECT).endswith(OK)
    answer = card.transmit(bytes.fromhex("8050000008") + host_challenge + b"\x00")
    assert answer.endswith(OK), answer.hex()
    return answer


def issued_challenge(caller: Caller) -> JsonObject:
    """Have the site issue a challenge of 8 bytes; return its answer."""
    issued: JsonObject = caller.post(CHALLENGES, {"length": 8}).document
    return issued


def presented(caller: Caller, batch: Batch, card: Card) -> JsonObject:
    """Let a card answer an issued challenge; return the `card` of a request."""
    issued = issued_challenge(caller)
    answer = initialize_update(card, bytes.fromhex(issued["host_challenge"]))
    return {
        "initialize_update": answer.hex(),
        "challenge": issued["challenge"],
        "key_set": batch.key_set,
    }


def session_request(card: JsonObject, level: str = "03") -> JsonObject:
    """Return the body that asks for a channel."""
    return {"card": card, "security_level": level}


def open_channel(caller: Caller, batch: Batch, card: Card, level: str = "03") -> str:
    """Open a channel that the card agrees to; return the session."""
    opened = caller.post(SESSIONS, session_request(presented(caller, batch, card), level))
    assert opened.status == 200, opened.document
    external_authenticate = bytes.fromhex(opened.document["external_authenticate"])
    assert card.transmit(external_authenticate) == OK
    session: str = opened.document["session"]
    return session


def wrap(caller: Caller, session: str, commands: Sequence[str]) -> tuple[str, list[bytes]]:
    """Have commands (hex) protected; return the session after them and the commands."""
    answer = caller.post(WRAP, {"session": session, "apdus": list(commands)})
    assert answer.status == 200, answer.document
    return answer.document["session"], [bytes.fromhex(apdu) for apdu in answer.document["apdus"]]


def store_data(tag: int, value: bytes) -> str:
    """Return STORE DATA of one data object with a two-byte tag, a case 3 command, in hex."""
    stored = tag.to_bytes(2) + bytes([len(value)]) + value
    return (bytes.fromhex("80e29000") + bytes([len(stored)]) + stored).hex()


def get_data(tag: int) -> str:
    """Return GET DATA of a two-byte tag, a case 2 command, in hex."""
    return f"80ca{tag:04x}00"
