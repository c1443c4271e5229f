"""Card keys from master keys: one function per scheme, and the table of their names.

A scheme turns a master key and a card's diversification data (10 bytes, the KDD of
INITIALIZE UPDATE or the CUID) into the card's static keys. The schemes are conventions
of the card industry rather than of GlobalPlatform; each function names its layout.
"""

from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import NamedTuple, Protocol, TypeVar

from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use

K = TypeVar("K", bound=Key)


class Role(IntEnum):
    """Key identifiers within a GlobalPlatform key set (Card Specification 2.3.1, E.2.1)."""

    ENC = 1
    MAC = 2
    DEK = 3


class Target(NamedTuple):
    """What derived keys are to be: their algorithm, and what they are for."""

    algorithm: Algorithm
    use: Use = Use.CARD_KEY


class Scheme(Protocol):
    """A function that derives a card's keys of some roles, with keys of any kind."""

    def __call__(
        self, master: K, roles: Sequence[Role], data: bytes, target: Target, /
    ) -> tuple[K, ...]:
        """Return a key for each role; `data` are the 10 bytes of diversification data."""


def none(master: K, roles: Sequence[Role], _data: bytes, _target: Target) -> tuple[K, ...]:
    """Return the master key itself for every role: every card holds the same keys."""
    return (master,) * len(roles)


def visa1(master: K, roles: Sequence[Role], data: bytes, target: Target) -> tuple[K, ...]:
    """Encrypt p ‖ data[2:10] ‖ role ‖ 0000000000, p = FFFF, 0000, F0F0 by role (3DES-ECB)."""
    prefixes = {Role.ENC: b"\xff\xff", Role.MAC: b"\x00\x00", Role.DEK: b"\xf0\xf0"}
    return tuple(
        master.derive_ecb(prefixes[role] + data[2:10] + bytes([role, 0, 0, 0, 0, 0]), *target)
        for role in roles
    )


def visa2(master: K, roles: Sequence[Role], data: bytes, target: Target) -> tuple[K, ...]:
    """Encrypt s ‖ F0 ‖ role ‖ s ‖ 0F ‖ role with s = data[0:2] ‖ data[4:8] (3DES-ECB)."""
    return _two_halves(master, roles, data[0:2] + data[4:8], target)


def emv(master: K, roles: Sequence[Role], data: bytes, target: Target) -> tuple[K, ...]:
    """Encrypt s ‖ F0 ‖ role ‖ s ‖ 0F ‖ role with s = data[4:10] (3DES-ECB).

    EMV Card Personalization Specification 1.1, section 4.1.
    """
    return _two_halves(master, roles, data[4:10], target)


def kdf3(master: K, roles: Sequence[Role], data: bytes, target: Target) -> tuple[K, ...]:
    """AES-CMAC counter KDF over i ‖ 000000 ‖ role ‖ 00 ‖ data (NIST SP 800-108r1, 4.1)."""
    inputs = [CounterInput(b"", bytes([0, 0, 0, role, 0]) + data) for role in roles]
    return master.derive_counter(inputs, *target)


def gp_kmc(master: K, roles: Sequence[Role], data: bytes, target: Target) -> tuple[K, ...]:
    """AES-CMAC counter KDF over i ‖ 000000 ‖ role ‖ 00 ‖ 0000 ‖ serial ‖ batch ‖ L.

    The serial number is data[6:10], the batch data[4:6], L the key's length in bits, 2 bytes.
    """
    return _gp_kmc(master, [int(role) for role in roles], data, target)


def gp_kmc_dogtag_10(
    master: K, roles: Sequence[Role], data: bytes, target: Target
) -> tuple[K, ...]:
    """GP-KMC as Dogtag 10.10 has it: with constant 01 for the ENC and the MAC key."""
    constants = [Role.ENC if role is Role.MAC else role for role in roles]
    return _gp_kmc(master, constants, data, target)


def nist_sp800_108_hmac(
    prf: Callable[[bytes], bytes], roles: Sequence[Role], data: bytes
) -> list[bytes]:
    """Return 16-byte key values of Dogtag's scheme: HMAC-SHA256 in counter mode.

    K(i) = HMAC(master, i ‖ 04 ‖ 00 ‖ data ‖ 0180), i = 1, 2; the first 48 bytes are ENC, MAC
    and DEK. No token without CKM_SP800_108_COUNTER_KDF does this inside, so that the values
    pass through the process, which is why this is not in `SCHEMES`. Parity is the caller's.
    """
    material = b"".join(prf(bytes([i, 4, 0]) + data + b"\x01\x80") for i in (1, 2))
    return [material[16 * (role - 1) : 16 * role] for role in roles]


def _two_halves(master: K, roles: Sequence[Role], serial: bytes, target: Target) -> tuple[K, ...]:
    return tuple(
        master.derive_ecb(serial + bytes([0xF0, role]) + serial + bytes([0x0F, role]), *target)
        for role in roles
    )


def _gp_kmc(master: K, constants: Sequence[int], data: bytes, target: Target) -> tuple[K, ...]:
    length = (target.algorithm.length * 8).to_bytes(2, "big")
    context = bytes(2) + data[6:10] + data[4:6]
    inputs = [
        CounterInput(b"", bytes([0, 0, 0, constant, 0]) + context + length)
        for constant in constants
    ]
    return master.derive_counter(inputs, *target)


SCHEMES: dict[str, Scheme] = {
    "none": none,
    "visa1": visa1,
    "visa2": visa2,
    "emv": emv,
    "kdf3": kdf3,
    "gp-kmc": gp_kmc,
    "gp-kmc-dogtag-10": gp_kmc_dogtag_10,
}

# Schemes that no PKCS#11 2.40 token computes inside.
EXPOSED_SCHEMES = ("nist-sp800-108-hmac",)


def card_keys(
    scheme: str,
    masters: Mapping[Role, K],
    roles: Sequence[Role],
    data: bytes,
    target: Target,
) -> dict[Role, K]:
    """Derive a card's static keys.

    Args:
        scheme: a name in `SCHEMES`.
        masters: the master key of each role; often one key for all three.
        roles: which of the card's keys are wanted.
        data: the diversification data, 10 bytes.
        target: the card keys' algorithm and use.

    Raises:
        KeyError: no such scheme.
        ValueError: the diversification data is not 10 bytes long.
    """
    if len(data) != 10:
        raise ValueError(f"diversification data is 10 bytes long, not {len(data)}")
    derive = SCHEMES[scheme]
    derived: dict[Role, K] = {}
    for role in roles:
        if role not in derived:  # roles with one master key share HSM calls
            master = masters[role]
            its_roles = [each for each in roles if masters[each] is master]
            derived |= zip(its_roles, derive(master, its_roles, data, target), strict=True)
    return derived
