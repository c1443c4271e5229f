"""Every level of every protocol: a card obeys what the worker protects, and the worker reads it."""

from dataclasses import replace

import pytest

from tests.matrix.channels import OK, Channel, open_channel
from tests.matrix.combinations import AT_EVERY_LEVEL, Combination
from tests.pcsc import tlv
from tests.virtual_token.channel import C_DECRYPTION, R_ENCRYPTION, R_MAC
from tmsd.errors import Code, ServiceError
from tmsd.worker.context import Context

STORED = tlv.encode(0xDF20, b"a value that nobody could guess")
ISSUER_SECURITY_DOMAIN = bytes.fromhex("e3134f08a0000001510000009f70010fc5039efe80")

CASE_1 = bytes.fromhex("80ca9f7f")
CASE_2 = bytes.fromhex("80ca9f7f00")
CASE_3 = bytes.fromhex("80e29000") + bytes([len(STORED)]) + STORED
CASE_4 = bytes.fromhex("80f28002024f0000")
READ_BACK = bytes.fromhex("80cadf2000")
READ_WHAT_IS_NOT_THERE = bytes.fromhex("80cadf5500")
NOT_THERE = bytes.fromhex("6a88")
SECURE_MESSAGING_REFUSED = bytes.fromhex("6988")

# Whose ICV is the last C-MAC as everybody saw it.
FORGEABLE = {(0x01, 0x05), (0x02, 0x04), (0x02, 0x05)}

every_level = pytest.mark.parametrize("combination", AT_EVERY_LEVEL, ids=str)
every_level_with_r_mac = pytest.mark.parametrize(
    "combination", [c for c in AT_EVERY_LEVEL if c.level & R_MAC], ids=str
)


@pytest.fixture
def channel(worker: Context, combination: Combination) -> Channel:
    """A channel that was just opened."""
    issuer = combination.issuer
    return open_channel(worker, issuer.card(combination.i), issuer.name, combination.level)


@every_level
def test_both_ends_accept_each_others_cryptogram(
    channel: Channel, combination: Combination
) -> None:
    told = channel.opened

    assert (told.scp, told.i) == (combination.issuer.scp, combination.i)
    assert (told.key_set, told.key_version) == (combination.issuer.name, 1)
    assert told.key_material_in_worker == combination.issuer.is_exposed


@every_level
def test_commands_of_every_case_are_obeyed_and_stored_data_read_back(channel: Channel) -> None:
    production_data = tlv.encode(0x9F7F, channel.card.profile.production_data) + OK

    answers = channel.send(CASE_1, CASE_2, CASE_3, CASE_4, READ_BACK, READ_WHAT_IS_NOT_THERE)

    assert answers == [
        production_data,
        production_data,
        OK,
        ISSUER_SECURITY_DOMAIN + OK,
        STORED + OK,
        NOT_THERE,
    ]


@every_level
def test_commands_that_come_one_by_one_continue_the_channel(channel: Channel) -> None:
    answers = [channel.send(command) for command in (CASE_3, CASE_4, READ_BACK)]

    assert answers == [[OK], [ISSUER_SECURITY_DOMAIN + OK], [STORED + OK]]


@every_level
def test_the_longest_command_is_obeyed_and_one_byte_more_is_refused(
    channel: Channel, combination: Combination
) -> None:
    longest = 255 - combination.mac_length
    if combination.level & C_DECRYPTION:
        block = 16 if combination.issuer.scp == 0x03 else 8
        longest = longest // block * block - 1  # at least a byte of padding, or of length in SCP01

    assert channel.send(_first_block(longest)) == [OK]
    with pytest.raises(ServiceError) as refusal:
        channel.wrap(CASE_2, _first_block(longest + 1))

    assert refusal.value.code is Code.APDU_TOO_LONG
    assert refusal.value.pointer == "/apdus/1"


@every_level
def test_what_is_on_the_wire_has_the_protection_of_the_level(
    channel: Channel, combination: Combination
) -> None:
    level = combination.level

    writing, reading = channel.wrap(CASE_3, READ_BACK)
    written, read = channel.card.transmit(writing), channel.card.transmit(reading)

    assert writing[0] == reading[0] == 0x84
    assert (STORED not in writing) == bool(level & C_DECRYPTION)
    assert (STORED not in read) == bool(level & R_ENCRYPTION)
    mac_length = combination.mac_length
    assert len(reading) == len(READ_BACK) + 1 + mac_length
    if not level & C_DECRYPTION:
        assert len(writing) == len(CASE_3) + mac_length
    assert len(written) == len(OK) + (mac_length if level & R_MAC else 0)


@every_level
def test_only_an_r_mac_vouches_for_a_response(channel: Channel, combination: Combination) -> None:
    commands = channel.wrap(CASE_3, READ_WHAT_IS_NOT_THERE)

    told = channel.unwrap(*(channel.card.transmit(command) for command in commands))

    success, failure = (response.protected for response in told.responses)
    assert success == bool(combination.level & R_MAC)
    # Amendment D, 6.2.5: SCP03 sends an error status word alone.
    assert failure == (success and combination.issuer.scp == 0x02)
    assert not told.closed


@every_level
@pytest.mark.parametrize("at", [2, 5, -1], ids=["header", "data", "mac"])
def test_a_card_refuses_a_command_altered_on_its_way_and_that_ends_the_channel(
    channel: Channel, at: int
) -> None:
    (command,) = channel.wrap(CASE_3)

    refused = channel.card.transmit(_altered(command, at))

    assert refused == SECURE_MESSAGING_REFUSED
    assert _is_over_after(channel, refused)
    assert channel.card.transmit(command) == bytes.fromhex("6982")


@every_level
def test_a_card_refuses_a_command_that_it_had_before(channel: Channel) -> None:
    (command,) = channel.wrap(CASE_3)
    channel.card.transmit(command)

    assert channel.card.transmit(command) == SECURE_MESSAGING_REFUSED


@every_level_with_r_mac
@pytest.mark.parametrize("at", [0, -3, -1], ids=["data", "mac", "status"])
def test_a_response_altered_on_its_way_is_not_told_and_the_genuine_one_still_is(
    channel: Channel, at: int
) -> None:
    (command,) = channel.wrap(CASE_4)
    response = channel.card.transmit(command)

    with pytest.raises(ServiceError) as refusal:
        channel.unwrap(_altered(response, at))

    assert refusal.value.code is Code.SESSION_CLOSED
    assert channel.unwrap(response).responses[0].response == ISSUER_SECURITY_DOMAIN + OK


@every_level_with_r_mac
def test_a_response_to_another_command_is_not_told(channel: Channel) -> None:
    first, second = channel.wrap(CASE_4, CASE_4)
    channel.card.transmit(first)
    late = channel.card.transmit(second)

    with pytest.raises(ServiceError) as refusal:
        channel.unwrap(late)

    assert refusal.value.code is Code.SESSION_CLOSED


@every_level_with_r_mac
def test_a_response_without_its_r_mac_is_not_told(channel: Channel) -> None:
    (command,) = channel.wrap(CASE_3)
    channel.card.transmit(command)

    with pytest.raises(ServiceError) as refusal:
        channel.unwrap(OK)

    assert refusal.value.code is Code.SESSION_CLOSED


@every_level
def test_a_proof_of_presence_is_what_the_card_decrypts(channel: Channel) -> None:
    proof = channel.encrypt("proof-of-presence")

    (answer,) = channel.send(bytes.fromhex("800e000010") + proof.encrypted + b"\x00")

    assert proof.challenge is not None
    assert answer == proof.challenge + OK
    assert proof.encrypted != proof.challenge


@every_level
def test_another_card_does_not_decrypt_the_proof_of_presence(
    worker: Context, channel: Channel, combination: Combination
) -> None:
    issuer = combination.issuer
    another = open_channel(worker, issuer.card(combination.i), issuer.name, combination.level)
    proof = channel.encrypt("proof-of-presence")

    (answer,) = another.send(bytes.fromhex("800e000010") + proof.encrypted + b"\x00")

    assert proof.challenge is not None
    shares_its_key = issuer.scheme == "none"
    assert (answer == proof.challenge + OK) == shares_its_key


@every_level
def test_a_callers_data_are_what_the_card_decrypts(
    channel: Channel, combination: Combination
) -> None:
    data = b"0123456789abcdef"
    if combination.issuer.scheme == "none" and channel.opened.scp != 0x02:
        # The static DEK is every other key as well.
        with pytest.raises(ServiceError) as refusal:
            channel.encrypt("object", data)
        assert refusal.value.code is Code.PURPOSE_NOT_ALLOWED
        return

    encrypted = channel.encrypt("object", data)

    assert encrypted.challenge is None
    answers = channel.send(bytes.fromhex("800e000010") + encrypted.encrypted + b"\x00")
    assert answers == [data + OK]


def _first_block(length: int) -> bytes:
    """Return the STORE DATA of a first block of data, of which more are to come."""
    return bytes.fromhex("80e21000") + bytes([length]) + bytes(length)


def _altered(message: bytes, at: int) -> bytes:
    altered = bytearray(message)
    altered[at] ^= 0x01
    return bytes(altered)


def _is_over_after(channel: Channel, response: bytes) -> bool:
    """Say whether the worker takes a response for the end: with R-MAC in SCP02 it cannot verify."""
    try:
        return channel.unwrap(response).closed
    except ServiceError as refusal:
        return refusal.code is Code.SESSION_CLOSED


@pytest.mark.parametrize(
    "combination",
    [each for each in AT_EVERY_LEVEL if (each.issuer.scp, each.i) in FORGEABLE],
    ids=str,
)
def test_nothing_is_encrypted_where_a_caller_could_forge_commands(
    worker: Context, combination: Combination
) -> None:
    name = combination.issuer.name
    closed = worker.policy.key_sets[name].model_copy(update={"icv_in_clear": False})
    key_sets = {**worker.policy.key_sets, name: closed}
    strict = replace(worker, policy=worker.policy.model_copy(update={"key_sets": key_sets}))
    card = combination.issuer.card(combination.i)
    channel = open_channel(strict, card, name, combination.level)

    with pytest.raises(ServiceError, match="icv_in_clear = true") as refusal:
        channel.encrypt("proof-of-presence")
    assert refusal.value.code is Code.PURPOSE_NOT_ALLOWED
