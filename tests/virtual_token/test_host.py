"""A host by other hands, yubikey-manager, on the card: SCP03 with all protection, AES-128."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yubikit.core.smartcard import ApduError
from yubikit.core.smartcard.scp import KeyRef, StaticKeys
from yubikit.securitydomain import SecurityDomainSession

from tests.pcsc import tlv
from tests.virtual_token.card import Card
from tests.virtual_token.faults import with_wrong_keys
from tests.virtual_token.host import (
    GET_DATA,
    STORE_DATA,
    Transmitter,
    open_session,
    scp03_keys,
)
from tests.virtual_token.personalisation import CardProfile, personalise

KDD = bytes.fromhex("47905037727197000074")
GET_STATUS = 0xF2


def profile(i: int = 0x70) -> CardProfile:
    master = bytes.fromhex("8C72C72CF908411653018807950D82FB")
    return personalise(master, KDD, diversification="kdf3", scp=3, i=i, key_version=0x30)


@pytest.mark.parametrize("i", [0x60, 0x70])
@given(values=st.lists(st.binary(min_size=1, max_size=200), min_size=1, max_size=4))
def test_stored_data_come_back_as_they_were_sent(i: int, values: list[bytes]) -> None:
    card = Card(profile(i))
    host = open_session(card.transmit, card.profile)
    for number, value in enumerate(values):
        host.send_apdu(0x80, STORE_DATA, 0x90, 0x00, tlv.encode(0xDF20 + number, value))

    host.select(card.profile.aid)
    for number, value in enumerate(values):
        answer = host.send_apdu(0x80, GET_DATA, 0xDF, 0x20 + number)
        assert answer == tlv.encode(0xDF20 + number, value)


def test_responses_are_encrypted_and_carry_an_r_mac_that_the_host_accepts() -> None:
    card = Card(profile())
    host = open_session(card.transmit, card.profile)

    for _ in range(3):
        status = host.send_apdu(0x80, GET_STATUS, 0x80, 0x02, bytes.fromhex("4F00"))
        assert status.hex() == "e3134f08a0000001510000009f70010fc5039efe80"


def test_a_refused_command_leaves_the_session_in_step() -> None:
    card = Card(profile())
    host = open_session(card.transmit, card.profile)

    for ins, p1, data, status_word in (
        (STORE_DATA, 0x90, "FFFF", 0x6A80),
        (STORE_DATA, 0x90, "6602FFFF", 0x6A80),
        (STORE_DATA, 0x88, "DF2001FF", 0x6A86),
        (STORE_DATA, 0x90, "DF2081E1" + "00" * 225, 0x6A84),
        (GET_STATUS, 0x40, "4F00", 0x6A88),
        (0xE4, 0x00, "4F00", 0x6D00),
    ):
        with pytest.raises(ApduError) as refusal:
            host.send_apdu(0x80, ins, p1, 0x02 if ins == GET_STATUS else 0, bytes.fromhex(data))
        assert refusal.value.sw == status_word
    host.send_apdu(0x80, STORE_DATA, 0x90, 0x00, bytes.fromhex("DF2001FF"))


def test_long_data_are_stored_in_numbered_blocks() -> None:
    card = Card(profile())
    host = open_session(card.transmit, card.profile)
    stored = tlv.encode(0xDF20, bytes(range(210)))

    host.send_apdu(0x80, STORE_DATA, 0x10, 0x00, stored[:100])
    with pytest.raises(ApduError, match="6a86"):
        host.send_apdu(0x80, STORE_DATA, 0x90, 0x02, stored[100:])
    host.send_apdu(0x80, STORE_DATA, 0x10, 0x00, stored[:100])
    host.send_apdu(0x80, STORE_DATA, 0x90, 0x01, stored[100:])
    host.select(card.profile.aid)
    assert host.send_apdu(0x80, GET_DATA, 0xDF, 0x20) == stored


def test_a_command_without_data_must_not_be_encrypted() -> None:
    strict = Card(profile())
    tolerant = Card(replace(profile(), encrypted_empty_accepted=True))

    with pytest.raises(ApduError, match="6988"):
        open_session(strict.transmit, strict.profile).send_apdu(0x80, GET_DATA, 0x9F, 0x7F)
    answer = open_session(tolerant.transmit, tolerant.profile).send_apdu(0x80, GET_DATA, 0x9F, 0x7F)
    assert answer.startswith(bytes.fromhex("9F7F2A"))


def test_the_host_reads_key_information_and_card_recognition_data() -> None:
    session = SecurityDomainSession(Transmitter(Card(profile()).transmit))

    assert session.get_key_information() == {
        bytes([identifier, 0x30]): {0x88: 16} for identifier in (1, 2, 3)
    }
    assert session.get_card_recognition_data().hex().endswith("06092a864886fc6b040370")


@pytest.mark.parametrize("replaced", [0x00, 0x30])
def test_the_host_s_new_keys_open_the_next_session(replaced: int) -> None:
    card = Card(profile())
    session = SecurityDomainSession(Transmitter(card.transmit))
    session.authenticate(scp03_keys(card.profile))
    enc, mac, dek = (bytes([n]) * 16 for n in (1, 2, 3))

    session.put_key(KeyRef(0x01, 0x31), StaticKeys(enc, mac, dek), replaced)
    changed = replace(card.profile, key_version=0x31, enc=enc, mac=mac, dek=dek)
    open_session(card.transmit, changed)
    assert [group.version for group in card.keyring.groups] == (
        [0x31] if replaced else [0x30, 0x31]
    )


def test_the_host_turns_down_a_card_with_wrong_keys() -> None:
    honest = profile()
    impostor = Card(with_wrong_keys(honest))

    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        open_session(impostor.transmit, honest)


def test_the_card_turns_down_a_key_version_it_does_not_have() -> None:
    card = Card(profile())
    session = SecurityDomainSession(Transmitter(card.transmit))

    with pytest.raises(ValueError, match="Incorrect SCP parameters"):
        session.authenticate(scp03_keys(replace(card.profile, key_version=0x31)))
