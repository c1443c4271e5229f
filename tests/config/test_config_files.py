"""The files that tmsd.toml names."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tmsd.config.daemon import DaemonConfig
from tmsd.config.files import check_files

Check = Callable[[], list[str]]


def private_key_pem(key: ec.EllipticCurvePrivateKey, password: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(password) if password else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def certificate_pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tmsd")])
    now = datetime.now(UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
        .public_bytes(Encoding.PEM)
    )


@pytest.fixture
def key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@pytest.fixture
def check(
    daemon: Callable[..., DaemonConfig], tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> Check:
    """Lay out files that are right, and return the check of whatever becomes of them."""
    (tmp_path / "a.pem").write_bytes(certificate_pem(key))
    (tmp_path / "a.key").write_bytes(private_key_pem(key))
    (tmp_path / "a.key").chmod(0o400)
    (tmp_path / "c.pem").write_bytes(certificate_pem(key) * 2)
    (tmp_path / "p11.so").touch()
    (tmp_path / "pin").touch(0o400)
    (tmp_path / "inventory.json").touch()
    table = 'module = "p11.so"\ntoken_label = "tmsd"\npin_file = "pin"\n'
    config = daemon(hsm=table + 'inventory = "inventory.json"\n')

    def complaints() -> list[str]:
        return [
            f"{'.'.join(map(str, found.path))}: {found.message}".replace(f"{tmp_path}/", "")
            for found in check_files(config)
        ]

    return complaints


def test_files_that_are_right_give_no_complaint(check: Check) -> None:
    assert check() == []


def test_every_file_that_is_missing_is_named(check: Check, tmp_path: Path) -> None:
    for name in ("a.pem", "a.key", "c.pem", "p11.so", "pin", "inventory.json"):
        (tmp_path / name).unlink()
    reason = "cannot be looked at: No such file or directory"
    assert check() == [
        f"api.certificate: a.pem: {reason}",
        f"api.private_key: a.key: {reason}",
        f"api.caller_trust: c.pem: {reason}",
        f"hsm.module: p11.so: {reason}",
        f"hsm.pin_file: pin: {reason}",
        f"hsm.inventory: inventory.json: {reason}",
    ]


@pytest.mark.parametrize("mode", [0o440, 0o404, 0o644, 0o420, 0o401])
def test_a_private_key_that_is_open_to_others_is_refused(
    check: Check, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "a.key").chmod(mode)
    assert check() == [f"api.private_key: a.key: is open to others (mode {mode:04o}): chmod 0400"]


def test_a_private_key_of_another_certificate_is_refused(check: Check, tmp_path: Path) -> None:
    other = ec.generate_private_key(ec.SECP256R1())
    (tmp_path / "a.pem").write_bytes(certificate_pem(other))
    assert check() == ["api.private_key: a.key: is not the key of the first certificate in a.pem"]


def test_an_encrypted_private_key_is_refused(
    check: Check, tmp_path: Path, key: ec.EllipticCurvePrivateKey
) -> None:
    (tmp_path / "a.key").unlink()
    (tmp_path / "a.key").write_bytes(private_key_pem(key, b"password"))
    (tmp_path / "a.key").chmod(0o400)
    (line,) = check()
    assert line.startswith("api.private_key: a.key: is encrypted")


def test_what_is_not_pem_is_refused_without_a_word_of_its_content(
    check: Check, tmp_path: Path
) -> None:
    for name in ("a.pem", "a.key", "c.pem"):
        (tmp_path / name).unlink()
        (tmp_path / name).write_bytes(b"confidential")
        (tmp_path / name).chmod(0o600)
    assert check() == [
        "api.certificate: a.pem: must hold certificates in PEM",
        "api.private_key: a.key: must hold a private key in PEM",
        "api.caller_trust: c.pem: must hold certificates in PEM",
    ]


def test_a_directory_is_no_module(check: Check, tmp_path: Path) -> None:
    (tmp_path / "p11.so").unlink()
    (tmp_path / "p11.so").mkdir()
    assert check() == ["hsm.module: p11.so: is not a regular file"]


@pytest.mark.parametrize("mode", [0o600, 0o440, 0o000, 0o500])
def test_a_pin_file_of_another_mode_than_0400_is_refused(
    check: Check, tmp_path: Path, mode: int
) -> None:
    (tmp_path / "pin").chmod(mode)
    assert check() == [f"hsm.pin_file: pin: must have mode 0400, not {mode:04o}"]


def test_files_of_the_listener_for_dogtag_are_named_where_it_has_its_own(
    daemon: Callable[..., DaemonConfig],
) -> None:
    own = 'certificate = "d.pem"\nprivate_key = "d.key"\ncaller_trust = "e.pem"\n'
    named = {".".join(map(str, found.path)) for found in check_files(daemon(dogtag=own))}
    shared = {".".join(map(str, found.path)) for found in check_files(daemon(dogtag=""))}

    of_dogtag = {"dogtag.certificate", "dogtag.private_key", "dogtag.caller_trust"}
    assert named - shared == of_dogtag
    assert not any(name.startswith("dogtag") for name in shared)
