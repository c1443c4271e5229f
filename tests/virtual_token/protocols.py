"""The one table from a protocol identifier to the module that speaks it."""

from typing import Protocol

from tests.virtual_token import scp02, scp03
from tests.virtual_token.channel import Handshake, Initiation


class SecureChannelProtocol(Protocol):
    """What a module scpNN.py offers."""

    PROTOCOL: int  # the identifier: CS231 10.7
    KEY_TYPE: int  # CS231 11.1.8
    KEY_LENGTHS: frozenset[int]  # bytes
    COUNTER_LENGTH: int  # bytes

    def options(self, i: int) -> object:
        """Read the implementation options; ValueError for those the card does not have."""

    def counts_sessions(self, i: int) -> bool:
        """Tell whether these options keep a sequence counter."""

    def initialize_update(self, initiation: Initiation) -> Handshake:
        """Answer INITIALIZE UPDATE."""


PROTOCOLS: dict[int, SecureChannelProtocol] = {0x02: scp02, 0x03: scp03}
