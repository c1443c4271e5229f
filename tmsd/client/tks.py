"""The Token Key Service's calls, one function each."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

from tmsd.client import fields
from tmsd.client.connection import Connection
from tmsd.client.fields import Answer
from tmsd.client.problem import ProtocolError
from tmsd.client.values import (
    ConfirmedKeyChange,
    DeliveredSession,
    IssuedChallenge,
    KeyChange,
    KeySet,
    KeyVersion,
    PossessionChallenge,
    PresenceChallenge,
    PresentedCard,
    Session,
    Unwrapped,
    UnwrappedResponse,
    VersionState,
    WrappedKeys,
    WrappingMechanism,
)

# Security levels: P1 of EXTERNAL AUTHENTICATE.
C_MAC = 0x01
C_MAC_AND_C_ENC = 0x03
C_MAC_AND_R_MAC = 0x11
C_MAC_C_ENC_AND_R_MAC = 0x13
EVERYTHING = 0x33

_SESSIONS = "/v1/tks/sessions"


class TokenKeyService:
    """The calls of `/v1/tks` over one connection; each raises as `Connection.post` does.

    All of them may be asked again. Only what uses a challenge up, `open_session`,
    `open_delivered_session` and `verify_cryptogram`, then may be refused as `challenge-used`:
    its answer is lost, and the card is asked anew.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    async def issue_challenge(self, length: int = 8) -> IssuedChallenge:
        """Have the HSM make a host challenge of 8 or 16 bytes."""
        answer = await self._connection.post("/v1/tks/challenges", {"length": length})
        return IssuedChallenge(
            fields.octets(answer, "host_challenge"), fields.text(answer, "challenge")
        )

    async def open_session(
        self, card: PresentedCard, security_level: int = C_MAC_AND_C_ENC
    ) -> Session:
        """Have the card's cryptogram verified and a channel opened."""
        body = {"card": _card(card), "security_level": f"{security_level:02x}"}
        answer = await self._connection.post(_SESSIONS, body)
        return Session(
            scp=fields.octet(answer, "scp"),
            i=fields.octet(answer, "i"),
            key_set=fields.text(answer, "key_set"),
            key_version=fields.number(answer, "key_version"),
            newest_key_version=fields.number(answer, "newest_key_version"),
            host_cryptogram=fields.octets(answer, "host_cryptogram"),
            external_authenticate=fields.octets(answer, "external_authenticate"),
            state=fields.text(answer, "session"),
        )

    async def open_delivered_session(
        self, card: PresentedCard, security_level: int = C_MAC_AND_C_ENC
    ) -> DeliveredSession:
        """Have a channel opened, and its keys delivered under the caller's transport key."""
        body = {
            "card": _card(card),
            "security_level": f"{security_level:02x}",
            "delivery": "transport",
        }
        answer = await self._connection.post(_SESSIONS, body)
        return DeliveredSession(
            scp=fields.octet(answer, "scp"),
            i=fields.octet(answer, "i"),
            key_set=fields.text(answer, "key_set"),
            key_version=fields.number(answer, "key_version"),
            newest_key_version=fields.number(answer, "newest_key_version"),
            host_cryptogram=fields.octets(answer, "host_cryptogram"),
            external_authenticate=fields.octets(answer, "external_authenticate"),
            keys=_wrapped_keys(fields.inner(answer, "keys")),
        )

    async def wrap(
        self, session: Session, commands: Sequence[bytes]
    ) -> tuple[Session, list[bytes]]:
        """Put secure messaging on 1 to 64 commands, in the order they will be sent.

        Returns:
            The session after the commands, and the commands for the card.
        """
        body = {"session": session.state, "apdus": [command.hex() for command in commands]}
        answer = await self._connection.post(f"{_SESSIONS}/wrap", body)
        return _after(session, answer), fields.list_of_octets(answer, "apdus")

    async def unwrap(self, session: Session, responses: Sequence[bytes]) -> Unwrapped:
        """Have R-MACs checked and R-ENC removed, of 1 to 64 responses in the order they came.

        A response that does not verify is the problem `session-closed`.
        """
        body = {"session": session.state, "responses": [each.hex() for each in responses]}
        answer = await self._connection.post(f"{_SESSIONS}/unwrap", body)
        return Unwrapped(
            session=_after(session, answer),
            responses=tuple(_unwrapped(each) for each in fields.objects(answer, "responses")),
            closed=fields.truth(answer, "closed"),
        )

    async def put_key(
        self,
        session: Session,
        new_key_version: int,
        *,
        mode: Literal["add", "replace"],
        new_key_set: str | None = None,
    ) -> KeyChange:
        """Have the command made that changes the card over to other keys.

        Args:
            session: at least with C-MAC, and no response outstanding.
            new_key_version: 1 to 127.
            mode: whether the keys that the channel stands on are replaced, or others added.
            new_key_set: the card's present one unless given.
        """
        body = {"session": session.state, "new_key_version": new_key_version, "mode": mode}
        if new_key_set is not None:
            body["new_key_set"] = new_key_set
        answer = await self._connection.post(f"{_SESSIONS}/put-key", body)
        check_values = fields.list_of_octets(answer, "key_check_values")
        if len(check_values) not in (1, 3):
            raise ProtocolError("the answer has not the check values of three keys, or of one")
        apdu = fields.octets(answer, "apdu")
        return KeyChange(_after(session, answer), apdu, tuple(check_values))

    async def confirm_put_key(self, session: Session, response: bytes) -> ConfirmedKeyChange:
        """Have the card's answer to PUT KEY checked and recorded.

        Where the card does not confirm the new keys, it is the problem `put-key-unconfirmed`.
        """
        body = {"session": session.state, "response": response.hex()}
        answer = await self._connection.post(f"{_SESSIONS}/put-key/confirm", body)
        return ConfirmedKeyChange(
            session=_after(session, answer),
            new_key_version=fields.number(answer, "new_key_version"),
            protected=fields.truth(answer, "protected"),
        )

    async def challenge_presence(self, session: Session) -> PresenceChallenge:
        """Have the HSM make 16 bytes and encrypt them under the card's DEK."""
        body = {"session": session.state, "purpose": "proof-of-presence"}
        answer = await self._connection.post(f"{_SESSIONS}/encrypt", body)
        return PresenceChallenge(
            session=_after(session, answer),
            challenge=fields.octets(answer, "challenge"),
            encrypted=fields.octets(answer, "encrypted"),
        )

    async def challenge_possession(self, session: Session) -> PossessionChallenge:
        """Have 16 bytes encrypted that the card alone learns, for it to make a key pair with."""
        body = {"session": session.state, "purpose": "proof-of-possession"}
        answer = await self._connection.post(f"{_SESSIONS}/encrypt", body)
        return PossessionChallenge(
            session=_after(session, answer),
            encrypted=fields.octets(answer, "encrypted"),
            ticket=fields.text(answer, "ticket"),
        )

    async def encrypt(
        self, session: Session, purpose: Literal["pin", "object"], data: bytes
    ) -> tuple[Session, bytes]:
        """Have data encrypted under the card's DEK.

        Args:
            session: with the card.
            purpose: one that the policy lets this caller have.
            data: up to 256 bytes, in blocks of 8 (3DES) or 16 (AES).
        """
        body = {"session": session.state, "purpose": purpose, "data": data.hex()}
        answer = await self._connection.post(f"{_SESSIONS}/encrypt", body)
        return _after(session, answer), fields.octets(answer, "encrypted")

    async def verify_cryptogram(self, card: PresentedCard) -> bool:
        """Ask whether the card holds the keys of its key set, and open nothing."""
        answer = await self._connection.post("/v1/tks/cryptograms/verify", {"card": _card(card)})
        return fields.truth(answer, "valid")

    async def random(self, length: int) -> bytes:
        """Return 1 to 1024 random bytes of the HSM."""
        answer = await self._connection.post("/v1/tks/random", {"length": length})
        return fields.octets(answer, "random")

    async def key_sets(self) -> list[KeySet]:
        """Return the key sets that this caller may use."""
        answer = await self._connection.get("/v1/tks/key-sets")
        return [_key_set(described) for described in fields.objects(answer, "key_sets")]


def _after(session: Session, answer: Answer) -> Session:
    return replace(session, state=fields.text(answer, "session"))


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


def _wrapped_keys(keys: Answer) -> WrappedKeys:
    try:
        mechanism = WrappingMechanism(fields.text(keys, "mechanism"))
    except ValueError as error:
        raise ProtocolError("the keys are wrapped by no mechanism of this API") from error
    return WrappedKeys(
        transport_key=fields.text(keys, "transport_key"),
        mechanism=mechanism,
        enc=fields.optional_octets(keys, "enc"),
        mac=fields.octets(keys, "mac"),
        rmac=fields.optional_octets(keys, "rmac"),
        dek=fields.optional_octets(keys, "dek"),
    )


def _unwrapped(described: Answer) -> UnwrappedResponse:
    response = fields.octets(described, "response")
    if len(response) < 2:
        raise ProtocolError("a response has no status word")
    return UnwrappedResponse(response[:-2], response[-2:], fields.truth(described, "protected"))


def _version_state(version: Answer) -> VersionState:
    try:
        return VersionState(fields.text(version, "state"))
    except ValueError as error:
        raise ProtocolError("a key version is in no state of this API") from error


def _key_set(described: Answer) -> KeySet:
    return KeySet(
        name=fields.text(described, "name"),
        scp=fields.octet(described, "scp"),
        algorithm=fields.text(described, "algorithm"),
        diversification=fields.text(described, "diversification"),
        versions=tuple(
            KeyVersion(
                version=fields.number(version, "version"),
                state=_version_state(version),
                key_check_value=fields.optional_octets(version, "key_check_value"),
            )
            for version in fields.objects(described, "versions")
        ),
        newest_key_version=fields.optional_number(described, "newest_key_version"),
    )
