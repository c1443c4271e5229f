"""A transport key whose copy a caller gets under its RSA public key."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from pkcs11 import Attribute

from hsm.errors import KeyExists, MechanismUnavailable
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import Present, room, script
from tests.softhsm.tokens import SoftHsm
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.step import Step
from tmsd.ceremony.steps import generate_wrapped_transport_key as steps
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError

CALLER = rsa.generate_private_key(65537, 2048)
PADDING = OAEP(MGF1(SHA1()), SHA1(), None)  # noqa: S303  SoftHSM has OAEP with no other


def pem(key: rsa.RSAPublicKey | ec.EllipticCurvePublicKey) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


WRAPPED = f"""
[[steps]]
do = "generate-wrapped-transport-key"
label = "{{label}}"
version = 1
algorithm = "aes256"
oaep = "sha1"
file = "tps.key"
public_key = '''
{pem(CALLER.public_key())}'''
"""


@pytest.fixture(scope="module")
def kept(softhsm: SoftHsm) -> TokenAddress:
    """A token whose keys stay for all tests of this file."""
    return softhsm.make_token()


@pytest.fixture
def where(kept: TokenAddress, tmp_path: Path) -> Room:
    return room(tmp_path, kept, Present())


def step(where: Room, label: str) -> Step:
    """Return the step that makes a key of this label."""
    return load_script(script(where.folder, WRAPPED.format(label=label))).steps[0]


def test_the_caller_has_the_key_that_stays_in_the_token_and_cannot_leave_it(where: Room) -> None:
    facts = step(where, "tps").perform(where)

    wrapped = (where.folder / "tps.key").read_bytes()
    value = CALLER.decrypt(wrapped, PADDING)
    assert len(value) == 32
    assert facts["kcv"] == check_value(value, KeyAlgorithm.AES256).hex()
    with where.token() as token:
        key = token.find_key(KeyReference("tps", 1)).handle
        assert not key[Attribute.EXTRACTABLE]
        assert key[Attribute.SENSITIVE]
        assert not key[Attribute.MODIFIABLE]
        assert key[Attribute.WRAP]
    with pytest.raises(Refused, match="is there already"):
        step(where, "tps").perform(where)
    (where.folder / "tps.key").unlink()
    with pytest.raises(KeyExists):
        step(where, "tps").perform(where)
    assert not list(where.folder.glob("*tps.key*"))


def test_what_an_interruption_cut_off_is_found_or_done_anew(
    where: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    planned = step(where, "cut")

    def cut_off(*_: object) -> None:
        raise OSError("the power fails")

    with monkeypatch.context() as patch:
        patch.setattr(steps, "keep", cut_off)
        with pytest.raises(OSError, match="power"):
            planned.perform(where)
    assert planned.found(where) is None
    with monkeypatch.context() as patch:
        patch.setattr(steps, "release", cut_off)
        with pytest.raises(OSError, match="power"):
            planned.perform(where)
    assert not (where.folder / "tps.key").exists()

    facts = planned.found(where)

    assert facts is not None
    wrapped = (where.folder / "tps.key").read_bytes()
    value = CALLER.decrypt(wrapped, PADDING)
    assert facts["kcv"] == check_value(value, KeyAlgorithm.AES256).hex()
    assert planned.found(where) == facts


def test_a_hash_that_the_token_lacks_is_refused_and_leaves_no_key(where: Room) -> None:
    text = WRAPPED.format(label="lacking").replace('"sha1"', '"sha256"')

    with pytest.raises(MechanismUnavailable, match="CKM_RSA_PKCS_OAEP and sha256"):
        load_script(script(where.folder, text)).steps[0].perform(where)

    with where.token() as token:
        assert token.find_keys(KeyReference("lacking", 1)) == []


@pytest.mark.parametrize(
    ("public_key", "told"),
    [
        ("nothing", "must be a public key in PEM"),
        (pem(ec.generate_private_key(ec.SECP256R1()).public_key()), "must be an RSA public key"),
    ],
    ids=["no key", "a key of another kind"],
)
def test_what_is_no_key_to_wrap_by_is_told(tmp_path: Path, public_key: str, told: str) -> None:
    text = WRAPPED.format(label="tps").replace(pem(CALLER.public_key()), public_key)

    with pytest.raises(ConfigError, match=told):
        load_script(script(tmp_path, text))
