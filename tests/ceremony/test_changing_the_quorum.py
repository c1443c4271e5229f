"""The quorum changes by its own approval alone, and who comes shows to have the key."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from hsm.data_objects import replace_documents
from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, GENERATE, Present, WhileTheyApprove, room, script
from tests.ceremony.test_reviewing import PINNED, chained_anew
from tests.quorum.officers import officer, private_key, signer
from tmsd import clock
from tmsd.audit.record import Record
from tmsd.ceremony.approving import JOIN, STEP
from tmsd.ceremony.minutes import Event, Minutes
from tmsd.ceremony.minutes_rule import Rule
from tmsd.ceremony.people import Ended
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script, load_script
from tmsd.ceremony.steps.enrol_quorum import pinned_quorum
from tmsd.config.reserved_keys import QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.approval import approve, require_approved
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused
from tmsd.quorum.refusal import Rule as ApprovalRule

CHANGE = """
[[steps]]
do = "change-quorum"
approvals = 2
officers = ["anna", "berta", "dora"]
"""
EVERYBODY = ("anna", "berta", "carl", "dora")
CHANGED = Quorum(
    deployment="pilot",
    number=2,
    approvals=2,
    officers=tuple(officer(name) for name in ("anna", "berta", "dora")),
)


@pytest.fixture
def planned(tmp_path: Path) -> Script:
    """A script that puts dora in the place of carl, and makes a key after that."""
    return load_script(script(tmp_path, ENROL, CHANGE, GENERATE.format(label="one")))


def pinned(where: Room) -> Quorum | None:
    with where.token() as token:
        return pinned_quorum(token)


def test_the_quorum_allows_what_takes_its_place_and_all_who_come_show_their_keys(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(officers=EVERYBODY)
    where = room(tmp_path, fresh_token, people)

    begin(planned, where)

    assert pinned(where) == CHANGED
    joining, allowing = people.asked[1:3]
    assert (joining.action, joining.quorum) == (JOIN, CHANGED.digest)
    assert (allowing.action, allowing.quorum) == (STEP, PINNED.digest)
    assert joining.parameters["new_quorum_sha256"] == CHANGED.digest
    assert allowing.parameters["new_quorum_sha256"] == CHANGED.digest
    assert people.asked[3].quorum == CHANGED.digest
    found = review(minutes_of(where), PINNED)
    assert found.faults == ()
    assert found.signed_by == ("anna", "berta", "dora")


def test_approvals_to_the_quorum_that_was_are_dead(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(officers=EVERYBODY)
    where = room(tmp_path, fresh_token, people)
    begin(planned, where)
    before = people.asked[2]
    given = [approve(before, PINNED, signer(name), clock.now()) for name in ("anna", "berta")]
    require_approved(before, PINNED, given, clock.now())

    now = pinned(where)

    assert now is not None
    with pytest.raises(ApprovalRefused) as refused:
        require_approved(before, now, given, clock.now())
    assert refused.value.rule is ApprovalRule.REQUEST_OF_OTHER_QUORUM


def test_who_was_an_officer_approves_nothing_any_more(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(officers=EVERYBODY, leave_after=3)
    where = room(tmp_path, fresh_token, people)
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after, people.officers = 1000, ("anna", "carl")

    with pytest.raises(ApprovalRefused, match="1 of 2 persons"):
        resume(planned, where)


@pytest.mark.parametrize(
    ("present", "told"),
    [(("anna", "berta", "carl"), "missing: dora"), (("anna", "dora"), "missing: berta")],
)
def test_who_does_not_show_the_key_does_not_come(
    fresh_token: TokenAddress, tmp_path: Path, present: tuple[str, ...], told: str
) -> None:
    people = Present(leave_after=1)
    where = room(tmp_path, fresh_token, people)
    planned = load_script(script(tmp_path, ENROL, CHANGE))
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after, people.officers = 1000, present

    with pytest.raises(ApprovalRefused, match=told):
        resume(planned, where)

    assert pinned(where) == PINNED


def test_who_comes_cannot_do_it_without_the_quorum_that_is(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(officers=EVERYBODY, leave_after=2)
    where = room(tmp_path, fresh_token, people)

    with pytest.raises(Ended):
        begin(planned, where)

    assert people.asked[-1].action == JOIN
    assert pinned(where) == PINNED


@pytest.mark.parametrize(("at", "name"), [(1, "carl"), (3, "dora")], ids=["enrol", "change"])
def test_a_key_that_is_exchanged_in_its_file_is_not_the_one_that_is_pinned(
    fresh_token: TokenAddress, tmp_path: Path, at: int, name: str
) -> None:
    def exchanged() -> None:
        mallory = private_key("mallory").public_key()
        pem = mallory.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        (tmp_path / f"{name}.pub").write_bytes(pem)

    people = WhileTheyApprove(officers=EVERYBODY, at=at, happens=exchanged)
    where = room(tmp_path, fresh_token, people)

    begin(load_script(script(tmp_path, ENROL, CHANGE)), where)

    assert pinned(where) == CHANGED
    assert review(minutes_of(where), PINNED).faults == ()


def test_what_takes_the_place_of_another_quorum_by_now_is_not_what_was_approved(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    all_four = tuple(officer(name) for name in EVERYBODY)
    meanwhile = msgspec.structs.replace(CHANGED, officers=all_four)

    def changed_elsewhere() -> None:
        with where.token() as token:
            replace_documents(token, QUORUM_DOCUMENT, canonical.encode(meanwhile))

    people = WhileTheyApprove(officers=EVERYBODY, at=3, happens=changed_elsewhere)
    where = room(tmp_path, fresh_token, people)

    with pytest.raises(Refused, match="the token has quorum number 2 by now"):
        begin(load_script(script(tmp_path, ENROL, CHANGE)), where)

    assert pinned(where) == meanwhile


def test_the_same_quorum_is_no_change(fresh_token: TokenAddress, tmp_path: Path) -> None:
    same = CHANGE.replace('"dora"', '"carl"')

    with pytest.raises(Refused, match="number 1 is of these officers already"):
        begin(load_script(script(tmp_path, ENROL, same)), room(tmp_path, fresh_token, Present()))


def test_a_change_that_was_done_before_an_interruption_is_found(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Present(officers=EVERYBODY)
    where = room(tmp_path, fresh_token, people)
    note = Minutes.note

    def cut_off(self: Minutes, event: Event, facts: dict[str, str | int | bool]) -> Record:
        if event is Event.DONE and facts.get("do") == "change-quorum":
            raise OSError("the power fails")
        return note(self, event, facts)

    with monkeypatch.context() as patch:
        patch.setattr(Minutes, "note", cut_off)
        with pytest.raises(OSError, match="power"):
            begin(planned, where)
    assert pinned(where) == CHANGED

    resume(planned, where)

    assert pinned(where) == CHANGED
    assert review(minutes_of(where), PINNED).faults == ()


def test_a_change_that_was_not_approved_as_it_was_made_shows(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present(officers=EVERYBODY))
    begin(planned, where)
    lines = minutes_of(where).read_bytes().splitlines(keepends=True)

    def without_dora(record: Record) -> Iterator[Record]:
        is_hers = record.decision.details.get("officer") == "dora"
        if not (record.decision.operation == Event.APPROVED and is_hers):
            yield record

    def without_the_hash(record: Record) -> Iterator[Record]:
        details = {
            name: value
            for name, value in record.decision.details.items()
            if name != "new_quorum_sha256"
        }
        yield replace(record, decision=replace(record.decision, details=details))

    for change, rule in (
        (without_dora, Rule.STEP_NOT_APPROVED),
        (without_the_hash, Rule.STEP_NOT_APPROVED),
    ):
        altered = tmp_path / "altered.jsonl"
        altered.write_bytes(b"".join(chained_anew(lines, change)))
        assert rule in [fault.rule for fault in review(altered).faults]
