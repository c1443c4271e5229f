"""A desk that takes cards all the way, asking again whatever the appliance cannot do just now.

Nothing that it is told is believed: the card, which shares no code with tmsd, or a computation
from the plain master key says whether an answer is right.
"""

import json
import secrets
import time
from collections import Counter
from collections.abc import Mapping
from hashlib import sha256
from typing import Any

from tests.site.batches import Batch
from tests.site.caller import Caller
from tests.site.channels import (
    CHALLENGES,
    CONFIRM,
    ENCRYPT,
    KEY_SETS,
    OK,
    PUT_KEY,
    RANDOM,
    SESSIONS,
    UNWRAP,
    VERIFY,
    WRAP,
    JsonObject,
    get_data,
    initialize_update,
    session_request,
    store_data,
)
from tests.virtual_token.card import PROVE_PRESENCE, Card
from tmsd.globalplatform.keys import Algorithm, key_check_value
from tmsd.globalplatform.plain_key import PlainKey

_PAUSE = 0.05
_TAG = 0xDF20
# After 10 bytes of diversification data, 3 of key information and 8 of the card's challenge.
_CRYPTOGRAM_AT = 21
_EVERYTHING = "33"
"""C-MAC, C-ENC, R-MAC and R-ENC."""


class CardDesk:
    """Somebody with cards of SCP03 that can be changed over to another version of their keys.

    Args:
        caller: whose connection is used.
        batch: where the cards come from.
        new_version: of the keys that they get.
        patience: for how many seconds one thing is asked again and again.

    Attributes:
        statuses: how many answers it got, by status.
        acknowledged: SHA-256 of each answer of 200 in hex, by the request's id.
    """

    def __init__(self, caller: Caller, batch: Batch, new_version: int, patience: float) -> None:
        self._caller = caller
        self._batch = batch
        self._new_version = new_version
        self._patience = patience
        self.statuses: Counter[int] = Counter()
        self.acknowledged: dict[str, str] = {}

    def serve_a_card(self) -> None:
        """Take a new card through all that a caller can ask for."""
        card = self._batch.card()
        self._look_at_key_sets()
        self._verify(card)
        session = self._open(card)
        session = self._write_and_read(card, session)
        session = self._encrypt(card, session)
        self._change_keys(card, session)
        assert len(self.ask(RANDOM, {"length": 16})["random"]) == 32

    def ask(self, path: str, body: Mapping[str, Any] | None = None) -> JsonObject:
        """Ask until the answer is no planned refusal; return it.

        Raises:
            TimeoutError: it never came.
        """
        method, content = ("GET", None) if body is None else ("POST", json.dumps(body).encode())
        end = time.monotonic() + self._patience
        while True:
            answer = self._caller.send(method, path, content)
            self.statuses[answer.status] += 1
            if answer.status == 200:
                self.acknowledged[answer.request_id] = sha256(answer.content).hexdigest()
                document: JsonObject = answer.document
                return document
            assert answer.code == "hsm-unavailable", answer.document
            if time.monotonic() > end:
                raise TimeoutError(f"{path} is not served within {self._patience:g} s")
            time.sleep(_PAUSE)

    def _present(self, card: Card) -> JsonObject:
        issued = self.ask(CHALLENGES, {"length": self._batch.challenge_length})
        return {
            "initialize_update": initialize_update(
                card, bytes.fromhex(issued["host_challenge"])
            ).hex(),
            "challenge": issued["challenge"],
            "key_set": self._batch.key_set,
        }

    def _look_at_key_sets(self) -> None:
        algorithm = Algorithm[self._batch.algorithm.upper().replace("AES", "AES_")]
        (described,) = (
            key_set
            for key_set in self.ask(KEY_SETS)["key_sets"]
            if key_set["name"] == self._batch.key_set
        )
        for told in described["versions"]:
            master = PlainKey(algorithm, self._batch.master_of(told["version"]))
            is_retired = told["state"] == "retired"
            check_value = None if is_retired else key_check_value(master).hex()
            assert told["key_check_value"] == check_value, described

    def _verify(self, card: Card) -> None:
        presented = self._present(card)
        assert self.ask(VERIFY, {"card": presented})["valid"] is True
        forged = self._present(self._batch.card())
        altered = bytearray.fromhex(forged["initialize_update"])
        altered[_CRYPTOGRAM_AT] ^= 1
        forged["initialize_update"] = altered.hex()
        assert self.ask(VERIFY, {"card": forged})["valid"] is False

    def _open(self, card: Card) -> str:
        opened = self.ask(SESSIONS, session_request(self._present(card), _EVERYTHING))
        assert card.transmit(bytes.fromhex(opened["external_authenticate"])) == OK
        session: str = opened["session"]
        return session

    def _send(self, card: Card, session: str, *commands: str) -> tuple[str, list[bytes]]:
        """Have the card obey commands; return the session and what it answered."""
        wrapped = self.ask(WRAP, {"session": session, "apdus": list(commands)})
        responses = [card.transmit(bytes.fromhex(apdu)).hex() for apdu in wrapped["apdus"]]
        told = self.ask(UNWRAP, {"session": wrapped["session"], "responses": responses})
        assert not told["closed"]
        return told["session"], [bytes.fromhex(each["response"]) for each in told["responses"]]

    def _write_and_read(self, card: Card, session: str) -> str:
        value = secrets.token_bytes(40)
        stored = _TAG.to_bytes(2) + bytes([len(value)]) + value
        session, answers = self._send(card, session, store_data(_TAG, value), get_data(_TAG))
        assert answers == [OK, stored + OK]
        return session

    def _encrypt(self, card: Card, session: str) -> str:
        data = secrets.token_bytes(16)
        made = self.ask(ENCRYPT, {"session": session, "purpose": "object", "data": data.hex()})
        decrypt = bytes([0x80, PROVE_PRESENCE, 0, 0, 16]) + bytes.fromhex(made["encrypted"]) + b"\0"
        session, answers = self._send(card, made["session"], decrypt.hex())
        assert answers == [data + OK]
        return session

    def _change_keys(self, card: Card, session: str) -> None:
        body = {
            "session": session,
            "new_key_set": self._batch.key_set,
            "new_key_version": self._new_version,
            "mode": "replace",
        }
        made = self.ask(PUT_KEY, body)
        answer = card.transmit(bytes.fromhex(made["apdu"]))
        assert answer.endswith(OK), answer.hex()
        self.ask(CONFIRM, {"session": made["session"], "response": answer.hex()})
        held = card.keyring.group(self._new_version)
        assert held is not None
        assert held.key_set() == self._batch.keys(card.profile.kdd, self._new_version)
