"""`tmsctl check`: is what the daemon is about to be given right?

`config` asks files alone, `hsm` the token as well (check_hsm.py).
"""

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import click

from tmsd.cli.check_hsm import check_hsm
from tmsd.config.authorities import Authority
from tmsd.config.callers import ALL_KEY_SETS, ANY_COMMAND, Caller, Role
from tmsd.config.cas import Ca
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.dogtag import DogtagTps
from tmsd.config.files import check_files
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.config.policy import Policy, load_policy
from tmsd.config.toml import ConfigError, Fault, read
from tmsd.config.transport_keys import TransportKey
from tmsd.config.unsafe import warnings
from tmsd.plain_text import plain

T = TypeVar("T")


@click.group()
def check() -> None:
    """Check files, and the HSM, before they are used."""


check.add_command(check_hsm)


@check.command("config")
@click.argument(
    "directory", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path)
)
def check_config(directory: Path) -> None:
    """Check DIR/tmsd.toml, its policy, and the files that it names.

    Prints every fault with its file and line and exits with 1, or says in plain words
    what the configuration allows.
    """
    faults: list[Fault] = []
    directory = directory.absolute()
    config = _loaded(load_daemon_config, directory / "tmsd.toml", faults)
    if config is not None:
        faults += read(config.source).faults(check_files(config))
    policy_file = config.policy.file if config else directory / "policy.toml"
    policy = _loaded(load_policy, policy_file, faults)
    if config is None or policy is None or faults:
        for fault in faults:
            click.echo(str(fault), err=True)
        sys.exit(1)
    for line in _daemon_lines(config):
        click.echo(line)
    for line in _policy_lines(policy):
        click.echo(line)
    for warning in (*_unheard(config, policy), *warnings(policy)):
        click.secho(f"WARNING: {warning}", fg="red", bold=True)


def _loaded(load: Callable[[Path], T], path: Path, faults: list[Fault]) -> T | None:
    try:
        return load(path)
    except ConfigError as error:
        faults += error.faults
        return None


def _daemon_lines(config: DaemonConfig) -> Iterator[str]:
    hsm = config.hsm
    serial = f", serial {hsm.token_serial}" if hsm.token_serial else ""
    pin = hsm.pin_file or f"the systemd credential {hsm.pin_credential}"
    yield f"{config.source}: right"
    yield f"  listens on {config.api.listen}"
    if config.dogtag is not None:
        yield f"  listens to TPSs of Dogtag on {config.dogtag.listen}"
    yield f"  token {hsm.token_label!r}{serial}, through {hsm.module}, PIN from {pin}"
    yield f"  audit log {config.audit.file}"
    if (nonces := config.ocsp.nonces) is not None:
        yield f"  token {nonces.hsm.token_label!r} for nonces, by a worker at {nonces.socket}"


def _unheard(config: DaemonConfig, policy: Policy) -> Iterator[str]:
    """Yield the callers that nobody listens to."""
    for caller in policy.callers.values():
        if caller.dogtag is not None and config.dogtag is None:
            yield (
                f"caller {caller.name} is a TPS of Dogtag, and {config.source.name} has no table "
                "[dogtag]: nobody listens to it"
            )


def _policy_lines(policy: Policy) -> Iterator[str]:
    yield f"{policy.source}: right"
    yield f"  version {policy.version}, SHA-256 {policy.digest}"
    if policy.blocked_keys is not None:
        yield f"  blocks {len(policy.blocked.hashes)} public keys of {policy.blocked_keys}"
    yield "Callers" if policy.callers else "No callers: every request is refused"
    for caller in policy.callers.values():
        yield f"  {_described_caller(caller)}"
    yield "Key sets" if policy.key_sets else "No key sets: no card can be served"
    for key_set in policy.key_sets.values():
        yield f"  {_described_key_set(key_set)}"
    if policy.transport_keys:
        yield "Transport keys"
    for key in policy.transport_keys.values():
        yield f"  {_described_transport_key(key, policy)}"
    if policy.authorities.by_name:
        yield "CAs"
    for authority in policy.authorities.by_name.values():
        yield f"  {_described_ca(authority)}"


def _described_caller(caller: Caller) -> str:
    if ALL_KEY_SETS in caller.key_sets:
        reach = "all key sets"
    elif caller.key_sets:
        reach = f"key sets {', '.join(caller.key_sets)}"
    else:
        reach = "no key sets"
    parts = [", ".join(caller.roles), reach]
    if caller.dogtag is None:
        parts.append(f"deliveries {', '.join(caller.deliveries) or 'none'}")
    if caller.transport_key is not None:
        parts.append(f"transport key {caller.transport_key}")
    if caller.deliver_static_dek:
        parts.append("static DEKs")
    if caller.encrypt_purposes:
        parts.append(f"encrypts {', '.join(caller.encrypt_purposes)}")
    if caller.dogtag is not None:
        parts += _described_dogtag(caller.dogtag)
    elif Role.TPS in caller.roles:
        parts.append(_described_commands(caller))
    if caller.certificates:
        parts.append(f"certificates {', '.join(caller.certificates)}")
    return f"{caller.name}: {'; '.join(parts)}"


def _described_dogtag(tps: DogtagTps) -> Iterator[str]:
    yield "a TPS of Dogtag, which holds session keys"
    for word, names in tps.key_sets.items():
        default = " (also without keySet)" if word == tps.default_key_set else ""
        yield f"keySet {plain(word)}{default} is {', '.join(names)}"
    if tps.kra_certificate is None:
        yield "no server-side key generation"
    else:
        padding = "OAEP" if tps.kra_oaep else "PKCS #1 v1.5"
        yield f"{', '.join(tps.keygen_keys)} keys for {tps.kra_certificate} by {padding}"
    if tps.allow_unverified_scp02:
        yield f"SCP02 unverified, {tps.unverified_keys_per_minute} keys a minute for one card"
    else:
        yield "no SCP02"
    if not tps.require_recent_session:
        yield "keys changed without a recent session"


def _described_commands(caller: Caller) -> str:
    if ANY_COMMAND in caller.card_commands:
        return "any card command but PUT KEY"
    return f"card commands {', '.join(caller.card_commands) or 'none'}"


def _described_key_set(key_set: KeySet) -> str:
    versions = ", ".join(f"{number} {state}" for number, state in key_set.versions.items())
    parts = [
        f"SCP{key_set.scp}, i = {', '.join(f'{value:02x}' for value in key_set.scp_i)}",
        _described_master_keys(key_set),
        f"diversification {key_set.diversification} over {key_set.diversification_data}",
        f"versions {versions}",
        f"security level at least {key_set.min_security_level:02x}",
    ]
    if not key_set.require_issued_challenge:
        parts.append("any host challenge")
    if key_set.change_to:
        parts.append(f"cards change to {', '.join(key_set.change_to)}")
    if key_set.card_algorithm is KeyAlgorithm.DES3:
        parts.append(f"PUT KEY with key type {key_set.put_key_des_type:02x}")
    return f"{key_set.name}: {'; '.join(parts)}"


def _described_master_keys(key_set: KeySet) -> str:
    if key_set.master_keys is None:
        labels = repr(key_set.master_key)
    else:
        labels = ", ".join(f"{role.name} {label!r}" for role, label in key_set.labels.items())
    described = f"{key_set.algorithm} keys {labels}"
    if key_set.card_algorithm is not key_set.algorithm:
        described += f" for {key_set.card_algorithm} keys of cards"
    return described


def _described_transport_key(key: TransportKey, policy: Policy) -> str:
    users = [name for name, one in policy.callers.items() if one.transport_key == key.name]
    return (
        f"{key.name}: {key.algorithm} key {key.label!r} version {key.version}; "
        f"callers {', '.join(users) or 'none'}"
    )


def _described_ca(authority: Authority) -> str:
    table, certificate = authority.table, authority.certificate
    parts = [
        f"{certificate.subject.rfc4514_string()}, until {certificate.not_valid_after_utc:%Y-%m-%d}",
        f"key {table.label!r} version {table.version}",
        f"profiles {', '.join(authority.profiles) or 'none'}",
        _described_crls(table),
        f"OCSP answers for {table.ocsp.hours} hours" if table.ocsp else "no OCSP responder",
    ]
    if table.ocsp is not None and (nonces := table.ocsp.nonces) is not None:
        parts.append(f"nonces by key {nonces.label!r} version {nonces.version}")
    return f"{table.name}: {'; '.join(parts)}"


def _described_crls(ca: Ca) -> str:
    described = f"CRLs for {ca.crl_hours} hours"
    if ca.partitions:
        described += f" in {ca.crl_partitions} partitions"
        described += " and of all" if ca.crl_whole else " alone"
    if ca.crl_delta_minutes is not None:
        described += f", deltas for {ca.crl_delta_minutes} minutes"
    return described
