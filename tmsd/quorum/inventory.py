"""What a token should hold, key by key, and how what it does hold differs from that.

An inventory is canonical JSON without a secret: names, algorithms, attributes, and check values or
hashes of public keys.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import itemgetter
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from tmsd.quorum import canonical
from tmsd.quorum.refusal import ApprovalRefused, Rule

LONGEST = 1024 * 1024
"""Length of the longest inventory, in bytes; a key takes about 300."""

_ONE_BYTE = 2
_Hex = Annotated[str, Meta(pattern=r"^([0-9a-f]{2})*\Z")]


class InventoriedKey(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One key object; the halves of a pair are two.

    `kind` stands for its CKA_CLASS, `id` is its CKA_ID, `attributes` are those boolean ones that
    are true, and `check` is 3 bytes that a secret key computes, or the SHA-256 of a pair's
    SubjectPublicKeyInfo; empty where there is none.
    """

    kind: Literal["secret", "private", "public"]
    label: str
    id: _Hex
    algorithm: Annotated[str, Meta(min_length=1, max_length=64)]
    attributes: tuple[Annotated[str, Meta(pattern=r"^[A-Z_]+\Z", max_length=64)], ...]
    check: _Hex

    @property
    def name(self) -> "ObjectName":
        """What no other object of the token should be called."""
        return ObjectName(self.kind, self.label, self.id)

    def __post_init__(self) -> None:
        """Refuse attributes that are out of order, or there twice."""
        if list(self.attributes) != sorted(set(self.attributes)):
            raise ValueError("attributes should be in alphabetical order, each once")


@dataclass(frozen=True, slots=True, order=True)
class ObjectName:
    """How an object is found: class, label, and id in hexadecimal."""

    kind: str
    label: str
    id: str

    @property
    def is_version(self) -> bool:
        """Whether the id is one byte."""
        return len(self.id) == _ONE_BYTE

    @property
    def version(self) -> str:
        """The version that the id is, or the id as it is."""
        return str(int(self.id, 16)) if self.is_version else f"CKA_ID {self.id or '-'}"

    def __str__(self) -> str:
        which = f"version {self.version}" if self.is_version else self.version
        return f"{self.kind} key {self.label!r} {which}"


class Inventory(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a token should hold: its label, its serial number, its keys by class, label and id."""

    format: Literal["tmsd-inventory-v1"] = "tmsd-inventory-v1"
    token: Annotated[str, Meta(max_length=32)]
    serial: Annotated[str, Meta(max_length=16)]
    keys: tuple[InventoriedKey, ...]

    def __post_init__(self) -> None:
        """Refuse keys that are out of order, or two of one name."""
        names = [key.name for key in self.keys]
        name, times = max(Counter(names).items(), key=itemgetter(1), default=(None, 0))
        if times > 1:
            raise ValueError(f"{name} is there {times} times")
        if names != sorted(names):
            raise ValueError("keys should be in the order of their kind, label and id")


class Drift(StrEnum):
    """In what a token differs from its inventory."""

    SERIAL = "serial"
    MISSING = "missing"
    EXTRA = "extra"
    DOUBLED = "doubled"
    ALGORITHM = "algorithm"
    ATTRIBUTE = "attribute"
    CHECK = "check"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be.

    Attributes:
        key: which key; None for the token itself.
        drift: in what it differs.
        should: what the inventory says of it.
        found: what the token says.
    """

    key: ObjectName | None
    drift: Drift
    should: str
    found: str

    def __str__(self) -> str:
        what = self.key or "token"
        if self.drift is Drift.MISSING:
            return f"{what}: missing"
        if self.drift is Drift.EXTRA:
            return f"{what}: not in the inventory"
        if self.drift is Drift.DOUBLED:
            return f"{what}: {self.found}"
        return f"{what}: {self.drift} should be {self.should}, and is {self.found}"


def keys_of(held: Iterable[object]) -> list[InventoriedKey]:
    """Return what an inventory says of keys that a token holds.

    Args:
        held: with the attributes of InventoriedKey, as hsm.held_keys has them.
    """
    return [msgspec.convert(each, InventoriedKey, from_attributes=True) for each in held]


def inventory_of(token: str, serial: str, held: Sequence[InventoriedKey]) -> Inventory:
    """Return the inventory of a token as it is.

    Raises:
        ApprovalRefused: `inventory-malformed`: two of its keys have one name.
    """
    try:
        return Inventory(token=token, serial=serial, keys=tuple(sorted(held, key=_name)))
    except ValueError as error:
        raise ApprovalRefused(Rule.INVENTORY_MALFORMED, str(error)) from None


def decode(document: bytes) -> Inventory:
    """Read an inventory.

    Raises:
        ApprovalRefused: `inventory-malformed`.
    """
    try:
        return canonical.decode(document, Inventory, longest=LONGEST)
    except ValueError as error:
        raise ApprovalRefused(Rule.INVENTORY_MALFORMED, str(error)) from None


def differences(
    inventory: Inventory, serial: str, held: Sequence[InventoriedKey]
) -> list[Difference]:
    """Return all in which a token differs from its inventory, by the names of its keys.

    Args:
        inventory: what it should hold.
        serial: of the token.
        held: what it holds, in any order; a name may be there more than once.
    """
    should = {key.name: key for key in inventory.keys}
    there: dict[ObjectName, list[InventoriedKey]] = {}
    for key in held:
        there.setdefault(key.name, []).append(key)
    found = [
        difference
        for name in sorted({*should, *there})
        for difference in _of_key(name, should.get(name), there.get(name, []))
    ]
    if serial != inventory.serial:
        found.insert(0, Difference(None, Drift.SERIAL, inventory.serial, serial))
    return found


def _of_key(
    name: ObjectName, should: InventoriedKey | None, there: Sequence[InventoriedKey]
) -> Iterator[Difference]:
    if should is None:
        yield Difference(name, Drift.EXTRA, "not there", _times(there))
    elif not there:
        yield Difference(name, Drift.MISSING, "there", "not there")
    elif len(there) > 1:
        yield Difference(name, Drift.DOUBLED, "there once", _times(there))
    else:
        yield from _of_value(name, should, there[0])


def _of_value(
    name: ObjectName, should: InventoriedKey, is_: InventoriedKey
) -> Iterator[Difference]:
    if should.algorithm != is_.algorithm:
        yield Difference(name, Drift.ALGORITHM, should.algorithm, is_.algorithm)
    for attribute in sorted({*should.attributes} ^ {*is_.attributes}):
        told: Mapping[bool, str] = {True: attribute, False: f"not {attribute}"}
        is_true = attribute in is_.attributes
        yield Difference(name, Drift.ATTRIBUTE, told[not is_true], told[is_true])
    if should.check != is_.check:
        yield Difference(name, Drift.CHECK, should.check or "none", is_.check or "none")


def _times(there: Sequence[InventoriedKey]) -> str:
    return "there" if len(there) == 1 else f"there {len(there)} times"


def _name(key: InventoriedKey) -> ObjectName:
    return key.name
