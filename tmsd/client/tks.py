"""The Token Key Service's calls, one function each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tmsd.client.connection import Connection
from tmsd.client.problem import ProtocolError
from tmsd.client.values import (
    IssuedChallenge,
    KeySet,
    KeyVersion,
    PresentedCard,
    Session,
)

C_MAC = 0x01
C_MAC_AND_C_ENC = 0x03


class TokenKeyService:
    """The calls of `/v1/tks` over one connection; each raises as `Connection.post` does."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def issue_challenge(self, length: int = 8) -> IssuedChallenge:
        """Have the HSM make a host challenge of 8 or 16 bytes."""
        answer = await self._connection.post("/v1/tks/challenges", {"length": length})
        return IssuedChallenge(_bytes(answer, "host_challenge"), _text(answer, "challenge"))

    async def open_session(
        self, card: PresentedCard, security_level: int = C_MAC_AND_C_ENC
    ) -> Session:
        """Have the card's cryptogram verified and a channel opened."""
        body = {"card": _card(card), "security_level": f"{security_level:02x}"}
        answer = await self._connection.post("/v1/tks/sessions", body)
        return Session(
            scp=_bytes(answer, "scp")[0],
            i=_bytes(answer, "i")[0],
            key_set=_text(answer, "key_set"),
            key_version=_number(answer, "key_version"),
            host_cryptogram=_bytes(answer, "host_cryptogram"),
            external_authenticate=_bytes(answer, "external_authenticate"),
            state=_text(answer, "session"),
        )

    async def wrap(
        self, session: Session, commands: Sequence[bytes]
    ) -> tuple[Session, list[bytes]]:
        """Put secure messaging on 1 to 64 commands, in the order they will be sent.

        Returns:
            The session after the commands, and the commands for the card.
        """
        body = {"session": session.state, "apdus": [command.hex() for command in commands]}
        answer = await self._connection.post("/v1/tks/sessions/wrap", body)
        try:
            wrapped = [bytes.fromhex(apdu) for apdu in answer["apdus"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError("the answer has no apdus in hex") from error
        return replace(session, state=_text(answer, "session")), wrapped

    async def verify_cryptogram(self, card: PresentedCard) -> bool:
        """Ask whether the card holds the keys of its key set, and open nothing."""
        answer = await self._connection.post("/v1/tks/cryptograms/verify", {"card": _card(card)})
        return answer.get("valid") is True

    async def random(self, length: int) -> bytes:
        """Return 1 to 1024 random bytes of the HSM."""
        answer = await self._connection.post("/v1/tks/random", {"length": length})
        return _bytes(answer, "random")

    async def key_sets(self) -> list[KeySet]:
        """Return the key sets that this caller may use."""
        answer = await self._connection.get("/v1/tks/key-sets")
        try:
            return [_key_set(described) for described in answer["key_sets"]]
        except (KeyError, TypeError, ValueError) as error:
            raise ProtocolError("the answer has no key sets") from error


def _card(card: PresentedCard) -> dict[str, str]:
    body = {"initialize_update": card.initialize_update.hex()}
    if isinstance(card.challenge, IssuedChallenge):
        body["challenge"] = card.challenge.challenge
    else:
        body["host_challenge"] = card.challenge.hex()
    if card.key_set is not None:
        body["key_set"] = card.key_set
    if card.cuid is not None:
        body["cuid"] = card.cuid.hex()
    if card.scp_i is not None:
        body["scp_i"] = f"{card.scp_i:02x}"
    return body


def _key_set(described: dict[str, Any]) -> KeySet:
    return KeySet(
        name=_text(described, "name"),
        scp=int(_text(described, "scp")),
        algorithm=_text(described, "algorithm"),
        diversification=_text(described, "diversification"),
        versions=tuple(
            KeyVersion(
                version=_number(version, "version"),
                active=version["state"] == "active",
                key_check_value=(
                    _bytes(version, "key_check_value") if version["key_check_value"] else None
                ),
            )
            for version in described["versions"]
        ),
    )


def _text(answer: dict[str, Any], field: str) -> str:
    value = answer.get(field)
    if not isinstance(value, str):
        raise ProtocolError(f"the answer has no text {field}")
    return value


def _number(answer: dict[str, Any], field: str) -> int:
    value = answer.get(field)
    if not isinstance(value, int):
        raise ProtocolError(f"the answer has no number {field}")
    return value


def _bytes(answer: dict[str, Any], field: str) -> bytes:
    try:
        return bytes.fromhex(_text(answer, field))
    except ValueError as error:
        raise ProtocolError(f"the answer's {field} is not hex") from error
