"""A ceremony on a terminal: two officers with cards and one with a key in a file."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import open_token
from tests.ceremony.cards import PIN, card_of
from tests.ceremony.rooms import ENROL, GENERATE, script
from tests.pcsc.fixtures import PutInReader
from tests.piv_card.opensc import opensc_module
from tests.quorum.officers import private_key
from tests.softhsm.tokens import USER_PIN
from tests.terminal import Terminal
from tmsd.audit.verification import verify
from tmsd.ceremony.minutes import events
from tmsd.ceremony.progress import progress

PASSWORD = "correct horse"
BINDING = """
operator = "olaf"

[hsm]
module = "{hsm.module}"
token_label = "{hsm.label}"
token_serial = "{hsm.serial}"
pin_file = "pin"
environment = {{ SOFTHSM2_CONF = "{hsm.environment[SOFTHSM2_CONF]}" }}

[officers.anna]
person = "Anna Example"
public_key = "anna.pub"
card = {{ module = "{opensc}" }}

[officers.berta]
person = "Berta Example"
public_key = "berta.pub"
card = {{ module = "{opensc}", token_label = "Berta Example" }}

[officers.carl]
person = "Carl Example"
public_key = "carl.pub"
private_key = "carl.key"
"""


@pytest.fixture
def binding(tmp_path: Path, fresh_token: TokenAddress) -> Path:
    """The binding of a room with an empty token, with the officers' public keys."""
    pin = tmp_path / "pin"
    pin.write_bytes(USER_PIN)
    pin.chmod(0o400)
    for name in ("anna", "berta", "carl"):
        public = private_key(name).public_key()
        encoded = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(encoded)
    encryption = BestAvailableEncryption(PASSWORD.encode())
    encrypted = private_key("carl").private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    (tmp_path / "carl.key").write_bytes(encrypted)
    file = tmp_path / "binding.toml"
    file.write_text(BINDING.format(hsm=fresh_token, opensc=opensc_module()))
    return file


def approve(terminal: Terminal, name: str, secret: str) -> None:
    """Approve what is asked next, by a card's PIN or a file's password."""
    terminal.expect("Who approves")
    terminal.type(name)
    terminal.expect(f"{name.capitalize()} Example: {'password' if name == 'carl' else 'PIN'} of")
    terminal.expect(": ")
    terminal.type(secret)


def test_two_cards_and_a_file_conduct_it_from_enrolment_to_signed_minutes(
    put_in_reader: PutInReader, binding: Path, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    anna, berta = card_of("anna"), card_of("berta")
    put_in_reader(anna)
    put_in_reader(berta)
    minutes = tmp_path / "minutes.jsonl"
    planned = script(tmp_path, ENROL, GENERATE.format(label="one"))
    options = ("--binding", binding, "--minutes", minutes)

    with Terminal("ceremony", "run", planned, *options) as terminal:
        terminal.expect("2 steps")
        terminal.expect("Read aloud:")
        terminal.expect("Is it the same for everybody?")
        terminal.type("y")
        terminal.expect("Step 1 of 2")
        for name, secret in (("anna", PIN), ("berta", PIN), ("carl", PASSWORD)):
            approve(terminal, name, secret)
        go_on(terminal)

        terminal.expect("Step 2 of 2")
        approve(terminal, "berta", "999999")
        terminal.expect("berta has not approved: card 'Berta Example'")
        terminal.expect("the PIN")
        assert berta.tries_left == 2
        approve(terminal, "berta", PIN)
        terminal.expect("approved by berta")
        elsewhere = tmp_path / "approval.json"
        approve_elsewhere(tmp_path, elsewhere)
        terminal.expect("Who approves")
        terminal.type(str(elsewhere))
        terminal.expect("approved by berta, anna")
        terminal.expect("Enough have approved")
        terminal.type("")
        go_on(terminal)

        terminal.expect("The end")
        terminal.expect("minutes sha256")
        approve(terminal, "anna", PIN)
        terminal.expect("approved by anna")
        approve(terminal, "carl", PASSWORD)
        terminal.expect("approved by anna, carl")
        terminal.expect("Enough have approved")
        terminal.type("")
        terminal.expect("The ceremony is over")
        assert terminal.end() == 0

    assert verify(minutes).clean
    assert progress(events(minutes)).signed
    with open_token(fresh_token, Secret(USER_PIN)) as token:
        token.find_key(KeyReference("one", 1))
    written = terminal.shown + minutes.read_text()
    assert PIN not in written
    assert PASSWORD not in written


def go_on(terminal: Terminal) -> None:
    """Look at what came of a step."""
    terminal.expect("Done")
    terminal.expect("Enter, once everybody has seen it")
    terminal.type("")


def approve_elsewhere(folder: Path, out: Path) -> None:
    """Have anna approve the request that lies in a folder, at another desk."""
    files = ("--request", folder / "request.json", "--quorum", folder / "quorum.json")
    by = ("--module", str(opensc_module()), "--token-label", "Anna Example", "--out", out)
    with Terminal("officer", "approve", *files, *by) as terminal:
        terminal.expect("Do you approve?")
        terminal.type("y")
        terminal.expect("PIN of card 'Anna Example'")
        terminal.expect(":")
        terminal.type(PIN)
        terminal.expect("Approved by anna")
        assert terminal.end() == 0
