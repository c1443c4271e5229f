"""How strict the card is: published traces, replayed, altered and put out of order."""

from dataclasses import replace
from pathlib import Path

import pytest

from tests.pcsc import tlv
from tests.virtual_token.card import Card
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile, personalise
from tests.virtual_token.protocols import PROTOCOLS
from tests.virtual_token.traces import GENERATED, SCP01, SCP02, SCP03, Trace

KDD = bytes.fromhex("47905037727197000074")
MASTER = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
OK = bytes.fromhex("9000")

MAC_ONLY = SCP02["pysim-scp02-cmac"]
ENCRYPTED = SCP03["kaoh-scp03-get_status_enc_mac"]
R_PROTECTED = SCP03["pysim-SCP03_Test_AES192_33"]
each_kind = pytest.mark.parametrize(
    "trace",
    [
        MAC_ONLY,
        ENCRYPTED,
        R_PROTECTED,
        SCP01["kaoh-scp01-install"],
        GENERATED["gen-scp01-i15-trace-03"],
        GENERATED["gen-scp02-i75-trace-13"],
        GENERATED["gen-s16-aes256-trace-33"],
    ],
    ids=lambda trace: trace.name,
)


def profile(scp: int = 3, i: int = 0x70, minimum_level: int = 0x01) -> CardProfile:
    return personalise(
        MASTER,
        KDD,
        diversification="kdf3" if scp == 3 else "visa2",
        scp=scp,
        i=i,
        key_version=0x30,
        minimum_level=minimum_level,
    )


def send(card: Card, apdu: str) -> str:
    return card.transmit(bytes.fromhex(apdu)).hex().upper()


def test_select_finds_the_issuer_security_domain_by_its_aid_by_a_part_of_it_and_by_none() -> None:
    information = "6F108408A000000151000000A5049F6501FF9000"
    card = Card(profile())

    assert send(card, "00A4040008A00000015100000000") == information
    assert send(card, "00A4040007A0000001510000") == information
    assert send(card, "00A4040000") == information
    assert send(card, "00A40400") == information


@pytest.mark.parametrize(
    "aid", ["A000000003000000", "A00000015100000000", "A0000001", "627601FF000000"]
)
def test_select_knows_no_other_application(aid: str) -> None:
    assert send(Card(profile()), f"00A40400{len(aid) // 2:02X}{aid}") == "6A82"


@pytest.mark.parametrize(
    ("apdu", "status_word"),
    [
        ("00A404", "6700"),
        ("00A4040008A0000001510000", "6700"),
        ("00A4040008A0000001510000000000", "6700"),
        ("00A40400000008A000000151000000", "6700"),
        ("00A4000000", "6A86"),
        ("00A4040200", "6A86"),
        ("80A4040000", "6E00"),
        ("90CA9F7F00", "6E00"),
        ("B03C0100", "6E00"),
        ("0C820000", "6E00"),
        ("FFCA000000", "6E00"),
        ("01A4040000", "6881"),
        ("83CA9F7F00", "6881"),
        ("C0CA9F7F00", "6881"),
        ("0070000001", "6D00"),
        ("80E40000044F02A000", "6D00"),
        ("80F28002024F0000", "6982"),
        ("80E29000030101FF", "6982"),
        ("84F280020A4F00000000000000000000", "6982"),
        ("04CA006608000000000000000000", "6982"),
        ("8050000008000102030405060700", "9000"),
        ("80503000080001020304050607", "9000"),
        ("805031000800010203040506070000", "6700"),
        ("80503100080001020304050607", "6A88"),
        ("80500001080001020304050607", "6A86"),
        ("805000000700010203040506", "6700"),
        ("8050000000", "6700"),
        ("00500000080001020304050607", "6E00"),
        ("848201001000000000000000000000000000000000", "6985"),
        ("808201001000000000000000000000000000000000", "6E00"),
        ("80CA004200", "6A88"),
        ("80CA0066025C00", "6A80"),
    ],
)
def test_a_fresh_card_answers_with_the_specified_status_word(apdu: str, status_word: str) -> None:
    assert send(Card(profile()), apdu)[-4:] == status_word


def test_get_data_returns_45_bytes_of_production_data_that_agree_with_the_kdd() -> None:
    answer = bytes.fromhex(send(Card(profile()), "80CA9F7F2D"))

    assert answer.startswith(bytes.fromhex("9F7F2A"))
    assert answer.endswith(OK)
    assert len(answer) == 45 + 2
    assert answer[3:7] + answer[19:21] + answer[15:19] == KDD


def test_a_short_le_is_answered_with_the_right_one() -> None:
    card = Card(profile())

    assert send(card, "80CA9F7F2C") == "6C2D"
    assert send(card, "80CA00662D") == "6C33"


def test_card_recognition_data_name_the_protocol_and_its_options() -> None:
    card_data = tlv.parse(bytes.fromhex(send(Card(profile(2, 0x15)), "80CA006600"))[:-2])[0]
    assert card_data.tag == 0x66
    recognition = tlv.parse(card_data.value)[0]
    assert recognition.tag == 0x73
    objects = tlv.parse(recognition.value)

    assert [found.tag for found in objects] == [0x06, 0x60, 0x63, 0x64]
    assert objects[0].value.hex() == "2a864886fc6b01"
    assert objects[3].value.hex() == "06092a864886fc6b040215"


@pytest.mark.parametrize(
    ("card_profile", "expected"),
    [
        (profile(2, 0x15), "E012C00401308010C00402308010C004033080109000"),
        (profile(3, 0x70), "E012C00401308810C00402308810C004033088109000"),
    ],
)
def test_key_information_lists_identifier_version_type_and_length(
    card_profile: CardProfile, expected: str
) -> None:
    assert send(Card(card_profile), "80CA00E000") == expected


def test_class_00_returns_the_value_of_a_data_object_without_its_tag() -> None:
    card = Card(profile())

    assert send(card, "80CA00E000")[4:] == send(card, "00CA00E000")


@each_kind
def test_a_published_session_opens_on_the_whole_card(trace: Trace) -> None:
    card = trace.opened()

    for step in trace.steps:
        assert card.transmit(step.protected)[-2:] not in (b"\x69\x82", b"\x69\x88")


def test_get_status_inside_a_session_describes_the_issuer_security_domain() -> None:
    card = MAC_ONLY.opened()
    answers = [card.transmit(step.protected).hex().upper() for step in MAC_ONLY.steps]

    assert answers[0] == "6A80"  # GET STATUS without search criteria
    assert answers[1].startswith("663173")
    assert answers[2] == "6A80"  # its tag list is cut short
    assert answers[3] == "E3134F08A0000001510000009F70010FC5039EFE809000"


@each_kind
def test_a_replayed_command_aborts_the_session_for_good(trace: Trace) -> None:
    card = trace.opened()
    first, second = trace.steps[0].protected, trace.steps[1].protected
    card.transmit(first)

    assert card.transmit(first).hex() == "6988"
    assert card.transmit(second).hex() == "6982"
    assert send(card, "80CA9F7F00") == "6982"
    assert send(card, "84820100100000000000000000" + "00" * 8) == "6982"


@each_kind
def test_a_skipped_command_aborts_the_session(trace: Trace) -> None:
    card = trace.opened()

    assert card.transmit(trace.steps[1].protected).hex() == "6988"


@each_kind
@pytest.mark.parametrize("apdu", ["80CA9F7F00", "80F28002024F0000", "80E40000", "00C0000000"])
def test_a_command_without_protection_aborts_the_session(trace: Trace, apdu: str) -> None:
    card = trace.opened()

    assert send(card, apdu) == "6982"
    assert card.transmit(trace.steps[0].protected).hex() == "6982"


@each_kind
@pytest.mark.parametrize("apdu", ["00A4040000", "8050000008FFFFFFFFFFFFFFFF00", "8050FF0000"])
def test_select_and_every_attempt_at_initialize_update_end_a_session(
    trace: Trace, apdu: str
) -> None:
    card = trace.opened()
    send(card, apdu)

    assert card.transmit(trace.steps[0].protected).hex() == "6982"
    assert send(card, "80CA9F7F00").endswith("9000")  # ended, not aborted


@each_kind
def test_a_reset_ends_a_session_and_an_aborted_one(trace: Trace) -> None:
    card = trace.opened()
    send(card, "80CA9F7F00")
    card.reset()

    assert send(card, "80CA9F7F00").endswith("9000")
    assert card.transmit(trace.steps[0].protected).hex() == "6982"


@each_kind
def test_external_authenticate_is_not_taken_twice(trace: Trace) -> None:
    card = trace.card()
    card.transmit(trace.initialize_update)
    wrong = trace.external_authenticate[:-1] + bytes([trace.external_authenticate[-1] ^ 1])

    assert card.transmit(wrong).hex() == "6988"
    assert card.transmit(trace.external_authenticate).hex() == "6985"


@each_kind
def test_external_authenticate_of_an_older_session_is_refused(trace: Trace) -> None:
    card = trace.card()
    card.transmit(trace.initialize_update)
    length = len(trace.host_challenge)
    card.transmit(bytes.fromhex("80500000") + bytes([length]) + b"\x01" * length)

    assert card.transmit(trace.external_authenticate).hex() == "6300"


PLAIN = {0x01, 0x03}
R_MACED = {0x11, 0x13}
R_ENCRYPTED = {0x33}


@pytest.mark.parametrize(
    ("scp", "i", "offered"),
    [
        *((1, i, PLAIN) for i in (0x05, 0x15)),
        *((2, i, PLAIN) for i in (0x04, 0x05, 0x14, 0x15, 0x54, 0x55)),
        *((2, i, PLAIN | R_MACED) for i in (0x34, 0x35, 0x74, 0x75)),
        *((3, i, PLAIN) for i in (0x00, 0x01, 0x10, 0x11)),
        *((3, i, PLAIN | R_MACED) for i in (0x20, 0x21, 0x30, 0x31)),
        *((3, i, PLAIN | R_MACED | R_ENCRYPTED) for i in (0x60, 0x61, 0x70, 0x71)),
    ],
)
def test_the_card_offers_the_levels_of_its_options_and_no_other(
    scp: int, i: int, offered: set[int]
) -> None:
    assert offered_levels(profile(scp, i)) == offered
    assert offered_levels(profile(scp, i, minimum_level=0x00)) == offered | {0x00}


def test_a_card_may_insist_on_encryption() -> None:
    assert offered_levels(profile(3, 0x70, minimum_level=0x03)) == {0x03, 0x13, 0x33}


def offered_levels(card_profile: CardProfile) -> set[int]:
    """Return the levels that lead on to the cryptogram; all others are 6A86."""
    card = Card(card_profile)
    length = PROTOCOLS[card_profile.scp].challenge_length(card_profile.i)
    initialize_update = bytes.fromhex("80500000") + bytes([length, *range(length)])
    answers = {}
    for level in range(0x100):
        assert card.transmit(initialize_update).endswith(OK)
        answers[level] = send(card, f"8482{level:02X}00{2 * length:02X}" + "00" * 2 * length)
    assert set(answers.values()) == {"6300", "6A86"}
    return {level for level, answer in answers.items() if answer == "6300"}


@pytest.mark.parametrize(("i", "right", "wrong"), [(0x70, 8, 16), (0x71, 16, 8), (0x60, 8, 0)])
def test_a_host_challenge_has_the_length_of_the_card_s_mode(i: int, right: int, wrong: int) -> None:
    card = Card(profile(3, i))

    assert len(card.transmit(challenge(right))) == {0x60: 29, 0x70: 32, 0x71: 48}[i] + 2
    assert card.transmit(challenge(wrong)).hex() == "6700"


def challenge(length: int) -> bytes:
    return bytes.fromhex("80500000") + (bytes([length, *range(length)]) if length else b"\x00")


def test_scp01_has_no_sequence_counter() -> None:
    card = Card(profile(1, 0x15))
    answers = {card.transmit(challenge(8)) for _ in range(3)}

    assert {len(answer) for answer in answers} == {28 + 2}
    assert {answer[10:12].hex() for answer in answers} == {"3001"}
    assert len(answers) == 3
    assert send(card, "80CA00C100") == "6A88"


def test_a_card_with_a_base_key_has_one_key() -> None:
    card = Card(profile(2, 0x14))

    assert send(card, "80CA00E000") == "E006C004013080109000"


def test_a_session_without_secure_messaging_opens_where_the_profile_allows_it() -> None:
    trace = SCP02["opal-JCOP21-NO_SECURITY_LEVEL"]
    strict = trace.card()
    tolerant = Card(replace(strict.profile, minimum_level=0x00), trace.memory(), trace.random)

    strict.transmit(trace.initialize_update)
    assert strict.transmit(trace.external_authenticate).hex() == "6a86"
    tolerant.transmit(trace.initialize_update)
    assert tolerant.transmit(trace.external_authenticate) == OK
    assert send(tolerant, "80F28002024F0000").endswith("9000")
    assert send(tolerant, "84F280020A4F00" + "00" * 8) == "6982"  # nothing to verify it with
    assert send(tolerant, "80F28002024F0000") == "6982"


def test_the_form_of_external_authenticate_is_checked() -> None:
    card = MAC_ONLY.card()
    for apdu, status_word in (
        ("8482010110" + "00" * 16, "6A86"),
        ("8482010011" + "00" * 17, "6700"),
        ("8482010010" + "00" * 17, "6700"),
        ("848201000F" + "00" * 15, "6700"),
    ):
        card.transmit(MAC_ONLY.initialize_update)
        assert send(card, apdu) == status_word


def test_scp02_counts_a_session_when_its_first_c_mac_is_right() -> None:
    card = MAC_ONLY.card()
    before = send(card, "80CA00C100")
    for _ in range(3):
        card.transmit(MAC_ONLY.initialize_update)
    wrong = MAC_ONLY.external_authenticate[:-1] + b"\x00"
    card.transmit(wrong)

    assert before == send(card, "80CA00C100") == "C10200019000"
    card.transmit(MAC_ONLY.initialize_update)
    card.transmit(MAC_ONLY.external_authenticate)
    card.reset()
    assert send(card, "80CA00C100") == "C10200029000"


def test_scp03_counts_every_initialize_update() -> None:
    card = Card(profile(3, 0x70))
    answers = [card.transmit(ENCRYPTED.initialize_update) for _ in range(3)]

    assert [answer[29:32].hex() for answer in answers] == ["000001", "000002", "000003"]
    assert len({answer[13:21] for answer in answers}) == 3
    assert send(card, "80CA00C100") == "C1030000039000"


def test_scp03_with_random_challenges_has_no_counter() -> None:
    card = Card(profile(3, 0x60))

    answers = {card.transmit(ENCRYPTED.initialize_update) for _ in range(3)}
    assert {len(answer) for answer in answers} == {29 + 2}
    assert len(answers) == 3
    assert send(card, "80CA00C100") == "6A88"


@pytest.mark.parametrize(("scp", "i", "maximum"), [(2, 0x15, 0xFFFF), (3, 0x70, 0xFFFFFF)])
def test_a_used_up_counter_closes_the_key_set(scp: int, i: int, maximum: int) -> None:
    memory = NonVolatileMemory()
    memory.set_counter(0x30, maximum - 1)
    card = Card(profile(scp, i), memory)

    assert send(card, "80500000080001020304050607").endswith("9000")
    memory.set_counter(0x30, maximum)
    assert send(card, "80500000080001020304050607") == "6985"


def test_counters_survive_the_process_in_a_state_file(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    first = Card(profile(), NonVolatileMemory(path)).transmit(ENCRYPTED.initialize_update)
    second = Card(profile(), NonVolatileMemory(path)).transmit(ENCRYPTED.initialize_update)

    assert [first[29:32].hex(), second[29:32].hex()] == ["000001", "000002"]
    assert [entry.name for entry in tmp_path.iterdir()] == ["card.json"]


def test_a_file_that_is_no_card_memory_is_named(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    path.write_text('{"sequence_counters": []}')

    with pytest.raises(ValueError, match=r"card\.json is no card memory"):
        NonVolatileMemory(path)
