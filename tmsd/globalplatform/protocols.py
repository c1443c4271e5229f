"""The one table from a protocol's number to the module that speaks it.

The modules hold the same functions in the same order; `SecureChannelProtocol` spells out
what they share.
"""

from collections.abc import Mapping
from typing import Any, Protocol, TypeVar

from tmsd.globalplatform import scp01, scp02, scp03
from tmsd.globalplatform.apdu import CommandApdu
from tmsd.globalplatform.channel import ChannelState, Response, SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse

Keys = TypeVar("Keys")


class SecureChannelProtocol(Protocol[Keys]):
    """A module that speaks one secure channel protocol; `Keys` are its session keys."""

    IMPLEMENTATIONS: tuple[int, ...]
    """The values of i that are served."""

    DEK_IS_STATIC: bool
    """Whether keys are encrypted under a static key of the card, not a session key."""

    def levels(self, i: int, /) -> frozenset[SecurityLevel]:
        """Return the security levels that cards of this implementation have."""

    def encrypts_icv(self, i: int, /) -> bool:
        """Say whether the caller of `wrap` cannot foresee what the next C-MAC starts from."""

    def challenge_length(self, i: int, /) -> int:
        """Return the length of host challenges and cryptograms, in bytes."""

    def opening_roles(self, i: int, /) -> tuple[Role, ...]:
        """Say which static keys opening a channel needs."""

    def messaging_roles(self, i: int, level: SecurityLevel, /) -> tuple[Role, ...]:
        """Say which static keys commands and responses at `level` need."""

    def card_roles(self, i: int, /) -> tuple[Role, ...]:
        """Say which static keys a card has, in the order of PUT KEY."""

    def dek_role(self, i: int, /) -> Role:
        """Say from which static key the data encryption key comes."""

    def session_context(self, host_challenge: bytes, card: InitializeUpdateResponse, /) -> bytes:
        """Return the 16 or 32 bytes that session keys and cryptograms depend on."""

    def session_keys(
        self, card_keys: Mapping[Role, Any], context: bytes, i: int, level: SecurityLevel, /
    ) -> Keys:
        """Derive the session keys that the static keys at hand allow."""

    def data_encryption_key(self, static: Any, context: bytes, /) -> Any:  # noqa: ANN401  the key's own type
        """Return the key that encrypts keys and data for the card."""

    def deliverable_keys(self, keys: Keys, /) -> dict[str, Any]:
        """Return the session keys that a caller needs to go on by itself, by name."""

    def card_cryptogram(self, keys: Keys, context: bytes, /) -> bytes:
        """Return what a card with these keys answers with."""

    def host_cryptogram(self, keys: Keys, context: bytes, /) -> bytes:
        """Return what proves the host's keys to the card."""

    def external_authenticate(
        self, keys: Keys, cryptogram: bytes, i: int, level: SecurityLevel, /
    ) -> tuple[ChannelState, CommandApdu]:
        """Build EXTERNAL AUTHENTICATE, and the state of the channel that it opens."""

    def wrap(
        self, keys: Keys, state: ChannelState, command: CommandApdu, /
    ) -> tuple[ChannelState, CommandApdu]:
        """Protect one command."""

    def unwrap(
        self, keys: Keys, state: ChannelState, response: bytes, /
    ) -> tuple[ChannelState, Response]:
        """Check and remove a response's protection."""


PROTOCOLS: dict[int, SecureChannelProtocol[Any]] = {0x01: scp01, 0x02: scp02, 0x03: scp03}
