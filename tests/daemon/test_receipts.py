"""Receipts of a whole run, checked later in the HSM that made their MACs."""

import subprocess
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from tests.cli.sites import tmsctl
from tests.site.batches import AES128
from tests.site.channels import RANDOM, open_channel
from tests.site.daemon import wait_until
from tests.site.fixtures import Run, RunningSite
from tmsd.audit.receipt import Receipt
from tmsd.audit.record import Record


def verify(site: RunningSite, *options: str | Path) -> subprocess.CompletedProcess[str]:
    return tmsctl("audit", "verify", site.site.audit_file, *options)


def verify_in_the_hsm(site: RunningSite) -> subprocess.CompletedProcess[str]:
    return verify(site, "--config", site.site.configuration)


def write_anew(site: RunningSite, records: Iterable[Record]) -> None:
    """Write a chain of these decisions that fits together, as whoever can write the file may."""
    chain: list[Record] = []
    for record in records:
        before = chain[-1] if chain else None
        chain.append(Record.following(before, record.time, record.decision))
    site.site.audit_file.write_bytes(b"".join(record.encode() for record in chain))


def second_answer(records: Sequence[Record]) -> tuple[int, Receipt]:
    """Return where in the file the second answer is recorded, and its receipt."""
    for line, record in enumerate(records, start=1):
        for receipt in record.decision.receipts:
            if receipt.sequence == 2:
                return line, receipt
    raise AssertionError("no second answer is on record")


def with_receipt(records: Sequence[Record], line: int, receipt: Receipt) -> Iterator[Record]:
    """Yield the records, with another receipt in one line."""
    for number, record in enumerate(records, start=1):
        decision = replace(record.decision, receipts=(receipt,))
        yield replace(record, decision=decision) if number == line else record


def run_with_receipts(run: Run) -> RunningSite:
    """Run a site until it has made receipts, and stop it."""
    site = run()
    with site.caller() as caller:
        for _ in range(4):
            assert caller.post(RANDOM, {"length": 1}).status == 200
    assert site.daemon.stop() == 0
    return site


def test_their_macs_are_right_after_workers_generations_and_keys_have_changed(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        open_channel(caller, AES128, AES128.card())
        with site.site.token_taken_away():
            site.daemon.wait_until_told("the token is lost")
        # The worker says that it is back before the front has heard of it.
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).status == 200)
    assert site.daemon.stop() == 0
    config = ("--config", site.site.configuration)
    assert tmsctl("key", "generate", "--service", "receipt", *config).returncode == 0
    with site.restarted() as again, again.caller() as caller:
        open_channel(caller, AES128, AES128.card())
        assert again.daemon.stop() == 0

    result = verify_in_the_hsm(site)

    assert (result.returncode, result.stderr) == (0, "")
    assert "faults 0" in result.stdout
    receipts = [receipt for record in site.trail.records for receipt in record.decision.receipts]
    assert {(each.generation, each.key_version) for each in receipts} == {(1, 1), (2, 1), (1, 2)}
    assert f"receipts {len(receipts)}: their MACs were checked by" in result.stdout
    assert "key versions 1, 2" in result.stdout


def test_without_the_hsm_the_verifier_says_that_it_checked_no_mac(run: Run) -> None:
    site = run_with_receipts(run)

    result = verify(site)

    assert result.returncode == 0
    assert "receipts 4: their MACs were NOT checked" in result.stdout
    assert "--config" in result.stdout


def test_a_chain_with_a_receipt_that_was_made_up_deceives_all_but_the_hsm(run: Run) -> None:
    site = run_with_receipts(run)
    records = site.trail.records
    line, genuine = second_answer(records)
    for wrong in (
        replace(genuine, digest="00" * 32),
        replace(genuine, operation="open-channel"),
        replace(genuine, generation=2),
        replace(genuine, mac="00" * 16),
    ):
        write_anew(site, with_receipt(records, line, wrong))

        assert verify(site).returncode == 0
        result = verify_in_the_hsm(site)
        assert result.returncode == 1
        assert result.stdout.startswith(
            f"line {line}: receipt forged: receipts.0.mac, of answer 2 of worker {genuine.worker}, "
        )


def test_a_receipt_by_a_key_that_is_gone_is_no_checked_receipt(run: Run) -> None:
    site = run_with_receipts(run)
    records = site.trail.records
    line, genuine = second_answer(records)
    write_anew(site, with_receipt(records, line, replace(genuine, key_version=7)))

    result = verify_in_the_hsm(site)

    assert result.returncode == 1
    assert "cannot be checked: key 'tmsd-receipt' version 7 is not in the token" in result.stdout


def test_a_cut_tail_shows_by_the_note_of_the_last_record_and_by_nothing_else(run: Run) -> None:
    site = run_with_receipts(run)
    records = site.trail.records
    noted = f"number {len(records)}\nits hash {records[-1].hash}"
    assert noted in verify(site).stdout
    write_anew(site, records[:-2])

    result = verify_in_the_hsm(site)

    assert result.returncode == 0
    assert noted not in result.stdout
    assert "Not shown by this: whether records after the last were cut off" in result.stdout
    assert "Nor what a worker answered after the last receipt of it." in result.stdout


def test_an_answer_whose_record_is_taken_out_is_missed_though_the_chain_is_whole(run: Run) -> None:
    site = run_with_receipts(run)
    records = site.trail.records
    line, hidden = second_answer(records)
    write_anew(site, [*records[: line - 1], *records[line:]])

    result = verify_in_the_hsm(site)

    assert result.returncode == 1
    assert result.stdout.startswith(
        f"line {line}: receipts missing: answers 2 to 2 of worker {hidden.worker} in generation 1"
    )


def test_an_hsm_that_cannot_be_asked_is_no_verdict(run: Run) -> None:
    site = run_with_receipts(run)
    with site.site.token_taken_away():
        result = verify_in_the_hsm(site)

    assert result.returncode == 2
    assert result.stderr.startswith("receipts cannot be checked: ")
    assert "faults" not in result.stdout
