"""Inventories: one form, and every way to differ from one."""

from dataclasses import dataclass

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd import clock
from tmsd.quorum import canonical
from tmsd.quorum.inventory import (
    LONGEST,
    Difference,
    Drift,
    InventoriedKey,
    Inventory,
    ObjectName,
    decode,
    differences,
    inventory_of,
    keys_of,
)
from tmsd.quorum.refusal import ApprovalRefused

KEY = InventoriedKey(
    kind="secret",
    label="demo",
    id="01",
    algorithm="aes256",
    attributes=("DERIVE", "SENSITIVE"),
    check="0a0b0c",
)
INVENTORY = inventory_of("tmsd", "0123", [KEY])

_hex = st.binary(max_size=32).map(bytes.hex)
_keys = st.builds(
    InventoriedKey,
    kind=st.sampled_from(["secret", "private", "public"]),
    label=st.text(st.characters(exclude_categories=["Cs"])),
    id=_hex,
    algorithm=st.sampled_from(["aes128", "des2", "p256", "dsa"]),
    attributes=st.sets(st.sampled_from(["SIGN", "DERIVE", "LOCAL"])).map(
        lambda names: tuple(sorted(names))
    ),
    check=_hex,
)
_inventories = st.builds(
    inventory_of,
    st.text("abc", max_size=32),
    st.text("012", max_size=16),
    st.lists(_keys, unique_by=lambda key: key.name),
)


@given(_inventories)
def test_an_inventory_is_read_as_it_was_written_and_differs_not_from_itself(
    inventory: Inventory,
) -> None:
    read = decode(canonical.encode(inventory))
    assert read == inventory
    assert differences(read, inventory.serial, list(reversed(inventory.keys))) == []


def test_the_form_is_that_of_the_manual() -> None:
    assert canonical.encode(INVENTORY) == (
        b'{"format":"tmsd-inventory-v1","keys":[{"algorithm":"aes256",'
        b'"attributes":["DERIVE","SENSITIVE"],"check":"0a0b0c","id":"01","kind":"secret",'
        b'"label":"demo"}],"serial":"0123","token":"tmsd"}\n'
    )


@pytest.mark.parametrize(
    ("was", "becomes", "reason"),
    [
        (b'"0a0b0c"', b'"0A0B0C"', "keys"),
        (b'"id":"01"', b'"id":"01\\n"', "keys"),
        (b'"secret"', b'"certificate"', "Invalid enum value 'certificate'"),
        (b'["DERIVE","SENSITIVE"]', b'["SENSITIVE","DERIVE"]', "alphabetical order"),
        (b'["DERIVE","SENSITIVE"]', b'["DERIVE","DERIVE"]', "each once"),
        (b"-v1", b"-v2", "format"),
        (b'"serial"', b'"note":"","serial"', "unknown field `note`"),
        (b",", b", ", "not canonical"),
    ],
)
def test_what_is_no_inventory_is_refused(was: bytes, becomes: bytes, reason: str) -> None:
    document = canonical.encode(INVENTORY)
    assert was in document
    with pytest.raises(ApprovalRefused, match="inventory-malformed: ") as refused:
        decode(document.replace(was, becomes))
    assert reason in refused.value.words


def test_no_two_keys_of_an_inventory_have_one_name() -> None:
    with pytest.raises(
        ApprovalRefused,
        match="inventory-malformed: secret key 'demo' version 1 is there 2 times",
    ):
        inventory_of("tmsd", "0123", [KEY, KEY])


def test_the_longest_inventory_is_read_at_once() -> None:
    many = tuple(msgspec.structs.replace(KEY, label=f"{number:05}") for number in range(8000))
    document = canonical.encode(inventory_of("tmsd", "0123", many))
    assert LONGEST // 2 < len(document) < LONGEST
    before = clock.monotonic()

    decode(document)

    assert clock.monotonic() - before < 1


def _changed(**fields: object) -> InventoriedKey:
    return msgspec.convert({**msgspec.to_builtins(KEY), **fields}, InventoriedKey)


@dataclass(frozen=True, slots=True)
class _Case:
    there: list[InventoriedKey]
    told: list[str]


NAME = "secret key 'demo' version 1"


@pytest.mark.parametrize(
    "case",
    [
        _Case([], [f"{NAME}: missing"]),
        _Case([KEY, KEY], [f"{NAME}: there 2 times"]),
        _Case(
            [KEY, _changed(id="0102")],
            ["secret key 'demo' CKA_ID 0102: not in the inventory"],
        ),
        _Case(
            [_changed(algorithm="aes128")],
            [f"{NAME}: algorithm should be aes256, and is aes128"],
        ),
        _Case(
            [_changed(attributes=["DERIVE", "EXTRACTABLE"])],
            [
                f"{NAME}: attribute should be not EXTRACTABLE, and is EXTRACTABLE",
                f"{NAME}: attribute should be SENSITIVE, and is not SENSITIVE",
            ],
        ),
        _Case([_changed(check="")], [f"{NAME}: check should be 0a0b0c, and is none"]),
        _Case(
            [_changed(kind="public")],
            ["public key 'demo' version 1: not in the inventory", f"{NAME}: missing"],
        ),
    ],
)
def test_each_difference_is_told_by_the_name_of_its_key(case: _Case) -> None:
    assert [str(each) for each in differences(INVENTORY, "0123", case.there)] == case.told


def test_another_token_is_told_by_its_serial_number() -> None:
    assert differences(INVENTORY, "4567", [KEY]) == [Difference(None, Drift.SERIAL, "0123", "4567")]


def test_what_a_token_holds_is_taken_by_its_fields() -> None:
    assert keys_of([KEY]) == [KEY]
    assert KEY.name == ObjectName("secret", "demo", "01")
