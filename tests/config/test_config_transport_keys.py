"""[transport_keys.NAME] of policy.toml."""

from collections.abc import Callable

import pytest

from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.config.transport_keys import TransportKey

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

KEY_SETS = """\
[key_sets.one]
scp = "03"
algorithm = "aes128"
diversification = "kdf3"
versions = { 1 = "active" }
[key_sets.three]
scp = "03"
master_keys = { enc = "e", mac = "m", dek = "d" }
algorithm = "aes128"
diversification = "kdf3"
versions = { 1 = "active" }
"""


def key(name: str, *lines: str) -> str:
    return f'[transport_keys.{name}]\nalgorithm = "aes256"\n' + "".join(
        f"{line}\n" for line in lines
    )


def test_what_a_transport_key_does_not_say_has_safe_defaults(policy: Load) -> None:
    assert policy(key("tps")).transport_keys["tps"] == TransportKey(
        name="tps",
        label="tps",
        algorithm=KeyAlgorithm.AES256,
        version=1,
        allow_key_material_in_worker=False,
    )


@pytest.mark.parametrize("algorithm", list(KeyAlgorithm))
def test_everything_a_transport_key_can_say_is_taken(policy: Load, algorithm: KeyAlgorithm) -> None:
    lines = ('label = "TPS 1"', "version = 255", "allow_key_material_in_worker = true")
    made = policy(key("tps", *lines).replace("aes256", algorithm)).transport_keys["tps"]
    assert (made.label, made.algorithm, made.version) == ("TPS 1", algorithm, 255)
    assert made.allow_key_material_in_worker


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("version = 0", "version: must be at least 1, not 0"),
        ("version = 256", "version: must be at most 255, not 256"),
        ('version = "1"', "version: must be a whole number, not '1'"),
        ('label = ""', "label: must be 1 to 64 bytes of plain text, not ''"),
        (
            "allow_key_material_in_worker = 1",
            "allow_key_material_in_worker: must be true or false, not 1",
        ),
        (
            'labl = "x"',
            (
                "labl: is not a key of this table, "
                "which has label, algorithm, version, allow_key_material_in_worker"
            ),
        ),
    ],
)
def test_a_wrong_transport_key_is_refused_with_what_would_be_right(
    policy: Load, refusal: Refusal, line: str, message: str
) -> None:
    assert refusal(policy, key("t", line)) == [f"3: transport_keys.t.{message}"]


def test_a_transport_key_says_its_algorithm(policy: Load, refusal: Refusal) -> None:
    assert refusal(policy, "[transport_keys.t]\n") == [
        ("1: transport_keys.t.algorithm: is missing: one of aes128, aes192, aes256, des3")
    ]


@pytest.mark.parametrize("label", SERVICE_KEYS)
def test_the_daemon_s_own_keys_are_no_transport_keys(
    policy: Load, refusal: Refusal, label: str
) -> None:
    reason = "label: must not begin with tmsd-, as the labels of the daemon's own keys do"
    assert refusal(policy, key("t", f'label = "{label}"')) == [f"3: transport_keys.t.{reason}"]
    assert refusal(policy, key(label)) == [f"1: transport_keys.{label}.{reason}"]


@pytest.mark.parametrize(
    ("label", "key_set"), [("one", "one"), ("e", "three"), ("m", "three"), ("d", "three")]
)
def test_a_master_key_is_no_transport_key(
    policy: Load, refusal: Refusal, label: str, key_set: str
) -> None:
    assert refusal(policy, KEY_SETS + key("t", f'label = "{label}"')) == [
        (
            f"14: transport_keys.t.label: {label!r} is the label of a master key of key set "
            f"{key_set}: a transport key needs one of its own"
        )
    ]


def test_two_transport_keys_are_two_keys(policy: Load, refusal: Refusal) -> None:
    shared = 'label = "shared"'
    assert refusal(policy, key("a", shared) + key("b", shared)) == [
        "6: transport_keys.b.label: 'shared' version 1 is transport key a already"
    ]
    assert len(policy(key("a", shared) + key("b", shared, "version = 2")).transport_keys) == 2
