"""What a running Dogtag TKS answered, a worker answers: the same bytes, or the same meaning."""

from collections.abc import Sequence
from hmac import digest

import pytest

from tests.site.dogtag_exchanges import Exchange, exchanges
from tests.site.dogtag_meaning import decrypted, des_key, of_drm, of_tps
from tests.site.dogtag_policy import FACTORY_KEY, MASTER_KEYS, TPS
from tests.worker import dogtag_requests as requests
from tmsd.clock import now_ms
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role, Target, nist_sp800_108_hmac
from tmsd.globalplatform.keys import Algorithm, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity
from tmsd.vault.dogtag_messages import KeygenKey
from tmsd.worker import dogtag_key_sets, dogtag_sessions, vouchers
from tmsd.worker.context import Context
from tmsd.worker.vouchers import VouchedCard

RECORDED = tuple(exchanges())
OPENED = [one for one in RECORDED if one.is_served and "card_cryptogram" in one.asked]
SCP02 = [one for one in RECORDED if one.is_served and "derivationConstant" in one.asked]
CHANGED = [one for one in RECORDED if one.is_served and one.operation == "createKeySetData"]
ENCRYPTED = [one for one in RECORDED if one.is_served and one.operation == "encryptData"]
MISMATCHED = [
    one
    for one in RECORDED
    if one.answered.get("status") == "5" and len(one.parameter("card_cryptogram")) == 8
]


def each(of: Sequence[Exchange]) -> pytest.MarkDecorator:
    assert of
    return pytest.mark.parametrize("recorded", of, ids=lambda one: one.id)


def static_dek(recorded: Exchange, key_set: str) -> PlainKey:
    """Return the static DEK of a recorded card, computed in plain bytes."""
    card = requests.card_of(recorded)
    is_aes = recorded.scp == 3
    if card.key_version == 1 and not key_set.startswith("def-03"):
        return PlainKey(Algorithm.AES_128 if is_aes else Algorithm.DES2, FACTORY_KEY)
    if key_set.startswith("sc7"):
        return PlainKey(Algorithm.AES_128, MASTER_KEYS["dogtag-aes"])
    master = FACTORY_KEY if card.key_version == 1 else MASTER_KEYS["dogtag-master"]
    if key_set.startswith(("def-01", "def-02", "nist")):
        data = card.cuid if key_set.startswith("nistcuid") else card.kdd
        (value,) = nist_sp800_108_hmac(
            lambda message: digest(master, message, "sha256"), [Role.DEK], data
        )
        return des_key(odd_parity(value))
    scheme = "visa2" if key_set.startswith("v2") else "emv"
    into = Algorithm.AES_128 if is_aes else Algorithm.DES2
    data = card.cuid if key_set == "v2-02" else card.kdd
    masters = {Role.DEK: des_key(master)}
    target = Target(into, Use.DEK)
    return diversification.card_keys(scheme, masters, [Role.DEK], data, target)[Role.DEK]


def assert_means_one_key(key: KeygenKey, dek: PlainKey) -> None:
    """Check that card and DRM get the same triple DES key, with its check value."""
    of_card = decrypted(dek, key.under_dek)
    assert of_card == odd_parity(of_card)
    assert of_drm(key.for_drm) == of_card + of_card[:8]
    assert key_check_value(des_key(of_card)) == key.key_check_value


@each(OPENED)
def test_session_keys_are_those_of_the_answer(dogtag: Context, recorded: Exchange) -> None:
    request = requests.session_keys(recorded)

    told = dogtag_sessions.make_session_keys(dogtag, request)

    mac = "sessionKey" if recorded.scp == 1 else "macSessionKey"
    assert told.mac == recorded.answer(mac)
    assert told.enc == recorded.answer("encSessionKey")
    assert told.host_cryptogram == recorded.answer("hostCryptogram")
    assert (told.dek or b"") == (recorded.answer("kekSessionKey") if recorded.scp == 3 else b"")
    assert (told.keygen is not None) is ("drm_trans_desKey" in recorded.answered)


@each([one for one in OPENED if "drm_trans_desKey" in one.answered])
def test_card_and_drm_get_one_key_for_key_generation_as_in_the_answer(
    dogtag: Context, recorded: Exchange
) -> None:
    request = requests.session_keys(recorded)
    dek = static_dek(recorded, request.key_set)
    answered = KeygenKey(
        under_dek=recorded.answer("kek_wrapped_desKey"),
        key_check_value=recorded.answer("keycheck"),
        for_drm=recorded.answer("drm_trans_desKey"),
    )
    assert_means_one_key(answered, dek)

    told = [dogtag_sessions.make_session_keys(dogtag, request).keygen for _ in range(2)]

    for keygen in told:
        assert keygen is not None
        assert keygen.aes is None
        assert_means_one_key(keygen.des, dek)
    assert told[0] != told[1]


@each(SCP02)
def test_a_session_key_of_scp02_is_that_of_the_answer(dogtag: Context, recorded: Exchange) -> None:
    request = requests.scp02_key(recorded)

    told = dogtag_sessions.make_scp02_key(dogtag, request)

    assert told.key == recorded.answer("sessionKey")
    assert (told.keygen is not None) is ("drm_trans_desKey" in recorded.answered)
    if told.keygen is not None:
        dek = des_key(of_tps(told.key))
        assert_means_one_key(told.keygen.des, dek)


@each(MISMATCHED)
def test_a_card_that_dogtag_found_to_be_another_is_refused(
    dogtag: Context, recorded: Exchange
) -> None:
    with pytest.raises(ServiceError) as refusal:
        dogtag_sessions.make_session_keys(dogtag, requests.session_keys(recorded))

    assert refusal.value.code is Code.CARD_CRYPTOGRAM_MISMATCH


@each(CHANGED)
def test_new_keys_are_encrypted_as_in_the_answer(dogtag: Context, recorded: Exchange) -> None:
    told = dogtag_key_sets.make_key_set_data(
        dogtag, requests.key_set_data(recorded, voucher_for(dogtag, recorded))
    )

    assert told.key_set_data == recorded.answer("keySetData")
    size = len(told.key_set_data) // 3
    assert b"".join(told.key_check_values) == b"".join(
        told.key_set_data[at + size - 3 + 1 : at + size + 1] for at in (0, size, 2 * size)
    )


@each(ENCRYPTED)
def test_a_challenge_is_encrypted_under_the_static_dek_as_in_the_answer(
    dogtag: Context, recorded: Exchange
) -> None:
    request = requests.challenge(recorded, voucher_for(dogtag, recorded))
    dek = static_dek(recorded, request.key_set)
    assert dek.encrypt_ecb(recorded.answer("data")) == recorded.answer("encryptedData")

    told = [dogtag_key_sets.encrypt_challenge(dogtag, request) for _ in range(2)]

    for one in told:
        assert dek.encrypt_ecb(one.challenge) == one.encrypted
    assert told[0].challenge != told[1].challenge


def voucher_for(context: Context, recorded: Exchange) -> bytes:
    """Return a voucher as a session of the card before would have brought it."""
    card = requests.card_of(recorded)
    vouched = VouchedCard(
        caller=TPS,
        key_set=requests.key_set_of(recorded, card.key_version),
        key_version=card.key_version,
        scp=recorded.scp,
        kdd=card.kdd,
        cuid=card.cuid,
    )
    return vouchers.make(context.keyring, 1, vouched, now_ms(), bytes(2))
