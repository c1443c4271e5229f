"""Card keys from master keys, over published values."""

import pytest

from tests.globalplatform.key_stores import (
    AES,
    KeyStore,
    PlainKeys,
    TokenKeys,
    diversified,
    shows,
)
from tests.vectors import Vector, each
from tmsd.globalplatform.diversification import (
    EXPOSED_SCHEMES,
    SCHEMES,
    Role,
    Target,
    card_keys,
    nist_sp800_108_hmac,
)
from tmsd.globalplatform.keys import Algorithm, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity

DATA = bytes(range(10))
OF_AES = ("kdf3", "gp-kmc", "gp-kmc-dogtag-10")
OF_DES = ("visa1", "visa2", "emv")


@each("diversification.json")
def test_card_keys_are_the_published_ones(key_store: KeyStore, vector: Vector) -> None:
    _require(key_store, vector)


@each("generated_diversification.json")
def test_card_keys_are_the_generated_ones(key_store: KeyStore, vector: Vector) -> None:
    _require(key_store, vector)


def _require(key_store: KeyStore, vector: Vector) -> None:
    master = vector.bytes("master")
    by_default = AES[len(master)] if vector["scheme"] in OF_AES else Algorithm.DES2
    target = Target(Algorithm[vector["into"]] if "into" in vector else by_default)
    arguments = (vector["scheme"], master, vector.bytes("data"), target)

    keys = diversified(key_store, *arguments)
    plain_keys = diversified(PlainKeys(), *arguments)

    for role, key in keys.items():
        name, plain = role.name.lower(), plain_keys[role]
        assert isinstance(plain, PlainKey)
        assert shows(key, Use.CARD_KEY, plain.value)
        if name in vector:
            value = vector.bytes(name)
            is_des = target.algorithm.family == "DES"
            assert plain.value == (odd_parity(value) if is_des else value)
        if f"{name}_kcv" in vector:
            # A token's triple DES card key derives alone: its check value is seen on its twin.
            assert key_check_value(plain).hex() == vector[f"{name}_kcv"]


@pytest.mark.parametrize("scheme", OF_DES)
def test_a_three_key_master_makes_two_key_card_keys(key_store: KeyStore, scheme: str) -> None:
    value = bytes(range(0x40, 0x58))
    target = Target(Algorithm.DES2)

    key = diversified(key_store, scheme, value, DATA, target)[Role.ENC]

    plain = diversified(PlainKeys(), scheme, value, DATA, target)[Role.ENC]
    assert isinstance(plain, PlainKey)
    assert key.algorithm is Algorithm.DES2
    assert shows(key, Use.CARD_KEY, plain.value)


@pytest.mark.parametrize("scheme", ["visa2", "emv"])
def test_a_triple_des_master_makes_aes_card_keys_without_parity(
    key_store: KeyStore, scheme: str
) -> None:
    value = bytes(range(0x40, 0x50))

    key = diversified(key_store, scheme, value, DATA, Target(Algorithm.AES_128))[Role.MAC]

    serial = DATA[0:2] + DATA[4:8] if scheme == "visa2" else DATA[4:10]
    raw = PlainKey(Algorithm.DES2, value).encrypt_ecb(serial + b"\xf0\x02" + serial + b"\x0f\x02")
    assert shows(key, Use.CARD_KEY, raw)


def test_the_gp_kmc_of_dogtag_10_gives_enc_and_mac_the_key_that_is_gp_kmcs_enc(
    key_store: KeyStore,
) -> None:
    arguments = (bytes(range(32)), DATA, Target(Algorithm.AES_256))

    twin = diversified(key_store, "gp-kmc-dogtag-10", *arguments)

    keys = diversified(PlainKeys(), "gp-kmc", *arguments)
    for role, same_as in ((Role.ENC, Role.ENC), (Role.MAC, Role.ENC), (Role.DEK, Role.DEK)):
        plain = keys[same_as]
        assert isinstance(plain, PlainKey)
        assert shows(twin[role], Use.CARD_KEY, plain.value)


def test_undiversified_cards_hold_the_master_key_in_every_role(key_store: KeyStore) -> None:
    master = key_store.master_key(Algorithm.AES_128, bytes(16))

    keys = card_keys(
        "none", dict.fromkeys(Role, master), list(Role), DATA, Target(Algorithm.AES_128)
    )

    assert keys == dict.fromkeys(Role, master)


@pytest.mark.parametrize("scheme", [*OF_DES, "kdf3", "gp-kmc", *EXPOSED_SCHEMES])
def test_every_role_and_every_card_has_keys_of_its_own(scheme: str) -> None:
    algorithm = Algorithm.AES_256 if scheme in OF_AES else Algorithm.DES2
    master = bytes(range(algorithm.length))

    values = set()
    for data in (DATA, DATA[::-1]):
        for key in diversified(PlainKeys(), scheme, master, data, Target(algorithm)).values():
            assert isinstance(key, PlainKey)
            values.add(key.value)

    assert len(values) == 6


def test_every_scheme_of_the_table_is_tested_here() -> None:
    assert SCHEMES.keys() == {"none", *OF_DES, *OF_AES}
    assert EXPOSED_SCHEMES == ("nist-sp800-108-hmac",)


@pytest.mark.parametrize(
    ("scheme", "algorithm"),
    [*((name, Algorithm.DES2) for name in OF_DES), *((name, Algorithm.AES_128) for name in OF_AES)],
)
def test_each_role_may_have_a_master_key_of_its_own(
    key_store: KeyStore, scheme: str, algorithm: Algorithm
) -> None:
    values = {role: bytes([16 * role]) * 16 for role in Role}
    masters = {role: key_store.master_key(algorithm, value) for role, value in values.items()}

    keys = card_keys(scheme, masters, list(Role), DATA, Target(algorithm))

    assert list(keys) == list(Role)
    for role, value in values.items():
        plain = diversified(PlainKeys(), scheme, value, DATA, Target(algorithm))[role]
        assert isinstance(plain, PlainKey)
        assert shows(keys[role], Use.CARD_KEY, plain.value)


def test_roles_with_one_master_key_are_derived_together(token_keys: TokenKeys) -> None:
    one, other = bytes(16), bytes(range(16))
    shared = token_keys.master_key(Algorithm.AES_128, one)
    masters = {
        Role.ENC: shared,
        Role.MAC: token_keys.master_key(Algorithm.AES_128, other),
        Role.DEK: shared,
    }

    keys = card_keys("kdf3", masters, list(Role), DATA, Target(Algorithm.AES_128))

    for role, value in zip(Role, (one, other, one), strict=True):
        plain = diversified(PlainKeys(), "kdf3", value, DATA, Target(Algorithm.AES_128))[role]
        assert isinstance(plain, PlainKey)
        assert shows(keys[role], Use.CARD_KEY, plain.value)


def test_the_hmac_scheme_counts_to_two_and_asks_for_the_roles_it_is_asked_for() -> None:
    asked = []

    def prf(data: bytes) -> bytes:
        asked.append(data)
        return data[:1] * 32

    values = nist_sp800_108_hmac(prf, [Role.DEK, Role.ENC], DATA)

    assert asked == [bytes([i, 4, 0]) + DATA + b"\x01\x80" for i in (1, 2)]
    assert values == [b"\x02" * 16, b"\x01" * 16]


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("length", [0, 9, 11])
def test_diversification_data_of_another_length_than_10_is_refused(
    scheme: str, length: int
) -> None:
    algorithm = Algorithm.AES_128 if scheme in OF_AES else Algorithm.DES2
    masters = dict.fromkeys(Role, PlainKey(algorithm, bytes(16)))

    with pytest.raises(ValueError, match="10 bytes"):
        card_keys(scheme, masters, [Role.ENC], bytes(length), Target(algorithm))
