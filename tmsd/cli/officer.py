"""`tmsctl officer`: what security officers do at a desk of their own: keys, and approvals."""

import os
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import click
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    PublicFormat,
)

from tmsd import clock
from tmsd.ceremony.binding import CardOfOfficer
from tmsd.ceremony.officer_card import cards_in_readers
from tmsd.ceremony.officer_card_messages import SeenCard, SeenKey
from tmsd.ceremony.refusal import Refused
from tmsd.cli.officer_consent import consent
from tmsd.cli.officer_options import file_path, names_a_card, signs_by_card_or_key
from tmsd.cli.output_file import out_option, require_place, write_public
from tmsd.cli.typed_secret import typed_secret
from tmsd.quorum import canonical, quorum, request
from tmsd.quorum.officer_key import OfficerPrivateKey, OfficerPublicKey, accepted, spki
from tmsd.quorum.words import rows

_PRIVATE = 0o600
_READ_ALOUD_BYTES = 8
_KINDS: dict[str, Callable[[], OfficerPrivateKey]] = {
    "p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ed25519": ed25519.Ed25519PrivateKey.generate,
}


@click.group()
def officer() -> None:
    """Make and read officers' keys, and approve what was asked elsewhere."""


@officer.command("key")
@names_a_card
@click.option("--key-id", metavar="HEX", help="Which key of the card, where it has several.")
@out_option
def read_key(card: CardOfOfficer | None, key_id: str | None, out: Path) -> None:
    """Write the public key of a card, by which its officer is enrolled. No PIN is asked for."""
    if card is None:
        raise click.UsageError("--module is needed: the library that reads the card")
    require_place(out)
    seen = _the_card(cards_in_readers(card))
    key = _the_key(seen, key_id)
    write_public(out, _pem(accepted(key.public_key)))
    click.echo(f"Card {seen.label!r} (serial {seen.serial}), key {key.id} ({key.label})")
    _tell_hash(key.public_key)


@officer.command("make-key")
@click.option("--kind", type=click.Choice(list(_KINDS)), default="p256", show_default=True)
@click.option(
    "--out",
    metavar="FILE",
    type=file_path,
    required=True,
    help="The private key in PEM; a new file.",
)
@click.option(
    "--public", metavar="FILE", type=file_path, required=True, help="The public key in PEM."
)
def make_key(kind: str, out: Path, public: Path) -> None:
    """Make a key in a file that a password encrypts, for officers without cards."""
    if out.exists():
        raise Refused(f"{out} is there already, and a key that is lost cannot be made again")
    require_place(public)
    key = _KINDS[kind]()
    with typed_secret("password of the new key", twice=True) as password:
        encryption = BestAvailableEncryption(bytes(password))
        encrypted = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    with os.fdopen(os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL, _PRIVATE), "wb") as file:
        file.write(encrypted)
    public_key = key.public_key()
    write_public(public, _pem(public_key))
    _tell_hash(spki(public_key))


@officer.command("approve")
@click.option(
    "--request", "asked", metavar="FILE", type=file_path, required=True, help="What is asked."
)
@click.option(
    "--quorum", "officers", metavar="FILE", type=file_path, required=True, help="Who is asked."
)
@signs_by_card_or_key
@click.option(
    "--out", metavar="FILE", type=file_path, required=True, help="The approval goes here."
)
def approve(asked: Path, officers: Path, by: CardOfOfficer | Path, out: Path) -> None:
    """Show a request, and sign it by an officer's card or key; the file goes to whoever asked."""
    wanted = request.decode(asked.read_bytes())
    known = quorum.decode(officers.read_bytes())
    require_place(out)
    request.require_current(wanted, known, clock.now())
    for line in wanted.shown():
        click.echo(line)
    given = consent(wanted, known, by)
    write_public(out, canonical.encode(given))
    click.echo(f"Approved by {given.officer}: {out}")


def _the_card(cards: tuple[SeenCard, ...]) -> SeenCard:
    if len(cards) != 1:
        there = ", ".join(f"{card.label!r} (serial {card.serial})" for card in cards)
        raise Refused(f"say by --token-label or --token-serial which card is meant: {there}")
    return cards[0]


def _the_key(card: SeenCard, key_id: str | None) -> SeenKey:
    keys = [key for key in card.keys if key_id in (None, key.id)]
    if len(keys) != 1:
        there = ", ".join(f"{key.id} ({key.label})" for key in card.keys) or "none"
        raise Refused(f"say by --key-id which key of card {card.label!r} is meant: {there}")
    return keys[0]


def _pem(public_key: OfficerPublicKey) -> bytes:
    return public_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def _tell_hash(public_key: bytes) -> None:
    digest = sha256(public_key).digest()
    click.echo(f"SHA-256 of the public key: {digest.hex()}")
    click.echo("To be read aloud:")
    for row in rows(digest[:_READ_ALOUD_BYTES]):
        click.echo(row)
