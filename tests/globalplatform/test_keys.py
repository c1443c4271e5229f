"""Single operations of `Key` over published values: check values, CMAC, the counter KDF."""

import pytest

from tests.globalplatform.key_stores import AES, DES, KeyStore, shows
from tests.vectors import Vector, each
from tmsd.globalplatform.keys import Algorithm, CounterInput, Key, Use, key_check_value
from tmsd.globalplatform.plain_key import PlainKey, odd_parity


@each("key_check_values.json")
def test_key_check_values_are_the_published_ones(key_store: KeyStore, vector: Vector) -> None:
    value = vector.bytes("key")
    algorithm = {"AES": AES, "DES": DES}[vector["family"]][len(value)]

    master = key_store.master_key(algorithm, value)

    assert key_check_value(master).hex() == vector["kcv"]


@each("aes_encrypted_zeros.json")
def test_zeros_are_encrypted_as_published(key_store: KeyStore, vector: Vector) -> None:
    value = vector.bytes("key")

    key = key_store.key(AES[len(value)], value, Use.SESSION_ENC)

    assert key.encrypt_ecb(bytes(16))[:3].hex() == vector["encrypted"]


@each("aes_cmac.json")
def test_cmacs_are_the_published_ones(key_store: KeyStore, vector: Vector) -> None:
    value = vector.bytes("key")

    key = key_store.key(AES[len(value)], value, Use.SESSION_MAC)

    assert key.cmac(vector.bytes("message")).hex() == vector["mac"]


@each("sp800_108_cmac.json", "derived")
def test_the_counter_kdf_derives_keys_that_begin_the_published_output(
    key_store: KeyStore, vector: Vector
) -> None:
    value = vector.bytes("key")
    require_published(key_store.key(AES[len(value)], value, Use.CARD_KEY), vector)


def require_published(key: Key, vector: Vector) -> None:
    """Derive AES keys of each length that the published output has."""
    derived = vector.bytes("derived")
    # A counter of more than 8 bits begins with zeros, which stand in what is before it.
    zeros = bytes(vector["counter_bits"] // 8 - 1)
    fixed = CounterInput(vector.bytes("before") + zeros, vector.bytes("after"))

    for into in (algorithm for length, algorithm in AES.items() if length <= len(derived)):
        (made,) = key.derive_counter([fixed], into, Use.CARD_KEY)
        assert made.algorithm is into
        assert shows(made, Use.CARD_KEY, derived[: into.length])


@each("triple_des_cmac.json")
def test_cmacs_over_triple_des_are_the_published_ones(key_store: KeyStore, vector: Vector) -> None:
    value = vector.bytes("key")

    key = key_store.key(DES[len(value)], value, Use.SESSION_MAC)

    assert key.cmac(vector.bytes("message")).hex() == vector["mac"]


@each("sp800_108_triple_des_cmac.json")
def test_the_counter_kdf_over_triple_des_derives_keys_that_begin_the_published_output(
    key_store: KeyStore, vector: Vector
) -> None:
    value = vector.bytes("key")
    require_published(key_store.master_key(DES[len(value)], value), vector)


@each("sp800_108_cmac.json", "kcv")
def test_the_counter_kdf_derives_keys_with_the_published_check_values(
    key_store: KeyStore, vector: Vector
) -> None:
    key = key_store.key(Algorithm.AES_128, vector.bytes("key"), Use.CARD_KEY)
    fixed = CounterInput(vector.bytes("before"), vector.bytes("after"))

    (made,) = key.derive_counter([fixed], Algorithm.AES_128, Use.CARD_KEY)

    assert key_check_value(made).hex() == vector["kcv"]


def test_keys_derived_together_are_those_derived_one_by_one(key_store: KeyStore) -> None:
    key = key_store.key(Algorithm.AES_192, bytes(range(24)), Use.CARD_KEY)
    inputs = [CounterInput(bytes(length), b"after") for length in (0, 3, 10, 11, 40)]

    together = key.derive_counter(inputs, Algorithm.AES_256, Use.SESSION_ENC)

    assert len(together) == len(inputs)
    for fixed, made in zip(inputs, together, strict=True):
        (alone,) = key.derive_counter([fixed], Algorithm.AES_256, Use.SESSION_ENC)
        assert made.encrypt_ecb(bytes(16)) == alone.encrypt_ecb(bytes(16))
    assert key.derive_counter([], Algorithm.AES_256, Use.SESSION_ENC) == ()


@pytest.mark.parametrize("algorithm", Algorithm)
def test_cbc_decryption_undoes_encryption(key_store: KeyStore, algorithm: Algorithm) -> None:
    key = key_store.key(algorithm, bytes(range(algorithm.length)), Use.SESSION_ENC)
    iv, data = bytes(range(algorithm.block)), bytes(range(48))

    encrypted = key.encrypt_cbc(data, iv)

    assert encrypted == PlainKey(algorithm, bytes(range(algorithm.length))).encrypt_cbc(data, iv)
    assert key.decrypt_cbc(encrypted, iv) == data


@pytest.mark.parametrize("algorithm", Algorithm)
def test_derived_triple_des_keys_have_odd_parity_and_aes_keys_their_bytes_as_they_are(
    algorithm: Algorithm,
) -> None:
    base = PlainKey(Algorithm.AES_128, bytes(16))

    derived = base.derive_ecb(bytes(range(32)), algorithm, Use.CARD_KEY).value

    raw = base.encrypt_ecb(bytes(range(32)))[: algorithm.length]
    if algorithm.family == "AES":
        assert derived == raw
    else:
        assert derived == odd_parity(raw)
        assert all(byte.bit_count() % 2 == 1 for byte in derived)
        assert all(made | 1 == given | 1 for made, given in zip(derived, raw, strict=True))


@pytest.mark.parametrize("new", [Algorithm.AES_128, Algorithm.AES_192, Algorithm.AES_256])
@pytest.mark.parametrize("dek", [Algorithm.AES_128, Algorithm.AES_192, Algorithm.AES_256])
def test_an_aes_key_is_wrapped_in_whole_blocks_that_begin_with_its_value(
    key_store: KeyStore, dek: Algorithm, new: Algorithm
) -> None:
    value = bytes(range(0x40, 0x40 + new.length))
    wrapping = key_store.key(dek, bytes(range(dek.length)), Use.DEK)

    wrapped = key_store.wrapped(wrapping, new, value)

    unwrapped = PlainKey(dek, bytes(range(dek.length))).decrypt_cbc(wrapped.value, bytes(16))
    assert unwrapped[: new.length] == value
    assert len(unwrapped) == (16 if new is Algorithm.AES_128 else 32)


def test_a_plain_key_shows_its_algorithm_and_not_its_value() -> None:
    key = PlainKey(Algorithm.AES_128, b"never to be seen")

    assert repr(key) == "PlainKey(AES_128)"
    with pytest.raises(ValueError, match=r"^AES_256 takes 32 bytes, not 16$"):
        PlainKey(Algorithm.AES_256, key.value)
