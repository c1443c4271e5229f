"""Listing keys beside what the policy wants, and destroying them."""

from collections.abc import Callable, Iterator

import pytest

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY, TRANSPORT_KEY
from hsm.errors import KeyNotFound
from hsm.importing import generate_key as generate_any
from hsm.keys import AES_128, AES_256, DES2, DES3, SECRET_32, KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.master_key import master_key
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.steps.destroy_key import destroy_key, find_key
from tmsd.ceremony.steps.generate_service_keys import generate_service_keys
from tmsd.ceremony.steps.list_keys import KeyState, list_keys
from tmsd.ceremony.transport_key import transport_key
from tmsd.ceremony.wanted_key import Purpose, WantedKey, require_algorithm
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy
from tmsd.globalplatform.diversification import Role

PILOT = """\
[key_sets.pilot]
scp = "03"
algorithm = "aes256"
diversification = "kdf3"
versions = { 1 = "retired", 2 = "active" }
"""
OLD = """\
[key_sets.old]
scp = "02"
master_key = "old cards"
algorithm = "des3"
diversification = "visa2"
versions = { 7 = "active" }
"""
THREE = """\
[key_sets.three]
scp = "03"
master_keys = { enc = "first", mac = "second", dek = "first" }
algorithm = "aes128"
diversification = "kdf3"
versions = { 1 = "active" }
"""
HMAC = """\
[key_sets.dogtag]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active" }
"""
TRANSPORT = """\
[transport_keys.tps]
algorithm = "aes128"
version = 3
"""
FACTORY = """\
[key_sets.fresh]
scp = "03"
master_key = "shared"
algorithm = "aes128"
diversification = "none"
undiversified = true
factory = true
versions = { 255 = "active" }
"""


@pytest.fixture
def empty_token(fresh_token: TokenAddress) -> Iterator[Token]:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        yield token


def states(token: Token, policy: Policy) -> dict[tuple[str, int], tuple[str, tuple[str, ...]]]:
    return {
        (listed.reference.label, listed.reference.version): (listed.state, listed.used_by)
        for listed in list_keys(token, policy)
    }


def test_an_empty_token_lacks_what_the_policy_uses_and_the_daemons_keys(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    assert states(empty_token, policy(PILOT + OLD)) == {
        ("old cards", 7): (KeyState.MISSING, ("key set old (active)",)),
        ("pilot", 2): (KeyState.MISSING, ("key set pilot (active)",)),
        ("tmsd-certificate", 1): (KeyState.MISSING, ("the daemon",)),
        ("tmsd-challenge", 1): (KeyState.MISSING, ("the daemon",)),
        ("tmsd-channel", 1): (KeyState.MISSING, ("the daemon",)),
        ("tmsd-receipt", 1): (KeyState.MISSING, ("the daemon",)),
    }


def test_keys_are_listed_in_order_with_what_uses_them(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    generate_service_keys(empty_token)
    generate_any(empty_token, KeyReference("pilot", 2), AES_256, MASTER_KEY)
    generate_any(empty_token, KeyReference("pilot", 1), AES_128, MASTER_KEY)
    generate_any(empty_token, KeyReference("pilot", 3), AES_256, MASTER_KEY)
    generate_any(empty_token, KeyReference("old cards", 7), DES2, MASTER_KEY)
    found = states(empty_token, policy(PILOT + OLD))
    assert list(found) == sorted(found)
    assert found == {
        ("old cards", 7): (KeyState.RIGHT, ("key set old (active)",)),
        ("pilot", 1): (KeyState.UNSUITABLE, ("key set pilot (retired)",)),
        ("pilot", 2): (KeyState.RIGHT, ("key set pilot (active)",)),
        ("pilot", 3): (KeyState.UNUSED, ()),
        ("tmsd-certificate", 1): (KeyState.RIGHT, ("the daemon",)),
        ("tmsd-challenge", 1): (KeyState.RIGHT, ("the daemon",)),
        ("tmsd-channel", 1): (KeyState.RIGHT, ("the daemon",)),
        ("tmsd-receipt", 1): (KeyState.RIGHT, ("the daemon",)),
    }


def test_master_keys_of_roles_and_transport_keys_are_listed_for_what_they_are(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    generate_service_keys(empty_token)
    generate_any(empty_token, KeyReference("first", 1), AES_128, MASTER_KEY)
    generate_any(empty_token, KeyReference("tps", 2), AES_128, TRANSPORT_KEY)
    generate_any(empty_token, KeyReference("tps", 3), AES_256, TRANSPORT_KEY)
    found = states(empty_token, policy(THREE + TRANSPORT))
    assert {name: state for name, state in found.items() if not name[0].startswith("tmsd-")} == {
        ("first", 1): (KeyState.RIGHT, ("key set three enc+dek (active)",)),
        ("second", 1): (KeyState.MISSING, ("key set three mac (active)",)),
        ("tps", 2): (KeyState.UNUSED, ()),
        ("tps", 3): (KeyState.UNSUITABLE, ("transport key tps",)),
    }


def test_a_master_key_for_hmac_is_a_secret_without_a_check_value(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    reference = KeyReference("dogtag", 1)
    generate_any(empty_token, reference, SECRET_32, HMAC_MASTER_KEY)
    [listed] = [one for one in list_keys(empty_token, policy(HMAC)) if one.reference == reference]
    assert listed.state is KeyState.RIGHT
    assert listed.found is not None
    assert (listed.found.shape, listed.found.check_value) == (SECRET_32, None)


def test_a_cipher_s_key_is_no_master_key_for_hmac_nor_the_other_way(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    generate_any(empty_token, KeyReference("dogtag", 1), DES3, MASTER_KEY)
    generate_any(empty_token, KeyReference("old cards", 7), SECRET_32, HMAC_MASTER_KEY)
    found = states(empty_token, policy(HMAC + OLD))
    assert found["dogtag", 1][0] is KeyState.UNSUITABLE
    assert found["old cards", 7][0] is KeyState.UNSUITABLE


def test_two_keys_of_one_name_are_both_listed_as_a_fault(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    for version in (1, 2):
        generate_any(empty_token, KeyReference("pilot", version), AES_256, MASTER_KEY)
    copied = empty_token.find_key(KeyReference("pilot", 1)).handle
    copied.copy({})
    listed = [key for key in list_keys(empty_token, policy(PILOT)) if key.found]
    assert [(key.reference.version, key.state) for key in listed] == [
        (1, KeyState.DOUBLED),
        (1, KeyState.DOUBLED),
        (2, KeyState.RIGHT),
    ]


def test_a_destroyed_key_is_gone_and_only_that_one(
    empty_token: Token, policy: Callable[[str], Policy]
) -> None:
    for version in (1, 2):
        generate_any(empty_token, KeyReference("pilot", version), AES_256, MASTER_KEY)
    key = master_key(policy(PILOT), "pilot", 1)
    before = find_key(empty_token, key)
    assert destroy_key(empty_token, key) == before
    assert [reference.version for reference, _ in empty_token.list_keys()] == [2]
    for step in (find_key, destroy_key):
        with pytest.raises(KeyNotFound, match="'pilot' version 1: it is not in the token"):
            step(empty_token, key)


def test_a_master_key_is_what_the_policy_says_of_its_set(policy: Callable[[str], Policy]) -> None:
    loaded = policy(PILOT + OLD)
    assert master_key(loaded, "old", 9) == WantedKey(
        KeyReference("old cards", 9), KeyAlgorithm.DES3, Purpose.MASTER, factory=False
    )
    with pytest.raises(Refused, match="has no key set 'none', only pilot, old: add it"):
        master_key(loaded, "none", 1)
    with pytest.raises(Refused, match="is aes256 in the policy, not aes128"):
        require_algorithm(master_key(loaded, "pilot", 2), KeyAlgorithm.AES128)


def test_a_key_set_with_three_master_keys_is_asked_for_one_of_them(
    policy: Callable[[str], Policy],
) -> None:
    loaded = policy(THREE + PILOT)
    references = {role: master_key(loaded, "three", 1, role).reference for role in Role}
    assert references == {
        Role.ENC: KeyReference("first", 1),
        Role.MAC: KeyReference("second", 1),
        Role.DEK: KeyReference("first", 1),
    }
    with pytest.raises(Refused, match="say whether enc, mac or dek is meant"):
        master_key(loaded, "three", 1)
    with pytest.raises(Refused, match="has one master key for all roles: name no role"):
        master_key(loaded, "pilot", 1, Role.ENC)


def test_a_transport_key_is_meant_in_its_version_unless_another_is_said(
    policy: Callable[[str], Policy],
) -> None:
    loaded = policy(TRANSPORT)
    assert transport_key(loaded, "tps") == WantedKey(
        KeyReference("tps", 3), KeyAlgorithm.AES128, Purpose.TRANSPORT, factory=False
    )
    assert transport_key(loaded, "tps", 4).reference == KeyReference("tps", 4)
    with pytest.raises(Refused, match="has no transport key 'pilot', only tps: add it there"):
        transport_key(loaded, "pilot")


def test_the_purpose_of_a_master_key_follows_from_the_key_sets_that_share_it(
    policy: Callable[[str], Policy],
) -> None:
    shared = PILOT.replace("aes256", "aes128") + 'master_key = "shared"\n'
    loaded = policy(FACTORY + shared + OLD + HMAC)
    purposes = {name: master_key(loaded, name, 1).purpose for name in loaded.key_sets}
    assert purposes == {
        "fresh": Purpose.UNDIVERSIFIED,
        "pilot": Purpose.UNDIVERSIFIED,
        "old": Purpose.MASTER,
        "dogtag": Purpose.HMAC_MASTER,
    }


def test_a_label_is_for_factory_keys_only_if_every_set_of_it_says_so(
    policy: Callable[[str], Policy],
) -> None:
    strict = PILOT.replace("aes256", "aes128") + 'master_key = "shared"\n'
    assert master_key(policy(FACTORY), "fresh", 255).factory
    assert not master_key(policy(FACTORY + strict), "fresh", 255).factory
