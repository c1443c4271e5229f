"""The transport certificates of DRMs that callers name: whom keys for key generation are for."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.x509 import Certificate

from tmsd.config import pem
from tmsd.config.callers import Caller
from tmsd.config.toml import Complaint, KeyPath

LEAST_BITS, MOST_BITS = 2048, 8192


@dataclass(frozen=True, slots=True)
class KraCertificates:
    """What the files hold.

    Attributes:
        by_caller: the certificate that each caller with one names.
        digests: of each file, the SHA-256 in lower-case hex.
    """

    by_caller: Mapping[str, Certificate] = field(default_factory=dict)
    digests: Mapping[Path, str] = field(default_factory=dict)


def load_kra_certificates(
    callers: Mapping[str, Caller],
) -> tuple[KraCertificates, list[Complaint]]:
    """Read the files that callers name, and say what is wrong with them."""
    by_caller: dict[str, Certificate] = {}
    digests: dict[Path, str] = {}
    complaints: list[Complaint] = []
    for name, file in _named(callers):
        path: KeyPath = ("callers", name, "dogtag", "kra_certificate")
        try:
            by_caller[name] = _certificate(file)
            digests[file] = sha256(pem.content(file)).hexdigest()
        except pem.UnfitFile as unfit:
            complaints.append(Complaint(path, f"{file} {unfit}"))
    return KraCertificates(by_caller, digests), complaints


def _named(callers: Mapping[str, Caller]) -> Iterator[tuple[str, Path]]:
    for name, caller in callers.items():
        if caller.dogtag is not None and caller.dogtag.kra_certificate is not None:
            yield name, caller.dogtag.kra_certificate


def _certificate(file: Path) -> Certificate:
    found = pem.certificates(file)
    if len(found) != 1:
        raise pem.UnfitFile(f"must hold one certificate, not {len(found)}")
    key = found[0].public_key()
    if not isinstance(key, RSAPublicKey) or not LEAST_BITS <= key.key_size <= MOST_BITS:
        raise pem.UnfitFile(
            f"must be of an RSA key of {LEAST_BITS} to {MOST_BITS} bits, which encrypts keys"
        )
    return found[0]
