"""tmsd installed in a booted system, by the steps of docs/operations.md."""

import json
from pathlib import Path

from hsm.module import TokenAddress
from tests.site.authority import BLOCKED_KEYS, CA, NONCES
from tests.site.authority import RESPONDER as CA_RESPONDER
from tests.site.directory import Site
from tests.softhsm.tokens import USER_PIN, folder_of
from tests.systemd.container import Container
from tests.systemd.wheel import build_wheel, copy_libraries

UNITS = Path(__file__).parents[2] / "systemd"
FRONT, WORKER, RESPONDER = "tmsd.service", "tmsd-worker@1.service", "tmsd-ocsp.service"
PORT = 8443
RESPONDER_PORT = 8080
PIN_FILE = "/etc/credstore/tmsd.hsm-pin"
NONCES_PIN_FILE = "/etc/credstore/tmsd.ocsp-hsm-pin"
NONCES_WORKER = "tmsd-ocsp-worker.service"

_CONFIGURATION = """\
[api]
certificate = "tls/tmsd.pem"
private_key = "tls/tmsd.key"
caller_trust = "tls/callers.pem"

[hsm]
module = {module}
token_label = {label}
pin_credential = "hsm-pin"
latch_file = "/var/lib/tmsd-worker/hsm-pin.latch"
environment = {{ SOFTHSM2_CONF = "/etc/tmsd/softhsm2.conf" }}

[worker]
sockets = ["/run/tmsd-worker/1.sock"]

[audit]
file = "/var/lib/tmsd/audit.jsonl"

[store]
file = "/var/lib/tmsd-store/tmsd.db"

[ocsp.nonces]
socket = "/run/tmsd-ocsp-worker/worker.sock"

[ocsp.nonces.hsm]
module = {module}
token_label = {nonces_label}
pin_credential = "ocsp-hsm-pin"
latch_file = "/var/lib/tmsd-ocsp-worker/hsm-pin.latch"
environment = {{ SOFTHSM2_CONF = "/etc/tmsd/softhsm2-ocsp.conf" }}

[operations]
socket = "/run/tmsd/operations.sock"
"""
_SOFTHSM = """\
directories.tokendir = /var/lib/{worker}/tokens
objectstore.backend = file
log.level = ERROR
"""
_STEPS = """
set -e
systemd-sysusers
for worker in tmsd-worker tmsd-ocsp-worker; do
    install -d -o $worker -g $worker -m 0700 /var/lib/$worker
    mv /opt/staged/$worker /var/lib/$worker/tokens
    chown -R $worker:$worker /var/lib/$worker
done
chown tmsd /etc/tmsd/tls/tmsd.key
chmod 0400 /etc/tmsd/tls/tmsd.key
install -d -o tmsd -g tmsd-ocsp -m 2750 /var/lib/tmsd-store
install -o tmsd -g tmsd-ocsp -m 0640 /dev/null /var/lib/tmsd-store/tmsd.db
chmod 0700 /etc/credstore
chmod 0600 /etc/credstore/*
/usr/bin/python3 -m venv --without-pip /opt/tmsd
cp -r /opt/staged/libraries/. /opt/tmsd/lib/python3.*/site-packages/
/opt/tmsd/bin/python -m pip install --quiet --no-index --no-deps /opt/staged/*.whl
systemctl daemon-reload
"""


def install(container: Container, site: Site, nonces: TokenAddress, staging: Path) -> None:
    """Install tmsd with a site's certificates, policy and tokens; nothing is started.

    Args:
        container: where to.
        site: is not changed.
        nonces: the token for nonces.
        staging: an empty directory.
    """
    libraries = staging / "libraries"
    libraries.mkdir()
    copy_libraries(libraries)
    build_wheel(staging)
    container.run("mkdir", "-p", "/opt/staged")
    container.put(staging, "/opt/staged")
    for worker, token in (("tmsd-worker", site.token), ("tmsd-ocsp-worker", nonces)):
        folder = folder_of(token, site.token_directory)
        container.run("mkdir", "-p", f"/opt/staged/{worker}/{folder.name}")
        container.put(folder, f"/opt/staged/{worker}/{folder.name}")
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
        container.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
    container.write("/etc/sysusers.d/tmsd.conf", (UNITS / "tmsd.sysusers.conf").read_text())
    _write_configuration(container, site, nonces)
    container.run("sh", "-c", _STEPS)


def _write_configuration(container: Container, site: Site, nonces: TokenAddress) -> None:
    server, authority = site.credentials("server"), site.credentials("ca")
    certificates = (f"{name}.pem" for name in (CA, CA_RESPONDER, NONCES))
    policy = ("policy.toml", BLOCKED_KEYS, *certificates)
    profiles = (f"profiles/{file.name}" for file in (site.directory / "profiles").iterdir())
    for name, file in {
        "tls/tmsd.pem": server.certificate,
        "tls/tmsd.key": server.private_key,
        "tls/callers.pem": authority.certificate,
        **{name: site.directory / name for name in (*policy, *profiles)},
    }.items():
        container.write(f"/etc/tmsd/{name}", file.read_text())
    configuration = _CONFIGURATION.format(
        module=json.dumps(str(site.token.module)),
        label=json.dumps(site.token.label),
        nonces_label=json.dumps(nonces.label),
    )
    container.write("/etc/tmsd/tmsd.toml", configuration)
    container.write("/etc/tmsd/softhsm2.conf", _SOFTHSM.format(worker="tmsd-worker"))
    container.write("/etc/tmsd/softhsm2-ocsp.conf", _SOFTHSM.format(worker="tmsd-ocsp-worker"))
    for pin_file in (PIN_FILE, NONCES_PIN_FILE):
        container.write(pin_file, USER_PIN.decode())
