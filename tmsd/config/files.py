"""The files that tmsd.toml names: there, readable, of one piece, and not open to others.

Looked at before anything else opens them: all by `tmsctl check config`, those of its
listeners by the daemon at its start and at each reload. The PIN is never read.
"""

import stat
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)

from tmsd.config.api import ApiConfig
from tmsd.config.caller_trust import UnfitTrust, load_caller_trust
from tmsd.config.daemon import DaemonConfig
from tmsd.config.hsm import HsmConfig
from tmsd.config.pem import UnfitFile, certificates, content, mode
from tmsd.config.toml import Complaint, KeyPath

PIN_FILE_MODE = 0o400
_Check = tuple[KeyPath, Path, Callable[[Path], bytes | None]]
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


def check_files(config: DaemonConfig) -> Iterator[Complaint]:
    """Yield what is wrong with the files that the daemon and its worker will open."""
    yield from check_identity(config.api)
    yield from _check_trust(config.api)
    if (dogtag := config.dogtag) is not None:
        files = dogtag.filled_in(config.api)
        if dogtag.certificate is not None:
            yield from check_identity(files, "dogtag")
        if dogtag.caller_trust is not None:
            yield from _check_trust(files, "dogtag")
    checks = _of_token(("hsm",), config.hsm)
    if config.ocsp.nonces is not None:
        checks += _of_token(("ocsp", "nonces", "hsm"), config.ocsp.nonces.hsm)
    if config.store.password_file is not None:
        checks.append((("store", "password_file"), config.store.password_file, _require_private))
    yield from _found(checks, {})


def check_identity(api: ApiConfig, table: str = "api") -> Iterator[Complaint]:
    """Yield what is wrong with the daemon's certificate and private key.

    Args:
        api: which files.
        table: of tmsd.toml that names them.
    """
    checks: list[_Check] = [
        ((table, "certificate"), api.certificate, _certified_key),
        ((table, "private_key"), api.private_key, _public_half),
    ]
    public_keys: dict[KeyPath, bytes | None] = {}
    yield from _found(checks, public_keys)
    if len(public_keys) == len(checks) and len(set(public_keys.values())) > 1:
        yield Complaint(
            (table, "private_key"),
            f"{api.private_key}: is not the key of the first certificate in {api.certificate}",
        )


def _check_trust(api: ApiConfig, table: str = "api") -> Iterator[Complaint]:
    try:
        load_caller_trust(api, table)
    except UnfitTrust as unfit:
        yield from unfit.complaints


def _of_token(path: KeyPath, hsm: HsmConfig) -> list[_Check]:
    checks: list[_Check] = [((*path, "module"), hsm.module, _require_file)]
    if hsm.pin_file is not None:
        checks.append(((*path, "pin_file"), hsm.pin_file, _require_pin_mode))
    if hsm.inventory is not None:
        checks.append(((*path, "inventory"), hsm.inventory, _require_file))
    return checks


def _found(checks: Sequence[_Check], passed: dict[KeyPath, bytes | None]) -> Iterator[Complaint]:
    """Yield what the checks find; what those return that find nothing goes into `passed`."""
    for key, file, check in checks:
        try:
            passed[key] = check(file)
        except UnfitFile as unfit:
            yield Complaint(key, f"{file}: {unfit}")


def _require_file(file: Path) -> None:
    mode(file)


def _require_pin_mode(file: Path) -> None:
    if (found := mode(file)) != PIN_FILE_MODE:
        raise UnfitFile(f"must have mode {PIN_FILE_MODE:04o}, not {found:04o}")


def _require_private(file: Path) -> None:
    if (found := mode(file)) & _OF_OTHERS:
        raise UnfitFile(f"is open to others (mode {found:04o}): chmod 0400")


def _certified_key(file: Path) -> bytes:
    """Return the first certificate's SubjectPublicKeyInfo."""
    certificate = certificates(file)[0]
    try:
        return _spki(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitFile("certifies a public key of an unknown kind") from None


def _public_half(file: Path) -> bytes:
    """Return the SubjectPublicKeyInfo of a PEM private key that only its owner can read."""
    _require_private(file)
    try:
        return _spki(load_pem_private_key(content(file), password=None).public_key())
    except TypeError:
        raise UnfitFile(
            "is encrypted, and nobody is there to type its password when the daemon starts: "
            "store it unencrypted, with mode 0400"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise UnfitFile("must hold a private key in PEM") from None


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
