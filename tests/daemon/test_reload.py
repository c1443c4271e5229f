"""SIGHUP: certificates and policy are read anew; what is bad changes nothing."""

import shutil
import signal
import ssl

import pytest

from tests.site.batches import AES128
from tests.site.caller import Caller
from tests.site.channels import RANDOM, WRAP, get_data, open_channel
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import HOST
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.site.identities import BRANCH, SERVER, TPS
from tests.site.operations_socket import ask, with_socket
from tmsd.quickstart.certificates import certificate_authority, server_identity

TAKEN = "policy version 1 and certificates are taken"
REFUSED = "the new configuration is not taken"


def reload(site: RunningSite, said: str) -> None:
    """Ask for a reload, and wait until it is over."""
    before = site.daemon.log.count(said)
    site.daemon.send(signal.SIGHUP)
    wait_until(lambda: site.daemon.log.count(said) > before)


def renamed(site: RunningSite, caller: str) -> None:
    """Give a caller another key in policy.toml, so that nobody knows its own."""
    head, table, rest = site.site.policy.read_text().partition(f"[callers.{caller}]\n")
    _, _, after = rest.partition("\n")
    unknown = f'public_key_sha256 = "{"0" * 64}"\n'
    site.site.policy.write_text(head + table + unknown + after)


def served_certificate(site: RunningSite) -> bytes:
    """Return the certificate that who connects now is shown."""
    return ssl.get_server_certificate((HOST, site.site.port)).encode()


def test_a_removed_caller_is_refused_on_its_open_connection_and_others_go_on(run: Run) -> None:
    site = run()
    with site.caller(TPS) as tps, site.caller(BRANCH) as branch:
        session = open_channel(tps, AES128, AES128.card())
        assert branch.post(RANDOM, {"length": 1}).status == 200
        renamed(site, BRANCH)

        reload(site, TAKEN)

        assert branch.post(RANDOM, {"length": 1}).code == "caller-unknown"
        wrapped = tps.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
        assert wrapped.status == 200
    last = site.trail.records[-3].decision
    assert (last.operation, last.outcome) == ("daemon.reload", "allowed")
    assert site.daemon.stop() == 0


def test_a_policy_that_is_bad_changes_nothing(run: Run) -> None:
    site = run()
    with site.caller(TPS) as tps:
        tps.post(RANDOM, {"length": 1})
        good = site.site.policy.read_text()
        site.site.policy.write_text(good + "\n[key_sets.bad]\nscp = 7\n")
        reload(site, REFUSED)

        assert "key_sets.bad" in site.daemon.log
        assert tps.post(RANDOM, {"length": 1}).status == 200
        refused = [r.decision for r in site.trail.records if r.decision.outcome == "refused"]
        assert [decision.operation for decision in refused] == ["daemon.reload"]
        site.site.policy.write_text(good + "\n")
        reload(site, TAKEN)
        assert tps.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0


def test_a_reload_that_breaks_off_half_way_leaves_every_worker_as_it_was(run: Run) -> None:
    """The first worker of the new policy is ready when the next ones find yet another."""
    site = run(workers=3)
    site.daemon.wait_until_told("is logged in", times=3)
    before = site.daemon.workers
    first = site.site.policy.read_text()
    site.site.policy.write_text("version = 2\n" + first)
    site.daemon.send(signal.SIGHUP)
    site.daemon.wait_until_told("is logged in", times=4)
    site.site.policy.write_text("version = 3\n" + first)
    site.daemon.wait_until_told(REFUSED)

    wait_until(lambda: site.daemon.workers == before)
    with site.caller(TPS) as tps:
        assert tps.post(RANDOM, {"length": 1}).status == 200
    reload(site, "policy version 3 and certificates are taken")
    assert site.daemon.stop() == 0


def test_a_new_certificate_is_shown_to_who_connects_and_open_connections_stay(run: Run) -> None:
    site = run()
    files = site.site.credentials(SERVER)
    with site.caller(TPS) as tps:
        tps.post(RANDOM, {"length": 1})
        before = served_certificate(site)
        authority = certificate_authority("another")
        identity = server_identity(authority, "localhost", ["localhost"], [HOST])
        files.private_key.chmod(0o600)
        files.certificate.write_bytes(identity.certificate_pem)
        files.private_key.write_bytes(identity.private_key_pem)
        reload(site, TAKEN)

        assert served_certificate(site) != before
        assert identity.certificate_pem.startswith(served_certificate(site)[:200])
        assert tps.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0


@pytest.mark.parametrize("file", ["certificate", "private_key"])
def test_a_certificate_that_is_bad_changes_nothing_and_is_named(run: Run, file: str) -> None:
    site = run()
    before = served_certificate(site)
    path = getattr(site.site.credentials(SERVER), file)
    path.chmod(0o600)
    path.write_bytes(b"garbage")
    reload(site, REFUSED)

    assert f"api.{file}: {path}: must hold " in site.daemon.log
    assert served_certificate(site) == before
    with site.caller(TPS) as tps:
        assert tps.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0


def test_callers_of_a_ca_that_is_trusted_no_more_cannot_connect(run: Run) -> None:
    site = run()
    shutil.copy(site.site.credentials("ca").certificate, site.site.directory / "old-ca.pem")
    other = certificate_authority("nobody's")
    text = site.site.configuration.read_text()
    (site.site.directory / "other.pem").write_bytes(other.certificate_pem)
    changed = text.replace('caller_trust = "ca.pem"', 'caller_trust = "other.pem"')
    site.site.configuration.write_text(changed)
    reload(site, TAKEN)

    with Caller(site.site, TPS) as tps, pytest.raises((ssl.SSLError, ConnectionError)):
        tps.post(RANDOM, {"length": 1})
    assert site.daemon.stop() == 0


def test_the_state_tells_of_the_policy_that_is_gone_by(make_site: MakeSite) -> None:
    site = make_site()
    operations = with_socket(site)
    with Daemon(site) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        _, before = ask(operations, "/state")
        policy = site.policy.read_text()
        site.policy.write_text("version = 7\n" + policy)
        daemon.send(signal.SIGHUP)
        daemon.wait_until_told("policy version 7 and certificates are taken")
        _, after = ask(operations, "/state")

        assert (before["policy"]["version"], after["policy"]["version"]) == (1, 7)
        assert running.daemon.stop() == 0


def test_a_reload_that_is_wanted_during_the_start_is_taken_after_it(make_site: MakeSite) -> None:
    with Daemon(make_site()) as daemon:
        daemon.wait_until_told("SQLite")  # the first that it says, and of its database
        assert "ready: " not in daemon.log
        daemon.send(signal.SIGHUP)
        daemon.wait_until_ready()

        daemon.wait_until_told(TAKEN)
        assert daemon.stop() == 0
