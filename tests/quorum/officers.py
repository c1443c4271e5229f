"""A quorum of three, of whom two have to approve, with their keys at hand."""

from datetime import UTC, datetime
from functools import cache

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from tmsd.quorum.officer_key import KeyOfFile, OfficerPrivateKey
from tmsd.quorum.quorum import Officer, Quorum
from tmsd.quorum.request import Request

NOW = datetime(2031, 5, 4, 10, 0, tzinfo=UTC)
HOUR = 3600


@cache
def private_key(name: str) -> OfficerPrivateKey:
    """Return the key of an officer: each has one of another kind."""
    if name == "berta":
        return rsa.generate_private_key(65537, 2048)
    if name == "carl":
        return ed25519.Ed25519PrivateKey.generate()
    return ec.generate_private_key(ec.SECP384R1() if name == "dora" else ec.SECP256R1())


def signer(name: str) -> KeyOfFile:
    """Return what signs for an officer."""
    return KeyOfFile(private_key(name))


def pem(name: str, password: bytes | None = None) -> bytes:
    """Return an officer's private key in PEM, encrypted if there is a password."""
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return private_key(name).private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def public_hex(name: str) -> str:
    """Return an officer's SubjectPublicKeyInfo in hex."""
    key = private_key(name).public_key()
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo).hex()


def officer(name: str, person: str | None = None) -> Officer:
    """Return an officer, who is the person of that name."""
    return Officer(name, person or f"{name.capitalize()} Example", public_hex(name))


def quorum(*officers: Officer, approvals: int = 2, number: int = 1) -> Quorum:
    """Return a quorum; of anna, berta and carl if nobody is named."""
    known = officers or tuple(officer(name) for name in ("anna", "berta", "carl"))
    return Quorum(deployment="pilot", number=number, approvals=approvals, officers=known)


def request(asked: Quorum, requester: str = "olaf", seconds: int = HOUR) -> Request:
    """Return a request to a quorum."""
    return Request(
        deployment=asked.deployment,
        action="policy.activate",
        parameters={"version": 7, "sha256": "ab" * 32, "first": False},
        quorum=asked.digest,
        policy_version=6,
        request_id="0123456789abcdef" * 2,
        requester=requester,
        expires=int(NOW.timestamp()) + seconds,
    )
