"""Starting: in order, or not at all, with one line that says why."""

import os
import signal
import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)

from tests.site.daemon import Daemon, Watched, refuses_to_start
from tests.site.directory import HOST, Site
from tests.site.fixtures import MakeSite
from tests.site.looking_inside import inside
from tests.softhsm.tokens import USER_PIN

WRONG_PIN = b"a-wrong-pin-2718"
TOO_FEW_BITS = 1024


@pytest.fixture
def stopped(make_site: MakeSite) -> Site:
    """A site that does not run."""
    return make_site()


def test_it_says_when_it_is_ready_and_where(make_site: MakeSite) -> None:
    site = make_site()

    with Daemon(site) as daemon:
        daemon.wait_until_ready()
        assert f"ready: https://{HOST}:{site.port}\n" in daemon.log
        assert f"unsigned policy {site.policy}, version 1\n" in daemon.log
        assert daemon.stop() == 0


def test_a_refused_pin_ends_it_and_is_not_shown(stopped: Site) -> None:
    stopped.write_pin(WRONG_PIN)

    reason = refuses_to_start(stopped)

    token = replace(stopped.token, serial=None)
    assert reason == f"{token} refused the PIN; correct it before the next try"
    assert WRONG_PIN.decode() not in (stopped.directory / "stderr.log").read_text()


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        (lambda pin: pin.unlink(), "No such file or directory"),
        (lambda pin: pin.chmod(0o644), "its mode is 0644 and must be 0400"),
        (lambda pin: (pin.chmod(0o600), pin.write_bytes(b""), pin.chmod(0o400)), "1 to 255 bytes"),
    ],
    ids=["missing", "open to others", "empty"],
)
def test_a_pin_that_cannot_be_read_ends_it(
    stopped: Site, spoil: Callable[[Path], object], reason: str
) -> None:
    spoil(stopped.pin_file)

    line = refuses_to_start(stopped)

    assert line.startswith(f"PIN file {stopped.pin_file}: ")
    assert reason in line


def test_a_module_that_is_not_there_ends_it(stopped: Site) -> None:
    missing = Path("/usr/lib/no-such-module.so")
    stopped.write_configuration(replace(stopped.token, module=missing))

    assert refuses_to_start(stopped).startswith(f"PKCS#11 module {missing}: ")


def test_a_module_that_is_none_ends_it(stopped: Site) -> None:
    stopped.write_configuration(replace(stopped.token, module=stopped.policy))

    assert refuses_to_start(stopped).startswith(f"PKCS#11 module {stopped.policy}: ")


def test_a_token_that_is_not_there_ends_it_and_those_that_are_there_are_listed(
    stopped: Site,
) -> None:
    stopped.write_configuration(replace(stopped.token, label="another token"))

    reason = refuses_to_start(stopped)

    assert "\n" not in reason
    assert "token 'another token'" in reason
    assert "no such token" in reason
    assert "the module shows 'test token " in reason


def test_a_mistake_in_the_configuration_ends_it_with_file_and_line(stopped: Site) -> None:
    stopped.configuration.write_text(stopped.configuration.read_text() + "\n[wrong]\n")

    assert "tmsd.toml:" in refuses_to_start(stopped)


def test_a_mistake_in_the_policy_ends_it_with_file_and_line(stopped: Site) -> None:
    stopped.policy.write_text(stopped.policy.read_text() + '\n[key_sets.broken]\nscp = "04"\n')

    assert "policy.toml:" in refuses_to_start(stopped)


def test_a_private_key_that_is_not_the_certificates_ends_it(stopped: Site) -> None:
    other = stopped.credentials("tps-demo").private_key
    stopped.credentials("server").private_key.write_bytes(other.read_bytes())

    assert refuses_to_start(stopped) == (
        f"{stopped.configuration}:4: api.private_key: {stopped.directory}/server.key: is not the "
        f"key of the first certificate in {stopped.directory}/server.pem"
    )


def test_an_encrypted_private_key_ends_it_and_nobody_is_asked_for_its_password(
    stopped: Site,
) -> None:
    file = stopped.credentials("server").private_key
    key = load_pem_private_key(file.read_bytes(), password=None)
    encryption = BestAvailableEncryption(b"a-password-2718")
    file.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption))

    reason = refuses_to_start(stopped)

    assert reason.startswith(f"{stopped.configuration}:4: api.private_key: {file}: is encrypted")


def test_a_certificate_that_openssl_finds_too_weak_ends_it(stopped: Site) -> None:
    key = rsa.generate_private_key(65537, TOO_FEW_BITS)
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "weak")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, SHA256())
    )
    files = stopped.credentials("server")
    files.certificate.write_bytes(certificate.public_bytes(Encoding.PEM))
    files.private_key.write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )

    assert refuses_to_start(stopped) == (
        f"{stopped.configuration}:3: api.certificate: {files.certificate}: is refused by OpenSSL: "
        "EE_KEY_TOO_SMALL"
    )


def test_a_port_that_is_taken_ends_it_and_its_worker(stopped: Site) -> None:
    stopped.close()
    with socket.create_server((HOST, stopped.port)):
        assert "Address already in use" in refuses_to_start(stopped)


def test_an_audit_log_that_is_in_use_ends_it(make_site: MakeSite) -> None:
    site = make_site()
    with Daemon(site) as first:
        first.wait_until_ready()
        with Daemon(site) as second:
            assert second.wait() == 1
        assert "audit.jsonl is in use by another process" in second.log
        assert first.stop() == 0


def test_a_signal_while_it_starts_ends_it_and_its_worker(stopped: Site) -> None:
    with Daemon(stopped) as daemon:
        while (worker := daemon.worker) is None:
            os.sched_yield()
        with Watched(worker) as watched:
            daemon.send(signal.SIGTERM)
            daemon.wait()
            assert watched.ends_within(10)


def test_nothing_that_processes_show_of_themselves_holds_the_pin(make_site: MakeSite) -> None:
    site = make_site()
    with Daemon(site) as daemon:
        daemon.wait_until_ready()
        assert daemon.worker is not None
        for pid in (daemon.pid, daemon.worker):
            for shown in ("cmdline", "environ"):
                assert USER_PIN not in inside(pid, shown).read_bytes()
        assert daemon.stop() == 0
