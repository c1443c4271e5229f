"""What comes of whole CS.cfg files, and that it is what the TKS did."""

import hashlib
import hmac
import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import open_token
from tests.dogtag_import.sites import GIVEN, SITES, imported
from tests.softhsm.tokens import USER_PIN
from tests.vectors import DIRECTORY, Vector, read
from tmsd.ceremony.script import load_script
from tmsd.ceremony.steps.import_key import ImportKey, import_key
from tmsd.ceremony.steps.list_keys import KeyState, list_keys
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.config.policy import Policy, load_policy
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.globalplatform import scp01, scp02, scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Role, Target, card_keys, nist_sp800_108_hmac
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey, odd_parity

KEYS = json.loads((DIRECTORY / "dogtag_exchanges.json").read_text())["keys"]
ALGORITHMS = {
    KeyAlgorithm.DES3: Algorithm.DES2,
    KeyAlgorithm.AES128: Algorithm.AES_128,
    KeyAlgorithm.AES256: Algorithm.AES_256,
}


@pytest.mark.parametrize("site", GIVEN)
def test_what_is_written_and_told_is_what_was_reviewed(tmp_path: Path, site: str) -> None:
    for name, text in imported(site, tmp_path / "made").items():
        assert text == (SITES / f"{site}.{name}").read_text(), f"{site}.{name}"


@pytest.mark.parametrize("site", GIVEN)
def test_a_policy_and_its_script_are_taken_and_speak_of_the_same_keys(
    tmp_path: Path, site: str
) -> None:
    imported(site, tmp_path / "made")
    policy = load_policy(tmp_path / "made" / "policy.toml")
    script = load_script(tmp_path / "made" / "import-keys.toml")
    steps = [step for step in script.steps if isinstance(step, ImportKey)]
    assert len(steps) == len(script.steps)
    made = {(step.label, step.version) for step in steps}
    assert made == {tuple(key) for key in policy.used_keys()}


def fields(text: str, mark: str) -> dict[str, str]:
    """Return the fields of a request or an answer, their bytes in hex."""
    pairs = (part.split("=", 1) for part in text.split("&"))
    return {name: re.sub(f"{mark}([0-9A-F]{{2}})", r"\1", value) for name, value in pairs}


# Session keys that Dogtag 10 made of AES-256 keys are shorter than any card has them.
RECORDED = [
    vector
    for vector in read("dogtag_exchanges.json")
    if vector["path"].endswith("computeSessionKey")
    and vector.fields.get("response_body", "").startswith("status=0&")
    and vector["id"] not in ("dogtag-err-lowercase-hex-ok", "dogtag-scp03-v4-none-aes256")
]


def key_values(told: Mapping[str, Any]) -> dict[tuple[str, int], bytes]:
    """Return the keys that are needed, by label and version: published ones, or the TKS's."""
    return {
        (key["label"], key["version"]): bytes.fromhex(
            key["published"] or KEYS.get(key["from"].partition(":")[2], KEYS["shared_secret"])
        )
        for key in told["keys"]
    }


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> tuple[Policy, Mapping[Any, bytes]]:
    """Return the policy of the TKS of the recordings, and the keys of its token."""
    made = tmp_path_factory.mktemp("recorded") / "made"
    told = json.loads(imported("recorded", made)["json"])
    return load_policy(made / "policy.toml"), key_values(told)


def key_set_of(policy: Policy, asked: Mapping[str, str]) -> KeySet:
    """Return the key set whose cards a request is for."""
    (caller,) = policy.callers.values()
    assert caller.dogtag is not None
    version, scp = int(asked["KeyInfo"][:2], 16), "0" + asked.get("protocol", "1")
    named = [policy.key_sets[name] for name in caller.dogtag.key_sets[asked["keySet"]]]
    (found,) = (one for one in named if one.scp == scp and version in one.versions)
    return found


def static_keys(
    key_set: KeySet, values: Mapping[Any, bytes], version: int, asked: Mapping[str, str]
) -> dict[Role, PlainKey]:
    """Return a card's keys, as the policy has them made."""
    cuid = bytes.fromhex(asked["tokencuid"])
    kdd = bytes.fromhex(asked.get("KDD", asked["tokencuid"]))
    data = kdd if key_set.diversification_data == "kdd" else cuid
    masters = {role: values[key_set.labels[role], version] for role in Role}
    if key_set.diversification == "nist-sp800-108-hmac":
        master = odd_parity(masters[Role.ENC])
        made = nist_sp800_108_hmac(
            lambda text: hmac.digest(master, text, hashlib.sha256), list(Role), data
        )
        return {
            role: PlainKey(Algorithm.DES2, odd_parity(value))
            for role, value in zip(Role, made, strict=True)
        }
    algorithm = ALGORITHMS[key_set.algorithm]
    plain = {
        role: PlainKey(algorithm, value[: algorithm.length]) for role, value in masters.items()
    }
    target = Target(ALGORITHMS[key_set.card_algorithm], Use.CARD_KEY)
    return card_keys(key_set.diversification, plain, list(Role), data, target)


def session_key(
    key_set: KeySet, static: dict[Role, PlainKey], asked: Mapping[str, str]
) -> tuple[str, PlainKey]:
    """Return a session key of the card, and the field of the answer that it is in."""
    both = SecurityLevel.C_MAC | SecurityLevel.C_ENC
    if key_set.scp == "02":
        context = bytes.fromhex(asked["sequenceCounter"]) + bytes(14)
        keys = scp02.session_keys(static, context, 0x15, both)
        assert keys.enc is not None
        made = {
            "0182": lambda: keys.enc,
            "0101": lambda: keys.mac.whole,
            "0181": lambda: scp02.data_encryption_key(static[Role.DEK], context),
        }[asked["derivationConstant"]]()
        assert made is not None
        return "sessionKey", made
    host, card = (bytes.fromhex(asked[f"{of}_challenge"]) for of in ("host", "card"))
    if key_set.scp == "01":
        return "sessionKey", scp01.session_keys(static, card + host, 0x05, both).mac
    return "macSessionKey", scp03.session_keys(static, host + card, 0x70, both).mac


@pytest.mark.parametrize("vector", RECORDED, ids=lambda vector: vector["id"])
def test_session_keys_of_the_policy_are_those_that_the_tks_gave(
    recorded: tuple[Policy, Mapping[Any, bytes]], vector: Vector
) -> None:
    policy, values = recorded
    asked = fields(vector["request_body"].replace("%23", "#"), "#")
    answered = fields(vector["response_body"], "%")
    key_set = key_set_of(policy, asked)

    static = static_keys(key_set, values, int(asked["KeyInfo"][:2], 16), asked)
    field, key = session_key(key_set, static, asked)

    value = key.value if key_set.scp == "03" else odd_parity(key.value)
    (secret,) = policy.transport_keys.values()
    shared = PlainKey(Algorithm.DES3, values[secret.label, secret.version])
    assert shared.encrypt_ecb(value).hex().upper() == answered[field]


def test_sessions_of_each_protocol_and_key_set_are_among_the_recorded() -> None:
    asked = [fields(vector["request_body"].replace("%23", "#"), "#") for vector in RECORDED]
    assert {(one["keySet"], one.get("protocol", "1")) for one in asked} >= {
        *(("defKeySet", protocol) for protocol in "123"),
        *(("v2KeySet", protocol) for protocol in "123"),
        *(("nistKeySet", "1"), ("nistCuidKeySet", "1"), ("sc7KeySet", "3")),
    }


def test_the_script_brings_every_key_that_the_policy_names(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    told = json.loads(imported("recorded", tmp_path / "made")["json"])
    script = load_script(tmp_path / "made" / "import-keys.toml")
    policy = load_policy(tmp_path / "made" / "policy.toml")
    values = key_values(told)
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        for step in script.steps:
            assert isinstance(step, ImportKey)
            # The TKS maps AES keys for SCP01 as well, which no card of it has.
            value = values[step.label, step.version]
            value = value[:24] if step.algorithm is KeyAlgorithm.DES3 else value
            expected = bytes.fromhex(step.kcv) if step.kcv else None
            import_key(token, step.key, [Secret(value)], expected)
        states = {str(key.reference): key.state for key in list_keys(token, policy)}
    assert {name for name, state in states.items() if state is not KeyState.RIGHT} == {
        str(KeyReference(label, 1)) for label in SERVICE_KEYS
    }
