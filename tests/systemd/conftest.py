"""A booted system with tmsd installed: one for all tests of the module, as a boot takes seconds."""

from collections.abc import Iterator
from dataclasses import dataclass
from http.client import HTTPSConnection

import pytest

from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import open_token
from tests.responder.nonces import make_nonce_token
from tests.site.authority import WITH_NONCES, make_nonce_responder
from tests.site.batches import AES128
from tests.site.caller import ANSWER_SECONDS, Caller, tls_settings
from tests.site.directory import HOST, Site
from tests.site.identities import TPS
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tests.systemd.container import Container, booted, obstacle
from tests.systemd.installation import PORT, install


class _ConnectionWithin(HTTPSConnection):
    """HTTPS to the container's loopback device."""

    def __init__(self, container: Container, site: Site, name: str) -> None:
        self._settings = tls_settings(site, name)
        self._container = container
        super().__init__(HOST, PORT, context=self._settings, timeout=ANSWER_SECONDS)

    def connect(self) -> None:
        """Connect from within the container's network."""
        connected = self._container.connect(PORT)
        self.sock = self._settings.wrap_socket(connected, server_hostname=HOST)


class CallerWithin(Caller):
    """A caller whose connection begins and ends in the container."""

    def __init__(self, container: Container, site: Site, name: str) -> None:
        super().__init__(site, name)
        self._connection = _ConnectionWithin(container, site, name)


@dataclass(frozen=True, slots=True)
class Installed:
    """A system that runs tmsd, and the site whose token and policy it got."""

    container: Container
    site: Site

    def caller(self, name: str = TPS) -> CallerWithin:
        """Return somebody's way to it."""
        return CallerWithin(self.container, self.site, name)

    def start(self) -> None:
        """Start tmsd; if it does not, fail with what the journal says."""
        # Tests start it more often than systemd lets a service that fails.
        self.container.attempt("systemctl", "reset-failed", "tmsd.service", "tmsd.socket")
        started = self.container.attempt("systemctl", "enable", "--now", "tmsd.service")
        if started.returncode != 0:
            said = self.container.run("journalctl", "--unit=tmsd*", "--output=cat", "--lines=40")
            pytest.fail(f"{started.stderr}{said}")

    def shown(self, unit: str, name: str) -> str:
        """Return a property of a unit, as `systemctl show` has it."""
        return self.container.run("systemctl", "show", "--value", "-p", name, unit).strip()


def with_nonces(site: Site, softhsm: SoftHsm) -> TokenAddress:
    """Give the site's CA a key for nonces; return the token that it is in."""
    nonces = make_nonce_token(softhsm)
    with open_token(site.token, Secret(USER_PIN)) as token:
        make_nonce_responder(site.directory, token, nonces.public_key)
    with site.policy.open("a") as policy:
        policy.write(WITH_NONCES)
    return nonces.address


@pytest.fixture(scope="session")
def system(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """Boot once, install, start tmsd; power off in the end."""
    if reason := obstacle():
        pytest.skip(reason)
    site = Site(tmp_path_factory.mktemp("site"), softhsm, batches=(AES128,), ca=True)
    try:
        with booted(tmp_path_factory.mktemp("system")) as container:
            install(container, site, with_nonces(site, softhsm), tmp_path_factory.mktemp("staging"))
            yield Installed(container, site)
    finally:
        site.close()


@pytest.fixture
def running(system: Installed) -> Installed:
    """The system, and tmsd at work in it."""
    system.start()
    return system
