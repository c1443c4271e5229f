"""The card in a reader of a real pcscd, reached as programs reach cards."""

from pathlib import Path

import pytest
from smartcard.Exceptions import CardConnectionException
from yubikit.core.smartcard import ApduError

from tests.pcsc import tlv
from tests.pcsc.faults import VanishingCard
from tests.pcsc.fixtures import InsertCard
from tests.virtual_token.card import INITIALIZE_UPDATE, Card
from tests.virtual_token.changeover import new_keys, profile, put_key
from tests.virtual_token.faults import PowerLossMemory
from tests.virtual_token.host import GET_DATA, STORE_DATA, open_session
from tests.virtual_token.keyring import AES, KeyGroup
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import personalise
from tests.virtual_token.terminal import open_session as open_channel
from tests.virtual_token.traces import SCP02, SCP03, Trace

PROFILE = personalise(
    bytes.fromhex("8C72C72CF908411653018807950D82FB"),
    bytes.fromhex("47905037727197000074"),
    diversification="kdf3",
    scp=3,
    i=0x70,
    key_version=0x30,
)


def test_a_program_finds_the_card_and_reads_its_production_data(insert_card: InsertCard) -> None:
    connected = insert_card(Card(PROFILE))

    assert connected.atr == Card.atr
    assert connected.transmit(bytes.fromhex("00A4040000")).endswith(b"\x90\x00")
    assert len(connected.transmit(bytes.fromhex("80CA9F7F2D"))) == 45 + 2


def test_yubikey_manager_opens_scp03_and_stores_data(insert_card: InsertCard) -> None:
    transmit = insert_card(Card(PROFILE)).transmit
    host = open_session(transmit, PROFILE)
    stored = tlv.encode(0xDF20, bytes(range(200)))
    host.send_apdu(0x80, STORE_DATA, 0x90, 0x00, stored)
    status = host.send_apdu(0x80, 0xF2, 0x80, 0x02, bytes.fromhex("4F00"))

    assert status.hex() == "e3134f08a0000001510000009f70010fc5039efe80"
    host.select(PROFILE.aid)
    assert host.send_apdu(0x80, GET_DATA, 0xDF, 0x20) == stored


def test_two_cards_in_two_readers_are_two_cards(insert_card: InsertCard) -> None:
    first, second = insert_card(SCP02["pysim-scp02-cmac"].card()), insert_card(Card(PROFILE))

    assert first.transmit(bytes.fromhex("80CA00E000"))[5:7].hex() == "7080"
    assert second.transmit(bytes.fromhex("80CA00E000"))[5:7].hex() == "3088"


@pytest.mark.parametrize(
    "trace",
    [SCP02["pysim-scp02-cmac"], SCP03["pysim-SCP03_Test_AES192_33"]],
    ids=lambda trace: trace.name,
)
def test_a_published_session_runs_through_the_reader(insert_card: InsertCard, trace: Trace) -> None:
    transmit = insert_card(trace.card()).transmit

    assert transmit(trace.initialize_update) == trace.answer + b"\x90\x00"
    assert transmit(trace.external_authenticate) == b"\x90\x00"
    expected = trace.opened()
    for step in trace.steps:
        assert transmit(step.protected) == expected.transmit(step.protected)


def test_a_reset_of_the_card_ends_its_session_but_not_its_counter(
    insert_card: InsertCard, tmp_path: Path
) -> None:
    card = Card(PROFILE, NonVolatileMemory(tmp_path / "card.json"))
    connected = insert_card(card)
    host = open_session(connected.transmit, PROFILE)
    connected.disconnect()
    connected.connect()

    with pytest.raises(ApduError, match="6982"):
        host.send_apdu(0x80, STORE_DATA, 0x90, 0x00, bytes.fromhex("DF2001FF"))
    assert connected.transmit(bytes.fromhex("80CA00C100")).hex() == "c1030000019000"


def test_a_card_torn_out_in_mid_command_is_an_error_for_the_program(
    insert_card: InsertCard,
) -> None:
    transmit = insert_card(VanishingCard(Card(PROFILE), INITIALIZE_UPDATE)).transmit

    assert transmit(bytes.fromhex("00A4040000")).endswith(b"\x90\x00")
    with pytest.raises(CardConnectionException):
        transmit(bytes.fromhex("8050000008") + bytes(8))


def test_a_card_torn_out_at_put_key_is_back_with_its_new_keys_and_their_protocol(
    insert_card: InsertCard,
) -> None:
    card = Card(profile(2, 0x15, upgrade_i=0x71), PowerLossMemory(after_storing=True))
    session = open_channel(insert_card(card).transmit, card.keyring.groups[0], 0x03)
    with pytest.raises(CardConnectionException):
        session.send(put_key(session, "0181", 2, new_keys(32, AES)))

    transmit = insert_card(card).transmit
    again = open_channel(transmit, KeyGroup(2, 3, 0x71, new_keys(32, AES)), 0x33)
    assert again.send_hex("80F28002024F00") == "E3134F08A0000001510000009F70010FC5039EFE809000"
