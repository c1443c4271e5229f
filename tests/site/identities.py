"""Who takes part: the daemon, its callers, and some who only look like callers."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tmsd.quickstart.certificates import (
    Identity,
    certificate_authority,
    client_identity,
    server_identity,
)

TPS = "tps-demo"
"""May use every key set, has every purpose, and sessions by either delivery."""

BRANCH = "branch"
"""May use one key set, `aes128`, and no other delivery than sealed sessions; no purpose."""

DESK = "desk"
"""May use every key set, send STORE DATA and nothing else, and encrypt PINs."""

OFFLINE = "offline"
"""Gets session keys, and static DEKs with them, and no sealed session."""

OLD_OFFLINE = "old-offline"
"""Gets session keys under 3DES, as the policy's exception allows."""

CLOSED_OFFLINE = "closed-offline"
"""Would get session keys under 3DES if the policy had an exception for it."""

AUDITOR = "auditor"
"""May use every key set, and has not the role that it takes."""

RA = "ra"
DRM_AGENT = "drm-agent"
METRICS = "metrics"
"""May use every key set, and have a role that no call of the token key service takes."""

UNKNOWN = "unknown"
"""Has a certificate of the callers' CA, and no place in the policy."""

STRANGER = "stranger"
"""Has a certificate of another CA."""

SERVER = "server"
"""The daemon itself."""

# Tests ask faster than any front-end does.
_UNLIMITED = "requests_per_second = 1e6\nburst = 1_000_000\nfailures_per_minute = 1_000_000"
_POLICY = {
    TPS: (
        'roles = ["tps"]\nkey_sets = ["*"]\n'
        'deliveries = ["sealed", "transport"]\ntransport_key = "tps-aes"\n'
        'encrypt_purposes = ["proof-of-presence", "proof-of-possession", "pin", "object"]'
    ),
    BRANCH: 'roles = ["tps"]\nkey_sets = ["aes128"]',
    DESK: ('roles = ["tps"]\nkey_sets = ["*"]\ncard_commands = ["e2"]\nencrypt_purposes = ["pin"]'),
    OFFLINE: (
        'roles = ["tps"]\nkey_sets = ["*"]\ndeliveries = ["transport"]\n'
        'transport_key = "tps-aes"\ndeliver_static_dek = true'
    ),
    OLD_OFFLINE: (
        'roles = ["tps"]\nkey_sets = ["*"]\ndeliveries = ["transport"]\n'
        'transport_key = "tps-des"\ndeliver_static_dek = true'
    ),
    CLOSED_OFFLINE: (
        'roles = ["tps"]\nkey_sets = ["*"]\ndeliveries = ["transport"]\n'
        'transport_key = "tps-des-closed"'
    ),
    **{name: f'roles = ["{name}"]\nkey_sets = ["*"]' for name in (AUDITOR, RA, DRM_AGENT, METRICS)},
}


@dataclass(frozen=True, slots=True)
class Credentials:
    """Files of an identity, PEM."""

    certificate: Path
    private_key: Path


def credentials(directory: Path, name: str) -> Credentials:
    """Say where somebody's files are; the callers' CA has the name `ca`."""
    return Credentials(directory / f"{name}.pem", directory / f"{name}.key")


def write_identities(
    directory: Path,
    of_callers: Mapping[str, str],
    may_have: Mapping[str, str],
    *,
    have_cards: bool = True,
) -> str:
    """Make everybody's certificates in a directory; return the callers of policy.toml.

    Args:
        directory: where they go.
        of_callers: by name, lines about a caller in place of those that leave it unlimited.
        may_have: by name, lines that give a caller certificates.
        have_cards: whether somebody has cards; without, nobody has more than a role.
    """
    authority = certificate_authority("callers of a test site")
    elsewhere = certificate_authority("callers of another site")
    callers = {name: client_identity(authority, name) for name in _POLICY}
    everybody = {
        "ca": authority,
        SERVER: server_identity(authority, "localhost", ["localhost"], ["127.0.0.1"]),
        UNKNOWN: client_identity(authority, UNKNOWN),
        STRANGER: client_identity(elsewhere, STRANGER),
        **callers,
    }
    for name, identity in everybody.items():
        write_identity(credentials(directory, name), identity)
    tables = {
        name: table if have_cards else table.splitlines()[0] for name, table in _POLICY.items()
    }
    return "".join(
        f'[callers.{name}]\npublic_key_sha256 = "{callers[name].public_key_sha256}"\n'
        f"{of_callers.get(name, _UNLIMITED)}\n{may_have.get(name, '')}\n{table}\n\n"
        for name, table in tables.items()
    )


def write_identity(files: Credentials, identity: Identity) -> None:
    """Write an identity to files, of which its owner alone may read the key."""
    files.certificate.write_bytes(identity.certificate_pem)
    files.private_key.touch(0o600)
    files.private_key.write_bytes(identity.private_key_pem)
