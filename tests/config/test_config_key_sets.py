"""[key_sets.NAME] of policy.toml."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tmsd.config.key_sets import (
    DiversificationData,
    KeyAlgorithm,
    KeySet,
    Scp,
    VersionState,
)
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.globalplatform.diversification import SCHEMES
from tmsd.globalplatform.protocols import PROTOCOLS

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

RIGHT = {
    "scp": '"03"',
    "algorithm": '"aes256"',
    "diversification": '"kdf3"',
    "versions": '{ 1 = "retired", 2 = "active" }',
}
OLDER = {"scp": '"02"', "algorithm": '"des3"', "diversification": '"visa2"'}


def text(**keys: str) -> str:
    return "[key_sets.k]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


def made(**values: object) -> KeySet:
    return KeySet.model_validate(
        {
            "name": "k",
            "scp": Scp.SCP03,
            "algorithm": KeyAlgorithm.AES128,
            "diversification": "kdf3",
            "versions": {1: VersionState.ACTIVE},
        }
        | values
    )


def test_what_a_key_set_does_not_say_has_safe_defaults(policy: Load) -> None:
    key_set = policy(text(**RIGHT)).key_sets["k"]
    assert key_set.name == key_set.master_key == "k"
    assert (key_set.scp, key_set.algorithm) == (Scp.SCP03, KeyAlgorithm.AES256)
    assert key_set.versions == {1: VersionState.RETIRED, 2: VersionState.ACTIVE}
    assert key_set.diversification_data is DiversificationData.KDD
    assert key_set.scp_i == (0x70, 0x00)
    assert key_set.min_security_level == 0x01
    assert key_set.require_issued_challenge
    assert not key_set.undiversified
    assert not key_set.factory
    assert key_set.change_to == ()
    assert key_set.targets == ()


def test_everything_a_key_set_can_say_is_taken(policy: Load) -> None:
    key_set = policy(
        text(
            **RIGHT | OLDER,
            master_key='"Master Key 1"',
            diversification_data='"cuid"',
            scp_i='["15"]',
            min_security_level='"03"',
            require_issued_challenge="false",
            change_to='["k:2"]',
        )
    ).key_sets["k"]
    assert key_set.master_key == "Master Key 1"
    assert key_set.diversification_data is DiversificationData.CUID
    assert key_set.scp_i == (0x15,)
    assert key_set.min_security_level == 0x03
    assert not key_set.require_issued_challenge
    assert key_set.change_to == ("k:2",)
    assert key_set.targets == (("k", 2),)


def test_scp02_has_15_for_its_default_i(policy: Load) -> None:
    assert policy(text(**RIGHT | OLDER)).key_sets["k"].scp_i == (0x15,)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scp": '"01"'}, "2: key_sets.k.scp: '01' is not one of 02, 03"),
        ({"scp": "3"}, "2: key_sets.k.scp: 3 is not one of 02, 03, in quotes"),
        ({"scp": ""}, '1: key_sets.k.scp: is missing: the protocol, "02" or "03"'),
        (
            {"algorithm": '"aes64"'},
            "3: key_sets.k.algorithm: 'aes64' is not one of aes128, aes192, aes256, des3",
        ),
        (
            {"algorithm": f'"{"x" * 500}"'},
            f"3: key_sets.k.algorithm: '{'x' * 78}… is not one of aes128, aes192, aes256, des3",
        ),
        (
            {"diversification": '"kdf4"'},
            f"4: key_sets.k.diversification: 'kdf4' is not one of {', '.join(SCHEMES)}",
        ),
        (
            {"diversification": '"none"'},
            (
                "4: key_sets.k.diversification: none gives every card the same keys: "
                "choose a scheme, or say undiversified = true if that is meant"
            ),
        ),
        (
            {"undiversified": "true"},
            (
                "6: key_sets.k.undiversified: contradicts diversification = kdf3: "
                "remove one of the two"
            ),
        ),
        (
            {"diversification": '"emv"'},
            "4: key_sets.k.diversification: emv needs des3, but algorithm is aes256",
        ),
        (
            OLDER | {"diversification": '"kdf3"'},
            (
                "4: key_sets.k.diversification: kdf3 needs aes128 or aes192 or aes256, "
                "but algorithm is des3"
            ),
        ),
        (
            OLDER | {"algorithm": '"aes128"', "diversification": '"kdf3"'},
            "3: key_sets.k.algorithm: scp 02 needs des3, not aes128",
        ),
        (
            {"algorithm": '"des3"', "diversification": '"visa2"'},
            "3: key_sets.k.algorithm: scp 03 needs aes128 or aes192 or aes256, not des3",
        ),
        (
            {"versions": "{}"},
            '5: key_sets.k.versions: must hold at least one version, as {1 = "active"}',
        ),
        (
            {"versions": '{ 1 = "old" }'},
            "5: key_sets.k.versions.1: 'old' is not one of active, retired",
        ),
        ({"scp_i": "[]"}, "6: key_sets.k.scp_i: must hold at least one of 00, 10, 20, 30, 60, 70"),
        (
            {"scp_i": '["70", "15"]'},
            "6: key_sets.k.scp_i[1]: 15 is not served in scp 03, which has 00, 10, 20, 30, 60, 70",
        ),
        (
            {"scp_i": "[70]"},
            '6: key_sets.k.scp_i[0]: must be one byte, two lower-case hex digits as "70", not 70',
        ),
        ({"scp_i": '["70", "70"]'}, "6: key_sets.k.scp_i: holds 70 twice"),
        (
            {"min_security_level": '"33"'},
            "6: key_sets.k.min_security_level: 33 is not one of 01, 03",
        ),
        (
            {"min_security_level": "1"},
            (
                "6: key_sets.k.min_security_level: must be one byte, "
                'two lower-case hex digits as "70", not 1'
            ),
        ),
        ({"factory": '"yes"'}, "6: key_sets.k.factory: must be true or false, not 'yes'"),
        (
            {"master_key": '""'},
            "6: key_sets.k.master_key: must be 1 to 64 bytes of plain text, not ''",
        ),
    ],
)
def test_a_wrong_key_set_is_refused_with_what_would_be_right(
    policy: Load, refusal: Refusal, change: dict[str, str], message: str
) -> None:
    assert refusal(policy, text(**RIGHT | change)) == [message]


@pytest.mark.parametrize(
    "number", ["0", "256", "01", '"+1"', '"1_0"', '" 1"', '"0x1"', "a", '"\u0661"', '""']
)
def test_a_key_version_is_a_decimal_from_1_to_255(
    policy: Load, refusal: Refusal, number: str
) -> None:
    (line,) = refusal(policy, text(**RIGHT | {"versions": f'{{ {number} = "active" }}'}))
    assert line.startswith("5: key_sets.k.versions.")
    assert line.endswith(": is not a key version: 1 to 255, decimal")


@given(st.integers(min_value=1, max_value=255))
def test_every_key_version_is_taken_as_text_and_as_a_number(number: int) -> None:
    for key in (number, str(number)):
        assert made(versions={key: "active"}).versions == {number: VersionState.ACTIVE}


@pytest.mark.parametrize("target", ["k", "k:", ":1", "k:0", "k:256", "k:01", "k:x", "k:1 ", ""])
def test_a_changeover_target_is_a_name_a_colon_and_a_version(
    policy: Load, refusal: Refusal, target: str
) -> None:
    assert refusal(policy, text(**RIGHT, change_to=f'["{target}"]')) == [
        (
            "6: key_sets.k.change_to[0]: must be a key set and its version, "
            f'as "pilot:2", not {target!r}'
        )
    ]


@pytest.mark.parametrize("label", SERVICE_KEYS)
def test_the_daemon_s_own_keys_are_no_master_keys(
    policy: Load, refusal: Refusal, label: str
) -> None:
    reason = "master_key: must not begin with tmsd-, as the labels of the daemon's own keys do"
    assert refusal(policy, text(**RIGHT, master_key=f'"{label}"')) == [f"6: key_sets.k.{reason}"]
    by_name = text(**RIGHT).replace("key_sets.k", f"key_sets.{label}")
    assert refusal(policy, by_name) == [f"1: key_sets.{label}.{reason}"]


@pytest.mark.parametrize("scp", list(Scp))
def test_each_protocol_is_served_and_each_i_it_serves_is_taken(scp: Scp) -> None:
    older = {"algorithm": "des3", "diversification": "emv"} if scp is Scp.SCP02 else {}
    served = PROTOCOLS[int(scp)].IMPLEMENTATIONS
    assert made(scp=scp, scp_i=served, **older).scp_i == served


@pytest.mark.parametrize("scheme", list(SCHEMES))
def test_each_scheme_is_allowed_with_some_algorithm(scheme: str) -> None:
    def allowed(scp: Scp, algorithm: KeyAlgorithm) -> bool:
        try:
            made(
                scp=scp,
                algorithm=algorithm,
                diversification=scheme,
                undiversified=scheme == "none",
            )
        except ValidationError:
            return False
        return True

    assert any(allowed(scp, algorithm) for scp in Scp for algorithm in KeyAlgorithm)


def test_algorithms_are_ordered_by_strength() -> None:
    assert sorted(KeyAlgorithm, key=lambda algorithm: algorithm.strength) == [
        KeyAlgorithm.DES3,
        KeyAlgorithm.AES128,
        KeyAlgorithm.AES192,
        KeyAlgorithm.AES256,
    ]
