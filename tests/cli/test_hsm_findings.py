"""What each kind of token says to a policy that has everything, and what that means for it."""

from pathlib import Path

import pytest
from pkcs11 import Attribute

from hsm import attributes
from hsm.keys import AES_128, DES2
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from hsm.trials import attributes_fault, backup_fault, random_fault, signing_fault
from tests.cli.sites import allow, copy_site
from tests.softhsm.each_token import on_each_token
from tmsd.cli.hsm_findings import Finding, findings
from tmsd.config.policy import Policy, load_policy

EVERYTHING = """
[key_sets.fresh]
scp = "02"
algorithm = "des3"
diversification = "none"
undiversified = true
factory = true
versions = { 255 = "active" }
change_to = ["old:1", "demo:1"]

[key_sets.old]
scp = "02"
algorithm = "des3"
diversification = "visa2"
versions = { 1 = "active" }

[key_sets.hmac]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active" }
change_to = ["hmac:1"]

[transport_keys.aes]
algorithm = "aes256"

[transport_keys.des]
algorithm = "des3"

[callers.unsealed]
public_key_sha256 = "1111111111111111111111111111111111111111111111111111111111111111"
roles = ["tps"]
key_sets = ["old"]
deliveries = ["sealed", "transport"]
transport_key = "aes"
"""
PERSISTENT = (
    attributes.MASTER_KEY,
    attributes.UNDIVERSIFIED_KEY,
    attributes.TRANSPORT_KEY,
    attributes.BACKUP_KEY,
    attributes.SERVICE_MAC_KEY,
    attributes.SERVICE_MAC_KEY_IN_STEPS,
)
OF_SESSION = (
    attributes.AES_CARD_KEY,
    attributes.DES_CARD_KEY,
    attributes.NEW_CARD_KEY,
    attributes.READABLE_KEY,
    attributes.DELIVERED_KEY,
    attributes.SESSION_ENC_KEY,
    attributes.AES_SESSION_MAC_KEY,
    attributes.DES_SESSION_MAC_KEY,
    attributes.DATA_ENCRYPTION_KEY,
)


@pytest.fixture(scope="module")
def policy(quickstart_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Policy:
    """All protocols, transport keys of both kinds, and the CAs of a new site, of P-256."""
    site = copy_site(quickstart_site, tmp_path_factory.mktemp("s") / "site")
    allow(site, EVERYTHING)
    return load_policy(site / "policy.toml")


def undone(found: list[Finding]) -> dict[str, list[tuple[str | None, str | None]]]:
    """Return what is not done, by what was asked, with its cost and the way round."""
    told: dict[str, list[tuple[str | None, str | None]]] = {}
    for finding in found:
        if finding.way == "none":
            told.setdefault(finding.asked, []).append((finding.cost, finding.setting))
    return told


def faults(found: list[Finding]) -> set[str]:
    return {finding.asked for finding in found if finding.fault}


def exception(table: str) -> str:
    return f"allow_key_material_in_worker = true in [{table}]"


def test_on_softhsm_triple_des_alone_keeps_keys_from_leaving(
    hsm_token: Token, policy: Policy
) -> None:
    found = findings(hsm_token, policy)

    assert faults(found) == {"wrap with CKM_DES3_ECB"}
    assert undone(found) == {
        "wrap with CKM_DES3_ECB": [
            ("not done, for callers tps-demo", exception("key_sets.demo")),
            ("not done, for callers tps-demo, unsealed", exception("key_sets.old")),
            ("not done", exception("transport_keys.des")),
        ]
    }


def test_on_softokn_all_is_done_but_what_is_not_extractable_is_wrapped(
    softokn_token: Token, policy: Policy
) -> None:
    found = findings(softokn_token, policy)

    assert undone(found) == {}
    assert [(one.asked, one.fault, one.cost) for one in found if one.fault] == [
        (
            "keep unextractable keys inside",
            "wrapped",
            "who has the PIN can take every key out, wrapped",
        )
    ]


@pytest.mark.xdist_group("opencryptoki")
def test_on_opencryptoki_nobody_is_served(opencryptoki_token: Token, policy: Policy) -> None:
    found = findings(opencryptoki_token, policy)

    both = "not done, for callers tps-demo, unsealed"
    told = undone(found)
    assert told["derive with CKM_DES3_ECB_ENCRYPT_DATA"] == [(both, None)]
    assert told["wrap with CKM_AES_KEY_WRAP"] == [
        ("not done, for callers unsealed", 'deliveries = ["sealed"] in [callers.unsealed]')
    ]
    # 3.8 has no curves, and 3.23 has.
    curves_fault = signing_fault(opencryptoki_token, KeyPairAlgorithm.P256)
    assert told.get("sign with p256", []) == [("nothing is signed", None)] * bool(curves_fault)
    assert not any(asked.startswith("make ") for asked in told)
    (backup,) = [one for one in found if one.asked == "wrap and unwrap for a backup"]
    assert backup.cost == "keys are lost with the token: no ceremony can back them up"


@on_each_token
def test_every_token_takes_all_attributes_as_they_stand(hsm_token: Token) -> None:
    faults = {
        (shape.key_type.name, index): fault
        for index, template in enumerate(PERSISTENT + OF_SESSION)
        for shape in (AES_128, DES2)
        if (fault := attributes_fault(hsm_token, shape, template))
    }

    assert faults == {}


@on_each_token
def test_trials_leave_nothing_behind(hsm_token: Token, policy: Policy) -> None:
    before = len(list(hsm_token.session.get_objects()))

    findings(hsm_token, policy)

    assert len(list(hsm_token.session.get_objects())) == before


def test_attributes_that_a_token_refuses_or_makes_otherwise_are_told(
    hsm_token: Token, softokn_token: Token
) -> None:
    # Which of a key's attributes are facts and no wishes, a token knows by itself.
    template = {**attributes.MASTER_KEY, Attribute.ALWAYS_SENSITIVE: False}

    assert attributes_fault(hsm_token, AES_128, template) == "AttributeReadOnly"
    otherwise = attributes_fault(softokn_token, AES_128, template)
    assert otherwise == "made otherwise: ALWAYS_SENSITIVE True"


@on_each_token
def test_random_bytes_are_random_and_rsa_signs_both_ways_on_every_token(hsm_token: Token) -> None:
    assert random_fault(hsm_token) is None
    assert signing_fault(hsm_token, KeyPairAlgorithm.RSA2048) is None
    assert signing_fault(hsm_token, KeyPairAlgorithm.RSA2048, pss=True) is None


def test_softokn_backs_keys_up_and_makes_no_ed25519(softokn_token: Token) -> None:
    assert backup_fault(softokn_token) is None
    assert signing_fault(softokn_token, KeyPairAlgorithm.ED25519) is not None
    assert signing_fault(softokn_token, KeyPairAlgorithm.P384) is None
