"""The two files in config/ are manuals: they load as they stand, and say all and only what is."""

import re
import shutil
import tomllib
from pathlib import Path

import pytest

from tests.site.kra import kra_certificate_pem
from tmsd.config.callers import Caller, Delivery, EncryptPurpose, Role
from tmsd.config.cas import Ca, NonceResponder, Responder
from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.dogtag import DogtagTps
from tmsd.config.dogtag_edge import DogtagEdgeConfig
from tmsd.config.key_sets import (
    ALL_SCHEMES,
    DiversificationData,
    KeyAlgorithm,
    KeySet,
    MasterKeys,
    Scp,
)
from tmsd.config.ocsp import NonceHsmConfig, NoncesConfig
from tmsd.config.policy import Policy, load_policy
from tmsd.config.table import BY_LOADER, Table
from tmsd.config.transport_keys import TransportKey
from tmsd.globalplatform.protocols import PROTOCOLS
from tmsd.quickstart.certificates import certificate_authority, responder_identity

MANUALS = Path(__file__).parents[2] / "config"
WITHOUT_DEFAULT = frozenset(
    {
        "inventory",
        "token_serial",
        "pin_file",
        "socket",
        "url",
        "password_file",
        "password_credential",
        "nonces",
    }
)


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    for name in ("tmsd.toml", "policy.toml"):
        shutil.copy(MANUALS / name, tmp_path)
    shutil.copytree(MANUALS / "profiles", tmp_path / "profiles")
    write_authority(tmp_path / "cas")
    (tmp_path / "blocked-keys.txt").write_text("# none so far\n")
    return tmp_path


def write_authority(directory: Path) -> None:
    """Make the certificates that the examples name."""
    directory.mkdir()
    authority = certificate_authority("demo")
    (directory / "demo.pem").write_bytes(authority.certificate_pem)
    (directory.parent / "kra-transport.pem").write_bytes(kra_certificate_pem())
    for name in ("demo-ocsp", "demo-nonces"):
        responder = responder_identity(authority, name)
        (directory / f"{name}.pem").write_bytes(responder.certificate_pem)


def keys_of(table: type[Table]) -> set[str]:
    return {key for key, field in table.model_fields.items() if BY_LOADER not in field.metadata}


def with_defaults_spelled_out(file: Path) -> None:
    """Remove the `#` before each key: a line with a key and no space is a default."""
    file.write_text(re.sub(r"(?m)^#(?=[a-z_]+ = )", "", file.read_text()))


def with_examples(file: Path) -> None:
    """Take the lines of the examples, which are set in by five spaces, for what they are."""
    file.write_text(re.sub(r"(?m)^#     (?=\S)", "", file.read_text()))


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
    assert not any(key_set.allow_key_material_in_worker for key_set in policy.key_sets.values())
    assert not any(key_set.icv_in_clear for key_set in policy.key_sets.values())
    assert not any(caller.deliver_static_dek for caller in policy.callers.values())
    assert not policy.transport_keys


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
    assert daemon.keys() == keys_of(DaemonConfig) - {"dogtag"}
    for name, table in daemon.items():
        annotation = DaemonConfig.model_fields[name].annotation
        assert isinstance(annotation, type)
        assert issubclass(annotation, Table)
        assert keys_of(annotation) - table.keys() <= WITHOUT_DEFAULT
    policy = tomllib.loads((directory / "policy.toml").read_text())
    assert keys_of(Caller) - policy["callers"]["tps-demo"].keys() == {
        "transport_key",
        "dogtag",
    }
    assert keys_of(KeySet) - policy["key_sets"]["pilot"].keys() == {
        "master_keys",
        "card_key_algorithm",
    }


def test_the_examples_show_every_key_that_the_defaults_do_not(directory: Path) -> None:
    file = directory / "policy.toml"
    with_examples(file)
    policy = tomllib.loads(file.read_text())
    assert policy.keys() == keys_of(Policy)
    assert policy["cas"]["demo"].keys() == keys_of(Ca)
    assert policy["cas"]["demo"]["ocsp"].keys() == keys_of(Responder)
    assert policy["cas"]["demo"]["ocsp"]["nonces"].keys() == keys_of(NonceResponder)
    assert policy["transport_keys"]["tps-two"].keys() == keys_of(TransportKey)
    assert "transport_key" in policy["callers"]["tps-two"]
    assert policy["callers"]["dogtag-tps"]["dogtag"].keys() == keys_of(DogtagTps)
    assert "card_key_algorithm" in policy["key_sets"]["smartcafe-6"]
    assert policy["key_sets"]["three-masters"]["master_keys"].keys() == keys_of(MasterKeys)


def test_the_example_of_nonces_shows_every_key_with_its_default(directory: Path) -> None:
    file = directory / "tmsd.toml"
    with_examples(file)
    table = tomllib.loads(file.read_text())["ocsp"]["nonces"]
    assert table.keys() == keys_of(NoncesConfig)
    assert keys_of(NonceHsmConfig) - table["hsm"].keys() == {
        "token_serial",
        "pin_file",
        "inventory",
    }

    nonces = load_daemon_config(file).ocsp.nonces
    assert nonces is not None
    assert NoncesConfig(socket=nonces.socket, hsm=nonces.hsm) == nonces
    assert nonces.hsm.latch_file == directory / NonceHsmConfig.model_fields["latch_file"].default


def test_the_example_for_tps_of_dogtag_shows_every_key_with_its_default(directory: Path) -> None:
    file = directory / "tmsd.toml"
    with_examples(file)
    table = tomllib.loads(file.read_text())["dogtag"]

    assert table.keys() == keys_of(DogtagEdgeConfig)
    assert table["listen"] == DogtagEdgeConfig().listen
    assert load_daemon_config(file).dogtag is not None


def test_the_manuals_mention_the_keys_that_have_no_default(directory: Path) -> None:
    text = (directory / "tmsd.toml").read_text()
    assert "token_serial = " in text
    assert "pin_file = " in text
    assert "socket = " in text


def test_the_manual_names_every_allowed_value(directory: Path) -> None:
    text = (directory / "policy.toml").read_text()
    for value in (
        *(*Role, *Delivery, *EncryptPurpose, *Scp, *DiversificationData, *KeyAlgorithm),
        *ALL_SCHEMES,
    ):
        assert re.search(rf"\b{re.escape(value)}\b", text), value


def test_the_manual_names_every_i_and_every_level(directory: Path) -> None:
    text = (directory / "policy.toml").read_text()
    for number, protocol in PROTOCOLS.items():
        (line,) = re.findall(rf"(?m)^#   SCP{number:02}   (.*)$", text)
        for i in protocol.IMPLEMENTATIONS:
            # SCP03 with long challenges is described by its rule.
            named = i & ~1 if number == 3 else i
            assert f'"{named:02x}"' in line
            for level in protocol.levels(i):
                assert f'"{level:02x}"' in text


def test_the_examples_in_comments_load_when_they_are_wanted(directory: Path) -> None:
    file = directory / "policy.toml"
    with_examples(file)
    policy = load_policy(file)
    assert list(policy.key_sets) == [
        *("pilot", "fresh", "older-cards", "from-dogtag", "smartcafe-6", "three-masters")
    ]
    assert policy.key_sets["fresh"].factory
    assert list(policy.transport_keys) == ["tps-two", "dogtag-tps"]
    assert policy.callers["tps-two"].transport_key == "tps-two"
    assert list(policy.authorities.by_name) == ["demo"]
    assert policy.callers["registration-desk"].may_be_issued("demo", "token-authentication")
