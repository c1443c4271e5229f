"""Destroying a key takes a quorum, and its check value in the script."""

from pathlib import Path

import pytest

from hsm.errors import KeyNotFound
from hsm.importing import destroy_key, import_key
from hsm.keys import AES_128, KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import ENROL, Present, room, script
from tmsd.ceremony.destruction_refusal import DestructionRefused, DestructionRule
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.people import Ended
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.wanted_key import WantedKey
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError

OLD = KeyReference("pilot", 1)
VALUE = bytes(range(16))
KCV = check_value(VALUE, KeyAlgorithm.AES128).hex()
DESTROY = """
[[steps]]
do = "destroy-key"
label = "pilot"
version = 1
kcv = "{kcv}"
"""


@pytest.fixture
def where(fresh_token: TokenAddress, tmp_path: Path) -> Room:
    """A room with a token that has the key."""
    made = room(tmp_path, fresh_token, Present())
    put_in(made, VALUE)
    return made


def put_in(where: Room, value: bytes) -> None:
    with where.token() as token:
        template = WantedKey(OLD, KeyAlgorithm.AES128).template
        import_key(token, OLD, Secret(value), AES_128, template)


def is_there(where: Room) -> bool:
    with where.token() as token:
        return bool(token.find_keys(OLD))


def test_a_key_is_destroyed_once_the_quorum_has_approved_its_check_value(where: Room) -> None:
    assert isinstance(where.people, Present)
    begin(load_script(script(where.folder, ENROL, DESTROY.format(kcv=KCV))), where)

    assert not is_there(where)
    assert f"Destroy key 'pilot' version 1, KCV {KCV}, for good" in str(
        where.people.asked[1].parameters["does"]
    )
    done = [each.decision for each in events(minutes_of(where))]
    assert {"destroyed": "pilot:1", "kcv": KCV}.items() <= dict(
        [each.details for each in done if each.operation == Event.DONE][-1]
    ).items()


def test_without_the_quorum_it_stays(where: Room) -> None:
    assert isinstance(where.people, Present)
    where.people.leave_after = 1
    with pytest.raises(Ended):
        begin(load_script(script(where.folder, ENROL, DESTROY.format(kcv=KCV))), where)

    assert is_there(where)


@pytest.mark.parametrize(
    "other", [DESTROY.format(kcv="ffffff"), DESTROY.replace('kcv = "{kcv}"\n', "")]
)
def test_another_key_than_the_expected_stays(where: Room, other: str) -> None:
    with pytest.raises(DestructionRefused, match=f"has the KCV {KCV}, and") as refused:
        load_script(script(where.folder, other)).steps[0].perform(where)

    assert refused.value.rule is DestructionRule.KEY_NOT_THE_EXPECTED
    assert is_there(where)


def test_what_is_refused_before_officers_are_asked_is_on_record_and_goes_on_once_it_is_right(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Present()
    where = room(tmp_path, fresh_token, people)
    put_in(where, bytes(16))
    planned = load_script(script(tmp_path, ENROL, DESTROY.format(kcv=KCV)))

    with pytest.raises(DestructionRefused):
        begin(planned, where)

    last = events(minutes_of(where))[-1].decision
    assert (last.operation, last.details["step"]) == (Event.FAILED, 2)
    reason = str(last.details["reason"])
    assert reason.startswith("key-not-the-expected: key 'pilot' version 1 has the KCV")
    assert len(people.asked) == 1
    with where.token() as token:
        destroy_key(token, OLD)
    put_in(where, VALUE)
    resume(planned, where)
    assert review(minutes_of(where)).faults == ()
    assert not is_there(where)


def test_a_key_that_is_gone_is_found_to_be_destroyed(where: Room) -> None:
    planned = load_script(script(where.folder, DESTROY.format(kcv=KCV))).steps[0]
    assert planned.found(where) is None
    with where.token() as token:
        destroy_key(token, OLD)

    assert planned.found(where) == {"destroyed": "pilot:1", "kcv": KCV}
    with pytest.raises(KeyNotFound):
        planned.perform(where)


def test_a_check_value_has_six_digits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be 6 lower-case hex digits, not '0A1B2C'"):
        load_script(script(tmp_path, DESTROY.format(kcv="0A1B2C")))
