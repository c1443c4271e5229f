"""The configuration files of a development site: a short version of those in config/."""

import json
from dataclasses import dataclass
from pathlib import Path

from tmsd.ceremony.refusal import Refused
from tmsd.config.values import LONGEST_SOCKET_PATH

TOKEN_LABEL = "tmsd-development"  # noqa: S105  a PKCS#11 token's label is no secret
CALLER = "tps-demo"
RA_CALLER = "ra-demo"
KEY_SET = "demo"
CA = "demo"
ROOT_CA = "demo-root"
OPERATIONS_SOCKET = "operations.sock"

# SoftHSM reads its configuration in lines of 1023 bytes; "=" and "#" end a value.
_LONGEST_LINE = 1022
_NOT_IN_A_VALUE = "#="

_DAEMON = """\
# tmsd.toml: places, ports and limits. What is allowed is in policy.toml.
#
# Made by `tmsctl quickstart` for development on one machine. Further keys, and what they
# mean, are in config/tmsd.toml of tmsd's source. A relative path starts at the directory
# of this file; after every change: tmsctl check config DIR

[api]
# HTTPS with TLS 1.3, for this machine alone.
listen = "127.0.0.1:{port}"
certificate = "tls/server.pem"
private_key = "tls/server.key"
# Whoever has a certificate of this CA gets through TLS, and no further than policy.toml says.
caller_trust = "tls/ca.pem"

[hsm]
# SoftHSM 2, a token in software. Its keys are files in softhsm/, under its PIN.
module = {module}
token_label = "{token_label}"
pin_file = "credentials/hsm-pin"
# A whole path, which the module reads as it stands: change it if you move this directory.
environment = {{ SOFTHSM2_CONF = {softhsm_conf} }}

[audit]
# The hash-chained log of all that was done: tmsctl audit verify FILE
file = "audit/tmsd.jsonl"

[ocsp]
# What relying parties ask, over plain HTTP, of another process: tmsd ocsp --config tmsd.toml
listen = "127.0.0.1:{ocsp_port}"

[operations]
# How the daemon is, for you alone: curl --unix-socket {operations_socket} http://tmsd/state
{is_too_long}socket = "{operations_socket}"
"""

_POLICY = """\
# policy.toml: who may ask for what. What is not named here is refused.
#
# Made by `tmsctl quickstart`. Further keys, and what they mean, are in config/policy.toml
# of tmsd's source.

# To be raised with every change.
version = 1

[key_sets.{key_set}]
# Cards that speak SCP03, and whose keys come from the AES-256 key "{key_set}" of the token.
# For cards that have keys already, import the master key of those under their key version:
#   tmsctl key import --config tmsd.toml --key-set {key_set} --version 2 --algorithm aes256
scp = "03"
algorithm = "aes256"
diversification = "kdf3"
diversification_data = "kdd"
# Key version numbers; the token holds a master key under each.
versions = {{ 1 = "active" }}
# The implementation options "i" of the cards; the first is for cards that do not tell.
scp_i = ["70", "00"]
# A recorded answer of a card is worth nothing: the HSM makes every host challenge.
require_issued_challenge = true
"""

_CALLERS = """
# The SHA-256 of a caller's public key, as of that in tls/{caller}.pem:
#   openssl x509 -in caller.pem -pubkey -noout | openssl pkey -pubin -outform DER | sha256sum

[callers.{caller}]
public_key_sha256 = "{public_key_sha256}"
# It opens channels to cards, with every key set of this file, and has certificates issued
# for them, as CA:PROFILE.
roles = ["tps"]
key_sets = ["*"]
certificates = [
    "{ca}:token-authentication",
    "{ca}:token-signing",
    "{ca}:token-encryption",
    "{ca}:device",
]

[callers.{ra_caller}]
public_key_sha256 = "{ra_public_key_sha256}"
# It has certificates issued and revoked, and opens no channels.
roles = ["ra"]
certificates = [
    "{ca}:token-authentication",
    "{ca}:token-signing",
    "{ca}:token-encryption",
    "{ca}:device",
    "{ca}:tls-server",
    "{ca}:tls-client",
]
"""

_ROOT_CA = """
[cas.{root}]
# The root: it certifies CAs, at the appliance alone (tmsctl ca issue).
certificate = "cas/{root}.pem"
profiles = ["subordinate-ca"]
# Where relying parties find its CRL and its certificate: at the responder.
crl_url = "{responder}/crl/{root}.crl"
certificate_url = "{responder}/ca/{root}.cer"
"""

_CA = """
[cas.{ca}]
# The CA that issues. Its certificate comes first in the file, the root's after it.
certificate = "cas/{ca}.pem"
# Files in profiles/ say what certificates say.
profiles = [
    "token-authentication",
    "token-signing",
    "token-encryption",
    "device",
    "officer",
    "tls-server",
    "tls-client",
    "ocsp-signing",
]
crl_url = "{responder}/crl/{ca}.crl"
certificate_url = "{responder}/ca/{ca}.cer"
"""

_RESPONDER = """
[cas.{ca}.ocsp]
# Its responder, at this machine: tmsd ocsp --config tmsd.toml
certificate = "cas/{ca}-ocsp.pem"
label = "{ca}-ocsp"
url = "{responder}/ocsp"
"""

_SOFTHSM = """\
# Made by `tmsctl quickstart`: the token of this site alone.
{directory_line}
objectstore.backend = file
log.level = ERROR
slots.removable = false
"""


@dataclass(frozen=True, slots=True)
class Ports:
    """The TCP ports of the daemon and of the OCSP responder, at 127.0.0.1."""

    api: int
    ocsp: int


def daemon_configuration(directory: Path, module: Path, softhsm_conf: Path, ports: Ports) -> str:
    """Return the text of tmsd.toml.

    Args:
        directory: where it will be, absolute. If its path is too long for the operations
            socket, the daemon is told of none.
        module: the PKCS#11 module, absolute.
        softhsm_conf: the module's configuration, absolute.
        ports: to listen on.
    """
    socket_length = len(bytes(directory / OPERATIONS_SOCKET))
    return _DAEMON.format(
        port=ports.api,
        ocsp_port=ports.ocsp,
        operations_socket=OPERATIONS_SOCKET,
        is_too_long="#" if socket_length > LONGEST_SOCKET_PATH else "",
        module=_toml(module),
        token_label=TOKEN_LABEL,
        softhsm_conf=_toml(softhsm_conf),
    )


def policy() -> str:
    """Return the text of policy.toml, for one key set; CAs and callers come after it."""
    return _POLICY.format(key_set=KEY_SET)


def root_ca(ocsp_port: int) -> str:
    """Return the table of policy.toml for the root CA; the responder is at a TCP port."""
    return _ROOT_CA.format(root=ROOT_CA, responder=_responder(ocsp_port))


def issuing_ca(ocsp_port: int) -> str:
    """Return the table of policy.toml for the CA that issues; the responder is at a TCP port."""
    return _CA.format(ca=CA, responder=_responder(ocsp_port))


def responder(ocsp_port: int) -> str:
    """Return the table of policy.toml for the CA's responder, which listens at a TCP port."""
    return _RESPONDER.format(ca=CA, responder=_responder(ocsp_port))


def callers(public_key_sha256: str, ra_public_key_sha256: str) -> str:
    """Return the tables of policy.toml for both callers, by their public keys (64 hex digits)."""
    return _CALLERS.format(
        caller=CALLER,
        public_key_sha256=public_key_sha256,
        ra_caller=RA_CALLER,
        ra_public_key_sha256=ra_public_key_sha256,
        ca=CA,
    )


def _responder(port: int) -> str:
    return f"http://127.0.0.1:{port}"


def softhsm_configuration(tokens: Path) -> str:
    """Return the text of softhsm2.conf.

    Args:
        tokens: the directory of the tokens, absolute.

    Raises:
        Refused: SoftHSM, or TOML, cannot read such a path.
    """
    line = f"directories.tokendir = {tokens}"
    if not str(tokens).isprintable() or any(mark in str(tokens) for mark in _NOT_IN_A_VALUE):
        raise Refused(
            f"SoftHSM cannot use the path {str(tokens)!r}: "
            "choose a directory without '#', '=' and unprintable characters"
        )
    if len(line.encode()) > _LONGEST_LINE:
        longest = _LONGEST_LINE - len(line.encode()) + len(str(tokens).encode())
        raise Refused(
            f"SoftHSM cannot use the path of {tokens.name}, which has {len(str(tokens).encode())} "
            f"bytes: choose a directory with a shorter one, {longest} bytes at most in all"
        )
    return _SOFTHSM.format(directory_line=line)


def _toml(path: Path) -> str:
    """Return a printable path as a TOML basic string, whose escapes are those of JSON."""
    return json.dumps(str(path), ensure_ascii=False)
