"""[key_sets.NAME] of policy.toml."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from tmsd.config.key_sets import (
    ALL_SCHEMES,
    DiversificationData,
    KeyAlgorithm,
    KeySet,
    MasterKeys,
    Scp,
)
from tmsd.config.key_versions import MasterKeyVersion
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES, Role
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
HMAC = OLDER | {"diversification": '"nist-sp800-108-hmac"'}
THREE_KEYS = '{ enc = "e", mac = "m", dek = "d" }'
IN_SCP03 = "00, 10, 20, 30, 60, 70, 01, 11, 21, 31, 61, 71"


OF_PROTOCOL: dict[Scp, dict[str, object]] = {
    Scp.SCP01: {"algorithm": "des3", "diversification": "visa1"},
    Scp.SCP02: {"algorithm": "des3", "diversification": "emv"},
    Scp.SCP03: {"algorithm": "aes192", "diversification": "gp-kmc"},
}
FAMILIES = {
    "none": {"AES", "3DES"},
    **{scheme: {"3DES"} for scheme in ("visa1", "visa2", "emv", *EXPOSED_SCHEMES)},
    **{scheme: {"AES"} for scheme in ("kdf3", "gp-kmc", "gp-kmc-dogtag-10")},
}


def text(**keys: str) -> str:
    return "[key_sets.k]\n" + "".join(f"{key} = {value}\n" for key, value in keys.items() if value)


def made(**values: object) -> KeySet:
    return KeySet.model_validate(
        {
            "name": "k",
            "scp": Scp.SCP03,
            "algorithm": KeyAlgorithm.AES128,
            "diversification": "kdf3",
            "versions": {1: MasterKeyVersion()},
        }
        | values
    )


def test_what_a_key_set_does_not_say_has_safe_defaults(policy: Load) -> None:
    key_set = policy(text(**RIGHT)).key_sets["k"]
    assert key_set.name == key_set.master_key == "k"
    assert key_set.labels == {Role.ENC: "k", Role.MAC: "k", Role.DEK: "k"}
    assert (key_set.scp, key_set.algorithm) == (Scp.SCP03, KeyAlgorithm.AES256)
    assert key_set.versions == {1: MasterKeyVersion(retired=True), 2: MasterKeyVersion()}
    assert key_set.diversification_data is DiversificationData.KDD
    assert key_set.scp_i == (0x70, 0x00)
    assert key_set.min_security_level == 0x01
    assert key_set.require_issued_challenge
    assert key_set.card_algorithm is KeyAlgorithm.AES256
    assert key_set.put_key_des_type == 0x80
    assert not key_set.undiversified
    assert not key_set.factory
    assert not key_set.allow_key_material_in_worker
    assert not key_set.icv_in_clear
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
            put_key_des_type='"81"',
            allow_key_material_in_worker="true",
            icv_in_clear="true",
        )
    ).key_sets["k"]
    assert key_set.master_key == "Master Key 1"
    assert key_set.diversification_data is DiversificationData.CUID
    assert key_set.scp_i == (0x15,)
    assert key_set.min_security_level == 0x03
    assert not key_set.require_issued_challenge
    assert key_set.put_key_des_type == 0x81
    assert key_set.allow_key_material_in_worker
    assert key_set.icv_in_clear
    assert key_set.change_to == ("k:2",)
    assert key_set.targets == (("k", 2),)


@pytest.mark.parametrize(("scp", "i"), [("01", 0x05), ("02", 0x15)])
def test_older_protocols_have_their_usual_i_by_default(policy: Load, scp: str, i: int) -> None:
    older = RIGHT | OLDER | {"scp": f'"{scp}"'}
    assert policy(text(**older)).key_sets["k"].scp_i == (i,)


def test_each_role_may_have_a_master_key_of_its_own(policy: Load) -> None:
    key_set = policy(text(**RIGHT, master_keys=THREE_KEYS)).key_sets["k"]
    assert key_set.master_key is None
    assert key_set.master_keys == MasterKeys(enc="e", mac="m", dek="d")
    assert key_set.labels == {Role.ENC: "e", Role.MAC: "m", Role.DEK: "d"}


@pytest.mark.parametrize("scheme", ["visa2", "emv"])
def test_cards_may_take_aes_keys_from_a_triple_des_master_key(policy: Load, scheme: str) -> None:
    smartcafe = {"algorithm": '"des3"', "diversification": f'"{scheme}"'}
    key_set = policy(text(**RIGHT | smartcafe, card_key_algorithm='"aes128"')).key_sets["k"]
    assert key_set.algorithm is KeyAlgorithm.DES3
    assert key_set.card_algorithm is KeyAlgorithm.AES128


def test_the_algorithm_of_the_cards_may_be_said_where_it_is_the_same(policy: Load) -> None:
    key_set = policy(text(**RIGHT, card_key_algorithm='"aes256"')).key_sets["k"]
    assert key_set.card_algorithm is key_set.algorithm is KeyAlgorithm.AES256


@pytest.mark.parametrize("scp", ["01", "02"])
def test_a_scheme_that_exposes_keys_is_taken_where_that_is_accepted(policy: Load, scp: str) -> None:
    accepted = RIGHT | HMAC | {"scp": f'"{scp}"', "allow_key_material_in_worker": "true"}
    assert policy(text(**accepted)).key_sets["k"].diversification in EXPOSED_SCHEMES


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scp": '"04"'}, "2: key_sets.k.scp: '04' is not one of 01, 02, 03"),
        ({"scp": "3"}, "2: key_sets.k.scp: 3 is not one of 01, 02, 03, in quotes"),
        ({"scp": ""}, '1: key_sets.k.scp: is missing: the protocol, "01", "02" or "03"'),
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
            f"4: key_sets.k.diversification: 'kdf4' is not one of {', '.join(ALL_SCHEMES)}",
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
            OLDER
            | {"scp": '"01"', "algorithm": '"aes256"', "diversification": '"gp-kmc-dogtag-10"'},
            "3: key_sets.k.algorithm: scp 01 needs des3, not aes256",
        ),
        (
            {"algorithm": '"des3"', "diversification": '"visa1"'},
            "3: key_sets.k.algorithm: scp 03 needs aes128 or aes192 or aes256, not des3",
        ),
        (
            {"algorithm": '"des3"', "diversification": '"visa2"'},
            (
                "3: key_sets.k.algorithm: scp 03 needs aes128 or aes192 or aes256, not des3; "
                'or is card_key_algorithm = "aes128" meant?'
            ),
        ),
        *(
            (
                change | {"card_key_algorithm": f'"{card}"'},
                (
                    f"6: key_sets.k.card_key_algorithm: {card} cannot come from a {master} master "
                    "key: only aes128 from des3 can, with visa2 or emv in scp 03"
                ),
            )
            for change, card, master in (
                ({}, "aes128", "aes256"),
                ({}, "des3", "aes256"),
                (OLDER, "aes128", "des3"),
                (OLDER | {"scp": '"03"'}, "aes192", "des3"),
                (OLDER | {"scp": '"03"', "diversification": '"visa1"'}, "aes128", "des3"),
            )
        ),
        (
            {"diversification_data": '"cuid-kdd"'},
            (
                "6: key_sets.k.diversification_data: cuid-kdd is how Dogtag has it in scp 02: "
                '"kdd" or "cuid" with scp 03'
            ),
        ),
        (
            HMAC,
            (
                "4: key_sets.k.diversification: nist-sp800-108-hmac cannot be computed inside an "
                "HSM, so that the cards' keys pass through the worker's memory: choose another "
                "scheme, or say allow_key_material_in_worker = true if that is accepted"
            ),
        ),
        (
            {"diversification": HMAC["diversification"], "allow_key_material_in_worker": "true"},
            (
                "4: key_sets.k.diversification: nist-sp800-108-hmac needs des3, "
                "but algorithm is aes256"
            ),
        ),
        (
            {"master_keys": THREE_KEYS, "master_key": '"k"'},
            "6: key_sets.k.master_keys: stands beside master_key: keep one of the two",
        ),
        (
            {"master_keys": '{ enc = "e", mac = "m" }'},
            (
                "6: key_sets.k.master_keys.dek: is missing: "
                "the label of the master key of the cards' DEK keys"
            ),
        ),
        (
            {"master_keys": THREE_KEYS.replace("}", ', rmac = "r" }')},
            "6: key_sets.k.master_keys.rmac: is not a key of this table, which has enc, mac, dek",
        ),
        (
            {"master_keys": THREE_KEYS.replace('"m"', '"tmsd-channel"')},
            (
                "6: key_sets.k.master_keys.mac: must not begin with tmsd-, "
                "as the labels of the daemon's own keys do"
            ),
        ),
        ({"master_keys": '"e"'}, "6: key_sets.k.master_keys: must be a table, not 'e'"),
        (
            {"put_key_des_type": '"82"'},
            '6: key_sets.k.put_key_des_type: must be "80" or "81", not "82"',
        ),
        (
            {"put_key_des_type": "80"},
            (
                "6: key_sets.k.put_key_des_type: must be one byte, "
                'two lower-case hex digits as "70", not 80'
            ),
        ),
        (
            {"allow_key_material_in_worker": '"yes"'},
            "6: key_sets.k.allow_key_material_in_worker: must be true or false, not 'yes'",
        ),
        (
            {"versions": "{}"},
            '5: key_sets.k.versions: must hold at least one version, as {1 = "active"}',
        ),
        (
            {"versions": '{ 1 = "old" }'},
            (
                "5: key_sets.k.versions.1: 'old' is not one of active, retired, "
                "{ active_from = 2027-01-01T00:00:00Z }"
            ),
        ),
        ({"scp_i": "[]"}, f"6: key_sets.k.scp_i: must hold at least one of {IN_SCP03}"),
        (
            {"scp_i": '["70", "15"]'},
            f"6: key_sets.k.scp_i[1]: 15 is not served in scp 03, which has {IN_SCP03}",
        ),
        (
            {"scp_i": "[70]"},
            '6: key_sets.k.scp_i[0]: must be one byte, two lower-case hex digits as "70", not 70',
        ),
        ({"scp_i": '["70", "70"]'}, "6: key_sets.k.scp_i: holds 70 twice"),
        (
            {"min_security_level": '"33"', "scp_i": '["00", "30"]'},
            (
                "6: key_sets.k.min_security_level: 33 is not one of 01, 03, 11, 13, "
                "which cards of scp 03 with i = 00, 30 have"
            ),
        ),
        (
            OLDER | {"min_security_level": '"00"'},
            (
                "6: key_sets.k.min_security_level: 00 is not one of 01, 03, "
                "which cards of scp 02 with i = 15 have"
            ),
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
        assert made(versions={key: "active"}).versions == {number: MasterKeyVersion()}


@pytest.mark.parametrize("target", ["k:", ":1", "k:0", "k:128", "k:01", "k:x", "k:1 ", ""])
def test_a_changeover_target_is_a_name_or_a_name_a_colon_and_a_version(
    policy: Load, refusal: Refusal, target: str
) -> None:
    assert refusal(policy, text(**RIGHT, change_to=f'["{target}"]')) == [
        (
            "6: key_sets.k.change_to[0]: must be a key set, or a key set and its version "
            f'from 1 to 127, as "pilot" or "pilot:2", not {target!r}'
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
    served = PROTOCOLS[int(scp)].IMPLEMENTATIONS
    assert made(scp=scp, scp_i=served, **OF_PROTOCOL[scp]).scp_i == served


@given(st.data())
def test_the_least_level_is_one_that_a_card_with_an_accepted_i_has(data: st.DataObject) -> None:
    scp = data.draw(st.sampled_from(Scp))
    protocol = PROTOCOLS[int(scp)]
    accepted = data.draw(
        st.lists(st.sampled_from(protocol.IMPLEMENTATIONS), min_size=1, unique=True)
    )
    level = data.draw(st.sampled_from([0x00, 0x01, 0x03, 0x10, 0x11, 0x13, 0x33]))
    values = {"scp": scp, "scp_i": tuple(accepted), "min_security_level": level}
    try:
        made(**OF_PROTOCOL[scp], **values)
        is_taken = True
    except ValidationError:
        is_taken = False
    assert is_taken == any(level in protocol.levels(i) for i in accepted)


@pytest.mark.parametrize("scheme", ALL_SCHEMES)
def test_each_scheme_is_allowed_with_some_algorithm(scheme: str) -> None:
    def allowed(scp: Scp, algorithm: KeyAlgorithm) -> bool:
        try:
            made(
                scp=scp,
                algorithm=algorithm,
                diversification=scheme,
                undiversified=scheme == "none",
                allow_key_material_in_worker=scheme in EXPOSED_SCHEMES,
            )
        except ValidationError:
            return False
        return True

    families = {
        algorithm.family for scp in Scp for algorithm in KeyAlgorithm if allowed(scp, algorithm)
    }
    assert families == FAMILIES[scheme]


def test_algorithms_are_ordered_by_strength() -> None:
    assert sorted(KeyAlgorithm, key=lambda algorithm: algorithm.strength) == [
        KeyAlgorithm.DES3,
        KeyAlgorithm.AES128,
        KeyAlgorithm.AES192,
        KeyAlgorithm.AES256,
    ]
