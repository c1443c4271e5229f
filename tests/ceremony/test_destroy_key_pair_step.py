"""Destroying a key pair takes a quorum, and the SHA-256 of its public key in the script."""

from pathlib import Path

import pytest
from pkcs11 import ObjectClass

from hsm.errors import KeyNotFound
from hsm.key_pairs import find_key_pair, generate_key_pair, list_key_pairs
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from tests.ceremony.backups import facts
from tests.ceremony.conducting import begin
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.hsm.half_pairs import half
from tmsd.ceremony.people import Ended
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.step import Step
from tmsd.config.toml import ConfigError

OLD = KeyReference("issuer", 1)
DESTROY = """
[[steps]]
do = "destroy-key-pair"
label = "issuer"
version = 1
"""


@pytest.fixture
def where(fresh_token: TokenAddress, tmp_path: Path) -> Room:
    """A room with a token that has the key pair."""
    made = room(tmp_path, fresh_token, Present())
    with made.token() as token:
        generate_key_pair(token, OLD, KeyPairAlgorithm.P256)
    return made


@pytest.fixture
def expected(where: Room) -> str:
    """The SHA-256 of its public key."""
    with where.token() as token:
        return spki_sha256(find_key_pair(token, OLD).public_key).hex()


def destroying(public_key_sha256: str) -> str:
    return f'{DESTROY}public_key_sha256 = "{public_key_sha256}"\n'


def step(where: Room, text: str) -> Step:
    return load_script(script(where.folder, text)).steps[0]


def is_there(where: Room) -> bool:
    with where.token() as token:
        return OLD in list_key_pairs(token)


def test_both_halves_are_destroyed_once_the_quorum_has_approved_the_public_key(
    where: Room, expected: str
) -> None:
    assert isinstance(where.people, Present)
    begin(load_script(script(where.folder, ENROL, destroying(expected))), where)

    assert not is_there(where)
    told = str(where.people.asked[1].parameters["does"])
    assert f"'issuer' version 1, the public key with SHA-256 {expected}, for good" in told
    assert facts(where).items() >= {"destroyed": "issuer:1", "public_key_sha256": expected}.items()


def test_without_the_quorum_it_stays(where: Room, expected: str) -> None:
    assert isinstance(where.people, Present)
    where.people.leave_after = 1
    with pytest.raises(Ended):
        begin(load_script(script(where.folder, ENROL, destroying(expected))), where)

    assert is_there(where)


@pytest.mark.parametrize("other", [destroying("ab" * 32), DESTROY])
def test_another_than_the_expected_stays(where: Room, expected: str, other: str) -> None:
    with pytest.raises(Refused, match=f"key-not-the-expected: .* SHA-256 {expected}, and"):
        step(where, other).perform(where)

    assert is_there(where)


def test_a_public_half_that_an_interruption_left_is_destroyed_as_the_pair(
    where: Room, expected: str
) -> None:
    planned = step(where, destroying(expected))
    with where.token() as token:
        half(token, OLD, ObjectClass.PRIVATE_KEY).destroy()
    assert planned.found(where) is None
    with pytest.raises(Refused, match=expected):
        step(where, destroying("ab" * 32)).perform(where)

    assert planned.perform(where) == planned.found(where)

    assert not is_there(where)
    with pytest.raises(KeyNotFound):
        planned.perform(where)


def test_a_private_half_of_which_the_public_one_is_lost_is_destroyed_by_its_name(
    where: Room, expected: str
) -> None:
    with where.token() as token:
        half(token, OLD, ObjectClass.PUBLIC_KEY).destroy()
    with pytest.raises(Refused, match="has no public key that could be told, and"):
        step(where, destroying(expected)).perform(where)

    assert step(where, DESTROY).perform(where) == {"destroyed": "issuer:1"}

    assert not is_there(where)


def test_a_sha256_has_64_digits(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="must be a SHA-256, 64 lower-case hex digits"):
        load_script(script(tmp_path, destroying("AB" * 32)))
