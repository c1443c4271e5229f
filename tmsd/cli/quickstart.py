"""`tmsctl quickstart`: the embedded default, everything a tmsd needs in one directory."""

import shlex
import shutil
import sys
from pathlib import Path

import click

from tmsd.ceremony.configured_token import token_address
from tmsd.ceremony.described_key import DescribedKey
from tmsd.ceremony.master_key import master_key
from tmsd.ceremony.steps.generate_key import generate_key
from tmsd.ceremony.steps.generate_service_keys import generate_service_keys
from tmsd.ceremony.steps.initialise_token import initialise_token, random_pin
from tmsd.ceremony.ungoverned_token import ungoverned_token
from tmsd.cli.quickstart_ca import make_cas
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.files import check_files
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError, read
from tmsd.quickstart.certificates import (
    certificate_authority,
    client_identity,
    server_identity,
)
from tmsd.quickstart.configuration import (
    CA,
    CALLER,
    KEY_SET,
    RA_CALLER,
    Ports,
    callers,
    daemon_configuration,
    policy,
    softhsm_configuration,
)
from tmsd.quickstart.directory import PRIVATE, NewDirectory, filled
from tmsd.quickstart.softhsm import softhsm_module

_FIRST_VERSION = 1
# The latch is written by whoever logs in.
_LATCH_MODE = 0o600


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=8443,
    show_default=True,
    help="The TCP port that the daemon listens on, at 127.0.0.1.",
)
@click.option(
    "--ocsp-port",
    type=click.IntRange(1, 65535),
    default=8480,
    show_default=True,
    help="The TCP port of the OCSP responder, at 127.0.0.1: certificates name it.",
)
def quickstart(directory: Path, port: int, ocsp_port: int) -> None:
    """Make a complete site for development in DIR, which is empty or not there yet.

    A SoftHSM token with a demonstration key, certificates, CAs, configuration. When anything
    fails, DIR is left as it was.
    """
    module = softhsm_module()
    with filled(directory.absolute()) as site:
        hashes = _make_certificates(site)
        click.echo(
            f"tls/          a CA, and certificates for the daemon and callers {CALLER}, {RA_CALLER}"
        )
        _make_configuration(site, module, Ports(port, ocsp_port))
        click.echo("tmsd.toml     places, ports and limits")
        click.echo("policy.toml   who may ask for what")
        config = load_daemon_config(site.path / "tmsd.toml")
        key = _make_token(site, config)
        check_value = key.check_value.hex() if key.check_value else "none"
        click.echo(f"softhsm/      a token; {key.reference} has KCV {check_value}")
        make_cas(site, config, ocsp_port)
        with config.policy.file.open("a") as appended:
            appended.write(callers(*hashes))
        click.echo(f"cas/          a root CA, and the CA {CA} with its OCSP responder")
        click.echo("profiles/     what certificates say")
        _require_right_files(config)
    _print_next_steps(directory, port)


def _make_certificates(site: NewDirectory) -> tuple[str, str]:
    """Make the CA and three certificates; return the callers' public-key hashes."""
    authority = certificate_authority("tmsd development CA")
    server = server_identity(authority, "localhost", ["localhost"], ["127.0.0.1", "::1"])
    caller, ra = (client_identity(authority, name) for name in (CALLER, RA_CALLER))
    site.folder("tls")
    identities = {"ca": authority, "server": server, CALLER: caller, RA_CALLER: ra}
    for name, identity in identities.items():
        site.file(f"tls/{name}.pem", identity.certificate_pem)
        site.file(f"tls/{name}.key", identity.private_key_pem, PRIVATE)
    return caller.public_key_sha256, ra.public_key_sha256


def _make_configuration(site: NewDirectory, module: Path, ports: Ports) -> None:
    softhsm_text = softhsm_configuration(site.path / "softhsm" / "tokens")
    softhsm_conf = site.file("softhsm2.conf", softhsm_text.encode())
    configuration = daemon_configuration(site.path, module, softhsm_conf, ports)
    site.file("tmsd.toml", configuration.encode())
    site.file("policy.toml", policy().encode())
    site.folder("audit")


def _make_token(site: NewDirectory, config: DaemonConfig) -> DescribedKey:
    """Make the token that the configuration names, with its keys; return the master key."""
    site.folder("softhsm")
    site.folder("softhsm/tokens")
    site.folder("credentials")
    # The first login would make it; made here, it is taken back with all else.
    site.file(config.hsm.latch_file.name, b"", _LATCH_MODE)
    with (so_pin := random_pin()) as so_value, (user_pin := random_pin()) as user_value:
        site.file("credentials/hsm-so-pin", so_value, PRIVATE)
        site.file("credentials/hsm-pin", user_value, PRIVATE)
        initialise_token(token_address(config.hsm), so_pin, user_pin)
    key = master_key(load_policy(config.policy.file), KEY_SET, _FIRST_VERSION)
    site.expect(config.hsm.latch_file)
    with ungoverned_token(config.hsm) as token:
        generate_service_keys(token)
        return generate_key(token, key)


def _require_right_files(config: DaemonConfig) -> None:
    """Look at the files as `tmsctl check config` does.

    Raises:
        ConfigError: with everything that is wrong.
    """
    if faults := read(config.source).faults(check_files(config)):
        raise ConfigError(faults)


def _print_next_steps(directory: Path, port: int) -> None:
    tls = directory / "tls"
    start = [_program("tmsd"), "--config", str(directory / "tmsd.toml")]
    respond = [start[0], "ocsp", *start[1:]]
    ask = ["curl", "--cacert", f"{tls}/ca.pem"]
    ask += ["--cert", f"{tls}/{CALLER}.pem", "--key", f"{tls}/{CALLER}.key"]
    ask += ["--json", '{"length": 16}', f"https://127.0.0.1:{port}/v1/tks/random"]
    issue = _ca_command(directory, "issue", "--profile", "token-authentication")
    issue += ["--csr", "FILE.csr", "--out", "FILE.pem"]
    revoke = _ca_command(directory, "revoke", "--serial", "HEX", "--reason", "keyCompromise")
    click.echo(
        f"\nReady. {tls}/ca.key is the CA's private key, kept so that you can certify further\n"
        "callers: fit for development, and for nothing else.\n"
        f"\nTo start it, and the responder for who relies on its certificates:\n"
        f"\n    {shlex.join(start)}\n    {shlex.join(respond)}\n"
        f"\nThen, as {CALLER}, in another terminal:\n\n    {shlex.join(ask)}\n"
        f"\nTo issue a certificate for the request in FILE.csr, and to revoke it:\n"
        f"\n    {shlex.join(issue)}\n    {shlex.join(revoke)}\n"
    )


def _ca_command(directory: Path, command: str, *arguments: str) -> list[str]:
    config = str(directory / "tmsd.toml")
    return [_program("tmsctl"), "ca", command, "--config", config, "--ca", CA, *arguments]


def _program(name: str) -> str:
    """Return how a program of tmsd is called from here: by name, or as this one was."""
    beside = Path(sys.argv[0]).with_name(name)
    on_path = shutil.which(name)
    if beside.is_file() and (on_path is None or not beside.samefile(on_path)):
        return str(beside)
    return name
