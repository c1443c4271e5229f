"""Card keys from master keys, over published values."""

import pytest

from tests.globalplatform.key_stores import AES, DES, KeyStore, shows
from tests.vectors import Vector, each
from tmsd.globalplatform.diversification import SCHEMES, Role, card_keys
from tmsd.globalplatform.keys import Algorithm, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey

DATA = bytes(range(10))


@each("diversification.json")
def test_card_keys_are_the_published_ones(key_store: KeyStore, vector: Vector) -> None:
    algorithm = (AES if vector["scheme"] == "kdf3" else DES)[len(vector.bytes("master"))]
    master = key_store.master_key(algorithm, vector.bytes("master"))
    plain_master = PlainKey(algorithm, vector.bytes("master"))
    arguments = (list(Role), vector.bytes("data"), algorithm)

    keys = card_keys(vector["scheme"], master, *arguments)
    plain_keys = card_keys(vector["scheme"], plain_master, *arguments)

    for role, key in keys.items():
        name, plain = role.name.lower(), plain_keys[role]
        if name in vector:
            assert shows(key, Use.CARD_KEY, vector.bytes(name))
        if f"{name}_kcv" in vector:
            # A token's triple DES card key derives alone: its check value is seen on its twin.
            assert key_check_value(plain).hex() == vector[f"{name}_kcv"]
            assert shows(key, Use.CARD_KEY, plain.value)


@pytest.mark.parametrize("scheme", ["visa2", "emv"])
def test_a_three_key_master_makes_two_key_card_keys(key_store: KeyStore, scheme: str) -> None:
    value = bytes(range(0x40, 0x58))
    master = key_store.master_key(Algorithm.DES3, value)

    keys = card_keys(scheme, master, [Role.ENC], DATA, Algorithm.DES2)

    plain = card_keys(scheme, PlainKey(Algorithm.DES3, value), [Role.ENC], DATA, Algorithm.DES2)
    assert keys[Role.ENC].algorithm is Algorithm.DES2
    assert shows(keys[Role.ENC], Use.CARD_KEY, plain[Role.ENC].value)


def test_undiversified_cards_hold_the_master_key_in_every_role(key_store: KeyStore) -> None:
    master = key_store.master_key(Algorithm.AES_128, bytes(16))

    keys = card_keys("none", master, list(Role), DATA, Algorithm.AES_128)

    assert keys == dict.fromkeys(Role, master)


@pytest.mark.parametrize("scheme", sorted(SCHEMES.keys() - {"none"}))
def test_every_role_and_every_card_has_keys_of_its_own(scheme: str) -> None:
    algorithm = Algorithm.AES_256 if scheme == "kdf3" else Algorithm.DES2
    master = PlainKey(algorithm, bytes(range(algorithm.length)))

    values = {
        key.value
        for data in (DATA, DATA[::-1])
        for key in card_keys(scheme, master, list(Role), data, algorithm).values()
    }

    assert len(values) == 6


@pytest.mark.parametrize("length", [0, 9, 11])
def test_diversification_data_of_another_length_than_10_is_refused(length: int) -> None:
    master = PlainKey(Algorithm.DES2, bytes(16))

    with pytest.raises(ValueError, match="10 bytes"):
        card_keys("emv", master, [Role.ENC], bytes(length), Algorithm.DES2)
