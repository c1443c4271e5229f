"""`tmsctl key` for key pairs, which sign for CAs and responders."""

from pathlib import Path

import click

from hsm.public_keys import KeyPairAlgorithm
from tmsd.ceremony.described_key_pair import DescribedKeyPair, describe_key_pair
from tmsd.ceremony.signing_key import WantedKeyPair
from tmsd.ceremony.steps import destroy_key_pair as destruction
from tmsd.ceremony.steps import generate_key_pair as generation
from tmsd.ceremony.ungoverned_token import ungoverned_token
from tmsd.cli.configuration import token_table
from tmsd.cli.confirmation import confirm
from tmsd.config.daemon import load_daemon_config

PAIR_HEADINGS = ("LABEL", "VERSION", "ALGORITHM", "SPKI SHA-256", "STATE")


def generate_pair(config_file: Path, wanted: WantedKeyPair, algorithm: KeyPairAlgorithm) -> None:
    """Generate a key pair and say what it is.

    Raises:
        HsmError, ConfigError: as they say.
    """
    hsm = token_table(load_daemon_config(config_file), nonces=wanted.is_for_nonces)
    with ungoverned_token(hsm) as token:
        made = generation.generate_key_pair(token, wanted, algorithm)
    _print_pair("Generated", made)
    click.echo(f"It signs {wanted.signs}.")


def destroy_pair(config_file: Path, wanted: WantedKeyPair, *, ask: bool) -> None:
    """Destroy both halves of a key pair, after asking for its public key's hash or its name.

    Raises:
        Refused: something else was typed.
        HsmError, ConfigError: as they say.
    """
    hsm = token_table(load_daemon_config(config_file), nonces=wanted.is_for_nonces)
    with ungoverned_token(hsm) as token:
        if ask:
            found = describe_key_pair(token, wanted.reference)
            _print_pair("About to destroy", found)
            click.echo(f"Without it, {wanted.signs} are signed no more.")
            confirm(found.reference, "SPKI SHA-256", _hash(found))
        destroyed = destruction.destroy_key_pair(token, wanted)
    _print_pair("Destroyed", destroyed)


def pair_row(found: DescribedKeyPair) -> tuple[str, ...]:
    """Return the cells of a key pair's line in a table, as PAIR_HEADINGS has them."""
    return (
        found.reference.label,
        str(found.reference.version),
        str(found.identity.algorithm) if found.identity else "-",
        _hash(found) or "-",
        found.fault or "right",
    )


def _print_pair(what: str, described: DescribedKeyPair) -> None:
    algorithm = described.identity and f"{described.identity.algorithm}, SPKI SHA-256 "
    told = f"{algorithm}{_hash(described)}" if algorithm else described.fault
    click.echo(f"{what} {described.reference}: {told}")


def _hash(described: DescribedKeyPair) -> str:
    return described.identity.spki_sha256.hex() if described.identity else ""
