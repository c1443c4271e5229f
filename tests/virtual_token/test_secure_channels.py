"""The card's side of SCP01, SCP02 and SCP03 against traces."""

import json
from dataclasses import replace

import pytest

from tests.pcsc.apdu import Command, Refusal, StatusWord
from tests.virtual_token import scp02, scp03
from tests.virtual_token.channel import Channel, Handshake
from tests.virtual_token.dek import AesDek
from tests.virtual_token.protocols import PROTOCOLS
from tests.virtual_token.traces import GENERATED, SCP01, SCP02, SCP03, VECTORS, Trace

PUBLISHED = [*SCP01.values(), *SCP02.values(), *SCP03.values()]
MESSAGES = {
    entry["id"]: entry
    for entry in json.loads((VECTORS / "card_messages.json").read_text())["vectors"]
}
# The other trace's challenge follows from no sequence counter and AID.
REAL_CHALLENGES = [trace for trace in PUBLISHED if trace.name != "kaoh-scp03-rmac-renc"]
# Of SCP02 cards with three equal keys: what they say, a card with this base key would say.
EQUAL_KEYS = [
    trace
    for trace in [*SCP02.values(), *GENERATED.values()]
    if trace.scp == 2 and trace.enc == trace.mac == trace.dek
]
BOTH = [*PUBLISHED, *GENERATED.values()]
each_published = pytest.mark.parametrize("trace", PUBLISHED, ids=lambda trace: trace.name)
each_generated = pytest.mark.parametrize("trace", GENERATED.values(), ids=lambda trace: trace.name)
each_trace = pytest.mark.parametrize("trace", BOTH, ids=lambda trace: trace.name)
each_with_equal_keys = pytest.mark.parametrize("trace", EQUAL_KEYS, ids=lambda trace: trace.name)


@pytest.mark.parametrize("trace", REAL_CHALLENGES, ids=lambda trace: trace.name)
def test_the_card_answers_initialize_update_as_the_published_card_did(trace: Trace) -> None:
    handshake = PROTOCOLS[trace.scp].initialize_update(trace.initiation())

    assert handshake.answer == trace.answer


@each_published
def test_the_card_reads_the_published_commands_and_protects_its_responses(trace: Trace) -> None:
    _follow(trace, _open(trace))


@each_generated
def test_the_card_agrees_with_the_generated_traces(trace: Trace) -> None:
    handshake = PROTOCOLS[trace.scp].initialize_update(trace.initiation())

    assert handshake.answer == trace.answer
    _follow(trace, _open(trace))


@each_with_equal_keys
def test_one_base_key_serves_as_three_equal_keys_do(trace: Trace) -> None:
    base = replace(trace, i=trace.i & ~0x01, mac=b"", dek=b"")

    assert PROTOCOLS[2].initialize_update(base.initiation()).answer == trace.answer
    _follow(trace, _open(base))


@each_trace
def test_one_flipped_bit_of_external_authenticate_is_refused(trace: Trace) -> None:
    length = trace.external_authenticate[4] // 2
    for position, expected in (
        (5, 0x6300),
        (5 + length - 1, 0x6300),
        (5 + length, 0x6988),
        (5 + 2 * length - 1, 0x6988),
    ):
        altered = bytearray(trace.external_authenticate)
        altered[position] ^= 0x01
        with pytest.raises(Refusal) as refusal:
            _handshake(trace).external_authenticate(Command.parse(bytes(altered)))
        assert refusal.value.status_word == expected


@pytest.mark.parametrize("trace", [t for t in BOTH if t.steps], ids=lambda trace: trace.name)
def test_one_flipped_bit_of_a_protected_command_is_refused(trace: Trace) -> None:
    command = trace.steps[0].protected
    end = 5 + command[4]
    mac_length = trace.external_authenticate[4] // 2
    for position in (1, 2, 3, 5, end - mac_length, end - 1):
        altered = bytearray(command)
        altered[position] ^= 0x01
        with pytest.raises(Refusal) as refusal:
            _open(trace).unwrap(Command.parse(bytes(altered)))
        assert refusal.value.status_word == StatusWord.SECURE_MESSAGING_INCORRECT


def test_no_mac_covers_the_logical_channel() -> None:
    for trace in (SCP01["kaoh-scp01-get_status"], SCP03["pysim-SCP03_Test_AES128_11"]):
        step = trace.steps[0]
        on_channel_2 = bytes([step.protected[0] | 0x02]) + step.protected[1:]
        plain = _open(trace).unwrap(Command.parse(on_channel_2))
        assert plain.cla == step.plain[0] | 0x02


def test_scp02_puts_an_r_mac_on_errors_and_leaves_their_data_out() -> None:
    trace = GENERATED["gen-scp02-i35-trace-11"]
    bare, with_data = _open(trace), _open(trace)
    for channel in (bare, with_data):
        channel.unwrap(Command.parse(trace.steps[0].protected))

    assert len(bare.wrap(b"", 0x6A88)) == 8 + 2
    assert with_data.wrap(b"data", 0x6A88) == _wrapped_error(trace)


def _wrapped_error(trace: Trace) -> bytes:
    channel = _open(trace)
    channel.unwrap(Command.parse(trace.steps[0].protected))
    return channel.wrap(b"", 0x6A88)


def test_scp03_sends_errors_bare_and_protects_warnings() -> None:
    trace = SCP03["pysim-SCP03_Test_AES256_33"]
    channel = _open(trace)
    channel.unwrap(Command.parse(trace.steps[0].protected))

    assert channel.wrap(b"", 0x6A88) == bytes.fromhex("6A88")
    assert len(channel.wrap(b"", 0x6310)) == 8 + 2
    assert len(channel.wrap(b"data", 0x6200)) == 16 + 8 + 2


def test_a_published_scp02_command_is_read_in_the_middle_of_its_session() -> None:
    entry = MESSAGES["keycard-wrap-2"]
    keys = scp02.SessionKeys(b"", bytes.fromhex(entry["c_mac_key"]), b"", b"")
    channel = scp02.Channel(
        level=int(entry["level"], 16),
        keys=keys,
        first_mac=bytes.fromhex(entry["last_mac"]),
        icv_encryption=True,
        encrypted_empty_accepted=False,
    )

    plain = channel.unwrap(Command.parse(bytes.fromhex(entry["protected"])))
    assert plain.encode().hex() == entry["plain"]


def test_a_published_scp03_response_is_protected_as_it_was_in_its_session() -> None:
    entry = MESSAGES["scp03dart-rmac-renc"]
    keys = scp03.SessionKeys(
        bytes.fromhex(entry["enc_key"]), b"", bytes.fromhex(entry["r_mac_key"])
    )
    channel = scp03.Channel(
        level=int(entry["level"], 16),
        keys=keys,
        dek=AesDek(b""),
        mac_length=8,
        chain=bytes.fromhex(entry["chain"]),
        encrypted_empty_accepted=False,
    )
    channel._counter = entry["counter"]
    plain = bytes.fromhex(entry["response_plain"])

    protected = channel.wrap(plain[:-2], int.from_bytes(plain[-2:]))
    assert protected.hex() == entry["response_protected"]


def _follow(trace: Trace, channel: Channel) -> None:
    """Let the channel go through the trace's commands and responses."""
    assert channel.level == trace.level
    for step in trace.steps:
        plain = channel.unwrap(Command.parse(step.protected))
        assert _without_le(plain) == _without_le(Command.parse(step.plain))
        if step.response_plain is not None:
            data, status_word = step.response_plain[:-2], step.response_plain[-2:]
            assert channel.wrap(data, int.from_bytes(status_word)) == step.response_protected


def _handshake(trace: Trace) -> Handshake:
    """Return the handshake of the trace, from its own card challenge whatever made it."""
    handshake = PROTOCOLS[trace.scp].initialize_update(trace.initiation())
    challenge_length = len(trace.host_challenge)
    if isinstance(handshake, scp03.Handshake) and (
        handshake.challenge != trace.random(challenge_length)
    ):
        random_challenge = replace(trace.initiation(), i=trace.i & ~0x10)
        handshake = scp03.initialize_update(random_challenge)
    return handshake


def _open(trace: Trace) -> Channel:
    return _handshake(trace).external_authenticate(Command.parse(trace.external_authenticate))


def _without_le(command: Command) -> tuple[int, int, int, int, bytes]:
    return command.cla, command.ins, command.p1, command.p2, command.data
