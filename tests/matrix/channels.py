"""A caller of the worker's functions, with a card in its reader."""

from dataclasses import dataclass, field
from typing import Literal

from tests.virtual_token.card import Card
from tmsd.vault import card_messages
from tmsd.worker import key_changeover, messaging, opening
from tmsd.worker.context import Context

CALLER = "tps"
OK = b"\x90\x00"

Purpose = Literal["proof-of-presence", "pin", "object"]
Mode = Literal["add", "replace"]

_CLA_INS_OF_INITIALIZE_UPDATE = bytes.fromhex("8050")
_TELLS_NO_I = (0x01, 0x02)


class CardRefused(Exception):
    """The card did not open the channel; the argument is its status word."""


@dataclass(slots=True)
class Channel:
    """An open channel: what the worker said, and the session as it stands."""

    context: Context
    card: Card
    opened: card_messages.ChannelOpened
    session: bytes = field(repr=False)

    def wrap(self, *commands: bytes) -> list[bytes]:
        """Have commands protected."""
        answer = messaging.wrap_commands(
            self.context, card_messages.WrapCommands(CALLER, self.session, list(commands))
        )
        self.session = answer.channel.session
        return answer.apdus

    def unwrap(self, *responses: bytes) -> card_messages.ResponsesUnwrapped:
        """Have responses checked and decrypted."""
        answer = messaging.unwrap_responses(
            self.context, card_messages.UnwrapResponses(CALLER, self.session, list(responses))
        )
        self.session = answer.channel.session
        return answer

    def send(self, *commands: bytes) -> list[bytes]:
        """Have the card obey commands, and return its responses without protection."""
        responses = [self.card.transmit(wrapped) for wrapped in self.wrap(*commands)]
        return [told.response for told in self.unwrap(*responses).responses]

    def encrypt(self, purpose: Purpose, data: bytes | None = None) -> card_messages.DataEncrypted:
        """Have data encrypted under the card's data encryption key."""
        answer = messaging.encrypt_data(
            self.context, card_messages.EncryptData(CALLER, self.session, purpose, data)
        )
        self.session = answer.channel.session
        return answer

    def put_key(
        self, version: int, mode: Mode, key_set: str | None = None
    ) -> card_messages.PutKeyMade:
        """Have the command made that changes the card's keys."""
        answer = key_changeover.put_key(
            self.context, card_messages.PutKey(CALLER, self.session, key_set, version, mode)
        )
        self.session = answer.channel.session
        return answer

    def confirm(self, response: bytes) -> card_messages.PutKeyConfirmed:
        """Have the card's answer to PUT KEY checked."""
        answer = key_changeover.confirm_put_key(
            self.context, card_messages.ConfirmPutKey(CALLER, self.session, response)
        )
        self.session = answer.channel.session
        return answer


def initialize_update(context: Context, card: Card, *, version: int = 0) -> card_messages.Card:
    """Send INITIALIZE UPDATE with a challenge of the worker.

    Args:
        context: the worker's.
        card: in the reader.
        version: the key version that is asked for; 0 for the card's own choice.

    Returns:
        What the caller knows of the card: its answer and its CUID, and where the protocol has
        no place for it in the answer, its i.
    """
    group = next(g for g in card.keyring.groups if version in (0, g.version))
    length: Literal[8, 16] = 16 if group.scp == 0x03 and group.i & 0x01 else 8
    issued = opening.issue_challenge(context, card_messages.IssueChallenge(CALLER, length))
    command = _CLA_INS_OF_INITIALIZE_UPDATE + bytes([version, 0, length])
    answer = card.transmit(command + issued.host_challenge + b"\x00")
    return card_messages.Card(
        initialize_update=answer,
        ticket=issued.ticket,
        scp_i=group.i if group.scp in _TELLS_NO_I else None,
        cuid=cuid(card),
    )


def cuid(card: Card) -> bytes:
    """Return the card's unique identifier, 10 bytes, as its production data have it."""
    data = card.profile.production_data
    return data[0:4] + data[16:18] + data[12:16]


def open_channel(
    context: Context, card: Card, key_set: str, level: int, *, version: int = 0
) -> Channel:
    """Open a channel and have the card authenticate the host.

    Raises:
        ServiceError: as the worker refuses it.
        CardRefused: the card takes the host for another.
    """
    presented = initialize_update(context, card, version=version)
    opened = opening.open_channel(
        context, card_messages.OpenChannel(CALLER, key_set, presented, level)
    )
    answer = card.transmit(opened.external_authenticate)
    if answer != OK:
        raise CardRefused(answer.hex())
    return Channel(context, card, opened, opened.session)
