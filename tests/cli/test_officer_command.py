"""`tmsctl officer`: enrolment by a card's public key, and approvals at a desk of one's own."""

from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_public_key,
)

from tests.ceremony.cards import PIN, card_of
from tests.pcsc.fixtures import PutInReader
from tests.piv_card.opensc import opensc_module
from tests.quorum.officers import HOUR, NOW, officer, public_hex, quorum, request
from tests.terminal import Terminal
from tmsd import clock
from tmsd.cli.main import tmsctl
from tmsd.quorum import canonical
from tmsd.quorum.approval import given_elsewhere
from tmsd.quorum.quorum import Officer, Quorum
from tmsd.quorum.request import Request
from tmsd.quorum.words import rows

MODULE = str(opensc_module())


def ask(folder: Path, officers: Quorum) -> tuple[Request, Quorum]:
    """Put a request to a quorum into a folder."""
    elapsed = int((clock.now() - NOW).total_seconds())
    wanted = request(officers, seconds=elapsed + HOUR)
    (folder / "request.json").write_bytes(canonical.encode(wanted))
    (folder / "quorum.json").write_bytes(canonical.encode(officers))
    return wanted, officers


@pytest.fixture
def asked(tmp_path: Path) -> tuple[Request, Quorum]:
    """A request to anna, berta and carl, in a folder."""
    return ask(tmp_path, quorum())


def run(*arguments: str | Path, typed: str = "") -> Result:
    """Run `tmsctl officer` in this process, with what is typed at its prompts."""
    return CliRunner().invoke(tmsctl, ["officer", *map(str, arguments)], input=typed)


def approve(folder: Path, *by: str | Path, typed: str) -> Result:
    files = ("--request", folder / "request.json", "--quorum", folder / "quorum.json")
    return run("approve", *files, "--out", folder / "approval.json", *by, typed=typed)


def test_the_public_key_of_a_card_is_read_without_its_pin(
    put_in_reader: PutInReader, tmp_path: Path
) -> None:
    put_in_reader(card_of("anna"))
    out = tmp_path / "anna.pub"

    done = run("key", "--module", MODULE, "--key-id", "02", "--out", out)

    assert done.exit_code == 0, done.output
    read = load_pem_public_key(out.read_bytes())
    encoded = read.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    assert encoded.hex() == public_hex("anna")
    digest = sha256(encoded).digest()
    assert "Card 'Anna Example' (serial " in done.output
    assert digest.hex() in done.output
    assert "\n".join(rows(digest[:8])) in done.output


def test_which_card_and_which_key_must_be_clear(put_in_reader: PutInReader, tmp_path: Path) -> None:
    put_in_reader(card_of("anna"))
    read = ("key", "--module", MODULE, "--out", tmp_path / "key.pub")

    of_several_keys = run(*read)
    put_in_reader(card_of("berta"))
    of_several_cards = run(*read, "--key-id", "02")
    named = run(*read, "--key-id", "02", "--token-label", "Berta Example")

    assert "say by --key-id which key of card 'Anna Example' is meant" in of_several_keys.output
    assert "01 (PIV AUTH pubkey), 02 (SIGN pubkey)" in of_several_keys.output
    assert "say by --token-label or --token-serial" in of_several_cards.output
    assert "'Anna Example'" in of_several_cards.output
    assert "'Berta Example'" in of_several_cards.output
    assert named.exit_code == 0


def test_an_officer_approves_with_a_card(
    put_in_reader: PutInReader, asked: tuple[Request, Quorum], tmp_path: Path
) -> None:
    put_in_reader(card_of("anna"))
    wanted, officers = asked

    done = approve(tmp_path, "--module", MODULE, typed=f"y\n{PIN}\n")

    assert done.exit_code == 0, done.output
    assert "Action:     policy.activate" in done.output
    assert "\n".join(wanted.read_aloud) in done.output
    assert "PIN of card 'Anna Example':" in done.output
    assert PIN not in done.output
    given = given_elsewhere((tmp_path / "approval.json").read_bytes(), wanted, officers)
    assert given.officer == "anna"


def test_an_officer_approves_with_a_key_that_was_made_here(tmp_path: Path) -> None:
    private, public = tmp_path / "emma.key", tmp_path / "emma.pub"
    made = ("make-key", "--kind", "ed25519", "--out", private, "--public", public)

    done = run(*made, typed="correct horse\ncorrect horse\n")
    again = run(*made)
    key = load_pem_public_key(public.read_bytes())
    encoded = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    emma = Officer("emma", "Emma Example", encoded.hex())
    wanted, officers = ask(tmp_path, quorum(officer("anna"), officer("berta"), emma))
    approved = approve(tmp_path, "--key", private, typed="y\ncorrect horse\n")

    assert done.exit_code == 0, done.output
    assert private.stat().st_mode & 0o777 == 0o600
    assert (again.exit_code, "is there already" in again.output) == (1, True)
    assert approved.exit_code == 0, approved.output
    given = given_elsewhere((tmp_path / "approval.json").read_bytes(), wanted, officers)
    assert given.officer == "emma"


def test_what_is_no_text_is_typed_again_and_not_repeated(tmp_path: Path) -> None:
    made = ("make-key", "--out", tmp_path / "emma.key", "--public", tmp_path / "emma.pub")

    with Terminal("officer", *made) as terminal:
        terminal.expect("password of the new key: ")
        terminal.type("half a \udcc3 letter")
        terminal.expect("That was no text in UTF-8: type it again")
        terminal.expect("password of the new key: ")
        terminal.type("correct horse")
        terminal.expect("the same again: ")
        terminal.type("correct horse")
        assert terminal.end() == 0

    assert "Traceback" not in terminal.shown


def test_who_does_not_approve_signs_nothing(asked: tuple[Request, Quorum], tmp_path: Path) -> None:
    assert asked

    done = approve(tmp_path, "--key", tmp_path / "anna.key", typed="n\n")

    assert (done.exit_code, "not approved: nothing was signed" in done.output) == (1, True)
    assert not (tmp_path / "approval.json").exists()


def test_a_card_of_nobody_in_the_quorum_approves_nothing(
    put_in_reader: PutInReader, asked: tuple[Request, Quorum], tmp_path: Path
) -> None:
    assert asked
    put_in_reader(card_of("dora"))

    done = approve(tmp_path, "--module", MODULE, typed="y\n")

    assert done.exit_code == 1
    assert "no officer's key is on the cards in the readers: 'Dora Example'" in done.output


@pytest.mark.parametrize(
    "by", [(), ("--module", MODULE, "--key", "anna.key"), ("--token-label", "Anna Example")]
)
def test_the_command_line_says_by_what(tmp_path: Path, by: tuple[str, ...]) -> None:
    done = approve(tmp_path, *by, typed="")

    assert done.exit_code == 2
    assert "--module" in done.output
