"""The inventory that officers signed: what the token remembers of it, and what they are shown."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.quorum import canonical
from tmsd.quorum.canonical import UnixTime
from tmsd.quorum.inventory import InventoriedKey, Inventory
from tmsd.quorum.quorum import Sha256Hex
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_VALUE

_MOST_LISTS = 10  # what a line of minutes has room for
_LONGEST_LABEL = 64
_SHOWN_OF_CHECK = 16


class SignedInventory(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """An inventory that a quorum signed in a ceremony, as the token remembers it.

    `inventory` is the SHA-256 of the file, `ceremony` the number of the minutes that have the
    approvals, and `signed` is in seconds of Unix time.
    """

    format: Literal["tmsd-signed-inventory-v1"] = "tmsd-signed-inventory-v1"
    inventory: Sha256Hex
    ceremony: Annotated[str, Meta(pattern=r"^[0-9a-f]{32}\Z")]
    signed: UnixTime

    def __str__(self) -> str:
        """Return it in words."""
        at = datetime.fromtimestamp(self.signed, UTC)
        return (
            f"the inventory with SHA-256 {self.inventory}, signed on {at:%Y-%m-%d %H:%M:%S} UTC "
            f"in ceremony {self.ceremony}"
        )


def newest(documents: Sequence[bytes]) -> SignedInventory | None:
    """Return what a token remembers; None before officers have signed an inventory.

    Raises:
        ApprovalRefused: `inventory-malformed`: it remembers what is none.
    """
    try:
        remembered = [canonical.decode(each, SignedInventory) for each in documents]
    except ValueError as error:
        words = f"the token remembers what is no signed inventory: {error}"
        raise ApprovalRefused(Rule.INVENTORY_MALFORMED, words) from None
    return max(remembered, key=lambda each: each.signed, default=None)


def digest(document: bytes) -> str:
    """Return the SHA-256 of an inventory in canonical form, as 64 hex digits."""
    return sha256(document).hexdigest()


def require_signed(document: bytes, signed: SignedInventory | None) -> None:
    """Refuse an inventory that is not the one that officers signed last.

    Args:
        document: in canonical form.
        signed: as the token remembers it.

    Raises:
        ApprovalRefused: `inventory-unsigned`, `inventory-altered`.
    """
    if signed is None:
        raise ApprovalRefused(
            Rule.INVENTORY_UNSIGNED,
            "the token has a quorum of officers, and they have signed no inventory: "
            "the step sign-inventory of a ceremony does it",
        )
    if digest(document) != signed.inventory:
        raise ApprovalRefused(
            Rule.INVENTORY_ALTERED, f"its SHA-256 is {digest(document)}; the token knows {signed}"
        )


def shown(inventory: Inventory) -> dict[str, str | int]:
    """Return what officers are shown of an inventory, as parameters of their request.

    A key pair is told by its private half. Where there are too many keys to be shown, the hash
    stands for the rest.
    """
    told: dict[str, str | int] = {
        "inventory_sha256": digest(canonical.encode(inventory)),
        "key_objects": len(inventory.keys),
        "token_serial": inventory.serial,
    }
    keys = [_told(key) for key in inventory.keys if key.kind != "public"]
    for number, some in zip(range(1, _MOST_LISTS + 1), _lists(keys), strict=False):
        told[f"keys_{number:02}"] = "; ".join(some)
        keys = keys[len(some) :]
    if keys:
        told["keys_not_shown"] = len(keys)
    return told


def _told(key: InventoriedKey) -> str:
    check = key.check[:_SHOWN_OF_CHECK] or "-"
    return f"{ascii(key.label)[:_LONGEST_LABEL]} {key.name.version[:32]} {key.algorithm} {check}"


def _lists(told: Sequence[str]) -> Iterator[list[str]]:
    """Yield all of them, as many at a time as a parameter has room for."""
    some: list[str] = []
    for each in told:
        if len("; ".join([*some, each])) > LONGEST_VALUE:
            yield some
            some = []
        some.append(each)
    yield some
