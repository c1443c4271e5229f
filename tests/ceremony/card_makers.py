"""A card maker of tests: a zone master key, keys under it, and steps that import them."""

from hashlib import sha256

from cryptography.hazmat.primitives.asymmetric.padding import MGF1, OAEP
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.keywrap import aes_key_wrap, aes_key_wrap_with_padding

from hsm.keys import KeyReference
from hsm.secret import Secret
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import script
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.step import Step
from tmsd.ceremony.steps.import_key import import_key
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm

ZONE_MASTER = bytes(range(0x20, 0x40))
FILE = "maker.key"
WRAPS = {"aes-kw": aes_key_wrap, "aes-kwp": aes_key_wrap_with_padding}


def oaep(recipient: RSAPublicKey, value: bytes) -> bytes:
    """Wrap a key as SoftHSM unwraps it."""
    return recipient.encrypt(value, OAEP(MGF1(SHA1()), SHA1(), None))  # noqa: S303


def give_zone_key(where: Room, value: bytes, purpose: Purpose, algorithm: KeyAlgorithm) -> None:
    """Put the key `zone`, version 1, into the token, as components would."""
    wanted = WantedKey(KeyReference("zone", 1), algorithm, purpose)
    with where.token() as token:
        import_key(token, wanted, [Secret(value)])


def step(where: Room, do: str, value: bytes, **keys: str) -> Step:
    """Return the step that imports a key of this value; `keys` are of the script, in TOML."""
    algorithm = KeyAlgorithm(keys.get("algorithm", '"aes128"').strip('"'))
    table = {
        "do": f'"{do}"',
        "label": '"pilot"',
        "version": "1",
        "algorithm": f'"{algorithm}"',
        "file": f'"{FILE}"',
        "zone_key": '"zone"',
        "kcv": f'"{check_value(value, algorithm).hex()}"',
        **keys,
    }
    lines = "".join(f"{name} = {given}\n" for name, given in table.items())
    return load_script(script(where.folder, f"\n[[steps]]\n{lines}")).steps[0]


def send(where: Room, content: bytes) -> str:
    """Put a file beside the minutes, and return its SHA-256."""
    (where.folder / FILE).write_bytes(content)
    return sha256(content).hexdigest()
