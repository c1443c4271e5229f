"""The card's side of SCP02 and SCP03 against published traces."""

from dataclasses import replace

import pytest

from tests.virtual_token import scp03
from tests.virtual_token.apdu import Command, Refusal, StatusWord
from tests.virtual_token.channel import Channel, Handshake
from tests.virtual_token.protocols import PROTOCOLS
from tests.virtual_token.traces import SCP02, SCP03, Trace

TRACES = [*SCP02.values(), *SCP03.values()]
# The other trace's challenge follows from no sequence counter and AID.
REAL_CHALLENGES = [trace for trace in TRACES if trace.name != "kaoh-scp03-rmac-renc"]
each_trace = pytest.mark.parametrize("trace", TRACES, ids=lambda trace: trace.name)


@pytest.mark.parametrize("trace", REAL_CHALLENGES, ids=lambda trace: trace.name)
def test_the_card_answers_initialize_update_as_the_published_card_did(trace: Trace) -> None:
    handshake = PROTOCOLS[trace.scp].initialize_update(trace.initiation())

    assert handshake.answer == trace.answer


@each_trace
def test_the_card_reads_the_published_commands_and_protects_its_responses(trace: Trace) -> None:
    channel = _open(trace)

    assert channel.level == trace.level
    for step in trace.steps:
        plain = channel.unwrap(Command.parse(step.protected))
        assert _without_le(plain) == _without_le(Command.parse(step.plain))
        if step.response_plain is not None:
            data, status_word = step.response_plain[:-2], step.response_plain[-2:]
            assert channel.wrap(data, int.from_bytes(status_word)) == step.response_protected


@each_trace
def test_one_flipped_bit_of_external_authenticate_is_refused(trace: Trace) -> None:
    for position, expected in ((5, 0x6300), (12, 0x6300), (13, 0x6988), (20, 0x6988)):
        altered = bytearray(trace.external_authenticate)
        altered[position] ^= 0x01
        with pytest.raises(Refusal) as refusal:
            _handshake(trace).external_authenticate(Command.parse(bytes(altered)))
        assert refusal.value.status_word == expected


@pytest.mark.parametrize("trace", [t for t in TRACES if t.steps], ids=lambda trace: trace.name)
def test_one_flipped_bit_of_a_protected_command_is_refused(trace: Trace) -> None:
    command = trace.steps[0].protected
    end = 5 + command[4]
    for position in (1, 2, 3, 5, end - 8, end - 1):
        altered = bytearray(command)
        altered[position] ^= 0x01
        with pytest.raises(Refusal) as refusal:
            _open(trace).unwrap(Command.parse(bytes(altered)))
        assert refusal.value.status_word == StatusWord.SECURE_MESSAGING_INCORRECT


def test_scp03_sends_errors_bare_and_protects_warnings() -> None:
    trace = SCP03["pysim-SCP03_Test_AES256_33"]
    channel = _open(trace)
    channel.unwrap(Command.parse(trace.steps[0].protected))

    assert channel.wrap(b"", 0x6A88) == bytes.fromhex("6A88")
    assert len(channel.wrap(b"", 0x6310)) == 8 + 2
    assert len(channel.wrap(b"data", 0x6200)) == 16 + 8 + 2


def _handshake(trace: Trace) -> Handshake:
    """Return the handshake of the trace, from its own card challenge whatever made it."""
    handshake = PROTOCOLS[trace.scp].initialize_update(trace.initiation())
    if isinstance(handshake, scp03.Handshake) and handshake.challenge != trace.random(8):
        random_challenge = replace(trace.initiation(), i=trace.i & ~0x10)
        handshake = scp03.initialize_update(random_challenge)
    return handshake


def _open(trace: Trace) -> Channel:
    return _handshake(trace).external_authenticate(Command.parse(trace.external_authenticate))


def _without_le(command: Command) -> tuple[int, int, int, int, bytes]:
    return command.cla, command.ins, command.p1, command.p2, command.data
