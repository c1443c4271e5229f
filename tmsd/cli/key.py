"""`tmsctl key`: the keys in the HSM, over the steps of tmsd/ceremony/steps/.

Here is only what a person types and reads. No key and no PIN is ever an argument.
"""

import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path

import click

from hsm.errors import ComponentInvalid
from hsm.importing import require_absent
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.described_key import DescribedKey, algorithm_name
from tmsd.ceremony.master_key import master_key
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps import destroy_key as destruction
from tmsd.ceremony.steps import generate_key as generation
from tmsd.ceremony.steps import import_key as importing
from tmsd.ceremony.steps.generate_service_keys import generate_service_key
from tmsd.ceremony.steps.list_keys import ListedKey, list_keys
from tmsd.ceremony.transport_key import transport_key
from tmsd.ceremony.wanted_key import WantedKey, require_algorithm
from tmsd.cli.configuration import configuration
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.key_sets import KeyAlgorithm, VersionState
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import RESERVED_PREFIX, SERVICE_KEYS
from tmsd.globalplatform.diversification import Role

_HEADINGS = ("LABEL", "VERSION", "ALGORITHM", "KCV", "USED BY", "STATE")

_ALGORITHMS = click.Choice([algorithm.value for algorithm in KeyAlgorithm])
_SERVICES = click.Choice([label.removeprefix(RESERVED_PREFIX) for label in SERVICE_KEYS])
_NAMES = "give either --key-set and --version, or --transport-key"
_ROLES = click.Choice([role.name.lower() for role in Role])


@dataclass(frozen=True, slots=True)
class _Named:
    """A key as the command line names it."""

    key_set: str | None
    transport_key: str | None
    role: str | None
    version: int | None

    @property
    def is_whole(self) -> bool:
        """Whether it names one key."""
        if self.key_set is not None:
            return self.transport_key is None and self.version is not None
        return self.transport_key is not None and self.role is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self == _Named(None, None, None, None)

    def wanted(self, policy: Policy) -> WantedKey:
        """Look the key up in the policy.

        Raises:
            Refused: the policy does not have it so.
        """
        if self.key_set is not None and self.version is not None:
            role = Role[self.role.upper()] if self.role else None
            return master_key(policy, self.key_set, self.version, role)
        if self.transport_key is not None:
            return transport_key(policy, self.transport_key, self.version)
        raise click.UsageError(_NAMES)


def _names_a_key(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a key; the command gets them as its `named`."""

    @click.option("--key-set", metavar="NAME", help="A master key of this key set.")
    @click.option("--role", type=_ROLES, help="Which one, in key sets with three master keys.")
    @click.option("--transport-key", metavar="NAME", help="This transport key.")
    @click.option(
        "--version",
        metavar="N",
        type=click.IntRange(1, 255),
        help="1 to 255; of a transport key by default that of the policy.",
    )
    @wraps(command)
    def packed(
        *,
        key_set: str | None,
        transport_key: str | None,
        role: str | None,
        version: int | None,
        **others: object,
    ) -> None:
        command(named=_Named(key_set, transport_key, role, version), **others)

    return packed


def _require_whole(named: _Named) -> None:
    """Refuse a command line that does not name one key, before any file is read."""
    if not named.is_whole:
        raise click.UsageError(_NAMES)


@click.group()
def key() -> None:
    """Import, generate, list and destroy keys in the HSM."""


@key.command("import")
@configuration
@_names_a_key
@click.option("--algorithm", required=True, type=_ALGORITHMS, help="As in policy.toml.")
def import_key(config_file: Path, named: _Named, algorithm: str) -> None:
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
    with configured_token(config.hsm, writable=True) as token:
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
@_names_a_key
@click.option("--algorithm", type=_ALGORITHMS, help="By default as in policy.toml.")
@click.option("--service", type=_SERVICES, help="The next version of this key of the daemon.")
def generate(config_file: Path, named: _Named, algorithm: str | None, service: str | None) -> None:
    """Generate a key in the HSM, which never leaves it.

    Either a master key (--key-set and --version), or a transport key (--transport-key), or a
    key of the daemon's own (--service).
    """
    if service is not None and named.is_empty and algorithm is None:
        _generate_service_key(config_file, RESERVED_PREFIX + service)
    elif service is None and named.is_whole:
        _generate_named_key(config_file, named, algorithm)
    else:
        raise click.UsageError(f"{_NAMES}, or --service alone")


@key.command("list")
@configuration
def list_(config_file: Path) -> None:
    """List the keys in the HSM, and those that policy.toml names and it lacks."""
    config, policy = _loaded(config_file)
    with configured_token(config.hsm) as token:
        rows = [_row(listed) for listed in list_keys(token, policy)]
    widths = [max(map(len, column)) for column in zip(_HEADINGS, *rows, strict=True)]
    for row in (_HEADINGS, *rows):
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


@key.command()
@configuration
@_names_a_key
@click.option("--yes", is_flag=True, help="Do not ask, as scripts need it.")
def destroy(config_file: Path, named: _Named, yes: bool) -> None:
    """Destroy a master key or a transport key for good, after asking for its KCV or its name."""
    _require_whole(named)
    config, policy = _loaded(config_file)
    wanted = named.wanted(policy)
    with configured_token(config.hsm, writable=True) as token:
        if not yes:
            _confirm(destruction.find_key(token, wanted), policy, named)
        destroyed = destruction.destroy_key(token, wanted)
    _print_made("Destroyed", destroyed)


def _loaded(config_file: Path) -> tuple[DaemonConfig, Policy]:
    config = load_daemon_config(config_file)
    return config, load_policy(config.policy.file)


def _generate_service_key(config_file: Path, label: str) -> None:
    config = load_daemon_config(config_file)
    with configured_token(config.hsm, writable=True) as token:
        made = generate_service_key(token, label)
    _print_made("Generated", made)
    click.echo("The daemon takes it up when it is started anew.")


def _generate_named_key(config_file: Path, named: _Named, algorithm: str | None) -> None:
    config, policy = _loaded(config_file)
    wanted = named.wanted(policy)
    if algorithm is not None:
        require_algorithm(wanted, KeyAlgorithm(algorithm))
    with configured_token(config.hsm, writable=True) as token:
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
        line = click.prompt(prompt, hide_input=True, default="", show_default=False)
        if not line.strip():
            return
        yield line.encode()


def _piped_lines() -> Iterator[bytes]:
    yield from (line for line in sys.stdin.buffer if line.strip())


def _print_made(what: str, described: DescribedKey) -> None:
    check_value = f", KCV {described.check_value.hex()}" if described.check_value else ""
    click.echo(f"{what} {described.reference}: {algorithm_name(described.shape)}{check_value}")


def _note_unnamed(policy: Policy, named: _Named) -> None:
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


def _loss(policy: Policy, named: _Named, version: int) -> str | None:
    """Return what will not work without this version of the key, if anything."""
    if named.key_set is not None:
        is_active = policy.key_sets[named.key_set].versions.get(version) is VersionState.ACTIVE
        return "It is active: cards that have it cannot be served any more." if is_active else None
    if named.transport_key is not None:
        is_used = policy.transport_keys[named.transport_key].version == version
        return "It is in use: its callers get no session keys any more." if is_used else None
    return None


def _confirm(found: DescribedKey, policy: Policy, named: _Named) -> None:
    """Let a person type the key's check value or its name.

    Raises:
        Refused: they typed something else.
    """
    name = f"{found.reference.label}:{found.reference.version}"
    check_value = found.check_value.hex() if found.check_value else ""
    _print_made("About to destroy", found)
    if loss := _loss(policy, named, found.reference.version):
        click.echo(loss)
    shown = f"its KCV or {name}" if check_value else name
    typed = click.prompt(f"There is no way back. Type {shown} to destroy it").strip().lower()
    if typed not in {name.lower(), check_value} - {""}:
        raise Refused(f"that is neither its KCV nor {name}: nothing was destroyed")


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
