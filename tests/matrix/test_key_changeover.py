"""Key changeover from end to end: the card has the new keys, or it has the old ones."""

import pytest

from tests.matrix.changeovers import AES_TARGETS, CHANGEOVERS, SOURCES, UPGRADE_I, Changeover
from tests.matrix.channels import OK, Channel, Mode, open_channel
from tests.matrix.combinations import ISSUERS, LEVELS
from tests.matrix.issuers import Issuer
from tests.pcsc.vpcd import TornOut
from tests.virtual_token.card import Card
from tests.virtual_token.channel import R_MAC
from tests.virtual_token.faults import PowerLossMemory
from tests.virtual_token.keys import ENC
from tests.virtual_token.memory import NonVolatileMemory
from tmsd.errors import Code, ServiceError
from tmsd.vault.card_messages import PutKeyMade
from tmsd.worker.context import Context

GET_STATUS = bytes.fromhex("80f28002024f0000")
ISSUER_SECURITY_DOMAIN = bytes.fromhex("e3134f08a0000001510000009f70010fc5039efe80")
NOT_FOUND = bytes.fromhex("6a88")
C_MAC = 0x01

every_changeover = pytest.mark.parametrize("changeover", CHANGEOVERS, ids=str)


def _one_of_each_kind() -> list[Changeover]:
    """Return a changeover for each pair of algorithms, initial keys or not, and each mode."""
    kinds = {
        (c.source.scp, c.source.algorithm, c.target.algorithm, c.source.factory, c.mode): c
        for c in CHANGEOVERS
    }
    return list(kinds.values())


each_kind = pytest.mark.parametrize("changeover", _one_of_each_kind(), ids=str)


def _card(changeover: Changeover, memory: NonVolatileMemory | None = None) -> Card:
    return changeover.source.card(changeover.i, memory=memory, upgrade_i=changeover.upgrade_i)


def _open_old(worker: Context, changeover: Changeover, card: Card) -> Channel:
    name, version = changeover.source.name, changeover.old_version
    return open_channel(worker, card, name, changeover.level, version=version)


def _ask_for_new(worker: Context, changeover: Changeover, card: Card) -> tuple[Channel, PutKeyMade]:
    """Open a channel with the old keys, and have PUT KEY of the new ones made in it."""
    channel = _open_old(worker, changeover, card)
    made = channel.put_key(changeover.version, changeover.mode, changeover.target.name)
    return channel, made


def _obeys_new_keys(worker: Context, changeover: Changeover, card: Card) -> bool:
    channel = open_channel(worker, card, changeover.target.name, C_MAC, version=changeover.version)
    return channel.send(GET_STATUS) == [ISSUER_SECURITY_DOMAIN + OK]


def _has_version(card: Card, version: int) -> bool:
    """Ask the card, as a TPS does: INITIALIZE UPDATE for a version that is not there is 6A88."""
    group = card.keyring.group(version)
    length = 16 if group is not None and group.scp == 0x03 and group.i & 1 else 8
    answer = card.transmit(bytes([0x80, 0x50, version, 0, length]) + bytes(length) + b"\x00")
    assert answer == NOT_FOUND or answer.endswith(OK)
    return answer != NOT_FOUND


@every_changeover
def test_the_card_has_the_new_keys_and_confirms_them(
    worker: Context, changeover: Changeover
) -> None:
    card = _card(changeover)
    channel, made = _ask_for_new(worker, changeover, card)
    confirmed = channel.confirm(card.transmit(made.apdu))

    assert confirmed.new_key_version == changeover.version
    group = card.keyring.group(changeover.version)
    assert group is not None
    assert made.key_check_values == [key.check_value for key in group.keys.values()]
    assert made.key_material_in_worker == changeover.is_exposed
    assert channel.send(GET_STATUS) == [ISSUER_SECURITY_DOMAIN + OK]
    assert _obeys_new_keys(worker, changeover, card)


@every_changeover
def test_replaced_and_initial_keys_are_gone_and_others_stay_beside_the_new(
    worker: Context, changeover: Changeover
) -> None:
    card = _card(changeover)
    channel, made = _ask_for_new(worker, changeover, card)
    channel.confirm(card.transmit(made.apdu))

    is_initial = changeover.source.factory
    replaces = changeover.mode == "replace" and not is_initial
    assert made.apdu[2] == (changeover.old_version if replaces else 0)
    assert _has_version(card, changeover.old_version) == (not replaces and not is_initial)
    if _has_version(card, changeover.old_version):
        assert _open_old(worker, changeover, card).send(GET_STATUS)


@each_kind
def test_asking_again_makes_the_same_command(worker: Context, changeover: Changeover) -> None:
    channel = _open_old(worker, changeover, _card(changeover))
    asked = (changeover.version, changeover.mode, changeover.target.name)
    before = channel.session

    first = channel.put_key(*asked)
    channel.session = before
    second = channel.put_key(*asked)

    assert first == second


@each_kind
@pytest.mark.parametrize("after_storing", [False, True], ids=["before storing", "after storing"])
def test_the_next_initialize_update_settles_what_a_loss_of_power_left_open(
    worker: Context, changeover: Changeover, *, after_storing: bool
) -> None:
    card = _card(changeover, PowerLossMemory(after_storing=after_storing))
    _, made = _ask_for_new(worker, changeover, card)
    with pytest.raises(TornOut):
        card.transmit(made.apdu)
    card.reset()

    if not after_storing:
        assert not _has_version(card, changeover.version)
        again, made = _ask_for_new(worker, changeover, card)
        again.confirm(card.transmit(made.apdu))

    assert _has_version(card, changeover.version)
    assert _obeys_new_keys(worker, changeover, card)


@each_kind
def test_a_card_that_refuses_the_keys_has_those_that_it_had(
    worker: Context, changeover: Changeover
) -> None:
    card = _card(changeover)
    channel, made = _ask_for_new(worker, changeover, card)
    altered = bytearray(made.apdu)
    altered[20] ^= 0x01

    with pytest.raises(ServiceError) as refusal:
        channel.confirm(card.transmit(bytes(altered)))

    assert refusal.value.code in (Code.PUT_KEY_UNCONFIRMED, Code.SESSION_CLOSED)
    assert not _has_version(card, changeover.version)
    assert _open_old(worker, changeover, card).send(GET_STATUS) == [ISSUER_SECURITY_DOMAIN + OK]


@each_kind
@pytest.mark.parametrize("at", [0, 3], ids=["version", "check value"])
def test_a_confirmation_of_other_keys_is_none(
    worker: Context, changeover: Changeover, at: int
) -> None:
    card = _card(changeover)
    channel, made = _ask_for_new(worker, changeover, card)
    answer = bytearray(card.transmit(made.apdu))
    answer[at] ^= 0x01

    with pytest.raises(ServiceError) as refusal:
        channel.confirm(bytes(answer))

    expected = Code.SESSION_CLOSED if changeover.level & R_MAC else Code.PUT_KEY_UNCONFIRMED
    assert refusal.value.code is expected


@pytest.mark.parametrize(
    "issuer",
    [i for i in ISSUERS if i.algorithm == "des3" and not i.is_exposed and i.scheme != "none"],
    ids=lambda issuer: issuer.name,
)
def test_without_the_exception_no_key_leaves_under_triple_des(
    worker: Context, issuer: Issuer
) -> None:
    i = max(LEVELS[issuer.scp])
    channel = open_channel(worker, issuer.card(i), issuer.name, C_MAC)

    with pytest.raises(ServiceError) as refusal:
        channel.put_key(2, "add")

    assert refusal.value.code is Code.MECHANISM_UNAVAILABLE
    assert "CKM_DES3_ECB" in refusal.value.detail
    assert f"key_sets.{issuer.name}" in refusal.value.detail
    assert "allow_key_material_in_worker = true" in refusal.value.detail


@pytest.mark.parametrize(
    "issuer",
    [i for i in SOURCES if i.algorithm != "des3"],
    ids=lambda issuer: issuer.name,
)
def test_no_aes_key_set_needs_the_exception(worker: Context, issuer: Issuer) -> None:
    assert not worker.policy.key_sets[issuer.name].allow_key_material_in_worker
    channel = open_channel(worker, issuer.card(0x70), issuer.name, C_MAC)

    assert not channel.put_key(2, "add").key_material_in_worker


@pytest.mark.parametrize("mode", ["add", "replace"])
def test_a_card_with_one_base_key_gets_one(worker: Context, mode: Mode) -> None:
    issuer = next(i for i in SOURCES if i.name == "scp02-des3-emv-kdd-exception")
    card = issuer.card(0x14)
    channel = open_channel(worker, card, issuer.name, C_MAC)

    made = channel.put_key(2, mode)
    channel.confirm(card.transmit(made.apdu))

    group = card.keyring.group(2)
    assert group is not None
    assert made.key_check_values == [group.keys[ENC].check_value]
    assert group.keys.keys() == {ENC}


def test_three_keys_do_not_go_in_the_place_of_one_base_key(worker: Context) -> None:
    issuer = next(i for i in SOURCES if i.name == "scp02-des3-emv-kdd-exception")
    card = issuer.card(0x14, upgrade_i=UPGRADE_I)
    channel = open_channel(worker, card, issuer.name, C_MAC)

    with pytest.raises(ServiceError) as refusal:
        channel.put_key(2, "replace", AES_TARGETS[0].name)

    assert refusal.value.code is Code.REQUEST_INVALID
    assert refusal.value.pointer == "/mode"
    assert "add the new keys" in refusal.value.detail
    assert open_channel(worker, card, issuer.name, C_MAC).send(GET_STATUS)
