"""Workers' receipts in the log: what was done and is not on record is missed, with its place."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.audit.samples import START, decision, lines, receipt, verified
from tmsd.audit.receipt import Receipt
from tmsd.audit.record import RECORDS_DISCARDED, Decision, Outcome, Record, RecordError
from tmsd.audit.verification import Reason, VerificationReport


def chain_of(*receipts: tuple[Receipt, ...], discarded: tuple[Receipt, ...] = ()) -> bytes:
    """Return a file with a record for each group of receipts, and one of what was discarded."""
    records: list[Record] = []
    decisions = [
        Decision(operation="tks.random", outcome=Outcome.ALLOWED, receipts=group)
        for group in receipts
    ]
    if discarded:
        decisions.append(
            Decision(
                operation=RECORDS_DISCARDED,
                outcome=Outcome.FAILED,
                details={"count": len(discarded)},
                receipts=discarded,
            )
        )
    for each in decisions:
        records.append(Record.following(records[-1] if records else None, START, each))
    return b"".join(lines(records))


def missing(report: VerificationReport) -> list[tuple[int, Reason]]:
    return [(fault.line, fault.reason) for fault in report.faults]


def test_a_receipt_is_read_as_it_is_written() -> None:
    told = receipt(7)

    assert Receipt.parse(str(told)) == told
    for wrong in ("", str(told)[:-1], str(told).upper(), str(told) + ":", "0" + str(told)):
        with pytest.raises(ValueError, match="no receipt"):
            Receipt.parse(wrong)


def test_a_record_holds_no_more_receipts_than_it_may() -> None:
    too_many = tuple(receipt(number) for number in range(1, 34))

    with pytest.raises(RecordError, match="receipts"):
        Decision(operation="a", outcome=Outcome.ALLOWED, receipts=too_many)
    assert decision().receipts == ()


@given(order=st.permutations(range(1, 13)))
def test_in_whatever_order_they_stand_all_receipts_are_no_fault(order: list[int]) -> None:
    assert verified(chain_of(*((receipt(number),) for number in order))).clean


@given(order=st.permutations(range(1, 13)), hidden=st.integers(1, 11))
def test_an_answer_that_no_record_tells_of_is_missed(order: list[int], hidden: int) -> None:
    told = [number for number in order if number != hidden]

    report = verified(chain_of(*((receipt(number),) for number in told)))

    (fault,) = report.faults
    assert fault.reason is Reason.RECEIPTS_MISSING
    assert f"answers {hidden} to {hidden} of worker {'00' * 8}" in fault.detail
    # It is missed where a later answer stands that passes it over.
    assert told[fault.line - 1] > hidden


@given(data=st.data(), numbers=st.sets(st.integers(1, 40), min_size=1))
def test_exactly_the_numbers_below_the_last_that_are_not_there_are_missed(
    data: st.DataObject, numbers: set[int]
) -> None:
    order = data.draw(st.permutations(sorted(numbers)))

    report = verified(chain_of(*((receipt(number),) for number in order)))

    missed: set[int] = set()
    for fault in report.faults:
        first, last = fault.detail.split(" of worker")[0].removeprefix("answers ").split(" to ")
        missed |= set(range(int(first), int(last) + 1))
    assert missed == set(range(1, max(numbers))) - numbers


def test_an_answer_that_is_on_record_twice_is_reported_where_it_is() -> None:
    report = verified(chain_of((receipt(1),), (receipt(2),), (receipt(1),)))

    assert missing(report) == [(3, Reason.RECEIPT_DOUBLED)]


def test_each_worker_counts_for_itself() -> None:
    one, two = ("11" * 8, "22" * 8)
    report = verified(
        chain_of((receipt(1, one), receipt(1, two)), (receipt(2, one),), (receipt(3, two),))
    )

    (fault,) = report.faults
    assert (fault.line, fault.reason) == (3, Reason.RECEIPTS_MISSING)
    assert two in fault.detail


def test_what_the_log_discarded_is_accounted_for_by_its_receipts_and_by_nothing_else() -> None:
    groups = ((receipt(1),), (receipt(4),))

    named = verified(chain_of(*groups, discarded=(receipt(2), receipt(3))))
    assert named.clean
    assert named.discarded == 2
    elsewhere = receipt(2, "11" * 8), receipt(1, "11" * 8)
    assert missing(verified(chain_of(*groups, discarded=elsewhere))) == [
        (2, Reason.RECEIPTS_MISSING)
    ]
    (fault,) = verified(chain_of(*groups, discarded=(receipt(3),))).faults
    assert fault.detail.startswith("answers 2 to 2 of")


@given(
    generations=st.lists(st.integers(1, 4), min_size=12, max_size=12).map(sorted),
    order=st.permutations(range(1, 13)),
    hidden=st.integers(2, 11),
)
def test_what_is_missed_is_between_the_generations_of_its_neighbours(
    generations: list[int], order: list[int], hidden: int
) -> None:
    told = [number for number in order if number != hidden]

    (fault,) = verified(
        chain_of(*((replace(receipt(n), generation=generations[n - 1]),) for n in told))
    ).faults

    after, before = generations[hidden - 2], generations[hidden]
    through = f"{after}" if after == before else f"{after} to {before}"
    assert fault.detail.endswith(f"in generation {through} are not on record")


def test_the_last_answers_of_a_worker_are_not_missed() -> None:
    # docs/audit.md says so, and the command prints it: nothing tells how many there were.
    assert verified(chain_of((receipt(1),), (receipt(2),))).clean
