"""The two files in config/ are manuals: they load as they stand, and say all and only what is."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tmsd.config.callers import Caller, Delivery, Role
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.key_sets import DiversificationData, KeyAlgorithm, KeySet, Scp
from tmsd.config.policy import Policy, load_policy
from tmsd.config.table import BY_LOADER, Table
from tmsd.globalplatform.diversification import SCHEMES

MANUALS = Path(__file__).parents[2] / "config"


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("tmsd.toml", "policy.toml"):
        shutil.copy(MANUALS / name, tmp_path)
    return tmp_path


def keys_of(table: type[Table]) -> set[str]:
    return {key for key, field in table.model_fields.items() if BY_LOADER not in field.metadata}


def with_defaults_spelled_out(file: Path) -> None:
    """Remove the `#` before each key: a line with a key and no space is a default."""
    file.write_text(re.sub(r"(?m)^#(?=[a-z_]+ = )", "", file.read_text()))


def test_the_manuals_load_as_they_stand(directory: Path) -> None:
    config = load_daemon_config(directory / "tmsd.toml")
    assert config.policy.file == directory / "policy.toml"
    policy = load_policy(config.policy.file)
    assert list(policy.callers) == ["tps-demo"]
    assert list(policy.key_sets) == ["pilot"]


def test_the_manual_allows_nothing_unsafe_as_it_stands(directory: Path) -> None:
    policy = load_policy(directory / "policy.toml")
    assert all(set(caller.public_key_sha256) == {"0"} for caller in policy.callers.values())
    assert not any(key_set.undiversified or key_set.factory for key_set in policy.key_sets.values())


def test_the_defaults_that_the_manuals_show_are_the_defaults(directory: Path) -> None:
    config_file, policy_file = directory / "tmsd.toml", directory / "policy.toml"
    config, policy = load_daemon_config(config_file), load_policy(policy_file)
    with_defaults_spelled_out(config_file)
    with_defaults_spelled_out(policy_file)
    assert load_daemon_config(config_file) == config
    spelled_out = load_policy(policy_file)
    assert spelled_out.callers == policy.callers
    assert spelled_out.key_sets == policy.key_sets


def test_the_manuals_show_every_key_that_has_a_default_or_is_required(directory: Path) -> None:
    for name in ("tmsd.toml", "policy.toml"):
        with_defaults_spelled_out(directory / name)
    daemon = tomllib.loads((directory / "tmsd.toml").read_text())
    assert daemon.keys() == keys_of(DaemonConfig)
    for name, table in daemon.items():
        annotation = DaemonConfig.model_fields[name].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, Table)
        assert keys_of(annotation) - table.keys() <= {"token_serial", "pin_file"}
    policy = tomllib.loads((directory / "policy.toml").read_text())
    assert policy.keys() == keys_of(Policy)
    assert policy["callers"]["tps-demo"].keys() == keys_of(Caller)
    assert policy["key_sets"]["pilot"].keys() == keys_of(KeySet)


def test_the_manuals_mention_the_keys_that_have_no_default(directory: Path) -> None:
    text = (directory / "tmsd.toml").read_text()
    assert "token_serial = " in text
    assert "pin_file = " in text


def test_the_manual_names_every_allowed_value(directory: Path) -> None:
    text = (directory / "policy.toml").read_text()
    for value in (*Role, *Delivery, *Scp, *DiversificationData, *KeyAlgorithm, *SCHEMES):
        assert re.search(rf"\b{re.escape(value)}\b", text), value


def test_the_examples_in_comments_load_when_they_are_wanted(directory: Path) -> None:
    file = directory / "policy.toml"
    file.write_text(re.sub(r"(?m)^#     (?=\S)", "", file.read_text()))
    policy = load_policy(file)
    assert list(policy.key_sets) == ["pilot", "fresh", "older-cards"]
    assert policy.key_sets["fresh"].factory
