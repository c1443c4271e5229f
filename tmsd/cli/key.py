"""`tmsctl key`: the keys in the HSM, over the steps of tmsd/ceremony/steps/.

Here is only what a person types and reads. No key and no PIN is ever an argument.
"""

import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import click

from hsm.errors import ComponentInvalid
from hsm.importing import require_absent
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.described_key import DescribedKey, algorithm_name
from tmsd.ceremony.key_users import CardsOnKey, KeyUsers
from tmsd.ceremony.signing_key import WantedKeyPair
from tmsd.ceremony.steps import destroy_key as destruction
from tmsd.ceremony.steps import generate_key as generation
from tmsd.ceremony.steps import import_key as importing
from tmsd.ceremony.steps.generate_service_keys import generate_service_key
from tmsd.ceremony.steps.list_key_pairs import list_key_pairs
from tmsd.ceremony.steps.list_keys import ListedKey, list_keys
from tmsd.ceremony.ungoverned_token import ungoverned_token
from tmsd.ceremony.wanted_key import WantedKey, require_algorithm
from tmsd.cli.configuration import configuration, in_token_for_nonces, token_table
from tmsd.cli.confirmation import confirm
from tmsd.cli.key_cards import list_cards
from tmsd.cli.key_pair import PAIR_HEADINGS, destroy_pair, generate_pair, pair_row
from tmsd.cli.named_key import (
    NAMES,
    PAIR_NAMES,
    NamedKey,
    NamedKeyPair,
    names_a_key,
    names_a_key_pair,
)
from tmsd.cli.table import print_table
from tmsd.cli.typed_secret import typed_unseen
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy, declared_cas, load_policy
from tmsd.config.reserved_keys import RESERVED_PREFIX, SERVICE_KEYS

_HEADINGS = ("LABEL", "VERSION", "ALGORITHM", "KCV", "USED BY", "STATE")

_ALGORITHMS = click.Choice([algorithm.value for algorithm in KeyAlgorithm])
_ALL_ALGORITHMS = click.Choice([one.value for one in (*KeyAlgorithm, *KeyPairAlgorithm)])
_SERVICES = click.Choice([label.removeprefix(RESERVED_PREFIX) for label in SERVICE_KEYS])


def _require_whole(named: NamedKey) -> None:
    """Refuse a command line that does not name one key, before any file is read."""
    if not named.is_whole:
        raise click.UsageError(NAMES)


def _wanted_pair(config_file: Path, pair: NamedKeyPair, named: NamedKey) -> WantedKeyPair:
    config = load_daemon_config(config_file)
    return pair.wanted(named.version, declared_cas(config.policy.file))


@click.group()
def key() -> None:
    """Import, generate, list and destroy keys in the HSM."""


key.add_command(list_cards)


@key.command("import")
@configuration
@names_a_key
@click.option("--algorithm", required=True, type=_ALGORITHMS, help="As in policy.toml.")
def import_key(config_file: Path, named: NamedKey, algorithm: str) -> None:
    """Import a master key or a transport key from its components, combined by XOR.

    Components are hexadecimal, one a line: on a terminal each is typed without echo, and an
    empty line ends them; otherwise they are read from standard input to its end. des3 takes
    components of 16 bytes (two keys) or 24 bytes (three keys).
    """
    _require_whole(named)
    config, policy = _loaded(config_file)
    wanted = named.wanted(policy)
    require_algorithm(wanted, KeyAlgorithm(algorithm))
    components: list[Secret] = []
    with ungoverned_token(config.hsm) as token:
        require_absent(token, wanted.reference)  # before anybody types
        try:
            _take_components(token, wanted, components)
            made = importing.import_key(token, wanted, components)
        finally:
            for component in components:
                component.wipe()
    _print_made("Imported", made)
    _note_unnamed(policy, named)


@key.command()
@configuration
@names_a_key
@names_a_key_pair
@click.option(
    "--algorithm",
    type=_ALL_ALGORITHMS,
    help="By default as in policy.toml; of a key pair it must be said.",
)
@click.option("--service", type=_SERVICES, help="The next version of this key of the daemon.")
def generate(
    config_file: Path,
    named: NamedKey,
    pair: NamedKeyPair,
    algorithm: str | None,
    service: str | None,
) -> None:
    """Generate a key in the HSM, which never leaves it.

    Either a master key (--key-set and --version), or a transport key (--transport-key), or the
    key pair of a CA (--ca) or its responder (--ocsp, --nonces), or a key of the daemon's own
    (--service).
    """
    if not pair.is_empty and service is None:
        pair.require_one(named)
        by = _pair_algorithm(algorithm)
        generate_pair(config_file, _wanted_pair(config_file, pair, named), by)
    elif service is not None and named.is_empty and pair.is_empty and algorithm is None:
        _generate_service_key(config_file, RESERVED_PREFIX + service)
    elif service is None and named.is_whole:
        _generate_named_key(config_file, named, _cipher(algorithm))
    else:
        raise click.UsageError(f"{NAMES}, or --ca, --ocsp or --nonces, or --service alone")


@key.command("list")
@configuration
@in_token_for_nonces
def list_(config_file: Path, *, nonces: bool) -> None:
    """List the keys in the HSM, and those that policy.toml names and it lacks.

    In the token for nonces there are key pairs alone.
    """
    config, policy = _loaded(config_file)
    with configured_token(token_table(config, nonces=nonces)) as token:
        rows = [] if nonces else [_row(listed) for listed in list_keys(token, policy)]
        pairs = [pair_row(pair) for pair in list_key_pairs(token)]
    if not nonces:
        print_table(_HEADINGS, rows)
        if not pairs:
            return
        click.echo()
    print_table(PAIR_HEADINGS, pairs)


@key.command()
@configuration
@names_a_key
@names_a_key_pair
@click.option("--yes", is_flag=True, help="Do not ask, as scripts need it.")
def destroy(config_file: Path, named: NamedKey, pair: NamedKeyPair, yes: bool) -> None:
    """Destroy a key for good, after asking for its name, or its KCV or public key's hash.

    Of a key pair (--ca, --ocsp, --nonces) both halves are destroyed.
    """
    if not pair.is_empty:
        pair.require_one(named)
        destroy_pair(config_file, _wanted_pair(config_file, pair, named), ask=not yes)
        return
    _require_whole(named)
    config, policy = _loaded(config_file)
    wanted = named.wanted(policy)
    users = KeyUsers(config, policy)
    with ungoverned_token(config.hsm) as token:
        found = destruction.find_key(token, wanted)
        users.require_out_of_use(wanted.reference)
        if not yes:
            _confirm(found, users.cards_on(wanted.reference))
        users.require_dropped(wanted.reference, partial(click.echo, err=True))
        destroyed = destruction.destroy_key(token, wanted)
    _print_made("Destroyed", destroyed)


def _loaded(config_file: Path) -> tuple[DaemonConfig, Policy]:
    config = load_daemon_config(config_file)
    return config, load_policy(config.policy.file)


def _pair_algorithm(algorithm: str | None) -> KeyPairAlgorithm:
    if algorithm not in list(KeyPairAlgorithm):
        known = ", ".join(KeyPairAlgorithm)
        raise click.UsageError(f"a key pair needs --algorithm, one of {known}")
    return KeyPairAlgorithm(algorithm)


def _cipher(algorithm: str | None) -> KeyAlgorithm | None:
    if algorithm in list(KeyPairAlgorithm):
        raise click.UsageError(f"{algorithm} is for key pairs: {PAIR_NAMES}")
    return KeyAlgorithm(algorithm) if algorithm else None


def _generate_service_key(config_file: Path, label: str) -> None:
    config = load_daemon_config(config_file)
    with ungoverned_token(config.hsm) as token:
        made = generate_service_key(token, label)
    _print_made("Generated", made)
    click.echo("The daemon takes it up when it is started anew.")


def _generate_named_key(config_file: Path, named: NamedKey, algorithm: KeyAlgorithm | None) -> None:
    config, policy = _loaded(config_file)
    wanted = named.wanted(policy)
    if algorithm is not None:
        require_algorithm(wanted, algorithm)
    with ungoverned_token(config.hsm) as token:
        made = generation.generate_key(token, wanted)
    _print_made("Generated", made)
    if named.transport_key is not None:
        click.echo(
            "No copy of it leaves the HSM: a caller that does not share this HSM needs a key "
            "of components, which tmsctl key import takes."
        )
    _note_unnamed(policy, named)


def _take_components(token: Token, wanted: WantedKey, components: list[Secret]) -> None:
    """Append each component and show its check value; on a terminal ask again for a bad one.

    Raises:
        ComponentInvalid: a component that nobody is there to correct.
    """
    typed = sys.stdin.isatty()
    lines = _typed_lines(components) if typed else _piped_lines()
    for line in lines:
        number = len(components) + 1
        try:
            components.append(importing.parse_component(line, number))
            check_value = importing.component_check_value(token, wanted, components)
        except ComponentInvalid as error:
            if not typed:
                raise
            if len(components) == number:  # it is hexadecimal, of the wrong length
                components.pop().wipe()
            click.echo(f"{error}; type it again", err=True)
        else:
            click.echo(f"component {number}: KCV {check_value.hex()}")


def _typed_lines(components: Sequence[Secret]) -> Iterator[bytes]:
    while True:
        prompt = f"Component {len(components) + 1}, or nothing to end"
        line = typed_unseen(prompt)
        if not line.strip():
            return
        yield line.encode()


def _piped_lines() -> Iterator[bytes]:
    yield from (line for line in sys.stdin.buffer if line.strip())


def _print_made(what: str, described: DescribedKey) -> None:
    check_value = f", KCV {described.check_value.hex()}" if described.check_value else ""
    click.echo(f"{what} {described.reference}: {algorithm_name(described.shape)}{check_value}")


def _note_unnamed(policy: Policy, named: NamedKey) -> None:
    """Say so if the policy does not name this version of the key yet."""
    if named.key_set is not None and named.version not in policy.key_sets[named.key_set].versions:
        click.echo(
            f"Key set {named.key_set} has no version {named.version} in {policy.source} yet: "
            "add it to versions, and the cards that have it are served."
        )
    if named.transport_key is not None:
        current = policy.transport_keys[named.transport_key].version
        if named.version not in (None, current):
            click.echo(
                f"Transport key {named.transport_key} has version {current} in {policy.source}: "
                f"say version = {named.version} there, and that one is used."
            )


def _confirm(found: DescribedKey, cards: CardsOnKey) -> None:
    """Let a person type the key's check value or its name.

    Raises:
        Refused: they typed something else.
    """
    _print_made("About to destroy", found)
    click.echo(f"Cards that were last seen with it: {cards.told}")
    confirm(found.reference, "KCV", found.check_value.hex() if found.check_value else "")


def _row(listed: ListedKey) -> tuple[str, ...]:
    found = listed.found
    return (
        listed.reference.label,
        str(listed.reference.version),
        algorithm_name(found.shape) if found else "-",
        found.check_value.hex() if found and found.check_value else "-",
        ", ".join(listed.used_by) or "-",
        str(listed.state),
    )
