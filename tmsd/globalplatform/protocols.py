"""The one table from a protocol's number to the module that speaks it.

The modules hold the same functions in the same order; `SecureChannelProtocol` spells out
what they share.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from tmsd.globalplatform import scp02, scp03
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse

Keys = TypeVar("Keys")


class SecureChannelProtocol(Protocol[Keys]):
    """A module that speaks one secure channel protocol; `Keys` are its session keys."""

    @property
    def IMPLEMENTATIONS(self) -> tuple[int, ...]:  # noqa: N802  the modules hold a constant
        """The values of i that are served."""

    @property
    def OPENING_ROLES(self) -> tuple[Role, ...]:  # noqa: N802  as above
        """The static keys that opening a channel needs."""

    def messaging_roles(self, level: SecurityLevel, /) -> tuple[Role, ...]:
        """Say which static keys the commands of a channel at `level` need."""

    def session_context(self, host_challenge: bytes, card: InitializeUpdateResponse, /) -> bytes:
        """Return the 16 bytes that session keys and cryptograms depend on."""

    def session_keys(self, card_keys: Mapping[Role, Any], context: bytes, /) -> Keys:
        """Derive the session keys that the static keys at hand allow."""

    def card_cryptogram(self, keys: Keys, context: bytes, /) -> bytes:
        """Return the 8 bytes that a card with these keys answers with."""

    def host_cryptogram(self, keys: Keys, context: bytes, /) -> bytes:
        """Return the 8 bytes that prove the host's keys to the card."""

    def external_authenticate(
        self, keys: Keys, cryptogram: bytes, level: SecurityLevel, /
    ) -> tuple[ChannelState, CommandApdu]:
        """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens."""

    def wrap(
        self, keys: Keys, state: ChannelState, command: CommandApdu, /
    ) -> tuple[ChannelState, CommandApdu]:
        """Protect one command."""


PROTOCOLS: dict[int, SecureChannelProtocol[Any]] = {0x02: scp02, 0x03: scp03}
LEVELS = frozenset({SecurityLevel.C_MAC, SecurityLevel.C_MAC | SecurityLevel.C_ENC})
