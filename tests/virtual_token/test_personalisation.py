"""Diversification against published values, and what a profile refuses."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.keys import BY_CUID, SCHEMES, RoleMasters, diversify, with_odd_parity
from tests.virtual_token.personalisation import CardProfile, personalise, read_profile
from tests.virtual_token.traces import VECTORS

MASTER = bytes.fromhex("404142434445464748494A4B4C4D4E4F")
KDD = bytes.fromhex("47905037727197000074")
CUID = bytes.fromhex("40906145C76224192D2B")
VALUES = json.loads((VECTORS / "card_diversification.json").read_text())["vectors"]
GENERATED = json.loads((VECTORS / "card_generated_diversification.json").read_text())["vectors"]


def check_value(scheme: str, key: bytes) -> str:
    """CS231 B.6: DES encrypts 00s, AES 01s."""
    if scheme in ("kdf3", "gp-kmc"):
        return aes_ecb_encrypt(key, b"\x01" * 16)[:3].hex()
    return des3_ecb_encrypt(key, bytes(8))[:3].hex()


@pytest.mark.parametrize("vector", VALUES, ids=lambda vector: vector["id"])
def test_diversified_keys_are_the_published_ones(vector: dict[str, str]) -> None:
    require_values(vector)


@pytest.mark.parametrize("vector", GENERATED, ids=lambda vector: vector["id"])
def test_diversified_keys_are_the_generated_ones(vector: dict[str, str]) -> None:
    require_values(vector)


def require_values(vector: dict[str, str]) -> None:
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


def test_dogtag_10_10_has_the_mac_key_of_gp_kmc_under_the_label_of_enc() -> None:
    right = diversify("gp-kmc", MASTER, CUID, 1)
    dogtag = diversify("gp-kmc-dogtag-10.10", MASTER, CUID, 1)

    assert (dogtag.enc, dogtag.dek) == (right.enc, right.dek)
    assert dogtag.mac == dogtag.enc != right.mac


@pytest.mark.parametrize("scheme", SCHEMES)
def test_each_role_may_have_a_master_of_its_own(scheme: str) -> None:
    one, two, three = (bytes([n]) * 16 for n in (1, 2, 3))
    mixed = diversify(scheme, RoleMasters(one, two, three), KDD, 1)

    assert mixed.enc == diversify(scheme, one, KDD, 1).enc
    assert mixed.mac == diversify(scheme, two, KDD, 1).mac
    assert mixed.dek == diversify(scheme, three, KDD, 1).dek


@pytest.mark.parametrize("scheme", SCHEMES)
@pytest.mark.parametrize("by_cuid", [False, True])
def test_a_card_is_diversified_by_its_kdd_or_its_cuid(scheme: str, *, by_cuid: bool) -> None:
    card = personalise(
        MASTER,
        KDD,
        diversification=scheme,
        scp=3,
        i=0x70,
        key_version=1,
        cuid=CUID,
        by_cuid=by_cuid,
    )
    chosen = CUID if by_cuid or scheme in BY_CUID else KDD

    assert card.keys == diversify(scheme, MASTER, chosen, 1)
    assert card.kdd == KDD
    production = bytes(3) + card.production_data  # where GET DATA puts it, behind 9F7F2A
    assert production[3:7] + production[19:21] + production[15:19] == CUID


def test_a_3des_master_makes_aes_128_cards_without_touching_parity() -> None:
    card = personalise(MASTER, KDD, diversification="emv", scp=3, i=0x70, key_version=1)

    assert card.enc != with_odd_parity(card.enc)
    assert {len(key) for key in _keys(card)} == {16}


def test_odd_parity_is_in_the_lowest_bit_of_each_byte() -> None:
    adjusted = with_odd_parity(bytes(range(256)))

    assert all(byte.bit_count() % 2 == 1 for byte in adjusted)
    assert all(byte | 1 == n | 1 for n, byte in enumerate(adjusted))


def test_a_card_with_a_base_key_gets_the_one_with_identifier_1() -> None:
    base = personalise(MASTER, KDD, diversification="visa2", scp=2, i=0x54, key_version=1)
    three = personalise(MASTER, KDD, diversification="visa2", scp=2, i=0x55, key_version=1)

    assert _keys(base) == (three.enc, b"", b"")


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
        ({"scp": 4}, "scp is one of"),
        ({"i": 0x40}, "SCP03 i is 00, 10"),
        ({"i": 0x51}, "SCP03 i is 00, 10"),
        ({"scp": 1, "i": 0x55}, "SCP01 i is 05 or 15"),
        ({"scp": 2, "i": 0x1A}, "SCP02 i is one of 04, 05"),
        ({"scp": 2, "i": 0x95}, "SCP02 i is one of 04, 05"),
        ({"scp": 2, "i": 0x15, "mac": b""}, "needs keys with the identifiers"),
        ({"dek": b""}, "needs keys with the identifiers"),
        ({"upgrade_i": 0x15}, "SCP03 i is 00, 10"),
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


@pytest.mark.parametrize("cuid", [bytes(9), bytes(11)])
def test_a_cuid_of_another_length_is_refused(cuid: bytes) -> None:
    with pytest.raises(ValueError, match="cuid are 10 bytes"):
        personalise(MASTER, KDD, diversification="none", scp=3, i=0x70, key_version=1, cuid=cuid)


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


def test_a_profile_in_a_file_may_have_three_masters_a_cuid_and_an_upgrade(tmp_path: Path) -> None:
    path = tmp_path / "card.json"
    table = {
        "master": {"enc": "11" * 16, "mac": "22" * 16, "dek": "33" * 16},
        "kdd": KDD.hex(),
        "cuid": CUID.hex(),
        "by_cuid": True,
        "diversification": "visa1",
        "scp": "01",
        "i": "15",
        "key_version": "01",
        "upgrade_i": "70",
    }
    path.write_text(json.dumps(table))

    assert read_profile(path) == personalise(
        RoleMasters(b"\x11" * 16, b"\x22" * 16, b"\x33" * 16),
        KDD,
        diversification="visa1",
        scp=1,
        i=0x15,
        key_version=1,
        cuid=CUID,
        by_cuid=True,
        upgrade_i=0x70,
    )


def personalise_sample(kdd: bytes = KDD, diversification: str = "kdf3") -> CardProfile:
    return personalise(
        MASTER, kdd, diversification=diversification, scp=3, i=0x70, key_version=0x30
    )


def _keys(profile: CardProfile) -> tuple[bytes, bytes, bytes]:
    return profile.enc, profile.mac, profile.dek
