"""The backup key is in the token only once every custodian has shown to have a share of it."""

from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest
from pkcs11 import Attribute

from hsm.errors import KeyExists
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from tests.ceremony.backups import MAKE, conduct, keys_of
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, Present, room, script
from tmsd.ceremony.backing_up import abilities
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.people import Ended, Entry
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.script import load_script
from tmsd.ceremony.shares import WORDS
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.config.toml import ConfigError


@dataclass(slots=True)
class Leaving(Present):
    """One of the custodians leaves at the sight of their share."""

    leaving: str = ""

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Write it down, or leave."""
        if custodian == self.leaving:
            raise Ended("they leave")
        Present.handed_over(self, custodian, what, secret)


@dataclass(slots=True)
class Mistaken(Present):
    """Lena types first what karl has written down."""

    def entered(self, entry: Entry) -> Secret:
        """Type it."""
        if entry.custodian == "lena":
            [karls] = [self.written_down[what] for what in self.written_down if "karl" in what]
            self.typed[entry.what] = [karls]
        return Present.entered(self, entry)


@dataclass(slots=True)
class Watching(Present):
    """Everybody looks how many shares the minutes tell of, when they are shown theirs."""

    minutes: Path = Path()
    on_record: list[int] = field(default_factory=list)

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Look, and write it down."""
        told = [record.decision.operation for record in events(self.minutes)]
        self.on_record.append(told.count(Event.SHOWN))
        Present.handed_over(self, custodian, what, secret)


def test_the_backup_key_wraps_and_unwraps_and_does_nothing_else(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())

    begin(load_script(script(tmp_path, ENROL, MAKE)), where)

    with where.token() as token:
        key = token.find_key(KeyReference(BACKUP_KEY, 1))
        assert abilities(key) == ("unwrap", "wrap")
        assert key.handle[Attribute.SENSITIVE]
        assert not key.handle[Attribute.EXTRACTABLE]
        assert not key.handle[Attribute.MODIFIABLE]


def test_what_is_typed_back_must_be_what_was_shown(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Mistaken()
    where = room(tmp_path, fresh_token, people)

    begin(load_script(script(tmp_path, ENROL, MAKE)), where)

    assert [words.split(":")[0] for words in people.refused] == ["share-not-the-shown"]


def test_an_interrupted_splitting_begins_anew_with_another_key(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Leaving(leaving="lena")
    where = room(tmp_path, fresh_token, people)
    planned = load_script(script(tmp_path, ENROL, MAKE))
    with pytest.raises(Ended):
        begin(planned, where)
    assert keys_of(where) == []
    [void] = people.written_down

    people.leaving = ""
    resume(planned, where)

    assert any("2 secrets were shown" in line for line in people.told)
    shown = [
        record.decision.details
        for record in events(minutes_of(where))
        if record.decision.operation == Event.SHOWN
    ]
    assert [each["custodian"] for each in shown] == ["karl", "lena", "karl", "lena", "mia"]
    assert void not in [each["what"] for each in shown[2:]]
    assert review(minutes_of(where)).faults == ()


def test_nobody_sees_a_share_that_is_not_on_record_first(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    people = Watching()
    where = room(tmp_path, fresh_token, people)
    people.minutes = minutes_of(where)

    begin(load_script(script(tmp_path, ENROL, MAKE)), where)

    assert people.on_record == [1, 2, 3]
    content = minutes_of(where).read_text()
    for share in people.written_down.values():
        words = [word for word in share.decode().split() if word.isalpha()]
        assert len(words) == WORDS
        assert not any(f"{one} {next_one}" in content for one, next_one in pairwise(words))


def test_there_is_one_of_a_version(fresh_token: TokenAddress, tmp_path: Path) -> None:
    with pytest.raises(KeyExists, match="'tmsd-backup' version 1"):
        conduct(room(tmp_path, fresh_token, Present()), ENROL, MAKE, MAKE)


def test_custodians_are_those_of_the_binding(fresh_token: TokenAddress, tmp_path: Path) -> None:
    where = room(tmp_path, fresh_token, Present())

    with pytest.raises(Refused, match="no custodians otto"):
        conduct(where, ENROL, MAKE.replace("mia", "otto"))


def test_one_share_more_than_it_takes_is_the_least(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be more than the 3 that it takes"):
        load_script(script(tmp_path, ENROL, MAKE.replace("needed = 2", "needed = 3")))
