"""Which key set a card belongs to, among those that the caller may use."""

from pathlib import Path
from typing import Any

import pytest

from tmsd.config.callers import Caller, Role
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse
from tmsd.tks.key_sets import choose


def scp03(name: str, versions: dict[int, str], scp_i: tuple[int, ...] = (0x70,)) -> dict[str, Any]:
    """Return a key set of SCP03."""
    return {
        "name": name,
        "scp": "03",
        "algorithm": "aes128",
        "diversification": "kdf3",
        "versions": versions,
        "scp_i": scp_i,
    }


def scp02(name: str, versions: dict[int, str]) -> dict[str, Any]:
    """Return a key set of SCP02."""
    return {
        "name": name,
        "scp": "02",
        "algorithm": "des3",
        "diversification": "visa2",
        "versions": versions,
    }


KEY_SETS = [
    scp03("pilot", {1: "retired", 2: "active"}),
    scp03("plant", {2: "active"}, scp_i=(0x60, 0x00)),
    scp03("harbour", {3: "active"}),
    scp02("older", {1: "active"}),
    scp02("oldest", {1: "active"}),
]


def policy() -> Policy:
    """Return a policy of these key sets and no caller."""
    return Policy.model_validate(
        {
            "source": Path("policy.toml"),
            "digest": "0" * 64,
            "key_sets": {key_set["name"]: key_set for key_set in KEY_SETS},
        }
    )


def caller(*key_sets: str) -> Caller:
    """Return a caller with key sets."""
    return Caller(name="tps", public_key_sha256="0" * 64, roles=(Role.TPS,), key_sets=key_sets)


def card(scp: int, version: int, i: int | None = None) -> InitializeUpdateResponse:
    """Return what a card says of itself."""
    return InitializeUpdateResponse(bytes(10), version, scp, i, b"", bytes(8), bytes(8))


@pytest.mark.parametrize(
    ("presented", "name"),
    [
        (card(0x03, 1, 0x70), "pilot"),
        (card(0x03, 2, 0x70), "pilot"),
        (card(0x03, 2, 0x00), "plant"),
        (card(0x03, 2, 0x60), "plant"),
        (card(0x03, 3, 0x70), "harbour"),
    ],
)
def test_the_one_that_fits_protocol_version_and_i_is_chosen(
    presented: InitializeUpdateResponse, name: str
) -> None:
    assert choose(policy(), caller("*"), presented, None).name == name


@pytest.mark.parametrize(
    ("presented", "fitting"),
    [
        (card(0x02, 1), "older, oldest"),
        (card(0x02, 2), "none"),
        (card(0x03, 9, 0x70), "none"),
        (card(0x03, 3, 0x30), "none"),
    ],
)
def test_where_none_or_several_fit_one_must_be_named(
    presented: InitializeUpdateResponse, fitting: str
) -> None:
    with pytest.raises(ServiceError) as refused:
        choose(policy(), caller("*"), presented, None)

    assert refused.value.code is Code.KEY_SET_AMBIGUOUS
    assert f"fits {fitting} of your key sets" in refused.value.detail


def test_key_sets_of_others_make_nothing_ambiguous() -> None:
    assert choose(policy(), caller("oldest"), card(0x02, 1), None).name == "oldest"


def test_a_name_decides_whatever_fits() -> None:
    assert choose(policy(), caller("*"), card(0x02, 1), "harbour").name == "harbour"


@pytest.mark.parametrize("name", ["harbour", "no-such-set", "*", ""])
def test_a_name_that_is_not_the_callers_is_unknown(name: str) -> None:
    with pytest.raises(ServiceError) as refused:
        choose(policy(), caller("pilot"), card(0x03, 3, 0x70), name)

    assert refused.value.code is Code.KEY_SET_UNKNOWN
    assert refused.value.pointer == "/card/key_set"
