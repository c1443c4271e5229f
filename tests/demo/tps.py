"""A token processing system in miniature: what an integrator writes to talk to a card safely.

    card ── PC/SC (pyscard) ── this module ── HTTPS (tmsd.client) ── tmsd ── HSM

It carries bytes between card and service, in the order that GlobalPlatform wants them (Card
Specification 2.3.1, annex E; Amendment D). It holds no key, and none passes through it.

    async with Connection("https://tks.example:8443", tls) as connection:
        service = TokenKeyService(connection)
        with card_in("Reader 00 00") as card:
            channel = await open_channel(service, card, await present(service, card))
            await channel.send("STORE DATA", bytes.fromhex("80E2900004DF200155"))

The card is asked in the event loop's own thread: a program with many readers gives each a
thread (`asyncio.to_thread`).
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal, Protocol

from smartcard.System import readers

from tmsd.client.problem import Problem
from tmsd.client.tks import C_MAC_AND_C_ENC, TokenKeyService
from tmsd.client.values import (
    KeyChange,
    PresenceChallenge,
    PresentedCard,
    Session,
    UnwrappedResponse,
)

# After its first failure a card waits for so long.
_BACK_OFF_SECONDS = 1.0

# Without an AID the card selects its issuer security domain.
SELECT = bytes.fromhex("00A4040000")
SUCCESS = bytes.fromhex("9000")


class CardRefused(Exception):
    """The card answered a command with a status word other than 9000.

    Args:
        command: its name.
        status_word: 2 bytes.
    """

    def __init__(self, command: str, status_word: bytes) -> None:
        super().__init__(f"the card answered {command} with {status_word.hex()}")
        self.status_word = status_word


class CardConnection(Protocol):
    """What this module wants of pyscard's class of that name, which has no types."""

    def transmit(self, command: list[int], /) -> tuple[list[int], int, int]:
        """Send a command APDU; return data, SW1 and SW2."""


class Card:
    """A card that is connected."""

    def __init__(self, connection: CardConnection) -> None:
        self._connection = connection

    def transmit(self, command: bytes) -> bytes:
        """Send a command APDU; return the response APDU: data, then 2 bytes of status word.

        Raises:
            smartcard.Exceptions.SmartcardException: the card or its reader is gone.
        """
        data, sw1, sw2 = self._connection.transmit(list(command))
        return bytes([*data, sw1, sw2])

    def command(self, name: str, command: bytes) -> bytes:
        """Send a command that must succeed; return the data of the response.

        Raises:
            CardRefused: it did not.
            smartcard.Exceptions.SmartcardException: the card or its reader is gone.
        """
        response = self.transmit(command)
        data, status_word = response[:-2], response[-2:]
        if status_word != SUCCESS:
            raise CardRefused(name, status_word)
        return data


@contextmanager
def card_in(reader_name: str) -> Iterator[Card]:
    """Connect to the card in a reader, and leave it at the end.

    Raises:
        LookupError: there is no such reader.
        smartcard.Exceptions.SmartcardException: there is no card in it.
    """
    reader = next((reader for reader in readers() if reader.name == reader_name), None)
    if reader is None:
        raise LookupError(f"there is no reader {reader_name!r}")
    connection = reader.createConnection()
    connection.connect()
    try:
        yield Card(connection)
    finally:
        connection.release()


async def present(service: TokenKeyService, card: Card) -> PresentedCard:
    """Begin a channel: have the HSM make a challenge, and the card answer to it.

    Raises:
        CardRefused: the card will not.
        Problem, ServiceUnreachable: the service will not, or is not there.
    """
    card.command("SELECT", SELECT)
    issued = await service.issue_challenge(8)
    return PresentedCard(initialize_update(card, issued.host_challenge), issued)


def initialize_update(card: Card, host_challenge: bytes) -> bytes:
    """Send INITIALIZE UPDATE; return the card's answer, for the service to read.

    Args:
        card: is asked for the key version that it holds (P1 = 00).
        host_challenge: 8 bytes.

    Raises:
        CardRefused: the card will not.
    """
    command = bytes.fromhex("8050000008") + host_challenge + b"\x00"
    return card.command("INITIALIZE UPDATE", command)


class SecureChannel:
    """A channel that both sides have authenticated.

    Args:
        service: wraps the commands.
        card: takes them.
        session: where the channel stands; opaque, and without a key.
    """

    def __init__(self, service: TokenKeyService, card: Card, session: Session) -> None:
        self._service = service
        self.card = card
        self.session = session

    async def wrap(self, command: bytes) -> bytes:
        """Return a command under secure messaging; the card must get it next.

        Raises:
            Problem, ServiceUnreachable: the service will not, or is not there.
        """
        self.session, wrapped = await self._service.wrap(self.session, [command])
        return wrapped[0]

    async def send(self, name: str, command: bytes) -> bytes:
        """Wrap a command, send it, and return the data of the response.

        Raises:
            CardRefused: the card did not like it; the channel is of no use any more.
            Problem, ServiceUnreachable: as for `wrap`.
        """
        return self.card.command(name, await self.wrap(command))

    async def unwrap(self, response: bytes) -> UnwrappedResponse:
        """Return the card's response to the command wrapped before, checked and decrypted.

        Raises:
            Problem: `session-closed`, where the R-MAC is wrong; or another refusal.
            ServiceUnreachable: the service is not there.
        """
        unwrapped = await self._service.unwrap(self.session, [response])
        self.session = unwrapped.session
        return unwrapped.responses[0]

    async def put_key(
        self, version: int, mode: Literal["add", "replace"], key_set: str | None = None
    ) -> KeyChange:
        """Return the command that brings new keys; the card must get it next.

        Args:
            version: of the new keys.
            mode: whether the keys of this channel are replaced, or others added.
            key_set: of the new keys; by default the card's.

        Raises:
            Problem, ServiceUnreachable: the service will not, or is not there.
        """
        change = await self._service.put_key(self.session, version, mode=mode, new_key_set=key_set)
        self.session = change.session
        return change

    async def confirm_put_key(self, response: bytes) -> None:
        """Have the card's answer to PUT KEY checked, and put on record.

        Raises:
            Problem: `put-key-unconfirmed`, where the card has not taken the keys; or another.
            ServiceUnreachable: the service is not there.
        """
        confirmed = await self._service.confirm_put_key(self.session, response)
        self.session = confirmed.session

    async def challenge_presence(self) -> PresenceChallenge:
        """Have a challenge made and encrypted for this card alone.

        Raises:
            Problem, ServiceUnreachable: the service will not, or is not there.
        """
        made = await self._service.challenge_presence(self.session)
        self.session = made.session
        return made


async def open_channel(
    service: TokenKeyService,
    card: Card,
    presented: PresentedCard,
    security_level: int = C_MAC_AND_C_ENC,
) -> SecureChannel:
    """Have the service verify the card, and the card verify the service.

    Raises:
        Problem: `card-cryptogram-mismatch`, where this is not the card it claims to be;
            or another refusal.
        CardRefused: the card does not believe the service.
        ServiceUnreachable: the service is not there.
    """
    session = await _opened(service, presented, security_level)
    card.command("EXTERNAL AUTHENTICATE", session.external_authenticate)
    return SecureChannel(service, card, session)


async def _opened(
    service: TokenKeyService, presented: PresentedCard, security_level: int
) -> Session:
    """Open a session; a card that failed shortly before is presented again, with its challenge."""
    while True:
        try:
            return await service.open_session(presented, security_level)
        except Problem as problem:
            if problem.code != "backing-off":
                raise
            await asyncio.sleep(_BACK_OFF_SECONDS)
