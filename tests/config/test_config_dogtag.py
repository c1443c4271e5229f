"""[callers.NAME.dogtag] of policy.toml, and whether what it names fits."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.callers import Protocol
from tmsd.config.dogtag import DogtagTps, KeygenKey
from tmsd.config.dogtag_agreement import _of_versions
from tmsd.config.key_sets import KeyAlgorithm, KeySet, Scp
from tmsd.config.policy import Policy
from tmsd.config.unsafe import warnings
from tmsd.config.ways import Capability, ways

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

CALLER = f"""\
[callers.tps]
public_key_sha256 = "{"0a" * 32}"
roles = ["tps"]
protocol = "dogtag"
key_sets = ["old", "new"]
transport_key = "shared"
"""
TABLE = """\
[callers.tps.dogtag]
key_sets = { defKeySet = ["old", "new"] }
"""
SHARED = '[transport_keys.shared]\nalgorithm = "aes128"\n'


def key_set(name: str, versions: str = '{ 2 = "active" }', *lines: str, scp: str = "03") -> str:
    algorithm, scheme = ("aes128", "gp-kmc") if scp == "03" else ("des3", "visa2")
    return (
        f'[key_sets.{name}]\nscp = "{scp}"\nalgorithm = "{algorithm}"\n'
        f'diversification = "{scheme}"\nversions = {versions}\n' + "".join(f"{x}\n" for x in lines)
    )


KEY_SETS = key_set("old", scp="01") + key_set("new")
WHOLE = CALLER + TABLE + SHARED + KEY_SETS


def test_a_tps_of_dogtag_has_what_its_table_says(policy: Load) -> None:
    table = (
        '[callers.tps.dogtag]\nkey_sets = { defKeySet = ["old"], "a b" = ["new", "old"] }\n'
        'default_key_set = "a b"\nkra_oaep = true\nkeygen_keys = ["des"]\n'
        "allow_unverified_scp02 = true\nunverified_keys_per_minute = 8\n"
        "require_recent_session = false\n"
    )
    caller = policy(CALLER + table + SHARED + KEY_SETS).callers["tps"]
    assert caller.protocol is Protocol.DOGTAG
    assert caller.dogtag == DogtagTps(
        key_sets={"defKeySet": ("old",), "a b": ("new", "old")},
        default_key_set="a b",
        kra_oaep=True,
        keygen_keys=(KeygenKey.DES,),
        allow_unverified_scp02=True,
        unverified_keys_per_minute=8,
        require_recent_session=False,
    )


def test_what_it_does_not_say_is_verified_and_recent(policy: Load) -> None:
    caller = policy(WHOLE).callers["tps"]
    assert caller.dogtag is not None
    assert not caller.dogtag.allow_unverified_scp02
    assert caller.dogtag.require_recent_session
    assert caller.dogtag.kra_certificate is None
    assert list(warnings(policy(WHOLE))) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            WHOLE.replace('"dogtag"', '"tmsd"'),
            '7: callers.tps.dogtag: needs protocol = "dogtag"',
        ),
        (
            CALLER + SHARED + KEY_SETS,
            (
                "4: callers.tps.protocol: dogtag needs the table dogtag, with key_sets, which says "
                "for what"
            ),
        ),
        (
            WHOLE.replace('["tps"]', '["tps", "ra"]'),
            '3: callers.tps.roles: must be ["tps"] with protocol = "dogtag"',
        ),
        (
            WHOLE.replace('transport_key = "shared"\n', ""),
            "4: callers.tps.protocol: dogtag needs transport_key, the secret that the TPS shares",
        ),
        (
            WHOLE.replace('{ defKeySet = ["old", "new"] }', "{}"),
            '8: callers.tps.dogtag.key_sets: must hold at least one, as { defKeySet = ["pilot"] }',
        ),
        (
            WHOLE.replace('["old", "new"] }', "[] }"),
            "8: callers.tps.dogtag.key_sets: 'defKeySet' must stand for at least one key set",
        ),
        (
            WHOLE.replace("defKeySet", '"a\\u0007"'),
            (
                '8: callers.tps.dogtag.key_sets."a\\u0007": must be 1 to 64 bytes of plain text, '
                "not 'a\\x07'"
            ),
        ),
        (
            WHOLE.replace("[transport", 'keygen_keys = ["aes"]\n[transport'),
            '9: callers.tps.dogtag.keygen_keys: must be ["des"] or ["des", "aes"], not an array',
        ),
        (
            WHOLE.replace("[transport", 'default_key_set = "Def"\n[transport'),
            (
                "9: callers.tps.dogtag.default_key_set: 'Def' is none of key_sets, which has "
                "'defKeySet'"
            ),
        ),
    ],
)
def test_a_table_that_is_wrong_by_itself_is_refused(
    policy: Load, refusal: Refusal, text: str, message: str
) -> None:
    assert message in refusal(policy, text)


def test_a_key_set_that_is_not_there_is_named(policy: Load, refusal: Refusal) -> None:
    assert refusal(policy, WHOLE.replace('["old", "new"] }', '["old", "nwe"] }')) == [
        (
            "8: callers.tps.dogtag.key_sets.defKeySet[1]: 'nwe' is not a key set of this file, "
            "which has old, new"
        ),
    ]


def test_a_word_stands_for_no_key_set_that_its_caller_may_not_use(
    policy: Load, refusal: Refusal
) -> None:
    assert refusal(
        policy, WHOLE.replace('key_sets = ["old", "new"]\n', 'key_sets = ["new"]\n')
    ) == ["8: callers.tps.dogtag.key_sets.defKeySet[0]: 'old' is not among key_sets of tps: add it"]


def test_a_caller_of_all_key_sets_may_name_each(policy: Load) -> None:
    whole = WHOLE.replace('key_sets = ["old", "new"]\n', 'key_sets = ["*"]\n')
    assert policy(whole).callers["tps"].may_use("old")


VERSIONS = st.sets(st.integers(min_value=1, max_value=255), min_size=1, max_size=3)


@given(one=VERSIONS, two=VERSIONS)
def test_key_sets_of_a_word_and_a_protocol_share_no_version(one: set[int], two: set[int]) -> None:
    sets = [
        KeySet.model_validate(
            {
                "name": name,
                "scp": Scp.SCP01,
                "algorithm": KeyAlgorithm.DES3,
                "diversification": "visa2",
                "versions": dict.fromkeys(versions, "active"),
            }
        )
        for name, versions in (("one", one), ("two", two))
    ]
    found = list(_of_versions(("word",), sets))
    assert len(found) == len(one & two)


def test_the_same_version_of_another_protocol_is_no_doubt(policy: Load) -> None:
    assert len(policy(WHOLE).key_sets) == 2  # old is of SCP01, new of SCP03, both have version 2


def test_where_a_card_could_have_either_of_two_key_sets_both_are_named(
    policy: Load, refusal: Refusal
) -> None:
    both = key_set("old", '{ 1 = "active", 2 = "retired" }') + key_set("new")
    assert refusal(policy, CALLER + TABLE + SHARED + both) == [
        (
            "8: callers.tps.dogtag.key_sets.defKeySet: old and new both have version 2 of scp 03, "
            "and nothing else tells which of them a card has"
        )
    ]


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        (
            key_set("new", '{ 2 = "active" }', 'scp_i = ["71", "01"]'),
            "new accepts no i with challenges of 8 bytes, and Dogtag has no others",
        ),
        (
            key_set("new", '{ 2 = "active" }', 'scp_i = ["14", "15"]', scp="02"),
            "new is of cards with one base key by its first i, and Dogtag's cards have three keys",
        ),
        (
            key_set("new").replace("aes128", "aes192"),
            "new is of aes192 keys, which Dogtag does not have",
        ),
    ],
)
def test_cards_that_dogtag_could_not_serve_are_refused(
    policy: Load, refusal: Refusal, changed: str, message: str
) -> None:
    text = CALLER + TABLE + SHARED + key_set("old", scp="01") + changed
    assert refusal(policy, text) == [f"8: callers.tps.dogtag.key_sets.defKeySet[1]: {message}"]


@pytest.mark.parametrize(
    "changed",
    [
        key_set("new", '{ 2 = "active" }', 'scp_i = ["71", "70"]'),
        key_set("new", '{ 2 = "active" }', 'scp_i = ["15", "14"]', scp="02"),
    ],
)
def test_a_key_set_may_be_of_other_cards_as_well(policy: Load, changed: str) -> None:
    assert policy(CALLER + TABLE + SHARED + key_set("old", scp="01") + changed)


def test_a_secret_of_aes192_is_refused(policy: Load, refusal: Refusal) -> None:
    assert refusal(
        policy, WHOLE.replace('shared]\nalgorithm = "aes128"', 'shared]\nalgorithm = "aes192"')
    ) == ["6: callers.tps.transport_key: shared is of aes192: Dogtag has aes128, aes256 and des3"]


NATIVE = f"""\
[callers.desk]
public_key_sha256 = "{"0b" * 32}"
roles = ["tps"]
deliveries = ["transport"]
transport_key = "shared"
"""


def test_a_secret_wraps_for_dogtag_alone(policy: Load, refusal: Refusal) -> None:
    assert refusal(policy, WHOLE + NATIVE) == [
        (
            "6: callers.tps.transport_key: shared wraps in another way for desk, which is no TPS "
            "of Dogtag: each of the two needs a key of its own"
        )
    ]


def test_several_tps_may_have_one_secret(policy: Load) -> None:
    second = (CALLER + TABLE).replace("callers.tps", "callers.two").replace("0a0a", "0b0b")
    assert len(policy(WHOLE + second).callers) == 2


def test_a_tps_may_have_static_deks_without_a_delivery_of_the_api(policy: Load) -> None:
    text = WHOLE.replace(
        'transport_key = "shared"\n', 'transport_key = "shared"\ndeliver_static_dek = true\n'
    )
    (warning,) = warnings(policy(text))
    assert warning.startswith("caller tps is given static data encryption keys of cards")


def test_what_dogtag_leaves_open_is_warned_about(policy: Load) -> None:
    table = TABLE + "allow_unverified_scp02 = true\nrequire_recent_session = false\n"
    told = list(warnings(policy(CALLER + table + SHARED.replace("aes128", "des3") + KEY_SETS)))
    assert told == [
        (
            "caller tps is given session keys of SCP02 cards without a proof of the card, 60 a "
            "minute for one card: whoever speaks in its name has keys for each card that "
            "it can name"
        ),
        (
            "caller tps has keys changed and challenges encrypted for cards that showed nothing: "
            "whoever speaks in its name has new keys for each card that it can name"
        ),
        (
            "transport key shared, by which tps gets session keys, is of triple DES, which NIST SP "
            "800-131A disallows since 2024: take AES where the TPS has it"
        ),
    ]


@pytest.mark.parametrize(
    ("algorithm", "needs"),
    [
        ("aes256", Capability.WRAPS_AES_CBC),
        ("aes128", Capability.WRAPS_AES_CBC),
        ("des3", Capability.WRAPS_DES3_ECB),
    ],
)
def test_session_keys_are_encrypted_for_dogtag_by_modes_of_its_own(
    policy: Load, algorithm: str, needs: Capability
) -> None:
    loaded = policy(WHOLE.replace(SHARED, SHARED.replace("aes128", algorithm)))
    way = ways(loaded, frozenset(Capability) - {Capability.WRAPS_AES_KEY_WRAP}).transport_keys
    assert way["shared"].needs == (needs,)
    assert str(way["shared"]) == "token"
