"""The header of a TR-31 key block (ANSI X9.143-2022), and which headers are let pass.

A header says what a key is for, and its MAC binds the key to that. psec reads its fields and the
optional blocks; what they may say is decided here.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from psec.tr31 import Header, HeaderError

from hsm.key_block import SealedKey
from hsm.keys import KeyShape
from tmsd.ceremony.key_step import KeyPurpose
from tmsd.ceremony.wanted_key import Backup
from tmsd.ceremony.wrapped_key_refusal import WrappedKeyRefused, WrappedKeyRule
from tmsd.config.key_sets import KeyAlgorithm

_FIXED_LENGTH = 16  # of the header without its optional blocks
_MOST_OPTIONS = 8

# Key derivation binding, by the cipher's block in bytes, which is the MAC's length as well. A and C
# bind by variants of the protecting key, which the standard deprecates.
_BLOCKS: Mapping[str, int] = {"B": 8, "D": 16}

# Usages and the modes of use that they may have: E5 and E6 are issuers' master keys for
# personalisation and for other things, K0 wraps keys, K1 protects key blocks. X derives; E encrypts
# alone, D decrypts, and B does both; N restricts no further than the usage does.
_MASTER: Mapping[str, str] = {"E5": "XN", "E6": "XN"}
_USAGES: Mapping[KeyPurpose, Mapping[str, str]] = {
    KeyPurpose.MASTER: _MASTER,
    KeyPurpose.UNDIVERSIFIED: _MASTER,
    KeyPurpose.HMAC_MASTER: _MASTER,
    KeyPurpose.TRANSPORT: {"K0": "BEN"},
    KeyPurpose.ZONE_MASTER: {"K0": "BDN"},
    KeyPurpose.KEY_BLOCK_PROTECTION: {"K1": "BDN"},
}
_TRIPLE_DES, _AES = "T", "A"
_COMPONENT = "c"  # as the first character of a key's version number

# Optional blocks that say something about the key and restrict nothing: its check value and that of
# the key that protects it, what values mean, a label, times, how it was wrapped, and filling.
_OPTIONS = frozenset(("KC", "KP", "KV", "LB", "PB", "TC", "TS", "WP"))
_EXPORTABILITY: Mapping[str, str] = {
    "E": "under other keys",
    "S": "under other keys, also outside of key blocks",
    "N": "not at all",
}


@dataclass(frozen=True, slots=True)
class KeyBlock:
    """A key block that is well-formed.

    Attributes:
        version: how it is bound: B or D.
        usage: of the key, 2 characters.
        algorithm: that the key is for, 1 character.
        mode: of use, 1 character.
        key_version: 2 characters.
        exportability: 1 character.
        options: the names of its optional blocks.
        sealed: header, encrypted key and MAC.
    """

    version: str
    usage: str
    algorithm: str
    mode: str
    key_version: str
    exportability: str
    options: tuple[str, ...]
    sealed: SealedKey

    @property
    def fixed_header(self) -> str:
        """The header without its optional blocks, 16 characters."""
        return self.sealed.header[:_FIXED_LENGTH].decode("ascii")


def read_key_block(content: bytes) -> KeyBlock:
    """Read a key block, which a line's end may follow.

    Raises:
        WrappedKeyRefused: `key-block-malformed`, `-length`, `-version`, `-option` or `-reserved`;
            none of it says what is encrypted.
    """
    text = _text(content)
    if text[:1] not in _BLOCKS:
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_VERSION,
            "it is neither of version B nor D: older ones bind the key by variants",
        )
    if text[1:5] != f"{len(text):04}":
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_LENGTH,
            f"it has {len(text)} characters, which its header says otherwise",
        )
    header = Header()
    try:
        header_length = header.load(text)
    except HeaderError:  # whose words could repeat what is encrypted
        raise _malformed("its header, or an optional block, is none") from None
    options = tuple(header.blocks)
    _require_options(options, text[12:14])
    if header.reserved != "00":
        raise WrappedKeyRefused(WrappedKeyRule.BLOCK_RESERVED, "characters 15 and 16 must be 00")
    encrypted, mac = _sealed(text[header_length:], _BLOCKS[header.version_id])
    return KeyBlock(
        version=header.version_id,
        usage=header.key_usage,
        algorithm=header.algorithm,
        mode=header.mode_of_use,
        key_version=header.version_num,
        exportability=header.exportability,
        options=options,
        sealed=SealedKey(text[:header_length].encode("ascii"), encrypted, mac),
    )


def require_fit(
    block: KeyBlock, purpose: KeyPurpose, algorithm: KeyAlgorithm, backup: Backup
) -> None:
    """Make sure that a header lets its key be what a script makes of it.

    Raises:
        WrappedKeyRefused: `key-block-usage`, `-mode`, `-algorithm`, `-component` or
            `-exportability`.
    """
    modes = _USAGES[purpose].get(block.usage)
    if modes is None:
        fit = " or ".join(_USAGES[purpose])
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_USAGE, f"its key is for {block.usage}, and {purpose} takes {fit}"
        )
    if block.mode not in modes:
        fit = " or ".join(modes)
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_MODE,
            f"its mode of use is {block.mode}, and {block.usage} for {purpose} takes {fit}",
        )
    expected = _TRIPLE_DES if algorithm is KeyAlgorithm.DES3 else _AES
    if block.algorithm != expected:
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_ALGORITHM,
            f"its key is one of {block.algorithm}, and {algorithm} takes {expected}",
        )
    if block.key_version.startswith(_COMPONENT):
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_COMPONENT, "it holds a component, and not the key"
        )
    if block.exportability not in _EXPORTABILITY:
        fit = ", ".join(_EXPORTABILITY)
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_EXPORTABILITY,
            f"its exportability is {block.exportability}, and none of {fit}",
        )
    if block.exportability == "N" and backup is not Backup.NONE:
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_EXPORTABILITY,
            "its key may not be exported (N), and so there is no backup of it: backup = none",
        )


def require_version(block: KeyBlock, protection: KeyShape) -> None:
    """Make sure that the key that should protect it does so in this version.

    Raises:
        WrappedKeyRefused: `key-block-version`.
    """
    if _BLOCKS[block.version] != protection.block:
        cipher = "AES" if protection.is_aes else "triple DES"
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_VERSION,
            f"it is of version {block.version}, and the key of {cipher}",
        )


def passing_header(
    purpose: KeyPurpose, algorithm: KeyAlgorithm, protection: KeyShape, length: int
) -> bytes:
    """Return a header that is let pass for a key of so many bytes, in ASCII, without options."""
    version = next(version for version, block in _BLOCKS.items() if block == protection.block)
    usage, modes = next(iter(_USAGES[purpose].items()))
    cipher = _TRIPLE_DES if algorithm is KeyAlgorithm.DES3 else _AES
    header = Header(version, usage, cipher, modes[0], exportability="E")
    return header.dump(length).encode("ascii")


def key_block(sealed: SealedKey) -> bytes:
    """Return a key block in ASCII."""
    return sealed.header + (sealed.encrypted + sealed.mac).hex().upper().encode("ascii")


def _text(content: bytes) -> str:
    try:
        return content.rstrip(b"\r\n").decode("ascii")
    except UnicodeDecodeError:
        raise _malformed("it is not in ASCII") from None


def _require_options(options: tuple[str, ...], count: str) -> None:
    unknown = [name for name in options if name not in _OPTIONS]
    if unknown:
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_OPTION,
            f"an optional block {unknown[0]} may restrict the key, and is not known",
        )
    if int(count) > _MOST_OPTIONS:
        raise WrappedKeyRefused(
            WrappedKeyRule.BLOCK_OPTION,
            f"it has {int(count)} optional blocks; {_MOST_OPTIONS} are the most",
        )


def _sealed(digits: str, block: int) -> tuple[bytes, bytes]:
    """Return what is encrypted, and the MAC, of one block of the cipher."""
    try:
        content = bytes.fromhex(digits)
    except ValueError:
        content = b""
    if len(content) * 2 != len(digits) or len(content) < 2 * block or len(content) % block:
        raise _malformed("behind its header are no whole blocks in hexadecimal digits")
    return content[:-block], content[-block:]


def _malformed(words: str) -> WrappedKeyRefused:
    return WrappedKeyRefused(WrappedKeyRule.BLOCK_MALFORMED, words)
