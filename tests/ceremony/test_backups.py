"""A backup: proven without restoring it, and restored onto another token."""

from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest
from pkcs11 import Attribute

from hsm.attributes import MASTER_KEY, RESTORED_SIGNING_KEY
from hsm.errors import KeyNotFound, MechanismUnavailable
from hsm.importing import generate_key
from hsm.key_pairs import find_key_pair, generate_key_pair, list_key_pairs
from hsm.keys import AES_128, AES_256, KeyReference, KeyShape, TokenKey
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.wrapping import unwrap_key
from tests.ceremony.backups import (
    BACK_UP,
    BACKED_UP,
    BY_SHARES,
    KEYS,
    MAKE,
    PAIR,
    PAIRS,
    QUORUM,
    RESTORE,
    VERIFY,
    conduct,
    facts,
    keys_of,
)
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import CUSTODIANS, ENROL, Present, WhileTheyApprove, room, script
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record
from tmsd.ceremony.backing_up import back_up
from tmsd.ceremony.backup_file import Backup, read_backup
from tmsd.ceremony.backup_refusal import BackupRefused, BackupRule
from tmsd.ceremony.minutes import Event, Minutes, events
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.shares import split
from tmsd.config.reserved_keys import BACKUP_KEY
from tmsd.quorum import canonical


@pytest.fixture(scope="module")
def backed_up(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> tuple[Room, Present]:
    """A token with keys of every kind, after its backup; and who holds the shares.

    What a test takes out of the token, it puts back.
    """
    people = Present()
    folder = tmp_path_factory.mktemp("first")
    where = room(folder, softhsm.make_token(), people)
    begin(load_script(script(folder, ENROL, *KEYS, *PAIRS, MAKE, BACK_UP)), where)
    return where, people


@pytest.fixture
def elsewhere(backed_up: tuple[Room, Present], softhsm: SoftHsm, tmp_path: Path) -> Room:
    """Another token, which is empty, and the file of the backup."""
    (tmp_path / "pilot.backup").write_bytes((backed_up[0].folder / "pilot.backup").read_bytes())
    backed_up[1].refused.clear()
    return room(tmp_path, softhsm.make_token(), backed_up[1])


def wrapped_anew(where: Room) -> Backup:
    """Return a backup as it would be made of a token now."""
    with where.token() as token:
        return back_up(token, 1, where.deployment, events(minutes_of(where))[0].time)


def test_an_empty_token_has_the_same_keys_afterwards(
    backed_up: tuple[Room, Present], elsewhere: Room
) -> None:
    conduct(elsewhere, ENROL, RESTORE + BY_SHARES)

    assert facts(elsewhere)["restored"] == len(BACKED_UP) + 2
    here, there = wrapped_anew(elsewhere), wrapped_anew(backed_up[0])
    assert here.keys == there.keys, "labels, versions, types, lengths, attributes and values"
    assert [pair.label for pair in here.key_pairs] == ["issuer", "root"]
    assert [pair.public_key for pair in here.key_pairs] == [
        pair.public_key for pair in there.key_pairs
    ], "and each has signed by its private half"
    with elsewhere.token() as token:
        held = token.list_keys()
        assert {reference.label for reference, _ in held} == {*BACKED_UP, BACKUP_KEY}
        for key in (key for reference, key in held if reference.label != BACKUP_KEY):
            told = key.handle.get_attributes(
                [Attribute.SENSITIVE, Attribute.EXTRACTABLE, Attribute.MODIFIABLE, Attribute.TOKEN]
            )
            assert told == {
                Attribute.SENSITIVE: True,
                Attribute.EXTRACTABLE: True,
                Attribute.MODIFIABLE: False,
                Attribute.TOKEN: True,
            }
        private = find_key_pair(token, KeyReference("root", 1)).private
        asked = {**RESTORED_SIGNING_KEY}
        assert private.get_attributes(list(asked)) == asked
    assert review(minutes_of(elsewhere)).faults == ()


def test_what_has_no_backup_is_not_in_it(backed_up: tuple[Room, Present]) -> None:
    backup, content = read_backup(backed_up[0].folder / "pilot.backup", "pilot")

    assert tuple(key.label for key in backup.keys) == BACKED_UP
    assert content == canonical.encode(backup)
    assert backup.keys[3].may == ("derive", "encrypt")


def test_a_backup_is_proven_and_nothing_is_restored_by_it(elsewhere: Room) -> None:
    conduct(elsewhere, ENROL, VERIFY + BY_SHARES)

    assert facts(elsewhere)["keys"] == len(BACKED_UP)
    assert keys_of(elsewhere) == []


def test_the_token_with_the_backup_key_proves_it_without_shares(
    backed_up: tuple[Room, Present],
) -> None:
    before = keys_of(backed_up[0])
    conduct(backed_up[0], VERIFY)

    assert facts(backed_up[0])["keys"] == len(BACKED_UP)
    assert keys_of(backed_up[0]) == before


def test_what_is_there_already_is_left_and_what_is_missing_comes_back(
    backed_up: tuple[Room, Present],
) -> None:
    where = backed_up[0]
    keys_there = wrapped_anew(where).keys
    with where.token() as token:
        token.find_key(KeyReference("master", 1)).handle.destroy()

    conduct(where, RESTORE)

    assert facts(where)["restored"] == 1
    assert wrapped_anew(where).keys == keys_there


def test_another_key_in_the_place_of_one_stops_it_before_anything_changes(
    elsewhere: Room,
) -> None:
    with elsewhere.token() as token:
        template = {**MASTER_KEY, Attribute.EXTRACTABLE: True}
        generate_key(token, KeyReference("master", 1), AES_256, template)

    with pytest.raises(BackupRefused, match=r"'master' version 1.*another value") as refused:
        conduct(elsewhere, ENROL, RESTORE + BY_SHARES)

    assert refused.value.rule is BackupRule.KEY_DIFFERS
    assert keys_of(elsewhere) == ["master"]
    failed = events(minutes_of(elsewhere))[-1].decision
    assert str(failed.details["reason"]).startswith("key-differs: ")


@pytest.mark.parametrize(
    ("shape", "extractable", "words"),
    [(AES_128, True, "another type or length"), (AES_256, False, "cannot leave it")],
)
def test_a_key_that_differs_otherwise_stops_it_too(
    elsewhere: Room, shape: KeyShape, extractable: bool, words: str
) -> None:
    with elsewhere.token() as token:
        template = {**MASTER_KEY, Attribute.EXTRACTABLE: extractable}
        generate_key(token, KeyReference("master", 1), shape, template)

    with pytest.raises(BackupRefused, match=words):
        conduct(elsewhere, ENROL, RESTORE + BY_SHARES)


@pytest.mark.parametrize("step", [VERIFY, RESTORE], ids=["verify", "restore"])
def test_officers_approve_this_backup_and_another_one_is_not_taken(
    backed_up: tuple[Room, Present], elsewhere: Room, step: str
) -> None:
    file = elsewhere.folder / "pilot.backup"
    approved, other = file.read_bytes(), canonical.encode(wrapped_anew(backed_up[0]))
    people = WhileTheyApprove(at=2, happens=lambda: file.write_bytes(other))
    people.written_down = backed_up[1].written_down

    with pytest.raises(BackupRefused) as refused:
        conduct(replace(elsewhere, people=people), ENROL, step + BY_SHARES)

    assert refused.value.rule is BackupRule.BACKUP_NOT_THE_APPROVED
    assert people.asked[1].parameters["backup_sha256"] == sha256(approved).hexdigest()
    assert people.asked[1].parameters["keys"] == len(BACKED_UP)
    assert keys_of(elsewhere) == []


def test_wrong_shares_are_named_and_typed_again(
    backed_up: tuple[Room, Present], elsewhere: Room
) -> None:
    people = backed_up[1]
    backup, _ = read_backup(elsewhere.folder / "pilot.backup", "pilot")
    names = {
        each: f"the share of {each} in the backup key {backup.backup_key.check_value}"
        for each in CUSTODIANS
    }
    mia, karl = people.written_down[names["mia"]], people.written_down[names["karl"]]
    foreign = split(Secret(bytes(32)), bytes.fromhex("0a1b2c"), 2, 3)[0].reveal()
    people.typed = {
        names["mia"]: [b"academic acid", bytes(foreign), mia],
        names["karl"]: [mia, karl],
    }

    conduct(elsewhere, ENROL, RESTORE + BY_SHARES)

    assert [words.split(":")[0] for words in people.refused] == [
        "share-malformed",
        "share-foreign",
        "share-twice",
    ]


def test_one_custodian_is_not_enough(elsewhere: Room) -> None:
    with pytest.raises(BackupRefused) as refused:
        conduct(elsewhere, ENROL, RESTORE + 'custodians = ["mia"]\n')

    assert refused.value.rule is BackupRule.SHARES_MISSING
    assert keys_of(elsewhere) == []


def test_a_backup_is_made_once_under_its_name(backed_up: tuple[Room, Present]) -> None:
    before = (backed_up[0].folder / "pilot.backup").read_bytes()

    with pytest.raises(BackupRefused) as refused:
        conduct(backed_up[0], BACK_UP)

    assert refused.value.rule is BackupRule.BACKUP_EXISTS
    assert (backed_up[0].folder / "pilot.backup").read_bytes() == before


def test_a_token_without_keys_to_back_up_is_told(fresh_token: TokenAddress, tmp_path: Path) -> None:
    with pytest.raises(BackupRefused) as refused:
        conduct(room(tmp_path, fresh_token, Present()), ENROL, MAKE, BACK_UP)

    assert refused.value.rule is BackupRule.BACKUP_EMPTY


def test_without_the_backup_key_nothing_is_backed_up(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    with pytest.raises(KeyNotFound, match="'tmsd-backup' version 1"):
        conduct(room(tmp_path, fresh_token, Present()), ENROL, KEYS[0], BACK_UP)


def test_a_restoration_that_was_cut_off_goes_on_with_what_is_missing(
    elsewhere: Room, backed_up: tuple[Room, Present], monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = load_script(script(elsewhere.folder, ENROL, RESTORE + BY_SHARES))
    done: list[object] = []

    def cut_off(*given: Any) -> TokenKey:  # noqa: ANN401  as unwrap_key
        if len(done) == 2:
            raise OSError("the power fails")
        done.append(given)
        return unwrap_key(*given)

    with monkeypatch.context() as patch:
        patch.setattr("tmsd.ceremony.restoring.unwrap_key", cut_off)
        with pytest.raises(OSError, match="power"):
            begin(planned, elsewhere)
    assert len(keys_of(elsewhere)) == 2

    resume(planned, elsewhere)

    assert facts(elsewhere)["restored"] == len(BACKED_UP)  # two key pairs, and all but two keys
    assert wrapped_anew(elsewhere).keys == wrapped_anew(backed_up[0]).keys


@pytest.mark.parametrize("step", [BACK_UP, RESTORE + BY_SHARES], ids=["back-up", "restore"])
def test_what_was_done_and_not_recorded_is_found(
    elsewhere: Room, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    steps = (ENROL, KEYS[0], MAKE, BACK_UP) if step == BACK_UP else (ENROL, step)
    if step == BACK_UP:
        (elsewhere.folder / "pilot.backup").unlink()
    planned = load_script(script(elsewhere.folder, *steps))
    note = Minutes.note

    def cut_off(self: Minutes, event: Event, told: Mapping[str, str | int | bool]) -> Record:
        if event is Event.DONE and "backup_sha256" in told:
            raise OSError("the power fails")
        return note(self, event, told)

    with monkeypatch.context() as patch:
        patch.setattr(Minutes, "note", cut_off)
        with pytest.raises(OSError, match="power"):
            begin(planned, elsewhere)
    content = (elsewhere.folder / "pilot.backup").read_bytes()

    resume(planned, elsewhere)

    assert "restored" not in facts(elsewhere)
    assert facts(elsewhere)["backup_sha256"] == sha256(content).hexdigest()
    assert review(minutes_of(elsewhere)).faults == ()


def test_an_older_backup_is_not_taken_for_the_one_that_was_made(
    backed_up: tuple[Room, Present],
) -> None:
    where = backed_up[0]
    newest = KeyReference("newest", 1)
    with where.token() as token:
        generate_key(token, newest, AES_256, {**MASTER_KEY, Attribute.EXTRACTABLE: True})

    with pytest.raises(BackupRefused, match=r"backup-exists.*of other keys than the token's"):
        load_script(script(where.folder, BACK_UP)).steps[0].found(where)

    with where.token() as token:
        token.find_key(newest).handle.destroy()
    assert load_script(script(where.folder, BACK_UP)).steps[0].found(where) is not None


def test_a_public_half_that_an_interruption_left_is_made_whole(
    elsewhere: Room, backed_up: tuple[Room, Present]
) -> None:
    conduct(elsewhere, ENROL, RESTORE + BY_SHARES)
    with elsewhere.token() as token:
        find_key_pair(token, KeyReference("root", 1)).private.destroy()

    conduct(elsewhere, RESTORE)

    assert facts(elsewhere)["restored"] == 1
    assert len(wrapped_anew(elsewhere).key_pairs) == len(wrapped_anew(backed_up[0]).key_pairs)


def test_another_key_pair_in_the_place_of_one_stops_it(elsewhere: Room) -> None:
    with elsewhere.token() as token:
        generate_key_pair(token, KeyReference("root", 1), KeyPairAlgorithm.P384)

    with pytest.raises(BackupRefused, match="'root' version 1 in the token has another public key"):
        conduct(elsewhere, ENROL, RESTORE + BY_SHARES)

    assert keys_of(elsewhere) == []


def test_a_key_pair_that_the_token_does_not_wrap_is_not_made_for_a_backup(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())

    with pytest.raises(MechanismUnavailable, match="does not wrap private keys of ed25519"):
        conduct(where, ENROL, PAIR.format(label="root", algorithm="ed25519") + QUORUM)

    with where.token() as token:
        assert list_key_pairs(token) == []
