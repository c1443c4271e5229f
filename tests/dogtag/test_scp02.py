"""SCP02, in which no card proves anything: only where allowed, limited, and told as unverified."""

from secrets import token_bytes

import pytest

from tests.dogtag.cards import KEY_SET_DATA, SESSION, special
from tests.dogtag.conftest import RunningDogtagSite
from tests.site.dogtag_meaning import decrypted, des_key, of_tps
from tests.site.dogtag_site import CAREFUL, LIMITED, OPEN, WINDOWED, Answered, Tps
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role, Target
from tmsd.globalplatform.keys import Algorithm, Use, key_check_value
from tmsd.globalplatform.plain_key import odd_parity

ENC, MAC, DEK = "#01#82", "#01#01", "#01#81"


def identity(kdd: bytes) -> str:
    return f"KDD={special(kdd)}&tokencuid={special(kdd)}&KeyInfo=#01#01&keySet=v2KeySet&protocol=2"


def key_request(kdd: bytes, constant: str = DEK, counter: str = "#00#07") -> str:
    return (
        f"serversideKeygen=false&{identity(kdd)}&sequenceCounter={counter}"
        f"&derivationConstant={constant}"
    )


def new_keys(kdd: bytes, dek: bytes) -> str:
    return f"newKeyInfo=#02#01&{identity(kdd)}&wrappedDekKey={special(dek)}"


def session_key(tps: Tps, kdd: bytes, constant: str = DEK) -> bytes:
    return tps.ask(SESSION, key_request(kdd, constant)).fields["sessionKey"]


def test_keys_are_given_where_that_is_allowed_and_told_as_unverified(
    tks: RunningDogtagSite,
) -> None:
    with Tps(tks.dogtag, WINDOWED) as tps:
        answer = tps.ask(SESSION, key_request(token_bytes(10), ENC))

    assert list(answer.fields) == ["status", "sessionKey"]
    assert answer.content_type is None
    (allowed,) = tks.trail.of_request(answer.request_id or "")
    assert allowed.decision.operation == "dogtag.scp02-key"
    assert allowed.decision.details["unverified"] is True


def test_no_key_is_given_where_that_is_not_allowed(tks: RunningDogtagSite) -> None:
    with Tps(tks.dogtag, CAREFUL) as tps:
        answer = tps.ask(SESSION, key_request(token_bytes(10)))

    assert (answer.http_status, answer.content_type, answer.body) == (200, None, b"status=1")
    (refused,) = tks.trail.of_request(answer.request_id or "")
    assert refused.decision.code == "delivery-not-allowed"


def test_a_card_has_so_many_keys_in_a_minute_and_others_have_theirs(
    tks: RunningDogtagSite,
) -> None:
    one, other = token_bytes(10), token_bytes(10)
    with Tps(tks.dogtag, LIMITED) as tps:
        for constant in (ENC, MAC, DEK, "#01#02"):
            assert tps.ask(SESSION, key_request(one, constant)).fields["status"] == b"0"
        too_many = tps.ask(SESSION, key_request(one))
        assert (too_many.http_status, too_many.body) == (503, b"status=1")
        assert 1 <= int(too_many.retry_after or 0) <= 15
        assert tps.ask(SESSION, key_request(other)).fields["status"] == b"0"


@pytest.mark.parametrize("caller", [OPEN, WINDOWED])
def test_new_keys_are_encrypted_under_the_dek_of_the_session(
    tks: RunningDogtagSite, caller: str
) -> None:
    kdd = token_bytes(10)
    with Tps(tks.dogtag, caller) as tps:
        for constant in (ENC, MAC, "#01#02"):
            session_key(tps, kdd, constant)
        dek = session_key(tps, kdd)
        answer = tps.ask(KEY_SET_DATA, new_keys(kdd, dek))

    data = answer.fields["keySetData"]
    assert answer.content_type == "text/html"
    assert (len(data), data[0]) == (67, 2)
    master = bytes.fromhex("0b51c1d03e04ae46a88ad33eb5d6e60e0b51c1d03e04ae46")
    masters = dict.fromkeys(Role, des_key(master))
    for at, role in enumerate((Role.ENC, Role.MAC, Role.DEK)):
        target = Target(Algorithm.DES2, Use.DEK)
        key = diversification.card_keys("visa2", {role: masters[role]}, [role], kdd, target)[role]
        block = data[1 + 22 * at :][:22]
        assert block[:2] + block[18:19] == bytes.fromhex("801003")
        assert decrypted(des_key(of_tps(dek)), block[2:18]) == odd_parity(key.value)
        assert block[19:] == key_check_value(key)


@pytest.mark.parametrize("caller", [OPEN, WINDOWED])
def test_no_new_keys_without_the_dek_of_this_very_session(
    tks: RunningDogtagSite, caller: str
) -> None:
    kdd, other = token_bytes(10), token_bytes(10)

    def refused(tps: Tps, dek: bytes) -> Answered:
        return tps.ask(KEY_SET_DATA, new_keys(kdd, dek))

    with Tps(tks.dogtag, caller) as tps:
        assert refused(tps, bytes(16)).body == b"status=1"
        enc, dek = session_key(tps, kdd, ENC), session_key(tps, kdd)
        # Factory keys are those of all cards: of another session is the DEK with another counter.
        of_other = tps.ask(SESSION, key_request(other, counter="#00#08")).fields["sessionKey"]
        wrong = [enc, of_other, bytes([dek[0] ^ 1]) + dek[1:], bytes(16)]
        assert [refused(tps, each).body for each in wrong] == [b"status=1"] * 4
        assert refused(tps, dek[:8]).body == b"status=3"
        assert refused(tps, dek).fields["status"] == b"0"
