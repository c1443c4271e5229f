"""The host's side of a channel, opened and used as a vector has it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from tests.vectors import Vector
from tmsd.globalplatform import apdu, initialize_update
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, Response, SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Key
from tmsd.globalplatform.protocols import PROTOCOLS, SecureChannelProtocol


@dataclass
class Channel:
    """A channel between two commands; it moves on with each."""

    protocol: SecureChannelProtocol[Any]
    keys: Any
    state: ChannelState
    host_cryptogram: bytes
    external_authenticate: CommandApdu

    @classmethod
    def opened(cls, vector: Vector, static: Mapping[Role, Key]) -> Self:
        """Open the channel of a trace; the card's cryptogram must be right."""
        card = initialize_update.parse(vector.bytes("initialize_update"))
        protocol = PROTOCOLS[card.scp]
        i, level = int(vector["i"], 16), SecurityLevel(int(vector["security_level"], 16))
        assert card.i in (None, i)
        context = protocol.session_context(vector.bytes("host_challenge"), card)
        keys = protocol.session_keys(static, context, i, level)
        assert protocol.card_cryptogram(keys, context) == card.card_cryptogram
        cryptogram = protocol.host_cryptogram(keys, context)
        state, command = protocol.external_authenticate(keys, cryptogram, i, level)
        return cls(protocol, keys, state, cryptogram, command)

    def wrap(self, plain: bytes) -> bytes:
        """Protect the next command."""
        self.state, wrapped = self.protocol.wrap(self.keys, self.state, apdu.parse(plain))
        return bytes(wrapped)

    def unwrap(self, response: bytes) -> Response:
        """Take the next response."""
        self.state, plain = self.protocol.unwrap(self.keys, self.state, response)
        return plain

    def unwrap_as(self, response: bytes, response_plain: bytes) -> None:
        """Take the next response, which must be this one without protection."""
        level, told = self.state.level, self.unwrap(response)
        assert bytes(told) == response_plain
        assert told.protected is bool(level & SecurityLevel.R_MAC and response != response_plain)
