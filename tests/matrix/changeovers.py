"""Key changeovers: which cards can go where."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import cycle

from tests.matrix.channels import Mode
from tests.matrix.combinations import ISSUERS, LEVELS
from tests.matrix.issuers import Issuer

UPGRADE_I = 0x70

# SCP02 with one base key: in its place three keys of another protocol cannot go.
_BASE_KEY = [i for i in LEVELS[0x02] if not i & 0x01]


@dataclass(frozen=True, slots=True)
class Changeover:
    """A card of `source` with `i` goes over to `version` of `target`, in a channel at `level`.

    `is_exposed` tells whether the new keys are readable in the worker on their way.
    """

    source: Issuer
    i: int
    level: int
    target: Issuer
    version: int
    mode: Mode

    def __str__(self) -> str:
        return (
            f"{self.source.name}-i{self.i:02x}-level{self.level:02x}-{self.mode}-"
            f"{self.target.name}-{self.version}"
        )

    @property
    def old_version(self) -> int:
        """The version of the card's keys before."""
        return self.source.versions[0]

    @property
    def upgrade_i(self) -> int | None:
        """What an AES key in another's place makes of the card; None where nothing changes."""
        if (self.source.scp, self.source.algorithm) == (self.target.scp, self.target.algorithm):
            return None
        return UPGRADE_I

    @property
    def is_exposed(self) -> bool:
        """SoftHSM wraps nothing with triple DES, and derives nothing with HMAC."""
        return self.source.algorithm == "des3" or self.target.is_exposed


def _excepted(issuer: Issuer) -> Issuer:
    """Return the issuer as it must be for keys to leave under triple DES."""
    return issuer if issuer.is_exposed else replace(issuer, exception=True)


def _changeable() -> Iterator[Issuer]:
    """Yield issuers whose cards may go over to the next version of their keys."""
    for issuer in ISSUERS:
        if issuer.scheme != "none":
            yield _excepted(issuer) if issuer.algorithm == "des3" else issuer


AES_TARGETS = tuple(
    Issuer(0x03, algorithm, master, scheme, exception=True)
    for algorithm, master, scheme in (
        ("aes128", "aes128", "kdf3"),
        ("aes192", "aes192", "kdf3"),
        ("aes256", "aes256", "gp-kmc"),
        ("aes128", "des3", "emv"),
    )
)
"""Where cards with triple DES keys go."""

_LONGER_KEYS = {
    "aes128": ("scp03-aes192-kdf3-kdd", "scp03-aes256-kdf3-kdd"),
    "aes192": ("scp03-aes256-kdf3-kdd",),
}


def _with_further_targets(issuer: Issuer) -> Issuer:
    """Add what lies beyond the next version: AES for triple DES, longer keys for AES."""
    if issuer.algorithm == "des3":
        return replace(issuer, change_to=tuple(f"{t.name}:2" for t in AES_TARGETS))
    longer = _LONGER_KEYS.get(issuer.algorithm, ())
    return replace(issuer, change_to=tuple(f"{name}:2" for name in longer))


SOURCES = tuple(_with_further_targets(issuer) for issuer in _changeable())

_BY_NAME = {issuer.name: issuer for issuer in (*ISSUERS, *SOURCES, *AES_TARGETS)}


def _initial(first: Issuer) -> Issuer:
    """Return who issues cards with initial keys, which are all the same, to be `first`'s."""
    return Issuer(
        first.scp,
        first.algorithm,
        first.algorithm,
        "none",
        factory=True,
        change_to=(f"{first.name}:1",),
    )


_FIRST = [
    _BY_NAME[name]
    for name in (
        "scp01-des3-visa2-kdd-exception",
        "scp02-des3-emv-kdd-exception",
        "scp03-aes128-kdf3-kdd",
        "scp03-aes192-gp-kmc-cuid",
        "scp03-aes256-kdf3-kdd-three",
    )
]
INITIAL = tuple(_initial(first) for first in _FIRST)

CHANGEOVER_ISSUERS = (*SOURCES, *AES_TARGETS, *INITIAL)


def _to_the_next_version() -> Iterator[Changeover]:
    """Yield every level of every i of every protocol, for every algorithm and both modes."""
    for key in dict.fromkeys((source.scp, source.algorithm) for source in SOURCES):
        next_source = cycle(s for s in SOURCES if (s.scp, s.algorithm) == key)
        for i, levels in LEVELS[key[0]].items():
            for level in levels:
                source = next(next_source)
                yield Changeover(source, i, level, source, 2, "add")
                yield Changeover(source, i, level, source, 2, "replace")


def _from_initial_keys() -> Iterator[Changeover]:
    for source, target in zip(INITIAL, _FIRST, strict=True):
        for i, levels in LEVELS[source.scp].items():
            yield Changeover(source, i, max(levels), target, 1, "add")
            yield Changeover(source, i, min(levels), target, 1, "replace")


def _to_aes() -> Iterator[Changeover]:
    for name in ("scp01-des3-visa2-kdd-exception", "scp02-des3-emv-kdd-exception"):
        source = _BY_NAME[name]
        for i, levels in LEVELS[source.scp].items():
            for target in AES_TARGETS:
                yield Changeover(source, i, max(levels), target, 2, "add")
                if source.scp != 0x02 or i not in _BASE_KEY:
                    yield Changeover(source, i, max(levels), target, 2, "replace")


def _to_longer_keys() -> Iterator[Changeover]:
    for algorithm, names in _LONGER_KEYS.items():
        source = _BY_NAME[f"scp03-{algorithm}-kdf3-kdd"]
        for name in names:
            for i, levels in LEVELS[source.scp].items():
                yield Changeover(source, i, max(levels), _BY_NAME[name], 2, "replace")


CHANGEOVERS = (
    *_to_the_next_version(),
    *_from_initial_keys(),
    *_to_aes(),
    *_to_longer_keys(),
)
