"""policy.toml as a whole."""

from collections.abc import Callable
from hashlib import sha256
from pathlib import Path

import pytest

from tmsd.config.callers import Delivery, Role
from tmsd.config.policy import Policy

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

ONE, TWO = "1" * 64, "2" * 64


def caller(name: str, key: str, key_sets: str = "[]") -> str:
    return (
        f'[callers.{name}]\npublic_key_sha256 = "{key}"\nroles = ["tps"]\nkey_sets = {key_sets}\n'
    )


def key_set(name: str, more: str = "", versions: str = '{ 1 = "active" }') -> str:
    return (
        f'[key_sets.{name}]\nscp = "03"\nalgorithm = "aes128"\ndiversification = "kdf3"\n'
        f"versions = {versions}\n{more}\n"
    )


def test_an_empty_policy_allows_nothing(policy: Load) -> None:
    empty = policy("")
    assert (empty.version, empty.callers, empty.key_sets) == (1, {}, {})
    assert empty.transport_keys == {}
    assert empty.caller_by_public_key(ONE) is None


def test_the_digest_is_of_the_file_s_bytes(policy: Load, tmp_path: Path) -> None:
    text = "# é\r\nversion = 7\r\n"
    loaded = policy(text)
    assert loaded.version == 7
    assert loaded.source == tmp_path / "policy.toml"
    assert loaded.digest == sha256(loaded.source.read_bytes()).hexdigest()


def test_a_caller_is_found_by_its_public_key(policy: Load) -> None:
    loaded = policy(caller("a", ONE) + caller("b", TWO))
    found = loaded.caller_by_public_key(TWO)
    assert found is not None
    assert (found.name, found.roles, found.deliveries) == ("b", (Role.TPS,), (Delivery.SEALED,))
    assert loaded.caller_by_public_key("3" * 64) is None


def test_a_caller_s_key_sets_come_in_the_order_of_the_file(policy: Load) -> None:
    loaded = policy(
        caller("some", ONE, '["a", "z"]')
        + caller("all", TWO, '["*"]')
        + key_set("z")
        + key_set("m")
        + key_set("a")
    )

    def names(of: str) -> list[str]:
        return [found.name for found in loaded.key_sets_of(loaded.callers[of])]

    assert names("some") == ["z", "a"]
    assert names("all") == ["z", "m", "a"]


def test_a_caller_without_key_sets_may_use_none(policy: Load) -> None:
    loaded = policy(f'[callers.a]\npublic_key_sha256 = "{ONE}"\nroles = ["ra"]\n' + key_set("m"))
    assert loaded.key_sets_of(loaded.callers["a"]) == []
    assert not loaded.callers["a"].may_use("m")


def test_a_key_set_that_is_not_there_is_refused_with_those_that_are(
    policy: Load, refusal: Refusal
) -> None:
    assert refusal(policy, caller("a", ONE, '["m", "n"]') + key_set("m")) == [
        "4: callers.a.key_sets[1]: 'n' is not a key set of this file, which has m"
    ]
    assert refusal(policy, caller("a", ONE, '["n"]')) == [
        "4: callers.a.key_sets[0]: 'n' is not a key set of this file, which has none"
    ]


def test_the_key_sets_that_are_there_are_not_listed_without_end(
    policy: Load, refusal: Refusal
) -> None:
    many = "".join(key_set(f"k{number}") for number in range(10))
    assert refusal(policy, caller("a", ONE, '["n"]') + many) == [
        (
            "4: callers.a.key_sets[0]: 'n' is not a key set of this file, "
            "which has k0, k1, k2, k3, k4, k5, k6, k7, …"
        )
    ]


def test_two_callers_with_one_public_key_are_refused(policy: Load, refusal: Refusal) -> None:
    assert refusal(policy, caller("a", ONE) + caller("b", TWO) + caller("c", ONE)) == [
        (
            "10: callers.c.public_key_sha256: is the public key of a as well: "
            "each caller needs a key of its own"
        )
    ]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("x:1", "'x' is not a key set of this file, which has fresh, here, t"),
        ("t:3", "t has no active version 3; active: 2"),
        ("t:1", "t has no active version 1; active: 2"),
    ],
)
def test_a_changeover_leads_to_an_active_version_of_the_file(
    policy: Load, refusal: Refusal, target: str, reason: str
) -> None:
    text = (
        key_set("fresh")
        + key_set("here", f'change_to = ["t:2", "{target}"]')
        + key_set("t", versions='{ 1 = "retired", 2 = "active" }')
    )
    assert refusal(policy, text) == [f"12: key_sets.here.change_to[1]: {reason}"]


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        (
            (
                '[key_sets.t]\nscp = "03"\nalgorithm = "aes256"\ndiversification = "none"\n'
                'undiversified = true\nversions = { 1 = "active" }\n'
            ),
            "t is undiversified: cards are changed over to keys of their own",
        ),
        (key_set("t", "factory = true"), "t holds factory keys, which everybody knows"),
        (
            (
                '[key_sets.t]\nscp = "02"\nalgorithm = "des3"\ndiversification = "emv"\n'
                'versions = { 1 = "active" }\n'
            ),
            "t is weaker: des3 after aes128",
        ),
        (
            (
                '[key_sets.t]\nscp = "01"\nalgorithm = "des3"\ndiversification = "visa1"\n'
                'versions = { 1 = "active" }\n'
            ),
            "t is weaker: des3 after aes128",
        ),
    ],
)
def test_a_changeover_never_leads_to_worse_keys(
    policy: Load, refusal: Refusal, target: str, reason: str
) -> None:
    text = key_set("here", 'change_to = ["t:1"]') + target
    assert refusal(policy, text) == [f"6: key_sets.here.change_to[0]: {reason}"]


def test_a_changeover_compares_the_keys_of_the_cards_not_the_master_keys(
    policy: Load, refusal: Refusal
) -> None:
    across = (
        '[key_sets.across]\nscp = "03"\nalgorithm = "des3"\ncard_key_algorithm = "aes128"\n'
        'diversification = "visa2"\nversions = { 1 = "active" }\n'
    )
    to_across = key_set("here", 'change_to = ["across:1"]') + across
    assert policy(to_across).key_sets["here"].targets == (("across", 1),)
    stronger = to_across.replace("aes128", "aes192", 1)
    assert refusal(policy, stronger) == [
        "6: key_sets.here.change_to[0]: across is weaker: aes128 after aes192"
    ]


def test_a_key_set_may_change_cards_to_its_own_newer_version(policy: Load) -> None:
    loaded = policy(key_set("here", 'change_to = ["here:2"]', '{ 1 = "active", 2 = "active" }'))
    assert loaded.key_sets["here"].targets == (("here", 2),)


def test_tables_are_compared_even_where_another_one_is_wrong(
    policy: Load, refusal: Refusal
) -> None:
    text = (
        "version = 0\n"
        + caller("a", ONE, '["broken", "n"]')
        + caller("b", ONE)
        + key_set("broken", "scp_i = []")
        + key_set("here", 'change_to = ["broken:9", "here:9"]')
        + '[transport_keys.wrong]\nalgorithm = "aes"\n'
        + '[transport_keys.here]\nalgorithm = "aes128"\n'
        + caller("c", TWO)
        + 'transport_key = "wrong"\n'
        + caller("d", "3" * 64)
        + 'transport_key = "nothing"\n'
    )
    assert refusal(policy, text) == [
        "1: version: must be at least 1, not 0",
        "5: callers.a.key_sets[1]: 'n' is not a key set of this file, which has broken, here",
        (
            "7: callers.b.public_key_sha256: is the public key of a as well: "
            "each caller needs a key of its own"
        ),
        (
            "15: key_sets.broken.scp_i: must hold at least one of "
            "00, 10, 20, 30, 60, 70, 01, 11, 21, 31, 61, 71"
        ),
        "21: key_sets.here.change_to[1]: here has no active version 9; active: 1",
        ("23: transport_keys.wrong.algorithm: 'aes' is not one of aes128, aes192, aes256, des3"),
        (
            "24: transport_keys.here.label: 'here' is the label of a master key of key set here: "
            "a transport key needs one of its own"
        ),
        (
            "35: callers.d.transport_key: "
            "'nothing' is not a transport key of this file, which has wrong, here"
        ),
    ]


@pytest.mark.parametrize(
    "text",
    [
        *("callers = 1", "key_sets = [1]", "callers.a = 1", "[[key_sets]]"),
        *("transport_keys = 1", "transport_keys.a = 1"),
    ],
)
def test_a_value_in_place_of_a_table_is_refused(policy: Load, refusal: Refusal, text: str) -> None:
    (line,) = refusal(policy, text)
    assert "must be a table, not" in line


@pytest.mark.parametrize(
    ("text", "key", "known"),
    [
        ("digest = 'x'", "digest", "version, blocked_keys, callers, key_sets, transport_keys, cas"),
        ("source = 'x'", "source", "version, blocked_keys, callers, key_sets, transport_keys, cas"),
        (
            "officers = {}",
            "officers",
            "version, blocked_keys, callers, key_sets, transport_keys, cas",
        ),
    ],
)
def test_unknown_keys_are_refused_and_what_the_loader_adds_is_one(
    policy: Load, refusal: Refusal, text: str, key: str, known: str
) -> None:
    assert refusal(policy, text) == [f"1: {key}: is not a key of this table, which has {known}"]


def test_the_name_of_a_table_is_not_a_key_in_it(policy: Load, refusal: Refusal) -> None:
    text = caller("a", ONE) + 'name = "a"\n' + key_set("k", 'name = "k"')
    lines = refusal(policy, text + '[transport_keys.t]\nalgorithm = "des3"\nname = "t"\n')
    assert [line.split(", which")[0] for line in lines] == [
        "5: callers.a.name: is not a key of this table",
        "11: key_sets.k.name: is not a key of this table",
        "14: transport_keys.t.name: is not a key of this table",
    ]
