"""tmsd installed in a booted system, by the steps of docs/operations.md."""

import json
from pathlib import Path

from tests.site.authority import CA
from tests.site.authority import RESPONDER as CA_RESPONDER
from tests.site.directory import Site
from tests.softhsm.tokens import USER_PIN
from tests.systemd.container import Container
from tests.systemd.wheel import build_wheel, copy_libraries

UNITS = Path(__file__).parents[2] / "systemd"
FRONT, WORKER, RESPONDER = "tmsd.service", "tmsd-worker@1.service", "tmsd-ocsp.service"
PORT = 8443
RESPONDER_PORT = 8080
PIN_FILE = "/etc/credstore/tmsd.hsm-pin"

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

[operations]
socket = "/run/tmsd/operations.sock"
"""
_SOFTHSM = """\
directories.tokendir = /var/lib/tmsd-worker/tokens
objectstore.backend = file
log.level = ERROR
"""
_STEPS = """
set -e
systemd-sysusers
install -d -o tmsd-worker -g tmsd-worker -m 0700 /var/lib/tmsd-worker
mv /opt/staged/tokens /var/lib/tmsd-worker/tokens
chown -R tmsd-worker:tmsd-worker /var/lib/tmsd-worker
chown tmsd /etc/tmsd/tls/tmsd.key
chmod 0400 /etc/tmsd/tls/tmsd.key
install -d -o tmsd -g tmsd-ocsp -m 2750 /var/lib/tmsd-store
install -o tmsd -g tmsd-ocsp -m 0640 /dev/null /var/lib/tmsd-store/tmsd.db
chmod 0700 /etc/credstore
chmod 0600 {pin_file}
/usr/bin/python3 -m venv --without-pip /opt/tmsd
cp -r /opt/staged/libraries/. /opt/tmsd/lib/python3.*/site-packages/
/opt/tmsd/bin/python -m pip install --quiet --no-index --no-deps /opt/staged/*.whl
systemctl daemon-reload
"""


def install(container: Container, site: Site, token: Path, staging: Path) -> None:
    """Install tmsd with a site's certificates, policy and token; nothing is started.

    Args:
        container: where to.
        site: is not changed.
        token: the folder of its token alone, among those of other tests.
        staging: an empty directory.
    """
    libraries = staging / "libraries"
    libraries.mkdir()
    copy_libraries(libraries)
    build_wheel(staging)
    container.run("mkdir", "-p", "/opt/staged", f"/opt/staged/tokens/{token.name}")
    container.put(staging, "/opt/staged")
    container.put(token, f"/opt/staged/tokens/{token.name}")
    for unit in (*UNITS.glob("*.service"), *UNITS.glob("*.socket")):
        container.write(f"/etc/systemd/system/{unit.name}", unit.read_text())
    container.write("/etc/sysusers.d/tmsd.conf", (UNITS / "tmsd.sysusers.conf").read_text())
    _write_configuration(container, site)
    container.run("sh", "-c", _STEPS.format(pin_file=PIN_FILE))


def _write_configuration(container: Container, site: Site) -> None:
    server, authority = site.credentials("server"), site.credentials("ca")
    policy = ("policy.toml", f"{CA}.pem", f"{CA_RESPONDER}.pem")
    profiles = (f"profiles/{file.name}" for file in (site.directory / "profiles").iterdir())
    for name, file in {
        "tls/tmsd.pem": server.certificate,
        "tls/tmsd.key": server.private_key,
        "tls/callers.pem": authority.certificate,
        **{name: site.directory / name for name in (*policy, *profiles)},
    }.items():
        container.write(f"/etc/tmsd/{name}", file.read_text())
    module, label = json.dumps(str(site.token.module)), json.dumps(site.token.label)
    container.write("/etc/tmsd/tmsd.toml", _CONFIGURATION.format(module=module, label=label))
    container.write("/etc/tmsd/softhsm2.conf", _SOFTHSM)
    container.write(PIN_FILE, USER_PIN.decode())
