"""Officers approve at the desk, and custodians are alone at it: shares are shown, and forgotten."""

import io
from pathlib import Path

import click
import msgspec
import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
)

from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.rooms import Present, room
from tests.quorum.officers import HOUR, private_key, quorum, request
from tmsd import clock
from tmsd.ceremony.people import Ended, Entry, Stage
from tmsd.ceremony.shares import in_rows, read_share, split, still_missing
from tmsd.cli.ceremony_desk import Desk
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request

CHECK_VALUE = bytes.fromhex("0a1b2c")
SHARE, _ = (share.reveal().decode() for share in split(Secret(bytes(range(32))), CHECK_VALUE, 2, 2))
PASSWORD = "correct horse"
WHAT = "the share of karl in the backup key 0a1b2c"


@pytest.fixture
def desk(fresh_token: TokenAddress, tmp_path: Path) -> Desk:
    """A desk, where karl is a custodian, and officers have keys in files, under a password."""
    binding = room(tmp_path, fresh_token, Present()).binding
    encryption = BestAvailableEncryption(PASSWORD.encode())
    for name, officer in binding.officers.items():
        key = private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
        assert officer.private_key is not None
        officer.private_key.write_bytes(key)
    return Desk(binding, tmp_path, "A ceremony")


def at(desk: Desk, typed: str, *, entered: bool) -> Result:
    """Let karl type what he has, or be shown his share."""

    @click.command()
    def sits_down() -> None:
        if entered:
            entry = Entry("karl", WHAT, check, lambda: Secret(b""), still_missing)
            assert desk.entered(entry).reveal().decode().split() == SHARE.split()
        else:
            desk.handed_over("karl", WHAT, in_rows(Secret(SHARE.encode())))

    return CliRunner().invoke(sits_down, input=typed, color=True)


def check(typed: Secret) -> str:
    """Confirm a share by its number."""
    return f"share {read_share(typed, CHECK_VALUE).number}"


def test_a_share_is_shown_in_rows_and_then_the_screen_forgets_it(desk: Desk) -> None:
    shown = at(desk, "\n\n", entered=False)

    assert shown.exit_code == 0, shown.output
    assert "Karl Example (karl), alone at this screen" in shown.output
    first, second, third, *_ = SHARE.split()
    assert f"   1 {first:<9} 2 {second:<9} 3 {third}" in shown.output
    assert shown.output.rindex("\x1b[3J") > shown.output.rindex(SHARE.split()[-1])


def test_a_wrong_share_is_told_and_typed_again_and_none_is_shown(desk: Desk) -> None:
    shown = at(desk, f"\n{SHARE} acid\n{SHARE}\ny\n", entered=True)

    assert shown.exit_code == 0, shown.output
    assert "share-malformed: a share has 33 words, and 34 were typed; type it again" in shown.output
    assert f"{WHAT}: share 1" in shown.output
    assert " ".join(SHARE.split()[:3]) not in shown.output


def test_a_share_is_typed_line_by_line_and_a_wrong_word_costs_one_line(desk: Desk) -> None:
    words = SHARE.split()
    lines = [" ".join(words[at : at + 3]) for at in range(0, len(words), 3)]
    lines.insert(2, "acid nonsense")

    shown = at(desk, "\n" + "\n".join(lines) + "\ny\n", entered=True)

    assert shown.exit_code == 0, shown.output
    assert "Then words 4 to 33; it is not shown" in shown.output
    assert "word 8 is none of the words of SLIP-39; type this line again" in shown.output
    assert "Then words 31 to 33; it is not shown" in shown.output
    assert f"{WHAT}: share 1" in shown.output


def asked(*, everybody: bool) -> tuple[Request, Quorum]:
    """Return a request to three officers of whom two are enough, or all have to approve."""
    of = quorum()
    parameters: dict[str, str | int | bool] = {"step": 1, "everybody": everybody}
    expires = int(clock.now().timestamp()) + HOUR
    wanted = msgspec.structs.replace(request(of), parameters=parameters, expires=expires)
    return wanted, of


def approving(desk: Desk, wanted: Request, of: Quorum, typed: str) -> Result:
    """Let officers type their names and the passwords of their keys."""

    @click.command()
    def sits_down() -> None:
        try:
            click.echo(f"{len(desk.approvals(wanted, of))} have approved")
        except Ended:
            click.echo("they ended")

    return CliRunner().invoke(sits_down, input=typed)


def test_it_asks_for_as_many_as_it_takes_and_lets_more_approve(desk: Desk) -> None:
    shown = approving(desk, *asked(everybody=False), f"anna\n{PASSWORD}\nberta\n{PASSWORD}\n\n")

    assert "Who approves? 2 more needed" in shown.output
    assert "Who approves? 1 more needed" in shown.output
    assert "Enough have approved. Enter to go on" in shown.output
    assert "2 have approved" in shown.output


def test_it_asks_for_every_officer_where_it_takes_all(desk: Desk) -> None:
    two = f"anna\n{PASSWORD}\nberta\n{PASSWORD}\n"

    stopped = approving(desk, *asked(everybody=True), f"{two}\ny\n")
    complete = approving(desk, *asked(everybody=True), f"{two}carl\n{PASSWORD}\n")

    assert "Who approves? 3 more needed" in stopped.output
    assert "they ended" in stopped.output
    assert "3 have approved" in complete.output


def test_who_types_nothing_by_mistake_ends_nothing(desk: Desk) -> None:
    approved = approving(
        desk, *asked(everybody=False), f"\nn\nanna\n\nanna\n{PASSWORD}\nberta\n{PASSWORD}\n\n"
    )
    typed = at(desk, f"\n\nn\n{SHARE}\ny\n", entered=True)

    assert "Nothing was typed. Stop the ceremony here?" in approved.output
    assert "anna has not approved: nothing was typed" in approved.output
    assert "2 have approved" in approved.output
    assert typed.exit_code == 0, typed.output


def test_what_is_not_what_the_custodian_has_on_paper_is_typed_again(desk: Desk) -> None:
    shown = at(desk, f"\n{SHARE}\nn\n{SHARE}\ny\n", entered=True)

    assert shown.exit_code == 0, shown.output
    assert shown.output.count(f"{WHAT}: share 1") == 2


def test_what_came_of_a_step_has_words_to_be_read_aloud_for_its_hashes(
    desk: Desk, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("\n"))
    digest = "e58294f2e9a22748" + "00" * 24

    desk.begin(Stage("Step 2 of 3", ("Back up every key.",), done=1, steps=3))
    desk.finish({"backup_sha256": digest, "keys": 2})

    shown = capsys.readouterr().out
    assert "Step 2 of 3" in shown
    assert "e58294f2 e9a22748 00000000 00000000" in shown
    assert "topmost      istanbul     pluto        vagabond" in shown


def test_what_a_step_waits_for_is_shown_while_it_waits(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    desk.begin(Stage("Step 1 of 2", ("Destroy a key, for good.",), done=0, steps=2))
    desk.tell("Waiting until workers have dropped it")

    shown = capsys.readouterr().out
    assert "Destroy a key, for good." in shown
    assert shown.endswith("Waiting until workers have dropped it\n")


def test_text_is_no_markup(desk: Desk) -> None:
    desk.begin(Stage("Step 1 of 1", ("Generate key '[red]one[/red]' :key:.",), done=0, steps=1))
    desk.tell("[bold]as it is[/bold]")

    shown = approving(desk, *asked(everybody=False), "\ny\n").output

    assert "Generate key '[red]one[/red]' :key:." in shown
    assert "[bold]as it is[/bold]" in shown
