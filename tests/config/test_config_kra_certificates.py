"""The transport certificates of DRMs that a policy names."""

from collections.abc import Callable
from datetime import timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from tests.site.kra import kra_certificate_pem, kra_private_key
from tmsd import clock
from tmsd.config.policy import Policy

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

POLICY = f"""\
[callers.tps]
public_key_sha256 = "{"0a" * 32}"
roles = ["tps"]
protocol = "dogtag"
key_sets = ["cards"]
transport_key = "shared"
[callers.tps.dogtag]
key_sets = {{ defKeySet = ["cards"] }}
kra_certificate = "kra.pem"
[transport_keys.shared]
algorithm = "aes128"
[key_sets.cards]
scp = "03"
algorithm = "aes128"
diversification = "gp-kmc"
versions = {{ 1 = "active" }}
"""


def self_signed(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey, name: str = "DRM") -> bytes:
    """Return a certificate of a key in PEM."""
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = clock.now()
    made = (
        x509.CertificateBuilder(subject, subject, key.public_key(), x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    return made.public_bytes(Encoding.PEM)


def test_the_certificate_is_loaded_for_its_caller_and_covered_by_the_digest(
    policy: Load, tmp_path: Path
) -> None:
    pem = kra_certificate_pem()
    (tmp_path / "kra.pem").write_bytes(pem)
    before = policy(POLICY)
    assert before.kra_certificates["tps"].public_key() == kra_private_key().public_key()
    assert before.files == {"kra.pem": sha256(pem).hexdigest()}
    (tmp_path / "kra.pem").write_bytes(pem + b"\n")
    assert policy(POLICY).digest != before.digest


def test_callers_may_name_one_file(policy: Load, tmp_path: Path) -> None:
    (tmp_path / "kra.pem").write_bytes(kra_certificate_pem())
    caller = POLICY.partition("[transport_keys")[0]
    second = caller.replace("callers.tps", "callers.two").replace("0a0a", "0b0b")
    loaded = policy(POLICY + second)
    assert list(loaded.kra_certificates) == ["tps", "two"]
    assert list(loaded.files) == ["kra.pem"]


def weak() -> bytes:
    return self_signed(rsa.generate_private_key(65537, 1024))  # noqa: S505  so weak on purpose


def of_a_curve() -> bytes:
    return self_signed(ec.generate_private_key(ec.SECP256R1()))


RSA = "must be of an RSA key of 2048 to 8192 bits, which encrypts keys"


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (weak, RSA),
        (of_a_curve, RSA),
        (lambda: kra_certificate_pem() * 2, "must hold one certificate, not 2"),
        (lambda: b"", "must hold certificates in PEM"),
        (lambda: bytes(range(256)), "must hold certificates in PEM"),
    ],
    ids=["weak", "of a curve", "two", "empty", "binary"],
)
def test_what_no_key_can_be_encrypted_for_is_refused(
    policy: Load, refusal: Refusal, tmp_path: Path, content: Callable[[], bytes], reason: str
) -> None:
    (tmp_path / "kra.pem").write_bytes(content())
    assert refusal(policy, POLICY) == [
        f"9: callers.tps.dogtag.kra_certificate: {tmp_path}/kra.pem {reason}"
    ]


def test_a_file_that_is_not_there_is_refused(
    policy: Load, refusal: Refusal, tmp_path: Path
) -> None:
    assert refusal(policy, POLICY) == [
        (
            f"9: callers.tps.dogtag.kra_certificate: {tmp_path}/kra.pem cannot be looked at: "
            "No such file or directory"
        )
    ]
