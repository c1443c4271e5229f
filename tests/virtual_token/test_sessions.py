"""Session keys, card challenges and cryptograms against published values."""

import json
from typing import Any

import pytest

from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.channel import Initiation
from tests.virtual_token.coprocessor import des3_ecb_encrypt, des3_mac
from tests.virtual_token.dek import DesDek
from tests.virtual_token.keys import KeySet, diversify
from tests.virtual_token.memory import NonVolatileMemory, SequenceCounter
from tests.virtual_token.personalisation import ISSUER_SECURITY_DOMAIN
from tests.virtual_token.protocols import PROTOCOLS
from tests.virtual_token.traces import VECTORS


def read(file: str) -> list[dict[str, Any]]:
    entries: list[dict[str, Any]] = json.loads((VECTORS / file).read_text())["vectors"]
    return entries


def each(entries: list[dict[str, Any]]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("vector", entries, ids=lambda vector: vector["id"])


SESSIONS = read("card_sessions.json")
Figures = dict[str, bytes]


@each([vector for vector in SESSIONS if vector["scp"] == "01"])
def test_scp01_sessions_have_the_published_figures(vector: dict[str, Any]) -> None:
    keys, host, card = static_keys(vector), figure(vector, "host"), figure(vector, "card")
    enc, mac = (scp01.session_key(key, host, card) for key in (keys.enc, keys.mac))

    found = {"s_enc": enc, "s_mac": mac, "s_dek": keys.dek}
    found |= {"card_cryptogram": des3_mac(enc, host + card)}
    found |= {"host_cryptogram": des3_mac(enc, card + host)}
    require_published(vector, found)


@each([vector for vector in SESSIONS if vector["scp"] == "02"])
def test_scp02_sessions_have_the_published_figures(vector: dict[str, Any]) -> None:
    counter = bytes.fromhex(vector["sequence_counter"])
    keys = scp02.session_keys(static_keys(vector), counter, base_key=False)

    found = {"s_enc": keys.enc, "s_mac": keys.c_mac, "s_rmac": keys.r_mac, "s_dek": keys.dek}
    if "card_challenge" in vector:
        host, card = figure(vector, "host"), counter + figure(vector, "card")
        found |= {"card_cryptogram": des3_mac(keys.enc, host + card)}
        found |= {"host_cryptogram": des3_mac(keys.enc, card + host)}
    require_published(vector, found)


@each([vector for vector in SESSIONS if vector["scp"] == "03"])
def test_scp03_sessions_have_the_published_figures(vector: dict[str, Any]) -> None:
    keys = static_keys(vector)
    context = figure(vector, "host") + figure(vector, "card")
    mac = scp03.derive(keys.mac, scp03.S_MAC, context, len(keys.mac))

    found = {"s_enc": scp03.derive(keys.enc, scp03.S_ENC, context, len(keys.enc)), "s_mac": mac}
    found |= {"s_rmac": scp03.derive(keys.mac, scp03.S_RMAC, context, len(keys.mac))}
    found |= {"card_cryptogram": scp03.derive(mac, scp03.CARD_CRYPTOGRAM, context, 8)}
    found |= {"host_cryptogram": scp03.derive(mac, scp03.HOST_CRYPTOGRAM, context, 8)}
    require_published(vector, found)


@each([vector for vector in SESSIONS if "aid" in vector])
def test_a_pseudo_random_challenge_follows_from_keys_counter_and_selected_aid(
    vector: dict[str, Any],
) -> None:
    scp, counter = int(vector["scp"], 16), bytes.fromhex(vector["sequence_counter"])
    keys, memory = static_keys(vector), NonVolatileMemory()
    memory.set_counter(keys.version, int.from_bytes(counter) - (scp == 3))
    handshake = PROTOCOLS[scp].initialize_update(
        Initiation(
            host_challenge=figure(vector, "host"),
            keys=keys,
            i=0x55 if scp == 2 else 0x70,
            kdd=bytes(10),
            aid=bytes.fromhex(vector["aid"]),
            counter=SequenceCounter(memory, keys.version, len(counter)),
            random=bytes,
            minimum_level=0x01,
            encrypted_empty_accepted=False,
        )
    )

    begin = 14 if scp == 2 else 13
    challenge = figure(vector, "card")
    assert handshake.answer[begin : begin + len(challenge)] == challenge
    cryptogram = handshake.answer[begin + len(challenge) :][:8]
    assert cryptogram.hex() == vector["card_cryptogram"]


@pytest.mark.parametrize("i", [0x15, 0x35, 0x14])
def test_an_unspecified_challenge_is_the_random_number_generator_s(i: int) -> None:
    handshake = PROTOCOLS[2].initialize_update(
        Initiation(
            host_challenge=bytes(8),
            keys=KeySet(1, *(bytes(range(16)),) * 3),
            i=i,
            kdd=bytes(10),
            aid=ISSUER_SECURITY_DOMAIN,
            counter=SequenceCounter(NonVolatileMemory(), 1, 2),
            random=lambda length: b"\xee" * length,
            minimum_level=0x01,
            encrypted_empty_accepted=False,
        )
    )

    assert handshake.answer[14:20] == b"\xee" * 6


@each(read("card_scp03_kdf.json"))
def test_the_key_derivation_of_scp03_gives_the_published_values(vector: dict[str, Any]) -> None:
    key, context = bytes.fromhex(vector["key"]), bytes.fromhex(vector["context"])
    expected = bytes.fromhex(vector["derived"])

    assert scp03.derive(key, int(vector["constant"], 16), context, len(expected)) == expected


@each(read("card_sensitive_data.json"))
def test_sensitive_data_are_decrypted_as_published(vector: dict[str, Any]) -> None:
    dek = bytes.fromhex(vector["dek"])
    if vector["scp"] == "02":
        dek = scp02.session_key(dek, scp02.DERIVE_DEK, bytes.fromhex(vector["sequence_counter"]))

    assert DesDek(dek).decrypt(bytes.fromhex(vector["encrypted"])).hex() == vector["plain"]


def static_keys(vector: dict[str, Any]) -> KeySet:
    if "scheme" in vector:
        master, kdd = bytes.fromhex(vector["master"]), bytes.fromhex(vector["kdd"])
        return diversify(vector["scheme"], master, kdd, 1)
    return KeySet(1, *(bytes.fromhex(vector[role]) for role in ("enc", "mac", "dek")))


def figure(vector: dict[str, Any], side: str) -> bytes:
    return bytes.fromhex(vector[f"{side}_challenge"])


def require_published(vector: dict[str, Any], found: Figures) -> None:
    values = {name: value.hex() for name, value in found.items()}
    for name, key in found.items():
        if len(key) == 16:
            values[f"{name}_kcv"] = des3_ecb_encrypt(key, bytes(8))[:3].hex()
    published = {name: vector[name] for name in values if name in vector}

    assert published
    assert published.items() <= values.items()
