"""A card and a caller on their way to a secure channel: each step as a card desk does it."""

from collections.abc import Sequence
from typing import Any

from tests.site.batches import Batch
from tests.site.caller import Caller
from tests.site.contract import Answer
from tests.virtual_token.card import Card

OK = bytes.fromhex("9000")
SELECT = bytes.fromhex("00a4040000")

CHALLENGES = "/v1/tks/challenges"
SESSIONS = "/v1/tks/sessions"
WRAP = "/v1/tks/sessions/wrap"
UNWRAP = "/v1/tks/sessions/unwrap"
PUT_KEY = "/v1/tks/sessions/put-key"
CONFIRM = "/v1/tks/sessions/put-key/confirm"
ENCRYPT = "/v1/tks/sessions/encrypt"
VERIFY = "/v1/tks/cryptograms/verify"
RANDOM = "/v1/tks/random"
KEY_SETS = "/v1/tks/key-sets"

JsonObject = dict[str, Any]


def initialize_update(card: Card, host_challenge: bytes, key_version: int = 0) -> bytes:
    """Select the card's security domain and return its answer to the challenge, with 9000.

    Key version 0 leaves the choice to the card.
    """
    assert card.transmit(SELECT).endswith(OK)
    header = bytes([0x80, 0x50, key_version, 0x00, len(host_challenge)])
    answer = card.transmit(header + host_challenge + b"\x00")
    assert answer.endswith(OK), answer.hex()
    return answer


def issued_challenge(caller: Caller, length: int = 8) -> JsonObject:
    """Have the site issue a challenge of 8 or 16 bytes; return its answer."""
    issued: JsonObject = caller.post(CHALLENGES, {"length": length}).document
    return issued


def presented(caller: Caller, batch: Batch, card: Card, key_version: int = 0) -> JsonObject:
    """Let a card answer an issued challenge; return the `card` of a request."""
    issued = issued_challenge(caller, batch.challenge_length)
    answer = initialize_update(card, bytes.fromhex(issued["host_challenge"]), key_version)
    return {
        "initialize_update": answer.hex(),
        "challenge": issued["challenge"],
        "key_set": batch.key_set,
    }


def forged(caller: Caller, batch: Batch, card: Card) -> dict[str, str]:
    """Return what a forged card presents, which has another's number and not its keys."""
    answer = presented(caller, batch, card)
    initialize_update = bytearray.fromhex(answer["initialize_update"])
    initialize_update[21] ^= 1  # the cryptogram's first byte
    return answer | {"initialize_update": initialize_update.hex()}


def session_request(card: JsonObject, level: str = "03") -> JsonObject:
    """Return the body that asks for a channel."""
    return {"card": card, "security_level": level}


def open_channel(
    caller: Caller, batch: Batch, card: Card, level: str = "03", key_version: int = 0
) -> str:
    """Open a channel that the card agrees to; return the session."""
    body = session_request(presented(caller, batch, card, key_version), level)
    return open_presented(caller, card, body)


def open_presented(caller: Caller, card: Card, body: JsonObject) -> str:
    """Open the channel of a request that was made already; return the session."""
    opened = caller.post(SESSIONS, body)
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


def unwrap(
    caller: Caller, session: str, responses: Sequence[bytes]
) -> tuple[str, list[JsonObject], bool]:
    """Have responses freed of protection; return the session, the responses, and `closed`."""
    body = {"session": session, "responses": [response.hex() for response in responses]}
    answer = caller.post(UNWRAP, body)
    assert answer.status == 200, answer.document
    return answer.document["session"], answer.document["responses"], answer.document["closed"]


def put_key(
    caller: Caller, session: str, target: Batch, key_version: int, mode: str = "replace"
) -> Answer:
    """Ask for the command that changes a card over to a key set's version."""
    body = {
        "session": session,
        "new_key_set": target.key_set,
        "new_key_version": key_version,
        "mode": mode,
    }
    return caller.post(PUT_KEY, body)


def confirm(caller: Caller, session: str, response: bytes) -> Answer:
    """Say what the card answered to PUT KEY."""
    return caller.post(CONFIRM, {"session": session, "response": response.hex()})


def store_data(tag: int, value: bytes) -> str:
    """Return STORE DATA of one data object with a two-byte tag, a case 3 command, in hex."""
    stored = tag.to_bytes(2) + bytes([len(value)]) + value
    return (bytes.fromhex("80e29000") + bytes([len(stored)]) + stored).hex()


def get_data(tag: int) -> str:
    """Return GET DATA of a two-byte tag, a case 2 command, in hex."""
    return f"80ca{tag:04x}00"
