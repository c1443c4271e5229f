"""The files that tmsd.toml names: there, readable, of one piece, and not open to others.

Looked at before the daemon needs them (`tmsctl check config`). The PIN is never read.
"""

import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509 import Certificate, load_pem_x509_certificates

from tmsd.config.daemon import DaemonConfig
from tmsd.config.toml import Complaint, KeyPath

PIN_FILE_MODE = 0o400
_CERTIFICATE: KeyPath = ("api", "certificate")
_PRIVATE_KEY: KeyPath = ("api", "private_key")
_OF_OTHERS = stat.S_IRWXG | stat.S_IRWXO


class _UnfitError(Exception):
    """A file that cannot serve; the text says why, and nothing of what is in it."""


def check_files(config: DaemonConfig) -> Iterator[Complaint]:
    """Yield what is wrong with the files that the daemon and its worker will open."""
    checks: list[tuple[KeyPath, Path, Callable[[Path], bytes | None]]] = [
        (_CERTIFICATE, config.api.certificate, _certified_key),
        (_PRIVATE_KEY, config.api.private_key, _public_half),
        (("api", "caller_trust"), config.api.caller_trust, _require_certificates),
        (("hsm", "module"), config.hsm.module, _require_file),
    ]
    if config.hsm.pin_file is not None:
        checks.append((("hsm", "pin_file"), config.hsm.pin_file, _require_pin_mode))
    fit: dict[KeyPath, bytes | None] = {}
    for key, file, check in checks:
        try:
            fit[key] = check(file)
        except _UnfitError as error:
            yield Complaint(key, f"{file}: {error}")
    if {_CERTIFICATE, _PRIVATE_KEY} <= fit.keys() and fit[_CERTIFICATE] != fit[_PRIVATE_KEY]:
        yield Complaint(
            _PRIVATE_KEY,
            f"{config.api.private_key}: is not the key of the first certificate in "
            f"{config.api.certificate}",
        )


def _mode(file: Path) -> int:
    """Return the permission bits of a regular file."""
    try:
        status = file.stat()
    except OSError as error:
        raise _UnfitError(f"cannot be looked at: {error.strerror}") from None
    if not stat.S_ISREG(status.st_mode):
        raise _UnfitError("is not a regular file")
    return stat.S_IMODE(status.st_mode)


def _content(file: Path) -> bytes:
    _mode(file)
    try:
        return file.read_bytes()
    except OSError as error:
        raise _UnfitError(f"cannot be read: {error.strerror}") from None


def _require_file(file: Path) -> None:
    _mode(file)


def _require_certificates(file: Path) -> None:
    _certificates(file)


def _require_pin_mode(file: Path) -> None:
    if (mode := _mode(file)) != PIN_FILE_MODE:
        raise _UnfitError(f"must have mode {PIN_FILE_MODE:04o}, not {mode:04o}")


def _certificates(file: Path) -> list[Certificate]:
    """Return the certificates of a PEM file, at least one."""
    try:
        return load_pem_x509_certificates(_content(file))
    except ValueError:
        raise _UnfitError("must hold certificates in PEM") from None


def _certified_key(file: Path) -> bytes:
    """Return the first certificate's SubjectPublicKeyInfo."""
    certificate = _certificates(file)[0]
    try:
        return _spki(certificate.public_key())
    except (ValueError, UnsupportedAlgorithm):
        raise _UnfitError("certifies a public key of an unknown kind") from None


def _public_half(file: Path) -> bytes:
    """Return the SubjectPublicKeyInfo of a PEM private key that only its owner can read."""
    mode = _mode(file)
    if mode & _OF_OTHERS:
        raise _UnfitError(f"is open to others (mode {mode:04o}): chmod 0400")
    try:
        return _spki(load_pem_private_key(_content(file), password=None).public_key())
    except TypeError:
        raise _UnfitError(
            "is encrypted, and nobody is there to type its password when the daemon starts: "
            "store it unencrypted, with mode 0400"
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise _UnfitError("must hold a private key in PEM") from None


def _spki(key: PublicKeyTypes) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
