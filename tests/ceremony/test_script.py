"""A script says what happens, and every fault of it by its line."""

from hashlib import sha256
from pathlib import Path

import pytest

from tests.ceremony.rooms import ENROL, GENERATE, script
from tmsd.ceremony.all_steps import STEPS
from tmsd.ceremony.script import load_script
from tmsd.config.toml import ConfigError
from tmsd.quorum.words import rows


def faults(directory: Path, *steps: str) -> str:
    """Return what is wrong with a script of these steps."""
    with pytest.raises(ConfigError) as refused:
        load_script(script(directory, *steps))
    return str(refused.value)


def test_it_is_told_in_plain_words_with_its_hash_to_be_read_aloud(tmp_path: Path) -> None:
    file = script(tmp_path, ENROL, GENERATE.format(label="pilot"))
    digest = sha256(file.read_bytes())

    said = "\n".join(load_script(file).said())

    assert "1. Enrol anna, berta, carl as security officers" in said
    assert "2. Generate key 'pilot' version 1, aes256, which derives the cards' keys." in said
    assert digest.hexdigest() in said
    assert "\n".join(rows(digest.digest())) in said


def test_a_step_that_does_not_exist_is_refused_with_those_that_do(tmp_path: Path) -> None:
    told = faults(tmp_path, ENROL, '[[steps]]\ndo = "burn-token"\n')

    assert "'burn-token' is no step" in told
    assert all(name in told for name in STEPS)


def test_what_is_wrong_in_a_step_is_told_with_its_number(tmp_path: Path) -> None:
    told = faults(tmp_path, ENROL, GENERATE.format(label="pilot").replace("aes256", "rot13"))

    assert "step 2: 'rot13' is not one of" in told


def test_a_script_without_steps_is_none(tmp_path: Path) -> None:
    assert "must be 1 to 200 tables" in faults(tmp_path)


def test_unknown_keys_are_refused(tmp_path: Path) -> None:
    assert "is not a key of this table" in faults(tmp_path, ENROL + "quickly = true\n")


def test_labels_of_the_daemons_own_keys_cannot_be_taken(tmp_path: Path) -> None:
    assert "must not begin with tmsd-" in faults(tmp_path, GENERATE.format(label="tmsd-channel"))
