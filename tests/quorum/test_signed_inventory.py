"""What officers are shown of an inventory, and which one counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.quorum import canonical
from tmsd.quorum.inventory import InventoriedKey, Inventory, ObjectName
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.quorum.request import LONGEST_VALUE
from tmsd.quorum.signed_inventory import (
    SignedInventory,
    digest,
    newest,
    require_signed,
    shown,
)

CEREMONY = "0123456789abcdef" * 2
ROOM_IN_MINUTES = 12 * 1024


def secret(label: str, version: int = 1, check: str = "0a1b2c") -> InventoriedKey:
    return InventoriedKey(
        kind="secret",
        label=label,
        id=f"{version:02x}",
        algorithm="aes256",
        attributes=(),
        check=check,
    )


def inventory(*keys: InventoriedKey) -> Inventory:
    return Inventory(
        token="pilot",
        serial="2bcc95d2",
        keys=tuple(sorted(keys, key=_name)),
    )


def _name(key: InventoriedKey) -> ObjectName:
    return key.name


def signed(document: bytes, at: int) -> SignedInventory:
    return SignedInventory(inventory=digest(document), ceremony=CEREMONY, signed=at)


def test_each_key_is_shown_by_its_name_and_check_value_and_a_pair_once() -> None:
    private, public = (
        InventoriedKey(
            kind=kind, label="ca", id="01", algorithm="p256", attributes=(), check="ab" * 32
        )
        for kind in ("private", "public")
    )
    taken = inventory(secret("demo"), secret("demo", 2, check=""), private, public)
    assert shown(taken) == {
        "inventory_sha256": digest(canonical.encode(taken)),
        "key_objects": 4,
        "token_serial": "2bcc95d2",
        "keys_01": f"'ca' 1 p256 {'ab' * 8}; 'demo' 1 aes256 0a1b2c; 'demo' 2 aes256 -",
    }


def test_an_empty_token_shows_no_keys() -> None:
    assert shown(inventory())["key_objects"] == 0


@given(st.sets(st.text(min_size=1, max_size=70), max_size=400))
def test_of_any_keys_no_more_is_shown_than_minutes_have_room_for(labels: set[str]) -> None:
    told = shown(inventory(*map(secret, labels)))
    lists = [str(value) for name, value in told.items() if name.startswith("keys_0")]
    lists += [str(told["keys_10"])] if "keys_10" in told else []

    assert all(0 < len(text) <= LONGEST_VALUE and text.isascii() for text in lists) or not labels
    assert sum(map(len, lists)) < ROOM_IN_MINUTES
    listed = sum(text.count(" aes256 ") for text in lists)
    assert listed + int(told.get("keys_not_shown", 0)) >= len(labels)


def test_the_inventory_that_was_signed_last_counts() -> None:
    first, second = (canonical.encode(inventory(secret(label))) for label in ("one", "two"))
    kept = [canonical.encode(signed(second, 2)), canonical.encode(signed(first, 1))]
    last = newest(kept)

    require_signed(second, last)
    with pytest.raises(ApprovalRefused) as refused:
        require_signed(first, last)
    assert refused.value.rule is Rule.INVENTORY_ALTERED
    assert refused.value.words == (
        f"its SHA-256 is {digest(first)}; the token knows the inventory with SHA-256 "
        f"{digest(second)}, signed on 1970-01-01 00:00:02 UTC in ceremony {CEREMONY}"
    )


def test_before_any_was_signed_none_counts() -> None:
    assert newest([]) is None
    with pytest.raises(ApprovalRefused) as refused:
        require_signed(canonical.encode(inventory()), None)
    assert refused.value.rule is Rule.INVENTORY_UNSIGNED


def test_what_another_program_left_in_the_token_is_refused() -> None:
    with pytest.raises(ApprovalRefused) as refused:
        newest([b"{}"])
    assert refused.value.rule is Rule.INVENTORY_MALFORMED
