"""Against what a running Dogtag TKS answered: sessions, encrypted data and keys, PUT KEY."""

from tests.globalplatform.key_stores import (
    KeyStore,
    PlainKeys,
    card_keys,
    diversified,
    shows,
)
from tests.vectors import Vector, each
from tmsd.globalplatform import put_key, scp01, scp02, scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Role, Target
from tmsd.globalplatform.keys import Algorithm, Key, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity

BOTH = SecurityLevel.C_MAC | SecurityLevel.C_ENC


@each("dogtag_sessions.json", protocol="01")
def test_scp01_sessions_are_those_of_the_answers(key_store: KeyStore, vector: Vector) -> None:
    context = vector.bytes("card_challenge") + vector.bytes("host_challenge")

    keys = scp01.session_keys(card_keys(key_store, vector, "01"), context, 0x05, BOTH)

    assert keys.enc is not None
    assert shows(keys.enc, Use.SESSION_ENC, vector.bytes("s_enc"))
    assert shows(keys.mac, Use.SESSION_MAC, vector.bytes("s_mac"))
    assert scp01.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    assert scp01.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@each("dogtag_sessions.json", protocol="03", into="AES_128")
def test_scp03_sessions_are_those_of_the_answers(key_store: KeyStore, vector: Vector) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")

    keys = scp03.session_keys(card_keys(key_store, vector, "03"), context, 0x70, BOTH)

    assert keys.enc is not None
    assert shows(keys.enc, Use.SESSION_ENC, vector.bytes("s_enc"))
    assert shows(keys.mac, Use.SESSION_MAC, vector.bytes("s_mac"))
    assert scp03.card_cryptogram(keys, context).hex() == vector["card_cryptogram"]
    assert scp03.host_cryptogram(keys, context).hex() == vector["host_cryptogram"]


@each("dogtag_sessions.json", "departs_from")
def test_session_keys_are_as_long_as_static_keys_also_where_an_answer_has_it_otherwise(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")

    keys = scp03.session_keys(card_keys(key_store, vector, "03"), context, 0x70, BOTH)

    assert len(vector.bytes("s_mac")) == 16
    assert keys.mac.algorithm is Algorithm.AES_256
    assert scp03.card_cryptogram(keys, context).hex() != vector["card_cryptogram"]


@each("dogtag_scp02_keys.json")
def test_scp02_session_keys_are_those_of_the_answers(key_store: KeyStore, vector: Vector) -> None:
    static = card_keys(key_store, vector, "02")
    context = vector.bytes("sequence_counter") + bytes(14)

    keys = scp02.session_keys(static, context, 0x15, BOTH)

    assert keys.enc is not None
    made = {
        "0101": keys.mac.whole,
        "0181": scp02.data_encryption_key(static[Role.DEK], context),
        "0182": keys.enc,
    }[vector["constant"]]
    assert shows(made, Use.SESSION_ENC, vector.bytes("session_key"))


@each("dogtag_sessions.json dogtag_scp02_keys.json", "encrypted")
def test_a_fresh_key_is_encrypted_under_the_dek_as_in_the_answer(
    key_store: KeyStore, vector: Vector
) -> None:
    dek = _dek(key_store, vector)

    # What is wrapped is a triple DES key, also for cards whose own keys are AES.
    encrypted = (
        dek.encrypt_ecb(vector.bytes("key"))
        if dek.algorithm.family == "AES"
        else key_store.wrapped(dek, Algorithm.DES2, vector.bytes("key")).value
    )

    assert encrypted.hex() == vector["encrypted"]
    if "kcv" in vector:
        fresh = PlainKey(Algorithm.DES2, vector.bytes("key"))
        assert key_check_value(fresh).hex() == vector["kcv"]


@each("dogtag_encrypted_data.json")
def test_data_are_encrypted_under_the_dek_as_in_the_answer(
    key_store: KeyStore, vector: Vector
) -> None:
    assert _dek(key_store, vector).encrypt_ecb(vector.bytes("plain")).hex() == vector["encrypted"]


@each("dogtag_put_key.json")
def test_put_key_carries_what_the_answer_does(key_store: KeyStore, vector: Vector) -> None:
    is_des = "des_key_type" in vector
    target = Target(Algorithm.DES2 if is_des else Algorithm.AES_128, Use.NEW_CARD_KEY)
    new = diversified(
        PlainKeys(),
        vector["new_scheme"],
        vector.bytes("new_master"),
        vector.bytes("new_data"),
        target,
    )
    dek = _dek(key_store, vector)
    wrapped = []
    for key in new.values():
        assert isinstance(key, PlainKey)
        value = odd_parity(key.value) if is_des else key.value
        wrapped.append(key_store.wrapped(dek, target.algorithm, value))

    command = put_key.command(
        int(vector["new_version"], 16),
        0,
        wrapped,
        int(vector["des_key_type"], 16) if is_des else None,
    )

    assert command.data.hex() == vector["put_key_data"]


def _dek(store: KeyStore, vector: Vector) -> Key:
    if vector["protocol"] == "02":
        static = card_keys(store, vector, "02")[Role.DEK]
        return scp02.data_encryption_key(static, vector.bytes("sequence_counter") + bytes(14))
    return card_keys(store, vector, vector["protocol"], Use.DEK)[Role.DEK]
