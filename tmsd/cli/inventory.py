"""`tmsctl inventory`: what the HSM should hold, and whether it does."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path

import click

from hsm.data_objects import read_documents
from hsm.held_keys import held_keys
from hsm.token import Token
from tmsd.ceremony.configured_token import configured_token
from tmsd.cli.configuration import configuration, in_token_for_nonces, token_table
from tmsd.cli.officer_options import file_path
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.cli.table import print_table
from tmsd.config.daemon import load_daemon_config
from tmsd.config.reserved_keys import INVENTORY_DOCUMENT, QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.inventory import Difference, decode, differences, inventory_of, keys_of
from tmsd.quorum.signed_inventory import SignedInventory, digest, newest

_HEADINGS = ("CLASS", "LABEL", "VERSION", "DRIFT", "SHOULD BE", "IS")


@click.group()
def inventory() -> None:
    """Write down what the HSM holds, and compare it with that later.

    Both log in and change nothing: keys compute their check values, and key pairs sign once.
    """


@inventory.command()
@configuration
@out_option
@in_token_for_nonces
def write(config_file: Path, out: Path, *, nonces: bool) -> None:
    """Write down every key in the HSM as it is now, which is what it should hold from now on.

    Read it before you trust it. It holds no secret.
    """
    hsm = token_table(load_daemon_config(config_file), nonces=nonces)
    require_place(out)
    with configured_token(hsm) as token:
        taken = inventory_of(token.label, token.serial, keys_of(held_keys(token)))
        is_governed = bool(read_documents(token, QUORUM_DOCUMENT))
    write_public(out, canonical.encode(taken))
    click.echo(f"{len(taken.keys)} key objects of token {taken.token!r}: {out}")
    if is_governed:
        click.echo("Daemons take none but what officers signed: sign-inventory, in a ceremony.")


@inventory.command()
@configuration
@click.option(
    "--inventory", "file", metavar="FILE", type=file_path, required=True, help="What write wrote."
)
@in_token_for_nonces
@click.option("--json", "as_json", is_flag=True, help="One JSON document, no table.")
def compare(config_file: Path, file: Path, *, nonces: bool, as_json: bool) -> None:
    """List all in which the HSM differs from an inventory.

    Exit code 0: it holds what it should, and nothing else. 1: it does not, or could not be asked.
    """
    hsm = token_table(load_daemon_config(config_file), nonces=nonces)
    document = file.read_bytes()
    should = decode(document)
    with configured_token(hsm) as token:
        drift = differences(should, token.serial, keys_of(held_keys(token)))
        signed = newest(read_documents(token, INVENTORY_DOCUMENT))
        told = _told(token, drift, signed) if as_json else ""
    if as_json:
        click.echo(told)
    elif drift:
        print_table(_HEADINGS, [_row(each) for each in drift])
    else:
        click.echo(f"{len(should.keys)} key objects, all as they should be, and no others.")
    if signed is not None:
        which = "it" if signed.inventory == digest(document) else "another"
        click.echo(f"Officers signed {which}: {signed}.", err=True)
    if drift:
        sys.exit(1)


def _told(token: Token, drift: Sequence[Difference], signed: SignedInventory | None) -> str:
    rows = [
        {
            "class": each.key.kind if each.key else None,
            "label": each.key.label if each.key else None,
            "id": each.key.id if each.key else None,
            "drift": str(each.drift),
            "should_be": each.should,
            "is": each.found,
        }
        for each in drift
    ]
    told = {
        "token": token.label,
        "serial": token.serial,
        "signed_sha256": signed.inventory if signed else None,
        "drift": rows,
    }
    return json.dumps(told, indent=2)


def _row(each: Difference) -> tuple[str, ...]:
    named = (each.key.kind, each.key.label, each.key.version) if each.key else ("token", "-", "-")
    return (*named, str(each.drift), each.should, each.found)
