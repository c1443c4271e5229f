"""While the HSM, the database or the audit log is away, TPS and load balancer are told so."""

from tests.dogtag.cards import (
    ENCRYPT,
    KEY_SET_DATA,
    RANDOM,
    SESSION,
    factory_card,
    presented,
    session_with,
)
from tests.site.daemon import Daemon
from tests.site.dogtag_site import OPEN, Tps, dogtag_site
from tests.site.failing_disk import FailingDisk
from tests.site.fixtures import MakeSite


def assert_told_of_a_fault(tps: Tps, path: str, body: str) -> None:
    answer = tps.ask(path, body)
    assert (answer.http_status, answer.body) == (503, b"status=1")
    assert int(answer.retry_after or 0) >= 1


def test_without_database_or_hsm_nothing_is_served_and_then_again(make_site: MakeSite) -> None:
    with dogtag_site(make_site(batches=())) as dogtag, Daemon(dogtag.site) as daemon:
        daemon.wait_until_ready()
        database = dogtag.site.directory / "store.db"
        with Tps(dogtag, OPEN) as tps:
            shown, _ = session_with(tps, factory_card())
            away = database.rename(database.with_suffix(".away"))
            for path, body in (
                (RANDOM, "dataNumBytes=8"),
                (SESSION, shown.session),
                (KEY_SET_DATA, shown.new_keys),
                (ENCRYPT, shown.challenge),
            ):
                assert_told_of_a_fault(tps, path, body)
            away.rename(database)
            assert session_with(tps, factory_card())[1].fields["status"] == b"0"

            with dogtag.site.token_taken_away():
                daemon.kill_worker()
                assert_told_of_a_fault(tps, RANDOM, "dataNumBytes=8")
                assert_told_of_a_fault(tps, SESSION, presented(factory_card(), bytes(8)).session)


def test_what_cannot_be_recorded_is_not_answered(
    make_site: MakeSite, failing_disk: FailingDisk
) -> None:
    site = make_site(batches=(), audit_directory=str(failing_disk.path))
    with dogtag_site(site) as dogtag, Daemon(site) as daemon:
        daemon.wait_until_ready()
        with Tps(dogtag, OPEN) as tps:
            shown, _ = session_with(tps, factory_card())
            with failing_disk.failing(site.audit_file):
                for path, body in (
                    (RANDOM, "dataNumBytes=8"),
                    (SESSION, presented(factory_card(), bytes(8)).session),
                    (KEY_SET_DATA, shown.new_keys),
                    (ENCRYPT, shown.challenge),
                ):
                    assert_told_of_a_fault(tps, path, body)
            assert session_with(tps, factory_card())[1].fields["status"] == b"0"
