"""What there is to combine, written down once more and not taken from the code under test."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle, product

from tests.matrix.issuers import Issuer

_C = (0x01, 0x03)
_C_R = (*_C, 0x11, 0x13)
_C_R_ENC = (*_C_R, 0x33)

LEVELS: dict[int, dict[int, Sequence[int]]] = {
    0x01: dict.fromkeys((0x05, 0x15), _C),
    0x02: {
        **dict.fromkeys((0x04, 0x05, 0x14, 0x15, 0x54, 0x55), _C),
        **dict.fromkeys((0x34, 0x35, 0x74, 0x75), _C_R),
    },
    0x03: {
        **dict.fromkeys((0x00, 0x01, 0x10, 0x11), _C),
        **dict.fromkeys((0x20, 0x21, 0x30, 0x31), _C_R),
        **dict.fromkeys((0x60, 0x61, 0x70, 0x71), _C_R_ENC),
    },
}
"""The security levels of each i of each protocol."""

MASTERS = {
    (0x01, "des3"): ("des3",),
    (0x02, "des3"): ("des3",),
    (0x03, "aes128"): ("aes128", "des3"),
    (0x03, "aes192"): ("aes192",),
    (0x03, "aes256"): ("aes256",),
}
"""The algorithms of master keys, by protocol and algorithm of the card keys."""

SCHEMES = {
    ("des3", "des3"): ("none", "visa1", "visa2", "emv", "nist-sp800-108-hmac"),
    ("des3", "aes128"): ("visa2", "emv"),
    **{
        (aes, aes): ("none", "kdf3", "gp-kmc", "gp-kmc-dogtag-10")
        for aes in ("aes128", "aes192", "aes256")
    },
}
"""The diversifications, by algorithm of the master keys and of the card keys."""


@dataclass(frozen=True, slots=True)
class Combination:
    """A kind of channel: `issuer` is whose cards, `i` and `level` are 1 byte each."""

    issuer: Issuer
    i: int
    level: int

    @property
    def mac_length(self) -> int:
        """The length of MACs on the wire, in bytes."""
        return 16 if self.issuer.scp == 0x03 and self.i & 0x01 else 8

    def __str__(self) -> str:
        return f"{self.issuer.name}-i{self.i:02x}-level{self.level:02x}"


def issuers() -> Iterator[Issuer]:
    """Yield every diversification of every algorithm in every protocol.

    By KDD and by CUID, from one master key and from three.
    """
    for (scp, algorithm), masters in MASTERS.items():
        for master in masters:
            for scheme, by_cuid, three in product(
                SCHEMES[master, algorithm], (False, True), (False, True)
            ):
                yield Issuer(scp, algorithm, master, scheme, by_cuid=by_cuid, three_masters=three)


ISSUERS = tuple(issuers())


def _at_every_level() -> Iterator[Combination]:
    for key in MASTERS:
        kinds = [issuer for issuer in ISSUERS if (issuer.scp, issuer.algorithm) == key]
        # One after the other: each of them comes up somewhere.
        next_kind = cycle(kinds)
        for i, levels in LEVELS[key[0]].items():
            for level in levels:
                yield Combination(next(next_kind), i, level)


def _with_every_diversification() -> Iterator[Combination]:
    for issuer in ISSUERS:
        for i, levels in LEVELS[issuer.scp].items():
            for level in levels:
                yield Combination(issuer, i, level)


AT_EVERY_LEVEL = tuple(_at_every_level())
"""Every level of every i of every protocol, for every algorithm; diversifications take turns."""

WITH_EVERY_DIVERSIFICATION = tuple(_with_every_diversification())
"""Every issuer for every i of its protocol, at every level of it: the whole product."""
