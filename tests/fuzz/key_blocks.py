"""Key blocks of card makers: whether they are one, and whether their header is let pass."""

from collections.abc import Iterator

from hsm.keys import AES_256, DES2
from tmsd.ceremony.key_block import key_block, passing_header, read_key_block, require_fit
from tmsd.ceremony.key_step import KeyPurpose
from tmsd.ceremony.wanted_key import Backup
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused
from tmsd.config.key_sets import KeyAlgorithm

_OPTIONS = b"KC0C00112233TS1320261130092000ZPB11" + b"0" * 13


def key_blocks() -> Iterator[bytes]:
    """Yield a key block of each version, and one with optional blocks."""
    for shape in (AES_256, DES2):
        header = passing_header(KeyPurpose.MASTER, KeyAlgorithm.AES128, shape, 16)
        yield header + b"00" * (int(header[1:5]) - len(header) >> 1)
    yield b"D0160E5AX01E0300" + _OPTIONS + b"5A" * 48


def read(data: bytes) -> None:
    """A key block is refused by a rule, or its parts make it again."""
    try:
        block = read_key_block(data)
    except WrappedKeyRefused:
        return
    assert key_block(block.sealed).upper() == data.rstrip(b"\r\n").upper()
    for purpose in KeyPurpose:
        try:
            require_fit(block, purpose, KeyAlgorithm.AES128, Backup.QUORUM)
        except WrappedKeyRefused:
            continue
        assert block.fixed_header[7] == "A"
        assert block.exportability in "ES"
