"""What a token does is found out by asking it, and asking leaves nothing behind."""

import json
import subprocess
import sys
from dataclasses import asdict, fields, replace
from pathlib import Path

import pytest

from hsm.capabilities import Capabilities, keeps_unextractable_keys, probe
from hsm.errors import TokenLost
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.each_token import on_each_token
from tests.softhsm.tokens import USER_PIN, SoftHsm, without_mechanisms

ROOT = Path(__file__).parents[2]

MECHANISMS = {
    "derives_aes_ecb": "CKM_AES_ECB_ENCRYPT_DATA",
    "derives_des3_ecb": "CKM_DES3_ECB_ENCRYPT_DATA",
    "derives_des3_cbc": "CKM_DES3_CBC_ENCRYPT_DATA",
    "signs_aes_cmac": "CKM_AES_CMAC",
    "signs_hmac_sha256": "CKM_SHA256_HMAC",
    "wraps_aes_cbc": "CKM_AES_CBC",
    "wraps_aes_key_wrap": "CKM_AES_KEY_WRAP",
}
OF_SOFTHSM = Capabilities(
    derives_aes_ecb=True,
    derives_des3_ecb=True,
    derives_des3_cbc=True,
    signs_aes_cmac=True,
    signs_hmac_sha256=True,
    wraps_aes_cbc=True,
    wraps_des3_ecb=False,
    wraps_aes_key_wrap=True,
)


def probed(address: TokenAddress, configuration: str) -> dict[str, bool]:
    """Probe a token in a process whose SoftHSM has another configuration."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.hsm.probing", address.module, address.label],
        cwd=ROOT,
        env={"SOFTHSM2_CONF": configuration, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, bool] = json.loads(done.stdout)
    return found


def objects(token: Token) -> int:
    return len(list(token.session.get_objects()))


def test_softhsm_does_everything_but_wrap_under_triple_des(hsm_token: Token) -> None:
    assert probe(hsm_token) == OF_SOFTHSM
    assert keeps_unextractable_keys(hsm_token)


def test_softokn_does_everything_but_keep_keys_that_are_not_extractable(
    softokn_token: Token,
) -> None:
    assert probe(softokn_token) == replace(OF_SOFTHSM, wraps_des3_ecb=True)
    assert not keeps_unextractable_keys(softokn_token)


@pytest.mark.xdist_group("opencryptoki")
def test_opencryptoki_derives_nothing(opencryptoki_token: Token) -> None:
    poor = Capabilities(*[False] * len(fields(Capabilities)))
    found = probe(opencryptoki_token)

    # 3.8 does not make CMACs, and 3.23 does.
    does = replace(poor, signs_hmac_sha256=True, wraps_aes_cbc=True)
    assert found in (does, replace(does, signs_aes_cmac=True))
    assert keeps_unextractable_keys(opencryptoki_token)


@on_each_token
def test_what_was_made_for_the_trials_is_gone_after_them(hsm_token: Token) -> None:
    before = objects(hsm_token)

    probe(hsm_token)

    assert objects(hsm_token) == before


def test_a_login_that_can_make_no_persistent_key_is_enough(softhsm: SoftHsm) -> None:
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=False) as token:
        assert probe(token) == OF_SOFTHSM


@pytest.mark.parametrize(("field", "mechanism"), MECHANISMS.items())
def test_a_mechanism_that_the_token_refuses_is_found_and_raises_nothing(
    fresh_token: TokenAddress, tmp_path: Path, field: str, mechanism: str
) -> None:
    configuration = without_mechanisms(fresh_token, tmp_path, mechanism)

    assert probed(fresh_token, str(configuration)) == asdict(OF_SOFTHSM) | {field: False}


def test_every_capability_of_softhsm_was_taken_from_it_in_these_tests() -> None:
    assert {field.name for field in fields(Capabilities)} == {*MECHANISMS, "wraps_des3_ecb"}


def test_a_session_that_is_gone_is_a_loss_and_no_refusal(hsm_token: Token) -> None:
    session = hsm_token.session.token.open(rw=False)
    session.close()

    with pytest.raises(TokenLost):
        probe(Token(session))
