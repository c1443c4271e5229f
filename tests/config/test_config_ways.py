"""Which way key sets and transport keys are served, by what the token does."""

from dataclasses import fields

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hsm import capabilities
from tmsd.config.key_sets import ALL_SCHEMES
from tmsd.config.policy import Policy, load_policy
from tmsd.config.ways import _OF_SCHEME, Capability, capabilities_of, ways
from tmsd.vault import worker_messages

EVERYTHING = frozenset(Capability)
NO_3DES_WRAPPING = EVERYTHING - {Capability.WRAPS_DES3_ECB}
UNAVAILABLE = (
    "unavailable: token does not wrap with CKM_DES3_ECB; needs allow_key_material_in_worker"
)

POLICY = """\
[key_sets.fresh]
scp = "02"
algorithm = "des3"
diversification = "none"
undiversified = true
versions = { 255 = "active" }
change_to = ["open:1", "closed:1", "aes:1"]
[key_sets.open]
scp = "02"
algorithm = "des3"
diversification = "visa2"
allow_key_material_in_worker = true
versions = { 1 = "active" }
[key_sets.closed]
scp = "01"
algorithm = "des3"
diversification = "emv"
versions = { 1 = "active" }
[key_sets.aes]
scp = "03"
algorithm = "aes256"
diversification = "kdf3"
versions = { 1 = "active", 2 = "active" }
change_to = ["aes:2"]
[key_sets.hmac]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active", 2 = "active" }
change_to = ["hmac:2"]
[callers.aes-tps]
public_key_sha256 = "%064x"
roles = ["tps"]
key_sets = ["*"]
deliveries = ["transport"]
transport_key = "t-aes"
deliver_static_dek = true
[callers.open-tps]
public_key_sha256 = "%064x"
roles = ["tps"]
key_sets = ["open", "closed", "hmac"]
deliveries = ["transport"]
transport_key = "t-open"
deliver_static_dek = true
[callers.closed-tps]
public_key_sha256 = "%064x"
roles = ["tps"]
key_sets = ["fresh", "hmac"]
deliveries = ["transport"]
transport_key = "t-closed"
deliver_static_dek = true
[transport_keys.t-aes]
algorithm = "aes128"
[transport_keys.t-open]
algorithm = "des3"
allow_key_material_in_worker = true
[transport_keys.t-closed]
algorithm = "des3"
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Policy:
    file = tmp_path_factory.mktemp("ways") / "policy.toml"
    file.write_text(POLICY % (1, 2, 3))
    return load_policy(file)


def told(policy: Policy, held: frozenset[Capability]) -> dict[str, str]:
    return {f"{what} {name}": str(way) for what, name, way in ways(policy, held)}


def test_a_token_that_does_everything_needs_an_exception_for_the_hmac_alone(served: Policy) -> None:
    ways_told = told(served, EVERYTHING)

    assert {what for what, way in ways_told.items() if way != "token"} == {
        "card keys of hmac",
        "PUT KEY to hmac",
    }
    assert ways_told["card keys of hmac"] == "worker memory (exception)"


def test_no_way_is_told_for_a_changeover_that_nothing_leads_to(served: Policy) -> None:
    assert ways(served, EVERYTHING).key_sets["fresh"].put_key is None


def test_what_the_token_does_not_wrap_is_left_to_an_exception_or_undone(served: Policy) -> None:
    ways_told = told(served, NO_3DES_WRAPPING)

    assert ways_told["PUT KEY to open"] == "worker memory (exception)"
    assert ways_told["PUT KEY to closed"] == UNAVAILABLE
    assert ways_told["transport key t-open"] == "worker memory (exception)"
    assert ways_told["transport key t-closed"] == UNAVAILABLE
    assert ways_told["transport key t-aes"] == "token"


def test_the_cards_present_dek_says_how_new_keys_are_wrapped(served: Policy) -> None:
    put_key = ways(served, EVERYTHING).key_sets["aes"].put_key

    assert put_key is not None
    assert put_key.needs == (Capability.WRAPS_AES_CBC, Capability.WRAPS_DES3_ECB)


def test_a_static_dek_under_triple_des_takes_the_exception_of_its_key_set_as_well(
    served: Policy,
) -> None:
    deks = ways(served, NO_3DES_WRAPPING).static_deks

    assert {name: str(way) for name, way in deks["t-open"].items()} == {
        "closed": UNAVAILABLE,
        "hmac": "worker memory (exception)",
    }
    assert deks["t-open"]["closed"].remedy == "key_sets.closed"
    assert deks["t-closed"]["hmac"].remedy == "transport_keys.t-closed"
    assert {str(way) for way in deks["t-aes"].values()} == {"token"}


def test_no_way_is_told_for_deks_that_are_of_the_session_or_of_all_cards_alike(
    served: Policy,
) -> None:
    deks = ways(served, EVERYTHING).static_deks

    assert {name: set(found) for name, found in deks.items()} == {
        "t-aes": {"closed", "aes", "hmac"},  # neither SCP02 nor undiversified
        "t-open": {"closed", "hmac"},
        "t-closed": {"hmac"},
    }


def test_where_the_exception_would_help_its_table_is_named(served: Policy) -> None:
    found = ways(served, NO_3DES_WRAPPING)

    assert found.transport_keys["t-closed"].remedy == "transport_keys.t-closed"
    closed = found.key_sets["closed"].put_key
    assert closed is not None
    assert closed.remedy == "key_sets.closed"


def test_nothing_is_promised_of_an_exception_that_would_not_be_enough(served: Policy) -> None:
    neither = NO_3DES_WRAPPING - {Capability.WRAPS_AES_CBC}

    put_key = ways(served, neither).key_sets["aes"].put_key

    assert put_key is not None
    assert put_key.remedy is None
    assert str(put_key) == (
        "unavailable: token does not wrap with CKM_AES_CBC or wrap with CKM_DES3_ECB"
    )


@pytest.mark.parametrize(
    ("lacking", "undone"),
    [
        (
            Capability.DERIVES_AES_ECB,
            {"card keys of aes", "sessions of aes"},
        ),
        (
            Capability.DERIVES_DES3_ECB,
            {"card keys of open", "card keys of closed", "sessions of closed", "sessions of hmac"},
        ),
        (Capability.DERIVES_DES3_CBC, {"sessions of fresh", "sessions of open"}),
        (
            Capability.SIGNS_AES_CMAC,
            {f"sessions of {name}" for name in ("fresh", "open", "closed", "aes", "hmac")},
        ),
        (Capability.SIGNS_HMAC_SHA256, {"card keys of hmac"}),
        (Capability.WRAPS_AES_CBC, {"PUT KEY to aes"}),
        (
            Capability.WRAPS_DES3_ECB,
            {
                "PUT KEY to closed",
                "PUT KEY to aes",
                "transport key t-closed",
                "static DEKs of closed under t-open",
                "static DEKs of hmac under t-closed",
            },
        ),
        (
            Capability.WRAPS_AES_KEY_WRAP,
            {
                "transport key t-aes",
                *(f"static DEKs of {name} under t-aes" for name in ("closed", "aes", "hmac")),
            },
        ),
    ],
    ids=lambda value: value.name if isinstance(value, Capability) else "",
)
def test_what_a_missing_mechanism_leaves_undone(
    served: Policy, lacking: Capability, undone: set[str]
) -> None:
    ways_told = told(served, EVERYTHING - {lacking})

    assert {what for what, way in ways_told.items() if way.startswith("unavailable")} == undone


@settings(deadline=None)
@given(held=st.frozensets(st.sampled_from(Capability)))
def test_everything_is_done_or_lacks_something_that_it_needs(
    served: Policy, held: frozenset[Capability]
) -> None:
    for _, _, way in ways(served, held):
        assert set(way.missing) <= set(way.needs) - held
        assert way.missing or way.in_worker or set(way.needs) <= held


def test_every_scheme_has_its_needs() -> None:
    assert _OF_SCHEME.keys() == set(ALL_SCHEMES)


def test_probe_announcement_and_this_module_speak_of_the_same_capabilities() -> None:
    names = [capability.name.lower() for capability in Capability]

    assert [field.name for field in fields(capabilities.Capabilities)] == names
    assert list(worker_messages.Capabilities.__struct_fields__) == names


def test_what_was_announced_is_what_is_gone_by() -> None:
    names = [capability.name.lower() for capability in Capability]
    announced = worker_messages.Capabilities(**{name: name != "wraps_des3_ecb" for name in names})

    assert capabilities_of(announced) == NO_3DES_WRAPPING
