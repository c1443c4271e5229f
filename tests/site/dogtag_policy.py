"""A policy as the recorded Dogtag TKS was configured, and its keys in a token.

Each `keySet` of the recordings stands for several key sets here: one for each protocol, and within
it one for factory keys and one for each kind of master key.
"""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from pkcs11 import Attribute

from hsm.attributes import HMAC_MASTER_KEY, MASTER_KEY, TRANSPORT_KEY, UNDIVERSIFIED_KEY, Template
from hsm.hmac import filled_up
from hsm.importing import destroy_key, import_key, set_odd_parity
from hsm.keys import AES_128, AES_256, DES2, DES3, SECRET_32, KeyReference, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tests.site.kra import kra_certificate_pem
from tests.vectors import DIRECTORY

TPS = "dogtag-tps"
KRA_FILE = "kra-transport.pem"

_KEYS = json.loads((DIRECTORY / "dogtag_exchanges.json").read_text())["keys"]
SHARED_SECRET = bytes.fromhex(_KEYS["shared_secret"])
FACTORY_KEY = bytes.fromhex(_KEYS["dev_key"])
MASTER_KEYS = {
    "dogtag-master": bytes.fromhex(_KEYS["new_master"]),
    "dogtag-aes": bytes.fromhex(_KEYS["aes_master"]),
    "dogtag-aes256": bytes.fromhex(_KEYS["aes256_master"]),
}

# A master key that is the card's key leaves the token only if its ceremony made it for a backup.
_LEAVES: Template = {**UNDIVERSIFIED_KEY, Attribute.EXTRACTABLE: True}


@dataclass(frozen=True, slots=True)
class _KeyOfToken:
    label: str
    version: int
    value: bytes
    shape: KeyShape
    template: Template


_KEYS_OF_TOKEN = (
    _KeyOfToken("dogtag-factory", 1, FACTORY_KEY, DES2, _LEAVES),
    _KeyOfToken("dogtag-factory-aes", 1, FACTORY_KEY, AES_128, _LEAVES),
    _KeyOfToken("dogtag-master", 2, MASTER_KEYS["dogtag-master"], DES3, MASTER_KEY),
    _KeyOfToken("dogtag-hmac", 2, MASTER_KEYS["dogtag-master"], SECRET_32, HMAC_MASTER_KEY),
    _KeyOfToken("dogtag-aes", 3, MASTER_KEYS["dogtag-aes"], AES_128, _LEAVES),
    _KeyOfToken("dogtag-aes256", 4, MASTER_KEYS["dogtag-aes256"], AES_256, _LEAVES),
)

_HMAC = 'diversification = "nist-sp800-108-hmac"'
_NONE = 'diversification = "none"\nundiversified = true'
_FACTORY = f"{_NONE}\nfactory = true"
_AES_OF_DES = 'card_key_algorithm = "aes128"'


@dataclass(frozen=True, slots=True)
class _KeySet:
    name: str
    label: str
    algorithm: str
    version: int
    lines: str
    change_to: str = ""
    back_to: str = ""

    @property
    def table(self) -> str:
        """The key set in policy.toml; the protocol is in its name."""
        scp = self.name.split("-")[1]
        lines = [
            f"[key_sets.{self.name}]",
            f'scp = "{scp}"',
            f'master_key = "{self.label}"',
            f'algorithm = "{self.algorithm}"',
            f'versions = {{ {self.version} = "active" }}',
            "require_issued_challenge = false",
            "allow_key_material_in_worker = true",
            self.lines,
        ]
        if scp == "01":
            lines.append('put_key_des_type = "81"')
        if self.change_to:
            lines.append(f'change_to = ["{self.change_to}"]')
        if self.back_to:
            lines.append(f'change_back_to = ["{self.back_to}"]')
        return "\n".join(lines)


def _of_3des(word: str, scp: str, lines: str, label: str) -> tuple[_KeySet, _KeySet]:
    """Return factory and master keys of SCP01 or SCP02, which change over to each other."""
    name, factory = f"{word}-{scp}", f"{word}-{scp}-factory"
    return (
        _KeySet(factory, "dogtag-factory", "des3", 1, _FACTORY, change_to=f"{name}:2"),
        _KeySet(name, label, "des3", 2, lines, back_to=f"{factory}:1"),
    )


_VISA2, _EMV = ('diversification = "visa2"', 'diversification = "emv"')
_KMC = 'diversification = "gp-kmc-dogtag-10"\ndiversification_data = "cuid"'
_KEY_SETS: dict[str, tuple[_KeySet, ...]] = {
    "defKeySet": (
        *_of_3des("def", "01", _HMAC, "dogtag-hmac"),
        *_of_3des("def", "02", _HMAC, "dogtag-hmac"),
        _KeySet(
            "def-03-factory",
            "dogtag-factory",
            "des3",
            1,
            f"{_EMV}\n{_AES_OF_DES}\nfactory = true",
            change_to="def-03:2",
        ),
        _KeySet("def-03", "dogtag-master", "des3", 2, f"{_EMV}\n{_AES_OF_DES}"),
    ),
    "nistKeySet": (
        *_of_3des("nist", "01", _HMAC, "dogtag-hmac"),
        *_of_3des("nist", "02", _HMAC, "dogtag-hmac"),
    ),
    "nistCuidKeySet": _of_3des(
        "nistcuid", "01", f'{_HMAC}\ndiversification_data = "cuid"', "dogtag-hmac"
    ),
    "v2KeySet": (
        *_of_3des("v2", "01", _VISA2, "dogtag-master"),
        *_of_3des("v2", "02", f'{_VISA2}\ndiversification_data = "cuid-kdd"', "dogtag-master"),
        _KeySet("v2-03", "dogtag-master", "des3", 2, f"{_VISA2}\n{_AES_OF_DES}"),
    ),
    "sc7KeySet": (
        _KeySet("sc7-03-factory", "dogtag-factory-aes", "aes128", 1, _FACTORY, back_to="sc7-03:3"),
        _KeySet("sc7-03", "dogtag-aes", "aes128", 3, _NONE, back_to="sc7-03-factory:1"),
        _KeySet("sc7-03-256", "dogtag-aes256", "aes256", 4, _NONE),
    ),
    "kmcKeySet": (
        _KeySet("kmc-03-factory", "dogtag-factory-aes", "aes128", 1, f"{_KMC}\nfactory = true"),
        _KeySet("kmc-03", "dogtag-aes", "aes128", 3, _KMC),
        _KeySet("kmc-03-256", "dogtag-aes256", "aes256", 4, _KMC),
    ),
}


def key_set_for(word: str, scp: int, version: int) -> str | None:
    """Return the key set that a `keySet` stands for, of a card's protocol and key version."""
    for key_set in _KEY_SETS.get(word, ()):
        if key_set.name.split("-")[1] == f"{scp:02x}" and key_set.version == version:
            return key_set.name
    return None


def policy_text(public_key_sha256: str, *, transport: str = "des3", of_tps: str = "") -> str:
    """Return policy.toml, with the TPS as its caller.

    Args:
        public_key_sha256: of the TPS.
        transport: the algorithm of the secret that it shares.
        of_tps: lines of [callers.dogtag-tps.dogtag] beside those that the recordings need.
    """
    words = ", ".join(
        f"{word} = {json.dumps([key_set.name for key_set in key_sets])}"
        for word, key_sets in _KEY_SETS.items()
    )
    exception = "allow_key_material_in_worker = true"
    caller = f"""\
[callers.{TPS}]
public_key_sha256 = "{public_key_sha256}"
roles = ["tps"]
protocol = "dogtag"
key_sets = ["*"]
transport_key = "tps-secret"
deliver_static_dek = true

[callers.{TPS}.dogtag]
key_sets = {{ {words} }}
kra_certificate = "{KRA_FILE}"
keygen_keys = ["des"]
aes128_sessions = true
allow_unverified_scp02 = true
unverified_keys_per_minute = 1000
{of_tps}
"""
    secret = f'[transport_keys.tps-secret]\nalgorithm = "{transport}"\n{exception}'
    tables = [key_set.table for key_sets in _KEY_SETS.values() for key_set in key_sets]
    return "\n\n".join([caller, secret, *tables])


def write_policy(directory: Path, text: str) -> Path:
    """Write policy.toml, and the file that it names."""
    (directory / KRA_FILE).write_bytes(kra_certificate_pem())
    file = directory / "policy.toml"
    file.write_text(text)
    return file


@contextmanager
def keys_in_token(token: Token, transport: bytes = SHARED_SECRET) -> Iterator[None]:
    """Have the keys of the recordings in a token, and the secret that is shared with the TPS."""
    with ExitStack() as stack:
        for reference in import_keys(token, transport):
            stack.callback(destroy_key, token, reference)
        yield


def import_keys(token: Token, transport: bytes = SHARED_SECRET) -> list[KeyReference]:
    """Put the keys of the recordings into a token, and the secret that is shared with the TPS."""
    shared_shape = DES3 if len(transport) == DES3.length else _aes(transport)
    shared = _KeyOfToken("tps-secret", 1, transport, shared_shape, TRANSPORT_KEY)
    references = []
    for key in (*_KEYS_OF_TOKEN, shared):
        reference = KeyReference(key.label, key.version)
        value = Secret(key.value)
        if key.shape is SECRET_32:
            value = filled_up(value)
        elif not key.shape.is_aes:
            set_odd_parity(value)  # as a ceremony does, and as Dogtag wraps it
        import_key(token, reference, value, key.shape, key.template)
        references.append(reference)
    return references


def _aes(value: bytes) -> KeyShape:
    return AES_128 if len(value) == AES_128.length else AES_256
