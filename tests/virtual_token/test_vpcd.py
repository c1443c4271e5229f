"""The card's end of a vpcd connection, with a socket of this test in vpcd's place."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.pcsc.faults import VanishingCard
from tests.pcsc.vpcd import InsertedCard, encode_message, read_message
from tests.virtual_token.card import INITIALIZE_UPDATE, Card
from tests.virtual_token.traces import SCP03

TRACE = SCP03["kaoh-scp03-get_status_enc_mac"]


@pytest.fixture
def reader() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


def port(reader: socket.socket) -> int:
    return int(reader.getsockname()[1])


def exchange(connection: socket.socket, body: bytes) -> bytes | None:
    connection.sendall(encode_message(body))
    return read_message(connection.recv)


def test_an_inserted_card_tells_its_atr_and_answers_commands(reader: socket.socket) -> None:
    with InsertedCard(TRACE.card(), port(reader)):
        connection, _ = reader.accept()
        with connection:
            connection.sendall(encode_message(b"\x01"))  # power on has no answer
            assert exchange(connection, b"\x04") == Card.atr
            assert exchange(connection, TRACE.initialize_update) == TRACE.answer + b"\x90\x00"


@pytest.mark.parametrize("control", [0x00, 0x01, 0x02])
def test_loss_of_power_and_reset_end_the_session(reader: socket.socket, control: int) -> None:
    with InsertedCard(TRACE.card(), port(reader)):
        connection, _ = reader.accept()
        with connection:
            exchange(connection, TRACE.initialize_update)
            connection.sendall(encode_message(bytes([control])))
            assert exchange(connection, TRACE.external_authenticate) == bytes.fromhex("6985")


def test_a_removed_card_closes_its_connection(reader: socket.socket) -> None:
    inserted = InsertedCard(TRACE.card(), port(reader))
    connection, _ = reader.accept()
    with connection:
        inserted.remove()
        inserted.remove()
        assert connection.recv(1) == b""


def test_a_card_that_vanishes_closes_its_connection_without_an_answer(
    reader: socket.socket,
) -> None:
    with InsertedCard(VanishingCard(TRACE.card(), INITIALIZE_UPDATE), port(reader)) as inserted:
        connection, _ = reader.accept()
        with connection:
            assert exchange(connection, TRACE.initialize_update) is None
        inserted.wait()


def test_a_reader_that_goes_away_ends_the_card_in_peace(reader: socket.socket) -> None:
    with InsertedCard(TRACE.card(), port(reader)) as inserted:
        reader.accept()[0].close()
        inserted.wait()


def test_what_the_card_dies_of_is_raised_at_its_removal(reader: socket.socket) -> None:
    inserted = InsertedCard(TRACE.card(), port(reader))
    connection, _ = reader.accept()
    with connection:
        assert exchange(connection, b"\x7f") is None
    with pytest.raises(ValueError, match="unknown control code 7F"):
        inserted.remove()


def test_a_card_needs_a_listening_reader(reader: socket.socket) -> None:
    unused = port(reader)
    reader.close()

    with pytest.raises(ConnectionRefusedError):
        InsertedCard(TRACE.card(), unused)


def test_a_card_can_be_inserted_from_the_command_line(
    reader: socket.socket, tmp_path: Path
) -> None:
    table = {
        "master": "404142434445464748494a4b4c4d4e4f",
        "kdd": "47905037727197000074",
        "diversification": "visa2",
        "scp": "02",
        "i": "15",
        "key_version": "01",
    }
    (tmp_path / "card.json").write_text(json.dumps(table))
    options = ["--port", str(port(reader)), "--memory", str(tmp_path / "memory.json")]
    program = subprocess.Popen(
        [sys.executable, "-m", "tests.virtual_token", str(tmp_path / "card.json"), *options],
        cwd=Path(__file__).parents[2],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        connection, _ = reader.accept()
        with connection:
            answer = exchange(connection, bytes.fromhex("8050000008") + bytes(8))
            program.send_signal(signal.SIGINT)
            assert program.wait(30) == 1
    finally:
        program.kill()
        program.wait()
    assert answer is not None
    assert answer[:14].hex() == "4790503772719700007401020000"
