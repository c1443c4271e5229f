"""Ceremonies that have every kind of step between them, each of them small.

What goes before them is done once, in a folder that each of their runs begins with a copy of.
"""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from psec import tr31

from hsm.importing import import_key
from hsm.initialisation import initialise_token
from hsm.key_pairs import generate_key_pair
from hsm.keys import AES_128, KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm, spki_sha256
from hsm.secret import Secret
from tests.ceremony.backups import BACK_UP, BY_SHARES, MAKE, PAIR, QUORUM, RESTORE, VERIFY, conduct
from tests.ceremony.card_makers import FILE, WRAPS, ZONE_MASTER, give_zone_key, send
from tests.ceremony.rooms import ENROL, GENERATE, Present, room
from tests.ceremony.test_changing_the_quorum import CHANGE, EVERYBODY
from tests.ceremony.test_destroy_key_pair_step import destroying
from tests.ceremony.test_destroy_key_step import DESTROY, KCV, OLD, VALUE
from tests.ceremony.test_import_certificate import BY_ROOT, ROOT, Issued, pem
from tests.ceremony.test_import_certificate import IMPORT as IMPORT_CERTIFICATE
from tests.ceremony.test_key_pair_steps import AUDIT_KEY, REQUEST, ZONE_PAIR
from tests.ceremony.test_key_pair_steps import ROOT as MAKE_ROOT
from tests.ceremony.test_rehearsing import IMPORT, INITIALISE, SERVICE_KEYS
from tests.ceremony.test_sign_inventory_step import SIGN
from tests.ceremony.test_transport_key_in_components import COMPONENTS
from tests.ceremony.test_wrapped_transport_key import WRAPPED
from tests.softhsm.tokens import SO_PIN, USER_PIN
from tmsd.ceremony.described_certificate import certificate_sha256
from tmsd.ceremony.room import Room
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.key_sets import KeyAlgorithm

LABEL = "a token"
NOTEBOOK = "notebook.jsonl"
ISSUER = KeyReference("issuer", 1)


class WritingDown(Present):
    """People who remember what custodians wrote down before the process was killed.

    Args:
        folder: where the notebook is.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__(officers=EVERYBODY)
        self.notebook = folder / NOTEBOOK
        self.before = len(self.shown())
        self.written_down = dict(self.shown())

    def handed_over(self, custodian: str, what: str, secret: Secret) -> None:
        """Write it down, on paper."""
        super().handed_over(custodian, what, secret)
        with self.notebook.open("a") as notebook:
            notebook.write(json.dumps([what, bytes(secret.reveal()).hex()]) + "\n")

    def shown(self) -> list[tuple[str, bytes]]:
        """Return all that was ever shown, in order."""
        if not self.notebook.exists():
            return []
        lines = map(json.loads, self.notebook.read_text().splitlines())
        return [(what, bytes.fromhex(secret)) for what, secret in lines]


def room_of(folder: Path, token: TokenAddress) -> Room:
    """Return a room whose custodians have a notebook, and whose token may be blank."""
    where = room(folder, token, WritingDown(folder))
    so_pin = {"so_pin_file": folder / "so-pin"}
    return replace(where, binding=where.binding.model_copy(update=so_pin))


def _blank(_folder: Path, _blank: TokenAddress) -> Mapping[str, str]:
    """Leave the token as it is."""
    return {}


def _with_keys(folder: Path, blank: TokenAddress) -> Mapping[str, str]:
    """Have a quorum, a backup of keys, and keys to be destroyed or certified."""
    where = _with_quorum(folder, blank)
    master = GENERATE.format(label="master") + QUORUM
    ca = PAIR.format(label="root", algorithm="p256") + QUORUM
    conduct(where, master, ca, MAKE, BACK_UP, SIGN.replace("inventory.json", "before.json"))
    with where.token() as token:
        template = WantedKey(OLD, KeyAlgorithm.AES128).template
        import_key(token, OLD, Secret(VALUE), AES_128, template)
        issuer = generate_key_pair(token, ISSUER, KeyPairAlgorithm.P256).public_key
    root = ROOT.signed()
    (folder / "root.pem").write_bytes(pem(root))
    (folder / "received.pem").write_bytes(pem(Issued(issuer, BY_ROOT).signed()))
    return {
        "issuer_sha256": certificate_sha256(root),
        "public_key_sha256": spki_sha256(issuer).hex(),
    }


def _with_quorum_alone(folder: Path, blank: TokenAddress) -> Mapping[str, str]:
    """Have a quorum and nothing else."""
    _with_quorum(folder, blank)
    return {}


def _with_wrapped_key(folder: Path, blank: TokenAddress) -> Mapping[str, str]:
    """Have a key that a card maker sent under the zone master key."""
    where = _with_quorum(folder, blank)
    give_zone_key(where, ZONE_MASTER, Purpose.ZONE_MASTER, KeyAlgorithm.AES256)
    send(where, WRAPS["aes-kw"](ZONE_MASTER, VALUE))
    return {"form": 'form = "aes-kw"'}


def _with_key_block(folder: Path, blank: TokenAddress) -> Mapping[str, str]:
    """Have a key that a card maker sent as a key block."""
    where = _with_quorum(folder, blank)
    give_zone_key(where, ZONE_MASTER, Purpose.KEY_BLOCK_PROTECTION, KeyAlgorithm.AES256)
    send(where, tr31.wrap(ZONE_MASTER, "D0000E5AX00E0000", VALUE).encode())
    return {"form": ""}


def _sent(do: str) -> str:
    return f"""
[[steps]]
do = "{do}"
label = "sent"
version = 1
algorithm = "aes128"
zone_key = "zone"
kcv = "{KCV}"
file = "{FILE}"
{{form}}
"""


def _spare(folder: Path, blank: TokenAddress) -> Mapping[str, str]:
    """Have a backup of a token that is lost, and another one with a quorum and nothing else."""
    facts = _with_keys(folder, replace(blank, label="a lost token"))
    _with_quorum(folder, blank)
    return facts


def _with_quorum(folder: Path, blank: TokenAddress) -> Room:
    initialise_token(blank, Secret(SO_PIN), Secret(USER_PIN))
    return conduct(room_of(folder, blank), ENROL)


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A ceremony that is interrupted.

    Attributes:
        name: most often that of its step.
        prepare: does what goes before it, in a folder and with a blank token; returns what the
            script has to know of that.
        steps: of its script, which name what they have to know.
    """

    name: str
    prepare: Callable[[Path, TokenAddress], Mapping[str, str]]
    steps: Sequence[str]

    @property
    def is_of_blank_token(self) -> bool:
        """Whether nothing goes before it."""
        return self.prepare is _blank


CEREMONIES = (
    Ceremony("first", _blank, (INITIALISE, ENROL)),
    Ceremony("change-quorum", _with_keys, (CHANGE,)),
    Ceremony("generate-key", _with_keys, (GENERATE.format(label="new"),)),
    Ceremony("import-key", _with_keys, (IMPORT,)),
    Ceremony("generate-zone-key-pair", _with_quorum_alone, (ZONE_PAIR,)),
    Ceremony("import-wrapped-key", _with_wrapped_key, (_sent("import-wrapped-key"),)),
    Ceremony("import-key-block", _with_key_block, (_sent("import-key-block"),)),
    Ceremony("generate-service-keys", _with_keys, (SERVICE_KEYS,)),
    Ceremony("generate-audit-key", _with_keys, (AUDIT_KEY,)),
    Ceremony(
        "generate-key-pair", _with_keys, (PAIR.format(label="new", algorithm="p256") + QUORUM,)
    ),
    Ceremony("make-root", _with_keys, (MAKE_ROOT.format(file="new-root.pem"),)),
    Ceremony("request-certificate", _with_keys, (REQUEST.format(label="issuer"),)),
    Ceremony("import-certificate", _with_keys, (IMPORT_CERTIFICATE,)),
    Ceremony("destroy-key", _with_keys, (DESTROY.format(kcv=KCV),)),
    Ceremony("destroy-key-pair", _with_keys, (destroying("{public_key_sha256}"),)),
    Ceremony("generate-transport-key", _with_keys, (COMPONENTS,)),
    Ceremony("generate-wrapped-transport-key", _with_keys, (WRAPPED.format(label="tps"),)),
    Ceremony("make-backup-key", _with_keys, (MAKE + "version = 2\n",)),
    Ceremony("back-up", _with_keys, (BACK_UP.replace("pilot", "again"),)),
    Ceremony("verify-backup", _with_keys, (VERIFY + BY_SHARES,)),
    Ceremony("restore", _spare, (RESTORE + BY_SHARES,)),
    Ceremony("sign-inventory", _with_keys, (SIGN,)),
)
