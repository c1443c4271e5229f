"""Diversification against published values, and what a profile refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.keys import diversify
from tests.virtual_token.personalisation import CardProfile, personalise, read_profile
from tests.virtual_token.traces import VECTORS

MASTER = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
KDD = bytes.fromhex("47905037727197000074")
VALUES = json.loads((VECTORS / "card_diversification.json").read_text())["vectors"]


def check_value(scheme: str, key: bytes) -> str:
    """CS231 B.6: DES encrypts 00s, AES 01s."""
    if scheme == "kdf3":
        return aes_ecb_encrypt(key, b"\x01" * 16)[:3].hex()
    return des3_ecb_encrypt(key, bytes(8))[:3].hex()


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["id"])
def test_diversified_keys_are_the_published_ones(vector: dict[str, str]) -> None:
    scheme = vector["scheme"]
    keys = diversify(scheme, bytes.fromhex(vector["master"]), bytes.fromhex(vector["kdd"]), 1)
    found = {"enc": keys.enc.hex(), "mac": keys.mac.hex(), "dek": keys.dek.hex()}
    for name, key in tuple(found.items()):
        found[f"{name}_kcv"] = check_value(scheme, bytes.fromhex(key))

    published = {name: vector[name] for name in found if name in vector}
    assert published
    assert published.items() <= found.items()


def test_an_undiversified_card_has_the_master_key_itself() -> None:
    assert set(_keys(personalise_sample(diversification="none"))) == {MASTER}


def test_two_cards_of_one_master_share_no_key() -> None:
    one, other = personalise_sample(), personalise_sample(kdd=bytes(10))

    assert len({*_keys(one), *_keys(other)}) == 6


def test_a_profile_does_not_show_its_keys() -> None:
    profile = personalise_sample()

    for key in _keys(profile):
        assert key.hex() not in repr(profile)
        assert repr(key) not in repr(profile) + repr(profile.keys)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"scp": 1}, "scp is one of"),
        ({"i": 0x40}, "SCP03 i is 00, 10"),
        ({"scp": 2, "i": 0x05}, "SCP02 i is 15 or 55"),
        ({"scp": 2, "i": 0x15, "enc": bytes(24), "mac": bytes(24), "dek": bytes(24)}, "16"),
        ({"enc": bytes(24)}, "of one length"),
        ({"key_version": 0}, "key_version is"),
        ({"key_version": 0x80}, "key_version is"),
        ({"kdd": bytes(9)}, "kdd is 10 bytes"),
        ({"aid": bytes(4)}, "aid is 5 to 16 bytes"),
        ({"production_data": bytes(41)}, "production_data is 42 bytes"),
    ],
)
def test_a_profile_that_no_card_can_have_is_refused(change: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        replace(personalise_sample(), **change)


@pytest.mark.parametrize(("scheme", "kdd"), [("visa3", KDD), ("kdf3", bytes(9))])
def test_unknown_schemes_and_short_diversification_data_are_refused(
    scheme: str, kdd: bytes
) -> None:
    with pytest.raises(ValueError, match=r"is none of|is 10 bytes"):
        diversify(scheme, MASTER, kdd, 1)


def test_a_profile_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    table = {
        "master": MASTER.hex(),
        "kdd": KDD.hex(),
        "diversification": "kdf3",
        "scp": "03",
        "i": "70",
        "key_version": "30",
    }
    path.write_text(json.dumps(table))

    assert read_profile(path) == personalise_sample()


def personalise_sample(kdd: bytes = KDD, diversification: str = "kdf3") -> CardProfile:
    return personalise(
        MASTER, kdd, diversification=diversification, scp=3, i=0x70, key_version=0x30
    )


def _keys(profile: CardProfile) -> tuple[bytes, bytes, bytes]:
    return profile.enc, profile.mac, profile.dek
