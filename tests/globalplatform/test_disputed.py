"""Printed values that the specifications contradict: what is computed is what these say.

Each entry's note has the clause that settles it.
"""

from tests.globalplatform.key_stores import KeyStore, card_keys, shows
from tests.vectors import Vector, each
from tmsd.globalplatform import initialize_update, scp01, scp02, scp03
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey, odd_parity

C_MAC = SecurityLevel.C_MAC
DISPUTED = "disputed.json"


@each(DISPUTED, protocol="01")
def test_an_scp01_cryptogram_is_the_specified_one(key_store: KeyStore, vector: Vector) -> None:
    card = initialize_update.parse(vector.bytes("initialize_update"))
    context = scp01.session_context(vector.bytes("host_challenge"), card)
    keys = scp01.session_keys(card_keys(key_store, vector, "01"), context, 0x05, C_MAC)

    cryptogram = scp01.card_cryptogram(keys, context).hex()

    assert cryptogram == vector["specified"] != vector["printed"]


@each(DISPUTED, protocol="01")
def test_the_printed_cryptograms_come_of_their_card_makers_weakened_session_keys(
    vector: Vector,
) -> None:
    card = initialize_update.parse(vector.bytes("initialize_update"))
    context = scp01.session_context(vector.bytes("host_challenge"), card)
    derivation = context[4:8] + context[8:12] + context[:4] + context[12:]
    static = PlainKey(Algorithm.DES2, vector.bytes("enc"))
    session = static.encrypt_ecb(derivation)
    weakened = bytes(0x2D if byte & 1 else 0xCA for byte in session)
    keys = scp01.SessionKeys(
        PlainKey(static.algorithm, weakened), PlainKey(static.algorithm, weakened)
    )

    assert scp01.card_cryptogram(keys, context).hex() == vector["printed"]


@each(DISPUTED, protocol="02")
def test_an_scp02_data_encryption_key_is_the_specified_one(
    key_store: KeyStore, vector: Vector
) -> None:
    context = vector.bytes("sequence_counter") + bytes(14)
    static = card_keys(key_store, vector, "02")

    dek = scp02.data_encryption_key(static[Role.DEK], context)

    assert shows(dek, Use.DEK, odd_parity(vector.bytes("specified")))
    assert not shows(dek, Use.DEK, odd_parity(vector.bytes("printed")))


@each(DISPUTED, protocol="03")
def test_an_scp03_cryptogram_is_the_specified_one(key_store: KeyStore, vector: Vector) -> None:
    context = vector.bytes("host_challenge") + vector.bytes("card_challenge")
    keys = scp03.session_keys(card_keys(key_store, vector, "03"), context, 0x70, C_MAC)

    cryptogram = scp03.card_cryptogram(keys, context).hex()

    assert cryptogram == vector["specified"] != vector["printed"]
