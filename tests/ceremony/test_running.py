"""A ceremony: the quorum is asked before each step, and what is interrupted goes on."""

from dataclasses import replace
from pathlib import Path

import pytest

from hsm.errors import KeyExists
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, GENERATE, Present, room, script
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.chain_file import ChainFile
from tmsd.audit.record import Record
from tmsd.audit.verification import verify
from tmsd.ceremony.approving import quorum_of
from tmsd.ceremony.minutes import Event, Minutes, events
from tmsd.ceremony.people import Ended
from tmsd.ceremony.progress import progress
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.script import Script, load_script
from tmsd.ceremony.steps.enrol_quorum import enrol, pinned_quorum
from tmsd.quorum.refusal import ApprovalRefused, Rule


def names(records: list[Record]) -> list[str]:
    """Return the events of minutes by name."""
    return [record.decision.operation for record in records]


@pytest.fixture
def planned(tmp_path: Path) -> Script:
    """A script that enrols the officers and makes two keys."""
    steps = (ENROL, GENERATE.format(label="one"), GENERATE.format(label="two"))
    return load_script(script(tmp_path, *steps))


def test_each_step_is_asked_for_then_done_then_on_record(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present()
    where = room(tmp_path, fresh_token, people)

    begin(planned, where)

    assert verify(minutes_of(where)).clean
    done = [
        record.decision.details
        for record in events(minutes_of(where))
        if record.decision.operation == Event.DONE
    ]
    assert [facts["do"] for facts in done] == ["enrol-quorum", "generate-key", "generate-key"]
    assert [asked.parameters.get("step") for asked in people.asked] == [1, 2, 3, None]
    with where.token() as token:
        keys = [token.find_key(KeyReference(label, 1)) for label in ("one", "two")]
        quorum = pinned_quorum(token)
    assert len(keys) == 2
    assert quorum is not None
    assert done[0]["quorum_sha256"] == quorum.digest


def test_two_of_the_three_are_enough_once_all_are_enrolled(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(leave_after=1)
    where = room(tmp_path, fresh_token, people)
    with pytest.raises(Ended):
        begin(planned, where)

    people.leave_after, people.officers = 1000, ("berta", "carl")
    resume(planned, where)

    assert progress(events(minutes_of(where))).signed


def test_all_have_to_approve_their_enrolment(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present(officers=("anna", "berta")))

    with pytest.raises(ApprovalRefused, match="missing: carl") as refused:
        begin(planned, where)

    assert refused.value.rule is Rule.APPROVALS_MISSING
    with where.token() as token:
        assert pinned_quorum(token) is None


def test_one_officer_alone_does_nothing(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(leave_after=1)
    where = room(tmp_path, fresh_token, people)
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after, people.officers = 1000, ("anna",)

    with pytest.raises(ApprovalRefused, match="1 of 2 persons"):
        resume(planned, where)

    with where.token() as token:
        assert token.find_keys(KeyReference("one", 1)) == []


@pytest.mark.parametrize("asked", range(4))
def test_what_was_interrupted_goes_on_where_it_stopped(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path, asked: int
) -> None:
    people = Present(leave_after=asked)
    where = room(tmp_path, fresh_token, people)
    with pytest.raises(Ended):
        begin(planned, where)
    people.leave_after = 1000

    resume(planned, where)

    assert verify(minutes_of(where)).clean
    assert names(events(minutes_of(where))).count(Event.DONE) == 3
    assert progress(events(minutes_of(where))).signed


def test_a_step_that_was_done_and_not_recorded_is_found_and_not_done_twice(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    people = Present()
    where = room(tmp_path, fresh_token, people)
    note = Minutes.note

    def cut_off(self: Minutes, event: Event, facts: dict[str, str | int | bool]) -> Record:
        if event is Event.DONE and facts.get("key") == "one:1":
            raise OSError("the power fails")
        return note(self, event, facts)

    with monkeypatch.context() as patch:
        patch.setattr(Minutes, "note", cut_off)
        with pytest.raises(OSError, match="power"):
            begin(planned, where)
    with where.token() as token:
        before = token.find_key(KeyReference("one", 1)).handle
        assert before is not None

    resume(planned, where)

    assert "It was done before the interruption." in people.told
    assert names(events(minutes_of(where))).count(Event.DONE) == 3


def test_a_refused_step_is_on_record_and_can_be_tried_again(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    twice = load_script(
        script(tmp_path, ENROL, GENERATE.format(label="one"), GENERATE.format(label="one"))
    )

    with pytest.raises(KeyExists):
        begin(twice, where)

    last = events(minutes_of(where))[-1].decision
    assert last.operation == Event.FAILED
    assert "'one' version 1" in str(last.details["reason"])
    assert progress(events(minutes_of(where))).done == 2


def test_minutes_go_on_with_their_own_script_alone(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present(leave_after=2)
    where = room(tmp_path, fresh_token, people)
    with pytest.raises(Ended):
        begin(planned, where)
    other = load_script(script(tmp_path, ENROL, GENERATE.format(label="three")))

    with pytest.raises(Refused, match="another script"):
        resume(other, where)


def test_it_goes_on_with_its_own_token_alone(
    planned: Script, fresh_token: TokenAddress, softhsm: SoftHsm, tmp_path: Path
) -> None:
    with pytest.raises(Ended):
        begin(planned, room(tmp_path, fresh_token, Present(leave_after=1)))
    other = softhsm.make_token()

    with pytest.raises(Refused, match=f"{fresh_token.serial}, and this is {other.serial}"):
        resume(planned, room(tmp_path, other, Present()))


def test_minutes_that_say_more_than_was_approved_do_not_go_on(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present(leave_after=1))
    with pytest.raises(Ended):
        begin(planned, where)
    done = events(minutes_of(where))[-1]
    with ChainFile.open(minutes_of(where)) as chain:
        minutes = Minutes(chain, str(done.decision.request_id), "olaf")
        minutes.note(Event.DONE, {**done.decision.details, "step": 2})

    with pytest.raises(Refused, match=r"not in order.*step-not-begun: step 2 is done"):
        resume(planned, room(tmp_path, fresh_token, Present()))


def test_minutes_with_a_line_that_is_none_do_not_go_on(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present(leave_after=1))
    with pytest.raises(Ended):
        begin(planned, where)
    first, _, *others = minutes_of(where).read_bytes().splitlines(keepends=True)
    minutes_of(where).write_bytes(b"".join([first, b"changed\n", *others]))

    with pytest.raises(Refused, match="a line that is no record"):
        resume(planned, where)


def test_what_is_signed_does_not_go_on(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    begin(planned, where)

    with pytest.raises(Refused, match="its minutes are signed"):
        resume(planned, where)

    assert events(minutes_of(where))[-1].decision.operation == Event.SIGNED
    assert review(minutes_of(where)).faults == ()


def test_a_token_has_one_deployment(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    begin(planned, room(tmp_path, fresh_token, Present()))
    other = load_script(script(tmp_path, GENERATE.format(label="three"), deployment="production"))
    folder = tmp_path / "other"
    folder.mkdir()

    with pytest.raises(Refused, match="the token is of pilot"):
        begin(other, room(folder, fresh_token, Present()))


def test_officers_of_a_rehearsal_approve_nothing_else(
    planned: Script, fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    of_rehearsal = quorum_of(planned, replace(where, rehearsal=True))
    with where.token() as token:
        enrol(token, of_rehearsal)

    with pytest.raises(ApprovalRefused, match="quorum-of-rehearsal"):
        begin(planned, where)


def test_without_a_quorum_nothing_begins(fresh_token: TokenAddress, tmp_path: Path) -> None:
    planned = load_script(script(tmp_path, GENERATE.format(label="one")))

    with pytest.raises(Refused, match="nobody could approve"):
        begin(planned, room(tmp_path, fresh_token, Present()))
