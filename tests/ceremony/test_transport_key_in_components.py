"""A transport key that custodians bring to its caller, each a component."""

from pathlib import Path

import pytest

from hsm.errors import KeyExists
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.keys import check_value, exclusive_or
from tests.ceremony.rooms import ENROL, Present, room, script
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.people import Ended
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script, load_script
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError

COMPONENTS = """
[[steps]]
do = "generate-transport-key"
label = "tps"
version = 1
algorithm = "aes256"
custodians = ["karl", "lena", "mia"]
"""


class Absent(Present):
    """Custodians of whom one is not there at first."""

    missing: str = ""

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Write it down, or be missed."""
        if custodian == self.missing:
            raise Ended(f"{custodian} is not there")
        super().handed_over(custodian, what, secret)


@pytest.fixture
def people() -> Absent:
    return Absent()


@pytest.fixture
def where(fresh_token: TokenAddress, tmp_path: Path, people: Absent) -> Room:
    return room(tmp_path, fresh_token, people)


@pytest.fixture
def planned(tmp_path: Path) -> Script:
    return load_script(script(tmp_path, ENROL, COMPONENTS))


def told(where: Room, event: Event) -> list[dict[str, str | int | bool]]:
    """Return what the minutes say of the events of a kind."""
    return [
        dict(record.decision.details)
        for record in events(minutes_of(where))
        if record.decision.operation == event
    ]


def values(people: Present) -> list[bytes]:
    """Return the components that were written down."""
    return [bytes.fromhex(written.decode()) for written in people.written_down.values()]


def test_each_custodian_has_a_component_and_together_they_are_the_key(
    planned: Script, where: Room, people: Absent
) -> None:
    begin(planned, where)

    components = values(people)
    assert [len(component) for component in components] == [32, 32, 32]
    facts = told(where, Event.DONE)[-1]
    kcvs = [check_value(each, KeyAlgorithm.AES256).hex() for each in components]
    assert facts["kcvs_of_components"] == ", ".join(kcvs)
    assert facts["kcv"] == check_value(exclusive_or(*components), KeyAlgorithm.AES256).hex()
    assert "in the clear in memory" in str(facts["exception"])
    with where.token() as token:
        assert token.find_key(KeyReference("tps", 1))
    shown = told(where, Event.SHOWN)
    assert [each["custodian"] for each in shown] == ["karl", "lena", "mia"]
    for kcv, each in zip(kcvs, shown, strict=True):
        assert f"KCV {kcv}" in str(each["what"])
    assert review(minutes_of(where)).faults == ()
    content = minutes_of(where).read_bytes()
    for written in people.written_down.values():
        assert written not in content
        assert written.replace(b" ", b"") not in content
    with pytest.raises(KeyExists):
        planned.steps[1].perform(where)


def test_an_interruption_voids_what_was_shown_and_says_so(
    planned: Script, where: Room, people: Absent
) -> None:
    people.missing = "mia"
    with pytest.raises(Ended):
        begin(planned, where)
    before = values(people)
    with where.token() as token:
        assert token.find_keys(KeyReference("tps", 1)) == []
    people.missing = ""
    people.written_down.clear()
    people.told.clear()

    resume(planned, where)

    assert any("they are void" in line for line in people.told)
    after = values(people)
    assert set(before).isdisjoint(after)
    kcv = check_value(exclusive_or(*after), KeyAlgorithm.AES256).hex()
    assert told(where, Event.DONE)[-1]["kcv"] == kcv
    assert len(told(where, Event.SHOWN)) == 3 + 3  # mia's was put on record before she was missed
    assert review(minutes_of(where)).faults == ()


@pytest.mark.parametrize("custodians", ['"karl"', '"karl", "karl"'])
def test_nobody_has_it_alone(tmp_path: Path, custodians: str) -> None:
    alone = COMPONENTS.replace('"karl", "lena", "mia"', custodians)

    with pytest.raises(ConfigError, match="custodians"):
        load_script(script(tmp_path, alone))
