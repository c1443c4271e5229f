"""A custodian alone at the desk: a share is shown in rows, cleared, and typed until it is right."""

from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result

from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.rooms import Present, room
from tmsd.ceremony.people import Entry
from tmsd.ceremony.shares import in_rows, read_share, split
from tmsd.cli.ceremony_desk import Desk

CHECK_VALUE = bytes.fromhex("0a1b2c")
SHARE, _ = (share.reveal().decode() for share in split(Secret(bytes(range(32))), CHECK_VALUE, 2, 2))
WHAT = "the share of karl in the backup key 0a1b2c"


@pytest.fixture
def desk(fresh_token: TokenAddress, tmp_path: Path) -> Desk:
    """A desk, where karl is a custodian."""
    return Desk(room(tmp_path, fresh_token, Present()).binding, tmp_path)


def at(desk: Desk, typed: str, *, entered: bool) -> Result:
    """Let karl type what he has, or be shown his share."""

    @click.command()
    def sits_down() -> None:
        if entered:
            entry = Entry("karl", WHAT, check, lambda: Secret(b""))
            assert desk.entered(entry).reveal().decode() == SHARE
        else:
            desk.handed_over("karl", WHAT, in_rows(Secret(SHARE.encode())))

    return CliRunner().invoke(sits_down, input=typed, color=True)


def check(typed: Secret) -> str:
    """Confirm a share by its number."""
    return f"share {read_share(typed, CHECK_VALUE).number}"


def test_a_share_is_shown_in_rows_and_then_the_screen_forgets_it(desk: Desk) -> None:
    shown = at(desk, "\n\n", entered=False)

    assert shown.exit_code == 0, shown.output
    assert "Karl Example (karl) writes down" in shown.output
    first, second, third, *_ = SHARE.split()
    assert f"\n     1 {first:<9} 2 {second:<9} 3 {third}\n" in shown.output
    assert shown.output.rindex("\x1b[3J") > shown.output.rindex(SHARE.split()[-1])


def test_a_wrong_share_is_told_and_typed_again_and_none_is_shown(desk: Desk) -> None:
    shown = at(desk, f"\n{SHARE} acid\n{SHARE}\n", entered=True)

    assert shown.exit_code == 0, shown.output
    assert "share-malformed: a share has 33 words, and 34 were typed; type it again" in shown.output
    assert f"{WHAT}: share 1" in shown.output
    assert " ".join(SHARE.split()[:3]) not in shown.output
