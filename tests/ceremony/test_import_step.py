"""Custodians type the components of a key one after another; what is wrong is typed again."""

import secrets
from pathlib import Path

import pytest

from hsm.errors import KeyExists
from hsm.keys import AES_128, KeyReference
from hsm.module import TokenAddress
from tests.ceremony.backups import conduct, facts, keys_of
from tests.ceremony.conducting import minutes_of
from tests.ceremony.keys import check_value, exclusive_or
from tests.ceremony.rooms import ENROL, Present, room, script
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.script import load_script
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError

IMPORT = """
[[steps]]
do = "import-key"
label = "pilot"
version = 1
algorithm = "aes128"
custodians = ["karl", "lena"]
"""


def what(number: int) -> str:
    """Return what a custodian is asked for."""
    return f"component {number} of 2 of key 'pilot' version 1"


def test_the_check_values_of_each_and_of_the_key_are_on_record(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    one, two = secrets.token_bytes(16), secrets.token_bytes(16)
    people = Present(
        typed={
            what(1): [b"no hexadecimal", one.hex().encode()],
            what(2): [two[:15].hex().encode(), two.hex(" ").encode()],
        }
    )
    where = conduct(room(tmp_path, fresh_token, people), ENROL, IMPORT)

    told = facts(where)
    kcvs = [check_value(value, KeyAlgorithm.AES128).hex() for value in (one, two)]
    assert told["kcvs_of_components"] == ", ".join(kcvs)
    assert told["kcv"] == check_value(exclusive_or(one, two), KeyAlgorithm.AES128).hex()
    assert [wrong.split(" must ")[0].split(" has ")[0] for wrong in people.refused] == [
        "component-malformed: component 1",
        "component-malformed: component 2",
    ]
    with where.token() as token:
        assert token.find_key(KeyReference("pilot", 1)).shape == AES_128
    content = minutes_of(where).read_text()
    assert one.hex() not in content
    assert two.hex() not in content


def test_a_component_that_is_there_already_or_foreign_is_named_and_typed_again(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    one, two = secrets.token_bytes(16), secrets.token_bytes(16)
    kcvs = [check_value(value, KeyAlgorithm.AES128).hex() for value in (one, two)]
    combined = check_value(exclusive_or(one, two), KeyAlgorithm.AES128).hex()
    known = f'component_kcvs = ["{kcvs[0]}", "{kcvs[1]}"]\nkcv = "{combined}"\n'
    people = Present(
        typed={
            what(1): [two.hex().encode(), one.hex().encode()],
            what(2): [one.hex().encode(), two.hex().encode()],
        }
    )

    where = conduct(room(tmp_path, fresh_token, people), ENROL, IMPORT + known)

    assert people.refused == [
        f"component-foreign: component 1 has the KCV {kcvs[1]}, and the script expects {kcvs[0]}",
        "component-twice: it is component 1 once more",
    ]
    assert facts(where)["kcv"] == combined


def test_components_that_combine_to_another_key_leave_none(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())

    with pytest.raises(Refused, match="combined-key-wrong: the key has the KCV"):
        conduct(where, ENROL, IMPORT + 'kcv = "000000"\n')

    assert keys_of(where) == []


def test_there_is_a_check_value_for_each_component_or_for_none(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="component_kcvs: step 1: must be as many"):
        load_script(script(tmp_path, IMPORT + 'component_kcvs = ["000000"]\n'))


def test_components_that_make_no_key_change_nothing(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    one = secrets.token_bytes(16)
    parity = exclusive_or(one, bytes([1]) * 16)  # another component, and the same key of DES
    typed = {what(1): [one.hex().encode()], what(2): [parity.hex().encode()]}
    where = room(tmp_path, fresh_token, Present(typed=typed))

    with pytest.raises(Refused, match="all zeros"):
        conduct(where, ENROL, IMPORT.replace("aes128", "des3"))

    assert keys_of(where) == []


def test_nobody_types_for_a_key_that_is_there(fresh_token: TokenAddress, tmp_path: Path) -> None:
    people = Present()
    where = conduct(room(tmp_path, fresh_token, people), ENROL, IMPORT)
    people.typed = {what(1): [b"no hexadecimal"]}

    with pytest.raises(KeyExists):
        conduct(where, IMPORT)

    assert people.refused == []
