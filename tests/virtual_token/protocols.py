"""The one table from a protocol identifier to the module that speaks it."""

from typing import Protocol

from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.channel import Handshake, Initiation
from tests.virtual_token.keyring import KeyGroup


class SecureChannelProtocol(Protocol):
    """What a module scpNN.py offers."""

    PROTOCOL: int  # the identifier: CS231 10.7
    KEY_TYPE: int  # CS231 11.1.8
    KEY_LENGTHS: frozenset[int]  # bytes
    COUNTER_LENGTH: int  # bytes; 0 where there is none

    def options(self, i: int) -> object:
        """Read the implementation options; ValueError for those the card does not have."""

    def counts_sessions(self, i: int) -> bool:
        """Tell whether these options keep a sequence counter."""

    def key_identifiers(self, i: int) -> tuple[int, ...]:
        """Tell which keys a channel with these options needs."""

    def challenge_length(self, i: int) -> int:
        """Tell how long the host challenge is, in bytes."""

    def initialize_update(self, initiation: Initiation) -> Handshake:
        """Answer INITIALIZE UPDATE."""


PROTOCOLS: dict[int, SecureChannelProtocol] = {0x01: scp01, 0x02: scp02, 0x03: scp03}


def is_complete(group: KeyGroup) -> bool:
    """Tell whether the keys of a version can open a channel."""
    return group.keys.keys() >= set(PROTOCOLS[group.scp].key_identifiers(group.i))
