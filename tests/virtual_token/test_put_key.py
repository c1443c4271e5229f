"""PUT KEY on the card: which keys it has afterwards, and that it is all or nothing."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.virtual_token.card import Card
from tests.virtual_token.changeover import PROFILES, keys_for, new_keys, profile, put, put_key
from tests.virtual_token.keyring import AES, DES, KeyGroup
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.protocols import PROTOCOLS
from tests.virtual_token.terminal import OK, initialize_update, open_session, opens

SELECT_FIRST_KEYS = bytes.fromhex("8050000008") + bytes(8)

each_protocol = pytest.mark.parametrize(
    "card_profile", PROFILES, ids=lambda p: f"scp{p.scp:02}-i{p.i:02X}-{len(p.enc)}"
)


def challenged(card: Card, group: KeyGroup) -> bytes:
    """Return the card's answer to INITIALIZE UPDATE for a version."""
    challenge = bytes(PROTOCOLS[group.scp].challenge_length(group.i))
    return card.transmit(initialize_update(group, challenge))


@each_protocol
def test_replaced_keys_open_channels_and_the_old_ones_no_longer(card_profile: CardProfile) -> None:
    card = Card(card_profile)
    old, keys = card.keyring.groups[0], keys_for(card)

    assert put(card, "0181", 2, keys) == "9000"
    assert opens(card, replace(old, version=2, keys=keys))
    assert challenged(card, old).hex() == "6a88"


@each_protocol
def test_keys_may_be_replaced_under_the_same_version(card_profile: CardProfile) -> None:
    card = Card(card_profile)
    old, keys = card.keyring.groups[0], keys_for(card)

    assert put(card, "0181", 1, keys) == "9000"
    assert opens(card, replace(old, keys=keys))
    assert not opens(card, old)


@each_protocol
def test_added_keys_leave_the_others_as_they_are(card_profile: CardProfile) -> None:
    card = Card(card_profile)
    first = card.keyring.groups[0]
    added = replace(first, version=2, keys=keys_for(card))

    assert put(card, "0081", 2, added.keys) == "9000"
    assert opens(card, added)
    assert opens(card, first)
    assert challenged(card, replace(first, version=0))[10] == 1


@pytest.mark.parametrize(
    ("card_profile", "levels"),
    [
        (profile(1, 0x15), (0x01, 0x03)),
        (profile(2, 0x55), (0x01, 0x03)),
        (profile(2, 0x34), (0x01, 0x03, 0x11, 0x13)),
        (profile(2, 0x75), (0x01, 0x03, 0x11, 0x13)),
        (profile(3, 0x30), (0x01, 0x03, 0x11, 0x13)),
        (profile(3, 0x61, 24), (0x01, 0x03, 0x11, 0x13, 0x33)),
        (profile(3, 0x70, 32), (0x01, 0x03, 0x11, 0x13, 0x33)),
    ],
)
def test_the_response_is_the_version_and_the_check_values_at_every_level(
    card_profile: CardProfile, levels: tuple[int, ...]
) -> None:
    for level in levels:
        card = Card(card_profile)
        keys = keys_for(card)
        check_values = b"".join(key.check_value for key in keys.values())
        session = open_session(card.transmit, card.keyring.groups[0], level)

        assert session.send(put_key(session, "0181", 0x7F, keys)) == b"\x7f" + check_values + OK


@each_protocol
def test_the_session_goes_on_with_the_keys_it_was_opened_with(card_profile: CardProfile) -> None:
    card = Card(card_profile)
    session = open_session(card.transmit, card.keyring.groups[0], 0x03)
    keys = keys_for(card)

    assert session.send(put_key(session, "0181", 1, keys)).endswith(OK)
    assert session.send_hex("80E2900004DF2001AA") == "9000"
    assert session.send(put_key(session, "0181", 5, keys)).endswith(OK)


@each_protocol
def test_new_keys_survive_power_off_and_the_process(
    card_profile: CardProfile, tmp_path: Path
) -> None:
    path = tmp_path / "card.json"
    card = Card(card_profile, NonVolatileMemory(path))
    keys = keys_for(card)
    put(card, "0081", 2, keys)
    put(card, "0181", 3, keys)
    again = Card(card_profile, NonVolatileMemory(path))

    assert [group.version for group in again.keyring.groups] == [3, 2]
    assert again.keyring == card.keyring
    assert all(opens(again, group) for group in again.keyring.groups)
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.json"]


@pytest.mark.parametrize("keys", ['[{"version": "01"}]', '[{"keys": {}}]', "7"])
def test_a_file_with_keys_that_no_card_wrote_is_named(keys: str, tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text(f'{{"sequence_counters": {{}}, "objects": {{}}, "keys": {keys}}}')

    with pytest.raises(ValueError, match=r"card\.json is no card memory"):
        NonVolatileMemory(path)


def test_the_keys_on_the_card_are_not_shown() -> None:
    card = Card(profile(2, 0x15))
    put(card, "0081", 2, keys_for(card))

    for group in card.keyring.groups:
        for key in group.keys.values():
            assert key.value.hex() not in repr(card.keyring)
            assert repr(key.value) not in repr(card.keyring)


def test_the_card_lists_every_key_and_every_protocol_it_has() -> None:
    card = Card(profile(2, 0x15, upgrade_i=0x70))
    put(card, "0081", 2, keys_for(card))
    put(card, "0281", 3, new_keys(32, AES))
    card.reset()

    information = card.transmit(bytes.fromhex("00CA00E000"))[:-2].hex().upper()
    assert information == (
        "C00401018010C00402018010C00403018010C00401038820C00402038820C00403038820"
    )
    recognition = card.transmit(bytes.fromhex("00CA006600")).hex()
    assert "06092a864886fc6b040215" in recognition
    assert "06092a864886fc6b040370" in recognition


@pytest.mark.parametrize(
    ("p1p2", "status_word"),
    [
        ("0281", "6a88"),
        ("7F81", "6a88"),
        ("0201", "6a88"),
        ("8181", "6a86"),
        ("FF81", "6a86"),
        ("0182", "6a86"),
        ("0180", "6a86"),
        ("0104", "6a86"),
        ("0100", "6a86"),
        ("0001", "6a80"),
        ("0081", "6a80"),
    ],
)
def test_keys_to_replace_are_there_and_keys_to_add_are_not(p1p2: str, status_word: str) -> None:
    card = Card(profile(3, 0x70))
    keys = keys_for(card)
    if p1p2[2] == "0":
        keys = {1: keys[1]}

    assert put(card, p1p2, 1, keys) == status_word


@each_protocol
def test_a_channel_with_c_mac_is_needed(card_profile: CardProfile) -> None:
    card = Card(replace(card_profile, minimum_level=0x00))
    group = card.keyring.groups[0]
    session = open_session(card.transmit, group, 0x00)
    plain = put_key(session, "0181", 1, keys_for(card))

    assert session.send(plain).hex() == "6982"
    card.reset()
    assert card.transmit(plain.encode()).hex() == "6982"
    assert card.transmit(replace(plain, cla=0x84).encode()).hex() == "6982"
    assert card.transmit(replace(plain, cla=0x00).encode()).hex() == "6e00"
    assert card.keyring.groups == (group,)


@pytest.mark.parametrize(("scp", "i", "again"), [(1, 0x05, "9000"), (2, 0x15, "6a80")])
def test_keys_come_under_the_static_dek_in_scp01_and_the_session_s_in_scp02(
    scp: int, i: int, again: str
) -> None:
    card = Card(profile(scp, i))
    group = card.keyring.groups[0]
    session = open_session(card.transmit, group, 0x01)
    command = put_key(session, "0081", 2, keys_for(card))

    assert session.send(command).endswith(OK)
    later = open_session(card.transmit, group, 0x01)
    assert later.send(replace(command, data=b"\x03" + command.data[1:]))[-2:].hex() == again


@pytest.mark.parametrize("identifier", [1, 2, 3])
@each_protocol
def test_a_single_key_is_replaced_by_its_identifier(
    card_profile: CardProfile, identifier: int
) -> None:
    card = Card(card_profile)
    old = card.keyring.groups[0]
    key = {identifier: keys_for(card)[identifier]}

    assert put(card, f"01{identifier:02X}", 1, key) == "9000"
    assert card.keyring.groups == (replace(old, keys={**old.keys, **key}),)
    assert opens(card, card.keyring.groups[0])


def test_a_version_that_lacks_a_key_opens_no_channel() -> None:
    card = Card(profile(3, 0x70))
    first, keys = card.keyring.groups[0], keys_for(card)
    put(card, "0001", 2, {1: keys[1]})
    put(card, "0002", 2, {2: keys[2]})

    assert challenged(card, card.keyring.groups[1]).hex() == "6a88"
    assert put(card, "0003", 2, {3: keys[3]}) == "9000"
    assert opens(card, card.keyring.groups[1])
    assert opens(card, first)


def test_a_single_key_may_move_to_another_version_and_leaves_a_gap() -> None:
    card = Card(profile(3, 0x70))
    keys = keys_for(card)
    put(card, "0081", 3, keys)
    last = card.keyring.groups[1]

    assert put(card, "0102", 2, {2: keys[2]}, last) == "9000"
    assert [(group.version, list(group.keys)) for group in card.keyring.groups] == [
        (1, [1, 3]),
        (2, [2]),
        (3, [1, 2, 3]),
    ]
    assert card.transmit(SELECT_FIRST_KEYS)[10] == 3  # the first that are complete
    assert put(card, "0303", 2, {3: keys[3]}, last) == "9000"
    assert card.transmit(SELECT_FIRST_KEYS).hex() == "6a88"


def test_a_version_has_keys_of_one_algorithm_and_length() -> None:
    card = Card(profile(2, 0x15, upgrade_i=0x70))
    put(card, "0001", 2, {1: new_keys(16, AES)[1]})

    assert put(card, "0101", 1, {1: new_keys(16, AES)[1]}) == "6a80"
    assert put(card, "0102", 2, {2: new_keys(16, DES)[2]}) == "6a80"
    assert put(card, "0002", 2, {2: new_keys(32, AES)[2]}) == "6a80"


def test_a_version_has_keys_of_one_protocol_and_options() -> None:
    card = Card(profile(3, 0x30, upgrade_i=0x70))
    keys = new_keys(32, AES)
    put(card, "0081", 2, keys)  # as they are added over i=30
    put(card, "0181", 1, keys)  # as they take the place of shorter keys
    put(card, "0201", 3, {1: keys[1]})
    upgraded, _, other = card.keyring.groups

    assert (upgraded.i, other.i) == (0x70, 0x30)
    assert put(card, "0102", 3, {2: keys[2]}) == "6a80"
    assert put(card, "0202", 3, {2: keys[2]}) == "9000"


def test_a_base_key_is_replaced_alone() -> None:
    card = Card(replace(profile(2, 0x14), mac=b"", dek=b""))
    keys = keys_for(card)

    assert put(card, "0181", 1, keys) == "6a88"
    assert put(card, "0101", 1, {1: keys[1]}) == "9000"
    assert dict(card.keyring.groups[0].keys) == {1: keys[1]}
    assert opens(card, card.keyring.groups[0])
    assert put(card, "0081", 2, keys) == "9000"
    assert opens(card, card.keyring.groups[1])


@pytest.mark.parametrize(("scp", "i", "after_a_single_key"), [(2, 0x15, 0), (3, 0x70, 3)])
def test_sequence_counters_begin_again_with_new_keys(
    scp: int, i: int, after_a_single_key: int
) -> None:
    memory = NonVolatileMemory()
    card = Card(profile(scp, i), memory)
    keys = keys_for(card)
    for _ in range(2):
        open_session(card.transmit, card.keyring.groups[0], 0x01)

    put(card, "0102", 1, {2: keys[2]})
    assert memory.counter(1) == after_a_single_key
    put(card, "0181", 1, keys)
    assert memory.counter(1) == 0
    open_session(card.transmit, card.keyring.groups[0], 0x01)
    put(card, "0181", 2, keys)
    assert memory.counter(1) == memory.counter(2) == 0


@pytest.mark.parametrize(("scp", "i"), [(1, 0x05), (2, 0x15), (2, 0x55)])
@pytest.mark.parametrize("length", [16, 24, 32])
def test_a_card_that_can_be_upgraded_speaks_scp03_with_aes_keys_in_place_of_des(
    scp: int, i: int, length: int
) -> None:
    card = Card(profile(scp, i, upgrade_i=0x71))
    keys = new_keys(length, AES)

    assert put(card, "0181", 1, keys) == "9000"
    assert card.keyring.groups == (KeyGroup(1, 3, 0x71, keys),)
    assert opens(card, card.keyring.groups[0])
    assert card.transmit(SELECT_FIRST_KEYS).hex() == "6700"  # S16 wants 16 bytes


@pytest.mark.parametrize(
    ("card_profile", "length", "key_type"),
    [
        (profile(1, 0x05), 16, AES),
        (profile(2, 0x15), 32, AES),
        (profile(3, 0x70), 32, AES),
        (profile(3, 0x70, 32), 16, AES),
        (profile(3, 0x70), 16, DES),
        (profile(3, 0x70, 24, upgrade_i=0x70), 16, AES),
        (profile(3, 0x70, 24, upgrade_i=0x70), 16, DES),
    ],
)
def test_keys_keep_their_algorithm_and_length_but_for_an_upgrade(
    card_profile: CardProfile, length: int, key_type: int
) -> None:
    assert put(Card(card_profile), "0181", 1, new_keys(length, key_type)) == "6a80"


def test_an_upgrade_may_make_aes_keys_longer() -> None:
    card = Card(profile(3, 0x30, 24, upgrade_i=0x70))
    keys = new_keys(32, AES)

    assert put(card, "0181", 2, keys) == "9000"
    assert opens(card, KeyGroup(2, 3, 0x70, keys))


def test_no_des_keys_are_added_over_a_channel_of_aes_keys() -> None:
    card = Card(profile(3, 0x70, upgrade_i=0x70))

    assert put(card, "0081", 2, new_keys(16, DES)) == "6a80"


def test_initial_keys_go_when_the_issuer_s_are_complete() -> None:
    card = Card(replace(profile(2, 0x15), key_version=0xFF))
    initial, keys = card.keyring.groups[0], keys_for(card)
    put(card, "0001", 1, {1: keys[1]})

    assert opens(card, initial)
    assert put(card, "0081", 2, keys) == "9000"
    assert [group.version for group in card.keyring.groups] == [1, 2]
    assert opens(card, card.keyring.groups[1])
    assert challenged(card, initial).hex() == "6a88"
