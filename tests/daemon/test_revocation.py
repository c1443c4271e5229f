"""Certificates of callers that stop being vouched for: CRLs, and CAs that go."""

import socket
import ssl
from collections.abc import Iterator

import pytest

from tests.daemon.test_reload import REFUSED, TAKEN, reload
from tests.site.caller import Caller, tls_settings
from tests.site.channels import RANDOM
from tests.site.crls import HOUR, crl, read_identity
from tests.site.daemon import Daemon, refuses_to_start
from tests.site.directory import HOST, Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.site.identities import BRANCH, TPS
from tmsd.quickstart.certificates import certificate_authority

ONE = {"length": 1}


def write_crl(site: Site, *revoked: str, until: int = 24) -> None:
    """Have the callers' CA revoke somebody's certificates and nobody else's."""
    certificates = [read_identity(site.credentials(name)).certificate for name in revoked]
    authority = read_identity(site.credentials("ca"))
    (site.directory / "ca.crl").write_bytes(
        crl(authority, certificates, since=-2 * HOUR, until=until * HOUR)
    )


def with_crl(site: Site) -> Site:
    """Have a site that is not running look at the CRL of the callers' CA."""
    write_crl(site)
    text = site.configuration.read_text()
    trust = 'caller_trust = "ca.pem"\n'
    site.configuration.write_text(text.replace(trust, trust + 'caller_crls = ["ca.crl"]\n'))
    return site


@pytest.fixture
def watchful(make_site: MakeSite) -> Iterator[RunningSite]:
    """A running site that looks at CRLs."""
    site = with_crl(make_site())
    with Daemon(site) as daemon:
        yield RunningSite(site, daemon.wait_until_ready())
        assert daemon.stop() == 0
        assert "Traceback" not in daemon.log


def test_a_certificate_that_is_revoked_is_refused_on_its_open_connection_and_gets_no_other(
    watchful: RunningSite,
) -> None:
    with watchful.caller(TPS) as tps, watchful.caller(BRANCH) as branch:
        assert tps.post(RANDOM, ONE).status == branch.post(RANDOM, ONE).status == 200
        write_crl(watchful.site, BRANCH)

        reload(watchful, TAKEN)

        refused = branch.post(RANDOM, ONE)
        assert (refused.status, refused.code) == (403, "certificate-refused")
        assert refused.detail == "CN=callers of a test site has revoked the certificate"
        assert refused.headers["connection"] == "close"
        with pytest.raises((ssl.SSLError, ConnectionError)):
            branch.post(RANDOM, ONE)
        watchful.daemon.wait_until_told("turned away: its certificate: certificate revoked")
        assert tps.post(RANDOM, ONE).status == 200


def test_a_certificate_that_is_no_longer_revoked_gets_in_again(watchful: RunningSite) -> None:
    write_crl(watchful.site, TPS)
    reload(watchful, TAKEN)
    with Caller(watchful.site, TPS) as tps, pytest.raises((ssl.SSLError, ConnectionError)):
        tps.post(RANDOM, ONE)
    write_crl(watchful.site)
    reload(watchful, TAKEN)

    with watchful.caller(TPS) as tps:
        assert tps.post(RANDOM, ONE).status == 200


def test_a_session_of_tls_cannot_be_resumed_past_a_revocation(watchful: RunningSite) -> None:
    settings = tls_settings(watchful.site, TPS)

    def asked(session: ssl.SSLSession | None) -> tuple[bytes, ssl.SSLSession | None]:
        with (
            socket.create_connection((HOST, watchful.site.port), timeout=10) as plain,
            settings.wrap_socket(plain, server_hostname=HOST, session=session) as connection,
        ):
            try:
                connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
                # Tickets come before the first answer, and are taken when that is read.
                answer = connection.recv(1024)
            except (ssl.SSLError, ConnectionError):
                answer = b""
            assert not connection.session_reused
            return answer, connection.session

    answer, session = asked(None)
    assert answer.startswith(b"HTTP/1.1 404")
    assert session is not None
    assert not session.has_ticket
    assert asked(session)[0].startswith(b"HTTP/1.1 404")
    write_crl(watchful.site, TPS)
    reload(watchful, TAKEN)

    assert asked(session)[0] == b""


def test_callers_of_a_ca_that_is_trusted_no_more_are_refused_on_open_connections(
    watchful: RunningSite,
) -> None:
    with watchful.caller(TPS) as tps:
        assert tps.post(RANDOM, ONE).status == 200
        other = certificate_authority("nobody's")
        (watchful.site.directory / "ca.pem").write_bytes(other.certificate_pem)
        (watchful.site.directory / "ca.crl").write_bytes(crl(other))

        reload(watchful, TAKEN)

        refused = tps.post(RANDOM, ONE)
        assert (refused.status, refused.code) == (403, "certificate-refused")
        assert refused.detail.startswith("no CA of caller_trust")


def test_a_crl_that_is_bad_changes_nothing(watchful: RunningSite) -> None:
    with watchful.caller(TPS) as tps, watchful.caller(BRANCH) as branch:
        assert branch.post(RANDOM, ONE).status == 200
        write_crl(watchful.site, BRANCH, until=-1)

        reload(watchful, REFUSED)

        assert "api.caller_crls[0]: " in watchful.daemon.log
        assert "ca.crl: the CRL of CN=callers of a test site ran out at " in watchful.daemon.log
        assert tps.post(RANDOM, ONE).status == branch.post(RANDOM, ONE).status == 200


def test_a_crl_that_ran_out_keeps_the_daemon_from_starting(make_site: MakeSite) -> None:
    site = with_crl(make_site())
    write_crl(site, until=-1)

    assert "tmsd.toml:6: api.caller_crls[0]: " in refuses_to_start(site)


def test_a_crl_that_runs_out_soon_is_told_of_at_the_start_and_at_a_reload(
    make_site: MakeSite,
) -> None:
    site = with_crl(make_site())
    (site.directory / "ca.crl").write_bytes(
        crl(read_identity(site.credentials("ca")), since=-100 * HOUR, until=HOUR)
    )
    warning = "the CRL of CN=callers of a test site runs out at "
    with Daemon(site) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        assert daemon.log.count(warning) == 1
        reload(running, TAKEN)
        assert daemon.log.count(warning) == 2
        write_crl(site)
        reload(running, TAKEN)
        assert daemon.log.count(warning) == 2
        assert daemon.stop() == 0


def test_the_contract_is_kept_by_who_has_no_certificate_any_more(watchful: RunningSite) -> None:
    with Caller(watchful.site, TPS, watchful.contract) as tps:
        assert tps.post(RANDOM, ONE).status == 200
        write_crl(watchful.site, TPS)
        reload(watchful, TAKEN)

        refused = tps.post(RANDOM, ONE)

    (record,) = watchful.trail.of_request(refused.request_id)
    assert record.decision.code == "certificate-refused"
    assert record.decision.caller is None
