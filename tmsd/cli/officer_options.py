"""Options that say what an officer signs with, for the commands of `tmsctl officer`."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path

import click
from pydantic import ValidationError

from tmsd.ceremony.binding import CardOfOfficer

file_path = click.Path(path_type=Path, dir_okay=False)
_NEEDED = "give either --module, for a card, or --key, for a file"


def names_a_card(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a card; the command gets it as its `card`, None without one."""

    @click.option(
        "--module",
        metavar="FILE",
        type=file_path,
        help="The PKCS#11 library that reads the card, as OpenSC's opensc-pkcs11.so.",
    )
    @click.option("--token-label", metavar="LABEL", help="Of the card; by default of any.")
    @click.option("--token-serial", metavar="SERIAL", help="Of the card; by default of any.")
    @wraps(command)
    def packed(
        *,
        module: Path | None,
        token_label: str | None,
        token_serial: str | None,
        **others: object,
    ) -> None:
        if module is None and (token_label or token_serial):
            raise click.UsageError("a card takes --module, the library that reads it")
        card = None if module is None else _card(module, token_label, token_serial)
        command(card=card, **others)

    return packed


def signs_by_card_or_key(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a card or a file; the command gets it as its `by`."""

    @names_a_card
    @click.option(
        "--key", "key_file", metavar="FILE", type=file_path, help="Or a private key in PEM."
    )
    @wraps(command)
    def packed(*, card: CardOfOfficer | None, key_file: Path | None, **others: object) -> None:
        if (card is None) is (key_file is None):
            raise click.UsageError(_NEEDED)
        command(by=card or key_file, **others)

    return packed


def _card(module: Path, label: str | None, serial: str | None) -> CardOfOfficer:
    try:
        return CardOfOfficer(module=module, token_label=label, token_serial=serial)
    except ValidationError as error:
        faults = "; ".join(
            f"{fault['loc'][0]}: {fault['msg']}".replace("Value error, ", "")
            for fault in error.errors()
        )
        raise click.UsageError(faults) from None
