"""What relying parties read comes by itself: answers at once, CRLs in time, after a loss again."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, nullcontext

import pytest
from click.testing import CliRunner
from cryptography import x509

from tests.site.authority import CA, RESPONDER, have_crls
from tests.site.certificates import REVOKE, at, issue, issued
from tests.site.daemon import Daemon, wait_until
from tests.site.fixtures import MakeSite, Run, RunningSite
from tmsd.audit.record import Decision
from tmsd.cli.ca import ca


@pytest.fixture
def running(run: Run) -> Iterator[RunningSite]:
    site = run(ca=True)
    yield site
    assert site.daemon.stop() == 0
    assert "Traceback" not in site.daemon.log


def rows(site: RunningSite, query: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(site.site.directory / "store.db")) as connection:
        return connection.execute(query).fetchall()


def is_told(site: RunningSite, serial_number: str, *, changes: int) -> bool:
    """Say whether the answer for a certificate that is there tells of so many changes of the CA."""
    query = "SELECT changed FROM ocsp_answers WHERE lower(hex(serial)) = "
    return rows(site, f"{query}'{serial_number}'") == [(changes,)]


def numbers(site: RunningSite) -> list[object]:
    found = rows(site, "SELECT number FROM crls WHERE der IS NOT NULL ORDER BY number")
    return [number for (number,) in found]


def decisions(site: RunningSite, operation: str) -> list[Decision]:
    decided = [record.decision for record in site.trail.records]
    return [decision for decision in decided if decision.operation == operation]


def revoke(site: RunningSite, serial_number: str) -> None:
    with site.caller() as caller:
        answer = caller.post(at(REVOKE, serial_number), {"reason": "keyCompromise"})
        assert answer.status == 200


def test_a_new_certificate_and_a_revocation_are_answered_for_at_once(running: RunningSite) -> None:
    with running.caller() as caller:
        serial_number = issued(caller)
    wait_until(lambda: is_told(running, serial_number, changes=0))
    revoke(running, serial_number)
    wait_until(lambda: is_told(running, serial_number, changes=1))

    answers = decisions(running, "ca.answer")
    assert [answer.details for answer in answers] == [{"ca": CA, "answers": 1}] * 2
    assert all(len(answer.receipts) == 1 for answer in answers)


@pytest.mark.parametrize("hsm", ["there", "lost"])
def test_what_tmsctl_revokes_beside_the_daemon_is_answered_for(
    running: RunningSite, hsm: str
) -> None:
    with running.caller() as caller:
        serial_number = issued(caller)
    arguments = ["--ca", CA, "--serial", serial_number, "--reason", "superseded", "--yes"]
    configuration = ["--config", str(running.site.configuration)]
    with running.site.token_taken_away() if hsm == "lost" else nullcontext():
        result = CliRunner().invoke(ca, ["revoke", *configuration, *arguments])
    assert result.exit_code == 0, result.output
    assert ("the responder tells of it later" in result.stderr) == (hsm == "lost")

    wait_until(lambda: is_told(running, serial_number, changes=1))


def test_a_crl_comes_by_itself_and_a_restart_publishes_no_other(run: Run) -> None:
    site = run(ca=True)
    wait_until(lambda: numbers(site) == [1])
    assert site.daemon.stop() == 0

    with site.restarted() as again:
        with again.caller() as caller:
            serial_number = issued(caller)
        # By then it has looked at the CRL as well.
        wait_until(lambda: is_told(again, serial_number, changes=0))
        assert again.daemon.stop() == 0
        assert numbers(again) == [1]
        assert len(decisions(again, "ca.crl")) == 1


def test_a_crl_that_has_had_half_of_its_time_is_followed_by_another(run: Run) -> None:
    site = run(ca=True)
    wait_until(lambda: numbers(site) == [1])
    assert site.daemon.stop() == 0
    with closing(sqlite3.connect(site.site.directory / "store.db")) as connection:
        connection.execute("UPDATE crls SET this_update_ms = 1, next_update_ms = 2")
        connection.commit()

    with site.restarted() as again:
        wait_until(lambda: numbers(again) == [2])
        assert again.daemon.stop() == 0


def test_crls_of_partitions_and_deltas_come_by_themselves_each_in_its_turn(
    make_site: MakeSite,
) -> None:
    made = make_site(ca=True)
    have_crls(made.policy, "crl_partitions = 2\ncrl_delta_minutes = 60\n")
    every = {(partition, number) for partition in (0, 1, 2) for number in (1, 2)}

    def published(site: RunningSite) -> dict[tuple[int, int], tuple[int | None, bytes]]:
        with closing(sqlite3.connect(site.site.directory / "store.db")) as connection:
            query = "SELECT partition, number, base, der FROM crls WHERE der IS NOT NULL"
            found = connection.execute(query).fetchall()
        return {(partition, number): (base, der) for partition, number, base, der in found}

    with Daemon(made) as daemon:
        site = RunningSite(made, daemon.wait_until_ready())
        wait_until(lambda: published(site).keys() == every)
        assert daemon.stop() == 0
    for (partition, number), (base, der) in published(site).items():
        crl = x509.load_der_x509_crl(der)
        kinds = {type(extension.value) for extension in crl.extensions}
        assert (x509.IssuingDistributionPoint in kinds) == (partition != 0)
        assert (x509.FreshestCRL in kinds) == (number == 1)
        assert base == (1 if number == 2 else None)
    assert [each.details for each in decisions(site, "ca.crl")] == [
        {"ca": CA, "delta": delta, "crl_number": number} | of_partition
        for delta, number in ((False, 1), (True, 2))
        for of_partition in ({}, {"partition": 1}, {"partition": 2})
    ]
    with closing(sqlite3.connect(made.directory / "store.db")) as connection:
        connection.execute(
            "UPDATE crls SET this_update_ms = 1, next_update_ms = 2"
            " WHERE partition = 2 AND base IS NULL"
        )
        connection.commit()
    with site.restarted() as again:
        wait_until(lambda: published(again).keys() == every - {(2, 1)} | {(2, 3)})
        assert again.daemon.stop() == 0
        assert "Traceback" not in again.daemon.log


def test_while_the_token_is_lost_nothing_is_tried_and_then_it_goes_on(
    running: RunningSite,
) -> None:
    with running.caller() as caller:
        serial_number = issued(caller)
        wait_until(lambda: is_told(running, serial_number, changes=0))
        with running.site.token_taken_away():
            wait_until(lambda: issue(caller).code == "hsm-unavailable")
            tried = len(decisions(running, "ca.answer"))
            revoke(running, serial_number)
            assert not is_told(running, serial_number, changes=1)
        wait_until(lambda: is_told(running, serial_number, changes=1))
    assert len(decisions(running, "ca.answer")) <= tried + 2


def test_a_responder_without_a_key_keeps_nobody_from_crls_and_is_complained_of_once(
    make_site: MakeSite,
) -> None:
    made = make_site(ca=True)
    policy = made.policy.read_text()
    made.policy.write_text(policy.replace(f'label = "{RESPONDER}"', 'label = "no such key"'))
    with Daemon(made) as daemon:
        site = RunningSite(made, daemon.wait_until_ready())
        with site.caller() as caller:
            issued(caller)
        wait_until(lambda: bool(numbers(site)))
        wait_until(lambda: len(decisions(site, "ca.answer")) >= 3)
        assert {each.code for each in decisions(site, "ca.answer")} == {"key-missing"}
        assert daemon.log.count(f"OCSP answers of {CA} cannot be kept: key-missing") == 1
        assert daemon.stop() == 0
