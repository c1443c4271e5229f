"""Prepared certificates: what a certificate will say, MACed between its building and its signing.

Layout: format (1) ‖ key version (1) ‖ MessagePack array of the fields below ‖ CMAC (16).
"""

from hmac import compare_digest

import msgspec
from msgspec import Struct

from hsm.errors import KeyNotFound
from tmsd.config.reserved_keys import CERTIFICATE_KEY
from tmsd.errors import Code, ServiceError
from tmsd.vault.certificate_messages import MAX_PREPARED
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring

FORMAT = 2
_MAC_LENGTH = 16
_HEADER_LENGTH = 2


class Prepared(Struct, frozen=True, array_like=True, forbid_unknown_fields=True):
    """A certificate to be signed.

    Attributes:
        caller: who asked for it, and who alone may have it signed.
        ca: which signs it.
        profile: by which it was built.
        public_key: SubjectPublicKeyInfo in DER.
        crossed: the certificate in DER of the CA that it is a cross-certificate for, or empty.
        fields: by name; sorted, so that one certificate has one encoding.
        serial_number: 16 bytes.
        partition: of the CA's CRLs, which it names; 0 for the whole one.
        not_before: in seconds of Unix time.
        not_after: in seconds of Unix time.
        tbs_sha256: of the TBSCertificate that was looked over, 32 bytes.
        expires: when it can be signed no more, in milliseconds of Unix time.
    """

    caller: str
    ca: str
    profile: str
    public_key: bytes
    crossed: bytes
    fields: dict[str, list[str]]
    serial_number: bytes
    partition: int
    not_before: int
    not_after: int
    tbs_sha256: bytes
    expires: int


_encoder = msgspec.msgpack.Encoder(order="deterministic")
_decoder = msgspec.msgpack.Decoder(Prepared)


def key_version(context: Context) -> int:
    """Return the version of the key that seals.

    Raises:
        ServiceError: `key-missing`.
    """
    if context.certificate_key_version is None:
        raise ServiceError(Code.KEY_MISSING, f"there is no key {CERTIFICATE_KEY!r} in the token")
    return context.certificate_key_version


def seal(keyring: Keyring, version: int, prepared: Prepared) -> bytes:
    """Return a prepared certificate's bytes, MACed under a version of the certificate key.

    Raises:
        ServiceError: `issuance-refused`, where it is longer than messages may have it.
    """
    body = bytes([FORMAT, version]) + _encoder.encode(prepared)
    if len(body) + _MAC_LENGTH > MAX_PREPARED:
        raise ServiceError(
            Code.ISSUANCE_REFUSED, f"key and fields have more than {MAX_PREPARED} bytes"
        )
    return body + keyring.service_mac(CERTIFICATE_KEY, version, body)


def unseal(keyring: Keyring, sealed: bytes, caller: str, now: int) -> Prepared:
    """Return a prepared certificate that is genuine, the caller's, and in time.

    Args:
        keyring: has the certificate key.
        sealed: as `seal` made it.
        caller: who wants it signed.
        now: the present, in milliseconds of Unix time.

    Raises:
        ServiceError: `prepared-invalid`.
    """
    body, mac = sealed[:-_MAC_LENGTH], sealed[-_MAC_LENGTH:]
    if len(body) <= _HEADER_LENGTH or body[0] != FORMAT:
        raise _invalid("it has another form")
    try:
        expected = keyring.service_mac(CERTIFICATE_KEY, body[1], body)
    except KeyNotFound:
        raise _invalid("its key is gone") from None
    if not compare_digest(expected, mac):
        raise _invalid("it was not made here, or it was altered")
    prepared = _decoder.decode(body[_HEADER_LENGTH:])
    if prepared.caller != caller:
        raise _invalid("it was made for another caller")
    if now >= prepared.expires:
        raise _invalid("it has expired")
    return prepared


def _invalid(reason: str) -> ServiceError:
    return ServiceError(
        Code.PREPARED_INVALID, f"the prepared certificate cannot be signed: {reason}"
    )
