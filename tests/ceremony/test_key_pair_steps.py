"""A CA's key pair, its certificate and a request for one, as steps of a ceremony."""

from pathlib import Path

import pytest
from cryptography import x509
from pkcs11 import ObjectClass

from hsm.errors import HsmError, KeyNotFound
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.hsm.half_pairs import half
from tests.softhsm.tokens import SoftHsm
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script
from tmsd.ceremony.step import Step
from tmsd.config.toml import ConfigError
from tmsd.x509.public_keys import spki_sha256
from tmsd.x509.roots import lint_root

AUDIT_KEY = '\n[[steps]]\ndo = "generate-audit-key"\n'
ZONE_PAIR = """
[[steps]]
do = "generate-zone-key-pair"
label = "makers"
version = 1
algorithm = "rsa2048"
file = "makers.pem"
"""
PAIR = """
[[steps]]
do = "generate-key-pair"
label = "{label}"
version = 1
algorithm = "{algorithm}"
for = "ca"
"""
ROOT = """
[[steps]]
do = "make-root"
label = "root"
version = 1
subject = "CN=Root,O=Example,C=IS"
path_length = 1
file = "{file}"
"""
REQUEST = """
[[steps]]
do = "request-certificate"
label = "{label}"
version = 1
subject = "CN=Issuer,O=Example,C=IS"
file = "issuer.pem"
"""


def step(folder: Path, text: str) -> Step:
    """Return one step of a script."""
    return load_script(script(folder, text)).steps[0]


@pytest.fixture(scope="module")
def kept(softhsm: SoftHsm) -> TokenAddress:
    """A token whose keys stay for all tests of this file."""
    return softhsm.make_token()


@pytest.fixture
def where(kept: TokenAddress, tmp_path: Path) -> Room:
    """A room around that token, with a folder that is empty but for the officers' keys."""
    return room(tmp_path, kept, Present())


@pytest.fixture
def root_pair(where: Room) -> Step:
    """The step that makes the root's key pair, which is done."""
    made = step(where.folder, PAIR.format(label="root", algorithm="p256"))
    if made.found(where) is None:
        made.perform(where)
    return made


def test_a_ca_comes_of_a_ceremony_and_its_public_key_stands_in_the_minutes(
    fresh_token: TokenAddress, tmp_path: Path
) -> None:
    where = room(tmp_path, fresh_token, Present())
    steps = (
        PAIR.format(label="root", algorithm="p384"),
        ROOT.format(file="root.pem"),
        REQUEST.format(label="root"),
    )

    begin(load_script(script(tmp_path, ENROL, *steps)), where)

    root = x509.load_pem_x509_certificate((tmp_path / "root.pem").read_bytes())
    request = x509.load_pem_x509_csr((tmp_path / "issuer.pem").read_bytes())
    root.verify_directly_issued_by(root)
    lint_root(root, path_length=1)
    assert request.is_signature_valid
    assert request.subject.rfc4514_string() == "CN=Issuer,O=Example,C=IS"
    done = [
        record.decision.details
        for record in events(minutes_of(where))
        if record.decision.operation == Event.DONE
    ]
    hashes = {facts.get("public_key_sha256") for facts in done[1:]}
    assert hashes == {spki_sha256(root.public_key()), spki_sha256(request.public_key())}
    assert review(minutes_of(where)).faults == ()


def test_what_was_made_before_an_interruption_is_found_and_not_made_again(
    where: Room, root_pair: Step
) -> None:
    for text in (ROOT.format(file="root.pem"), REQUEST.format(label="root")):
        planned = step(where.folder, text)
        assert planned.found(where) is None
        made = planned.perform(where)
        assert planned.found(where) == made
    assert root_pair.found(where) is not None


@pytest.mark.usefixtures("root_pair")
def test_what_says_something_else_is_not_taken_for_what_was_made(where: Room) -> None:
    made = step(where.folder, ROOT.format(file="root.pem"))
    made.perform(where)
    for change in (
        ("CN=", "CN=Another "),
        ("path_length = 1", "path_length = 2"),
        ("path_length = 1", "days = 9"),
    ):
        with pytest.raises(Refused, match="or says something else than the script"):
            step(where.folder, ROOT.format(file="root.pem").replace(*change)).found(where)
    step(where.folder, REQUEST.format(label="root")).perform(where)
    with pytest.raises(Refused, match="no request of key pair 'root' version 1 for CN=Another"):
        step(where.folder, REQUEST.format(label="root").replace("CN=", "CN=Another ")).found(where)


@pytest.mark.parametrize(
    "text", [PAIR.format(label="half", algorithm="p256"), AUDIT_KEY, ZONE_PAIR]
)
def test_a_public_half_that_an_interruption_left_is_made_anew(where: Room, text: str) -> None:
    planned = step(where.folder, text)
    made = planned.perform(where)
    with where.token() as token:
        label, _ = str(made["key_pair"]).split(":")
        half(token, KeyReference(label, 1), ObjectClass.PRIVATE_KEY).destroy()

    assert planned.found(where) is None
    for file in where.folder.glob("makers.pem"):
        file.unlink()
    assert planned.perform(where)["public_key_sha256"] != made["public_key_sha256"]
    assert planned.found(where) is not None


def test_a_key_pair_of_another_algorithm_is_not_taken_for_it(where: Room, root_pair: Step) -> None:
    with pytest.raises(Refused, match="in the token, and of p256"):
        step(where.folder, PAIR.format(label="root", algorithm="p384")).found(where)
    with pytest.raises(HsmError):
        root_pair.perform(where)


@pytest.mark.usefixtures("root_pair")
def test_a_file_that_is_there_is_neither_replaced_nor_taken_for_it(where: Room) -> None:
    taken = where.folder / "root.pem"
    taken.write_text("precious")
    planned = step(where.folder, ROOT.format(file="root.pem"))

    with pytest.raises(Refused, match="is there already"):
        planned.perform(where)
    with pytest.raises(Refused, match="is no certificate of a root"):
        planned.found(where)

    assert taken.read_text() == "precious"


@pytest.mark.usefixtures("root_pair")
def test_the_file_of_another_key_is_not_taken_for_it(where: Room) -> None:
    step(where.folder, PAIR.format(label="other", algorithm="p256")).perform(where)
    step(where.folder, REQUEST.format(label="other")).perform(where)

    with pytest.raises(Refused, match="is no request of key pair 'root' version 1"):
        step(where.folder, REQUEST.format(label="root")).found(where)


def test_a_certificate_needs_its_key_pair(where: Room) -> None:
    with pytest.raises(KeyNotFound, match="'absent' version 1"):
        step(where.folder, REQUEST.format(label="absent")).perform(where)
    assert not (where.folder / "issuer.pem").exists()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (ROOT.format(file="../root.pem"), "is not a name"),
        (ROOT.format(file="root.crt"), "must end with .pem"),
        (ROOT.format(file="r.pem").replace("CN=Root,O=Example,C=IS", "Root"), "no name as CN="),
        (PAIR.format(label="tmsd-audit", algorithm="p256"), "must not begin with tmsd-"),
        (PAIR.format(label="root", algorithm="p256").replace('for = "ca"', ""), "ca or responder"),
    ],
)
def test_what_is_wrong_in_a_step_is_told(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_script(script(tmp_path, text))
