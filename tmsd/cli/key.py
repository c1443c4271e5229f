"""`tmsctl key`: the keys in the HSM, over the steps of tmsd/ceremony/steps/.

Here is only what a person types and reads. No key and no PIN is ever an argument.
"""

import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from hsm.errors import ComponentInvalid
from hsm.importing import require_absent
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.described_key import DescribedKey, algorithm_name
from tmsd.ceremony.master_key import MasterKey, master_key, require_algorithm
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps import destroy_key as destruction
from tmsd.ceremony.steps import generate_key as generation
from tmsd.ceremony.steps import import_key as importing
from tmsd.ceremony.steps.generate_service_keys import generate_service_key
from tmsd.ceremony.steps.list_keys import ListedKey, list_keys
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.key_sets import KeyAlgorithm, VersionState
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import RESERVED_PREFIX, SERVICE_KEYS

_HEADINGS = ("LABEL", "VERSION", "ALGORITHM", "KCV", "USED BY", "STATE")

_config = click.option(
    "--config",
    "config_file",
    metavar="FILE",
    required=True,
    type=click.Path(path_type=Path),
    help="tmsd.toml, which names the token and the policy.",
)
_key_set = click.option("--key-set", metavar="NAME", required=True, help="As in policy.toml.")
_version = click.option(
    "--version", metavar="N", required=True, type=click.IntRange(1, 255), help="1 to 255."
)
_ALGORITHMS = click.Choice([algorithm.value for algorithm in KeyAlgorithm])
_SERVICES = click.Choice([label.removeprefix(RESERVED_PREFIX) for label in SERVICE_KEYS])


@click.group()
def key() -> None:
    """Import, generate, list and destroy keys in the HSM."""


@key.command("import")
@_config
@_key_set
@_version
@click.option("--algorithm", required=True, type=_ALGORITHMS, help="The key set's.")
def import_key(config_file: Path, key_set: str, version: int, algorithm: str) -> None:
    """Import a master key from its components, combined by XOR.

    Components are hexadecimal, one a line: on a terminal each is typed without echo, and an
    empty line ends them; otherwise they are read from standard input to its end. des3 takes
    components of 16 bytes (two keys) or 24 bytes (three keys).
    """
    config, policy = _loaded(config_file)
    wanted = master_key(policy, key_set, version)
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
    _note_unnamed(policy, key_set, version)


@key.command()
@_config
@click.option("--key-set", metavar="NAME", help="Make a master key of this key set.")
@click.option("--version", metavar="N", type=click.IntRange(1, 255), help="Its version, 1 to 255.")
@click.option("--algorithm", type=_ALGORITHMS, help="The key set's, which is the default.")
@click.option("--service", type=_SERVICES, help="Make the next version of a key of the daemon.")
def generate(
    config_file: Path,
    key_set: str | None,
    version: int | None,
    algorithm: str | None,
    service: str | None,
) -> None:
    """Generate a key in the HSM, which never leaves it.

    Either a master key (--key-set and --version), or a key of the daemon's own (--service).
    """
    if service is not None and key_set is None and version is None and algorithm is None:
        _generate_service_key(config_file, RESERVED_PREFIX + service)
    elif service is None and key_set is not None and version is not None:
        _generate_master_key(config_file, key_set, version, algorithm)
    else:
        raise click.UsageError("give either --key-set and --version, or --service alone")


@key.command("list")
@_config
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
@_config
@_key_set
@_version
@click.option("--yes", is_flag=True, help="Do not ask, as scripts need it.")
def destroy(config_file: Path, key_set: str, version: int, yes: bool) -> None:
    """Destroy a master key for good, after asking for its KCV or its name."""
    config, policy = _loaded(config_file)
    wanted = master_key(policy, key_set, version)
    with configured_token(config.hsm, writable=True) as token:
        if not yes:
            _confirm(destruction.find_key(token, wanted), policy, key_set)
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


def _generate_master_key(
    config_file: Path, key_set: str, version: int, algorithm: str | None
) -> None:
    config, policy = _loaded(config_file)
    wanted = master_key(policy, key_set, version)
    if algorithm is not None:
        require_algorithm(wanted, KeyAlgorithm(algorithm))
    with configured_token(config.hsm, writable=True) as token:
        made = generation.generate_key(token, wanted)
    _print_made("Generated", made)
    _note_unnamed(policy, key_set, version)


def _take_components(token: Token, wanted: MasterKey, components: list[Secret]) -> None:
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


def _note_unnamed(policy: Policy, key_set: str, version: int) -> None:
    if version not in policy.key_sets[key_set].versions:
        click.echo(
            f"Key set {key_set} has no version {version} in {policy.source} yet: "
            "add it to versions, and the cards that have it are served."
        )


def _confirm(found: DescribedKey, policy: Policy, key_set: str) -> None:
    """Let a person type the key's check value or its name.

    Raises:
        Refused: they typed something else.
    """
    name = f"{found.reference.label}:{found.reference.version}"
    check_value = found.check_value.hex() if found.check_value else ""
    _print_made("About to destroy", found)
    if policy.key_sets[key_set].versions.get(found.reference.version) is VersionState.ACTIVE:
        click.echo("It is active: cards that have it cannot be served any more.")
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
