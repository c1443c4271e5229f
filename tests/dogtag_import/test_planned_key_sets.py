"""Which key sets stand for a `keySet` of Dogtag's TKS."""

import tempfile
import tomllib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.key_sets import KeyAlgorithm, Scp
from tmsd.config.policy import load_policy
from tmsd.dogtag_import.cs_cfg import CsCfg
from tmsd.dogtag_import.needed_keys import KeyRegister, Purpose, check_value
from tmsd.dogtag_import.planned_key_sets import PlannedKeySet, Planning, targets
from tmsd.dogtag_import.planned_policy import Given, planned_policy
from tmsd.dogtag_import.policy_text import policy_text, quoted, script_text
from tmsd.dogtag_import.remarks import Kind
from tmsd.dogtag_import.schemes import Choices
from tmsd.dogtag_import.tks_settings import Nickname, tks_settings

FACTORY = "".join(f"#{each:02X}" for each in range(0x40, 0x50))
KEYS = {f"tks.s.{name}_key": FACTORY for name in ("auth", "mac", "kek")}
BOTH = {"tks.s.mk_mappings.#02#01": "internal:m", "tks.s.mk_mappings.#02#03": "internal:m"}


def planned(more: dict[str, str], release: int = 11) -> tuple[list[PlannedKeySet], Planning]:
    settings = tks_settings(CsCfg(Path("CS.cfg"), KEYS | more, (), ()))
    planning = Planning(Choices(release), settings.new_masters)
    return [one for each in settings.key_sets for one in planning.key_sets(each)], planning


def told(more: dict[str, str], release: int = 11) -> dict[str, tuple[str, str, list[int]]]:
    """Return of each key set the scheme, what it goes by, and its versions."""
    return {
        one.name: (one.scheme.name, one.scheme.data, list(one.sources))
        for one in planned(more, release)[0]
    }


def test_each_version_up_to_the_threshold_is_of_visa2_and_each_from_it_of_nist() -> None:
    maps = {f"tks.s.mk_mappings.#{version:02X}#01": "internal:m" for version in (2, 3, 0x10)}
    found = told(maps | {"tks.s.nistSP800-108KdfOnKeyVersion": "3"})
    assert found["s-scp01-visa2"] == ("visa2", "kdd", [2])
    assert found["s-scp01-nist"] == ("nist-sp800-108-hmac", "kdd", [3, 0x10])
    assert found["s-scp02-visa2"] == ("visa2", "cuid-kdd", [2])
    assert found["s-scp02-nist"] == ("nist-sp800-108-hmac", "kdd", [3, 0x10])


def test_nist_goes_by_the_cuid_where_that_is_said_and_visa2_does_not() -> None:
    maps = {f"tks.s.mk_mappings.#{version:02X}#01": "internal:m" for version in (2, 3)}
    by_cuid = {
        "tks.s.nistSP800-108KdfUseCuidAsKdd": "true",
        "tks.s.nistSP800-108KdfOnKeyVersion": "03",
    }
    found = told(maps | by_cuid)
    assert found["s-scp01-nist"][1] == "cuid"
    assert found["s-scp01-visa2"][1] == "kdd"


@pytest.mark.parametrize(
    ("key", "name", "factory_versions"),
    [
        ("#01#01", "internal:m", {"01": [255], "02": [1, 255], "03": [1, 255]}),
        ("#01#01", "internal:#01#01", {"01": [1, 255], "02": [1, 255], "03": [1, 255]}),
        ("#01#03", "internal:m", {"01": [1, 255], "02": [1, 255], "03": [255]}),
        ("#01#03", "internal:#01#03", {"01": [1, 255], "02": [1, 255], "03": [1, 255]}),
        ("#FF#01", "internal:m", {"01": [1], "02": [1, 255], "03": [1, 255]}),
        ("#FF#03", "hsm:x#FFy", {"01": [1, 255], "02": [1, 255], "03": [1, 255]}),
    ],
)
def test_a_mapping_takes_the_place_of_factory_keys_unless_its_name_is_theirs(
    key: str, name: str, factory_versions: dict[str, list[int]]
) -> None:
    found, _ = planned({f"tks.s.mk_mappings.{key}": name})
    assert {one.scp: list(one.sources) for one in found if one.factory} == factory_versions


@pytest.mark.parametrize(
    ("kind", "how", "scheme"),
    [
        ("DES3", "emv", "emv"),
        ("DES3", "visa2", "visa2"),
        ("DES3", "none", None),
        ("DES3", "gpkmc", None),
        ("AES", "none", "none"),
        ("AES", "emv", "none"),  # which Dogtag ignores
        ("AES", "visa2", "none"),
        ("AES", "gpkmc", "gp-kmc"),
    ],
)
def test_scp03_is_as_the_types_and_the_diversification_of_master_keys_say(
    kind: str, how: str, scheme: str | None
) -> None:
    settings = {"tks.s.prot3.masterKeyType": kind, "tks.s.prot3.divers": how}
    found, planning = planned(BOTH | settings)
    assert [one.scheme.name for one in found if one.scp is Scp.SCP03 and not one.factory] == (
        [scheme] if scheme else []
    )
    silent = scheme == how or (scheme, how) == ("gp-kmc", "gpkmc")
    kinds = [remark.kind for remark in planning.remarks.said]
    assert (Kind.NOT_MAPPED not in kinds) == silent


@pytest.mark.parametrize(
    ("kind", "how", "scheme"),
    [
        ("DES3", "emv", "emv"),
        ("DES3", "none", None),
        ("AES", "none", "none"),
        ("AES", "visa2", None),
        ("AES", "gpkmc", "gp-kmc"),
    ],
)
def test_scp03_factory_keys_are_as_their_own_settings_say(
    kind: str, how: str, scheme: str | None
) -> None:
    settings = {"tks.s.prot3.devKeyType": kind, "tks.s.prot3.diversVer1Keys": how}
    found, _ = planned(settings)
    assert [one.scheme.name for one in found if one.scp is Scp.SCP03] == (
        [scheme] if scheme else []
    )


def test_dogtag_10_has_a_gpkmc_of_its_own() -> None:
    kmc = {"tks.s.prot3.masterKeyType": "AES", "tks.s.prot3.divers": "gpkmc"}
    assert told(BOTH | kmc, 10)["s-scp03-kmc"][0] == "gp-kmc-dogtag-10"
    assert told(BOTH | kmc, 11)["s-scp03-kmc"][0] == "gp-kmc"


def test_factory_keys_of_each_role_have_labels_and_in_scp02_that_of_the_mac_key() -> None:
    other = {"tks.s.auth_key": FACTORY.replace("#40", "#30")}
    labels = {one.scp: one.labels for one in planned(other)[0]}
    assert len(set(labels[Scp.SCP01].values())) == 2
    assert len(set(labels[Scp.SCP02].values())) == 1
    assert labels[Scp.SCP02] == dict.fromkeys(labels[Scp.SCP02], "factory-des3-8baf47")


@pytest.mark.parametrize("value", ["", "40#41", "#40#4", FACTORY + "#50", "#ZZ" * 16])
def test_factory_keys_that_are_none_are_left_out_with_a_remark(value: str) -> None:
    settings = tks_settings(CsCfg(Path("CS.cfg"), KEYS | {"tks.s.kek_key": value}, (), ()))
    assert [remark.setting for remark in settings.remarks if remark.kind is Kind.NOT_MAPPED] == [
        "tks.s.kek_key"
    ]
    assert planned({"tks.s.kek_key": value})[0] == []


def test_scp02_is_asked_for_by_the_mapping_of_scp01_where_both_are_there() -> None:
    found, planning = planned(BOTH | {"tks.s.mk_mappings.#02#02": "internal:other"})
    (own,) = (one for one in found if one.scp is Scp.SCP02 and not one.factory)
    assert own.sources == {2: Nickname("internal", "m")}
    (remark,) = (one for one in planning.remarks.said if "#02#02" in one.setting)
    assert "internal:other" in remark.reason


def test_new_keys_of_another_master_key_than_channels_were_opened_by_are_remarked_on() -> None:
    _, planning = planned(BOTH | {"tks.mk_mappings.#02#01": "internal:other"}, 10)
    (remark,) = (one for one in planning.remarks.said if one.kind is Kind.NOT_MAPPED)
    assert remark.setting == "tks.mk_mappings.#02#01"


def test_cards_change_to_better_keys_of_their_word_and_back_to_others() -> None:
    found, _ = planned(BOTH | {"tks.s.mk_mappings.#03#01": "internal:m"})
    by_name = {one.name: one for one in found}
    assert targets(by_name["s-scp01-factory"], found) == (["s-scp01-nist:2", "s-scp01-nist:3"], [])
    assert targets(by_name["s-scp01-nist"], found) == (
        ["s-scp01-nist:2", "s-scp01-nist:3"],
        ["s-scp01-factory:1"],
    )
    assert targets(by_name["s-scp03-emv"], found) == ([], ["s-scp03-factory:1"])


def test_one_label_and_version_never_stands_for_two_keys() -> None:
    register = KeyRegister()
    one, two = Nickname("internal", "a"), Nickname("hsm", "a")

    def label(*sources: tuple[int, Nickname]) -> str:
        return register.label_for("a", KeyAlgorithm.DES3, Purpose.MASTER, dict(sources))

    assert label((1, one)) == "a"
    assert label((1, one), (2, one)) == "a"
    assert label((2, two)) == "a-2"
    assert label((3, two)) == "a"
    assert len(register.keys) == 4


@given(st.text(max_size=100))
def test_every_nickname_gives_a_label_that_policies_take(nickname: str) -> None:
    source = {1: Nickname("internal", nickname)}
    label = KeyRegister().label_for(nickname + "-des3", KeyAlgorithm.DES3, Purpose.MASTER, source)
    assert label.isascii()
    assert 1 <= len(label) <= 64
    assert not label.startswith("tmsd-")


def test_check_values_are_those_of_cards() -> None:
    assert check_value(bytes(range(0x40, 0x50)), KeyAlgorithm.DES3).hex() == "8baf47"
    assert check_value(bytes(range(0x40, 0x50)), KeyAlgorithm.AES128).hex() == "504a77"


@given(st.text(st.characters(codec="utf-8")))
def test_quoted_text_is_what_toml_reads(text: str) -> None:
    assert tomllib.loads(f"a = {quoted(text)}") == {"a": text}


WORD = st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "S"]), max_size=70)
MAPPED = st.dictionaries(
    st.tuples(st.integers(min_value=0, max_value=255), st.sampled_from([1, 2, 3])),
    st.tuples(WORD, WORD),
    max_size=6,
)
SCP03 = st.fixed_dictionaries(
    {
        "prot3.divers": st.sampled_from(["emv", "visa2", "none", "gpkmc", "?"]),
        "prot3.diversVer1Keys": st.sampled_from(["emv", "visa2", "none", "gpkmc"]),
        "prot3.devKeyType": st.sampled_from(["DES3", "AES"]),
        "prot3.masterKeyType": st.sampled_from(["DES3", "AES", "des"]),
        "nistSP800-108KdfOnKeyVersion": st.sampled_from(["00", "2", "ff", "x"]),
        "auth_key": st.sampled_from([FACTORY, FACTORY * 2, "#40"]),
    }
)


@given(
    sites=st.dictionaries(
        WORD.filter(lambda word: "." not in word), st.tuples(MAPPED, SCP03), max_size=3
    ),
    users=st.lists(WORD, max_size=3),
    release=st.sampled_from([10, 11]),
)
def test_whatever_a_tks_had_the_policy_is_one_that_is_taken(
    sites: dict[str, tuple[dict[tuple[int, int], tuple[str, str]], dict[str, str]]],
    users: list[str],
    release: int,
) -> None:
    values = KEYS | {"tks.useNewSharedSecretNames": "true"}
    for word, (mapped, more) in sites.items():
        values |= {f"tks.{word}.{key}": value for key, value in more.items()}
        values |= {f"tks.{word}.{name}_key": FACTORY for name in ("mac", "kek")}
        values |= {
            f"tks.{word}.mk_mappings.#{version:02X}#{of:02X}": f"{token}:{name}"
            for (version, of), (token, name) in mapped.items()
        }
    values |= {f"tps.{number}.userid": user for number, user in enumerate(users)}
    values["tps.list"] = ",".join(str(number) for number in range(len(users)))
    settings = tks_settings(CsCfg(Path("CS.cfg"), values, (), ()))
    policy = planned_policy(settings, Given(Choices(release)))
    with tempfile.TemporaryDirectory() as directory:
        file = Path(directory) / "policy.toml"
        file.write_text(policy_text(policy))
        loaded = load_policy(file)
    assert len(loaded.key_sets) == len(policy.key_sets)
    assert {tuple(key) for key in loaded.used_keys()} == {
        (key.label, key.version) for key in policy.keys
    }
    assert len(tomllib.loads(script_text(policy.keys))["steps"]) == len(policy.keys)
