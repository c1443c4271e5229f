"""What anybody sends over plain HTTP: OCSP requests, in a body or in a path."""

from collections.abc import Iterator

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import ocsp

from tmsd.responder.paths import request_in
from tmsd.x509.ocsp import (
    MAX_REQUEST,
    CertId,
    CertIdDigest,
    IssuerId,
    OcspRefused,
    Refusal,
    parse_request,
)


def ocsp_requests() -> Iterator[bytes]:
    """Yield requests by either hash, with a nonce and without, and two spelled as paths."""
    for digest in CertIdDigest:
        size = digest.algorithm.digest_size
        asked = CertId(IssuerId(digest, b"\x11" * size, b"\x22" * size), (1 << 127) + 1)
        yield _der(_builder(asked))
        yield _der(_builder(asked).add_extension(x509.OCSPNonce(b"\x33" * 16), critical=False))


def ocsp_request(data: bytes) -> None:
    """A request is refused as the RFC has it, or names a certificate that can be asked about."""
    try:
        asked = parse_request(data).certificate
    except OcspRefused as refused:
        if refused.refusal not in (Refusal.MALFORMED_REQUEST, Refusal.UNAUTHORIZED):
            raise AssertionError(f"refused as {refused.refusal}") from refused
        return
    assert len(data) <= MAX_REQUEST
    assert 0 < asked.serial_number < 1 << 159
    if len(asked.issuer.name_hash) == len(asked.issuer.key_hash) == _size(asked):
        assert parse_request(_der(_builder(asked))).certificate == asked


def ocsp_paths() -> Iterator[bytes]:
    """Yield paths that hold requests, and some that hold none."""
    yield from (b"MAAA", b"/MAAA", b"%4dAAA", b"MA%3D%3D", b"M A=", b"MA==", b"//", b"%zz")


def ocsp_path(data: bytes) -> None:
    """Any path holds some bytes, or nothing; it never fails."""
    text = data.decode("latin-1")
    found = request_in(text)
    assert found is None or len(found) <= len(data)


def _builder(asked: CertId) -> ocsp.OCSPRequestBuilder:
    return ocsp.OCSPRequestBuilder().add_certificate_by_hash(
        asked.issuer.name_hash,
        asked.issuer.key_hash,
        asked.serial_number,
        asked.issuer.digest.algorithm,
    )


def _der(builder: ocsp.OCSPRequestBuilder) -> bytes:
    return builder.build().public_bytes(Encoding.DER)


def _size(asked: CertId) -> int:
    return asked.issuer.digest.algorithm.digest_size
