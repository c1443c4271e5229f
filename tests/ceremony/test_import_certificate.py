"""The certificate that another CA issued is taken if it is what was requested, and approved."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA224, SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import find_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from tests.ceremony.backups import conduct, facts
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.rooms import ENROL, Present, room, script
from tests.ceremony.test_key_pair_steps import PAIR, REQUEST
from tests.softhsm.tokens import SoftHsm
from tmsd import clock
from tmsd.ceremony.described_certificate import certificate_sha256
from tmsd.ceremony.people import Ended
from tmsd.ceremony.received_certificate import ReceivedRefused, ReceivedRule
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script, load_script
from tmsd.config.toml import ConfigError
from tmsd.quorum.approval import Approval
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.request import Request
from tmsd.quorum.words import words
from tmsd.x509.paths import LARGEST_FILE

SUBJECT = "CN=Issuer,O=Example,C=IS"
IMPORT = """
[[steps]]
do = "import-certificate"
label = "issuer"
version = 1
subject = "CN=Issuer,O=Example,C=IS"
received = "received.pem"
issuer = "root.pem"
issuer_sha256 = "{issuer_sha256}"
file = "issuing-ca.pem"
"""
PRIVATE_KEYS = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
NO_USAGE = dict.fromkeys(
    (
        *("digital_signature", "content_commitment", "key_encipherment", "data_encipherment"),
        *("key_agreement", "key_cert_sign", "crl_sign", "encipher_only", "decipher_only"),
    ),
    False,
)


@dataclass(frozen=True, slots=True)
class Issued:
    """What another CA issues: right in all, unless it is told otherwise.

    Attributes:
        key: that is certified.
        by: who signs: the issuer's name and key.
        digest: by which it signs.
        begins, ends: days from now.
    """

    key: Any
    by: tuple[str, PRIVATE_KEYS]
    subject: str = SUBJECT
    digest: Any = SHA256
    begins: int = -1
    ends: int = 300
    ca: bool = True
    path_length: int | None = None
    usages: Sequence[str] = ("key_cert_sign", "crl_sign")
    identified: bool = True

    def signed(self) -> x509.Certificate:
        """Return it."""
        name, key = self.by
        usage = x509.KeyUsage(**NO_USAGE | dict.fromkeys(self.usages, True))
        built = (
            x509.CertificateBuilder()
            .serial_number(x509.random_serial_number())
            .issuer_name(x509.Name.from_rfc4514_string(name))
            .subject_name(x509.Name.from_rfc4514_string(self.subject))
            .public_key(self.key)
            .not_valid_before(clock.now() + timedelta(days=self.begins))
            .not_valid_after(clock.now() + timedelta(days=self.ends))
            .add_extension(x509.BasicConstraints(self.ca, self.path_length), critical=True)
            .add_extension(usage, critical=True)
        )
        if self.identified:
            identifier = x509.SubjectKeyIdentifier.from_public_key(self.key)
            built = built.add_extension(identifier, critical=False)
        return built.sign(key, self.digest())


ROOT_KEY, ABOVE_KEY = (
    ec.generate_private_key(ec.SECP384R1()),
    ec.generate_private_key(ec.SECP256R1()),
)
WEAK_KEY = rsa.generate_private_key(65537, 1024)  # noqa: S505  it is refused
BY_ROOT = ("CN=Root", ROOT_KEY)
ROOT = Issued(ROOT_KEY.public_key(), BY_ROOT, subject="CN=Root")


def pem(*certificates: x509.Certificate) -> bytes:
    return b"".join(each.public_bytes(Encoding.PEM) for each in certificates)


@pytest.fixture(scope="module")
def kept(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> TokenAddress:
    """A token with the key pair, which all tests of this file use."""
    token = softhsm.make_token()
    steps = (ENROL, PAIR.format(label="issuer", algorithm="p256"), REQUEST.format(label="issuer"))
    conduct(room(tmp_path_factory.mktemp("requesting"), token, Present()), *steps)
    return token


@pytest.fixture
def where(kept: TokenAddress, tmp_path: Path) -> Room:
    """A room of the ceremony that comes after the other CA has answered."""
    return room(tmp_path, kept, Present())


@pytest.fixture
def issued(where: Room) -> Issued:
    """What the other CA issues for the key pair."""
    with where.token() as token:
        return Issued(find_key_pair(token, KeyReference("issuer", 1)).public_key, BY_ROOT)


def put(
    where: Room,
    received: Sequence[x509.Certificate],
    above: Sequence[x509.Certificate],
    pinned: x509.Certificate | None = None,
) -> Script:
    """Put files beside the minutes, and return a script by which one of them is taken."""
    (where.folder / "received.pem").write_bytes(pem(*received))
    (where.folder / "root.pem").write_bytes(pem(*above))
    step = IMPORT.format(issuer_sha256=certificate_sha256(pinned or above[0]))
    return load_script(script(where.folder, step))


def refusal(planned: Script, where: Room) -> ReceivedRule:
    """Conduct a ceremony that is refused before officers approve anything, and return why."""
    with pytest.raises(ReceivedRefused) as refused:
        begin(planned, where)
    assert isinstance(where.people, Present)
    assert where.people.asked == []
    assert not (where.folder / "issuing-ca.pem").exists()
    return refused.value.rule


@pytest.mark.parametrize("sends_chain", [False, True])
def test_it_is_shown_to_officers_and_written_with_its_issuers(
    where: Room, issued: Issued, *, sends_chain: bool
) -> None:
    certificate, root = issued.signed(), ROOT.signed()
    begin(put(where, [certificate, root] if sends_chain else [certificate], [root]), where)

    assert (where.folder / "issuing-ca.pem").read_bytes() == pem(certificate, root)
    assert isinstance(where.people, Present)
    asked = where.people.asked[0].parameters
    digest = certificate_sha256(certificate)
    told = {
        "subject": certificate.subject.rfc4514_string(),
        "issuer": "CN=Root",
        "serial_number": f"{certificate.serial_number:032x}",
        "certificate_sha256": digest,
        "certificate_read_aloud": words(bytes.fromhex(digest)),
    }
    assert asked.items() >= told.items()
    assert facts(where).items() >= {**told, "file": "issuing-ca.pem"}.items()
    assert review(minutes_of(where)).faults == ()


@pytest.mark.parametrize(
    ("rule", "changed"),
    [
        (ReceivedRule.OF_OTHER_KEY, {"key": ABOVE_KEY.public_key()}),
        (ReceivedRule.OF_OTHER_SUBJECT, {"subject": "CN=Issuer,O=Other,C=IS"}),
        (ReceivedRule.OF_OTHER_ISSUER, {"by": ("CN=Root", ABOVE_KEY)}),
        (ReceivedRule.OF_OTHER_ISSUER, {"by": ("CN=Other", ROOT_KEY)}),
        (ReceivedRule.NOT_OF_CA, {"ca": False}),
        (ReceivedRule.NOT_OF_CA, {"usages": ("key_cert_sign",)}),
        (ReceivedRule.NOT_OF_CA, {"usages": ("crl_sign", "digital_signature")}),
        (ReceivedRule.NOT_OF_CA, {"identified": False}),
        (ReceivedRule.NOT_VALID_NOW, {"begins": -9, "ends": -1}),
        (ReceivedRule.NOT_VALID_NOW, {"begins": 1}),
        (ReceivedRule.SIGNATURE_WEAK, {"digest": SHA224}),
    ],
)
def test_what_was_not_requested_or_is_of_no_use_is_named(
    where: Room, issued: Issued, rule: ReceivedRule, changed: dict[str, Any]
) -> None:
    planned = put(where, [replace(issued, **changed).signed()], [ROOT.signed()])

    assert refusal(planned, where) == rule


@pytest.mark.parametrize(
    ("rule", "root"),
    [
        (ReceivedRule.NOT_VALID_NOW, replace(ROOT, begins=-9, ends=-1)),
        (ReceivedRule.PATH_WRONG, replace(ROOT, path_length=0)),
        (ReceivedRule.SIGNATURE_WEAK, replace(ROOT, by=("CN=Above", WEAK_KEY))),
    ],
)
def test_the_certificates_above_are_looked_over_as_well(
    where: Room, issued: Issued, rule: ReceivedRule, root: Issued
) -> None:
    above = replace(ROOT, key=WEAK_KEY.public_key(), subject="CN=Above", by=("CN=Above", WEAK_KEY))
    path = [root.signed(), above.signed()] if root.by != BY_ROOT else [root.signed()]
    if rule == ReceivedRule.PATH_WRONG:  # a CA between, which the root allows no more
        between = replace(
            ROOT, key=ABOVE_KEY.public_key(), subject="CN=Between", by=("CN=Root", ROOT_KEY)
        )
        issued = replace(issued, by=("CN=Between", ABOVE_KEY))
        path = [between.signed(), *path]

    assert refusal(put(where, [issued.signed()], path), where) == rule


def test_its_issuer_is_the_one_that_the_script_names(where: Room, issued: Issued) -> None:
    planned = put(where, [issued.signed()], [ROOT.signed()], pinned=ROOT.signed())

    assert refusal(planned, where) == ReceivedRule.OF_OTHER_ISSUER


def test_a_chain_of_others_is_not_taken(where: Room, issued: Issued) -> None:
    planned = put(where, [issued.signed(), ROOT.signed()], [ROOT.signed()])

    assert refusal(planned, where) == ReceivedRule.PATH_WRONG


@pytest.mark.parametrize(
    ("rule", "content"),
    [
        (ReceivedRule.MISSING, None),
        (ReceivedRule.MALFORMED, b""),
        (ReceivedRule.MALFORMED, b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"),
        (ReceivedRule.MALFORMED, bytes(LARGEST_FILE + 1)),
    ],
    ids=("missing", "empty", "broken", "too large"),
)
def test_a_file_that_is_none_is_named(
    where: Room, issued: Issued, rule: ReceivedRule, content: bytes | None
) -> None:
    planned = put(where, [issued.signed()], [ROOT.signed()])
    received = where.folder / "received.pem"
    if content is None:
        received.unlink()
    else:
        received.write_bytes(content)

    assert refusal(planned, where) == rule


class Exchanging(Present):
    """Officers who approve one certificate, while somebody puts another one in its place."""

    other: bytes

    def approvals(self, request: Request, quorum: Quorum) -> Sequence[Approval]:
        (self.folder / "received.pem").write_bytes(self.other)
        return super().approvals(request, quorum)

    folder: Path


def test_what_takes_its_place_while_officers_approve_is_not_taken(
    kept: TokenAddress, tmp_path: Path, issued: Issued
) -> None:
    people = Exchanging()
    people.folder, people.other = tmp_path, pem(issued.signed())
    where = room(tmp_path, kept, people)
    planned = put(where, [issued.signed()], [ROOT.signed()])

    with pytest.raises(ReceivedRefused, match="certificate-not-the-approved"):
        begin(planned, where)
    assert not (tmp_path / "issuing-ca.pem").exists()


def test_after_an_interruption_the_approved_one_alone_is_found(where: Room, issued: Issued) -> None:
    approved, other = issued.signed(), issued.signed()
    planned = put(where, [approved], [ROOT.signed()])
    step = planned.steps[0]
    facts = step.also_asked(where)
    asked = replace(where, approved=facts)
    assert step.found(asked) is None
    assert step.perform(asked) == step.found(asked)

    (where.folder / "issuing-ca.pem").write_bytes(pem(other))
    with pytest.raises(ReceivedRefused, match="certificate-not-the-approved"):
        step.found(asked)


def test_another_file_is_never_replaced(where: Room, issued: Issued) -> None:
    (where.folder / "issuing-ca.pem").write_text("precious")
    planned = put(where, [issued.signed()], [ROOT.signed()])
    with pytest.raises(Refused, match=r"issuing-ca\.pem is there already"):
        begin(planned, where)
    assert (where.folder / "issuing-ca.pem").read_text() == "precious"

    (where.folder / "issuing-ca.pem").unlink()
    resume(planned, where)
    assert review(minutes_of(where)).faults == ()


def test_officers_who_leave_take_nothing(where: Room, issued: Issued) -> None:
    assert isinstance(where.people, Present)
    where.people.leave_after = 0
    with pytest.raises(Ended):
        begin(put(where, [issued.signed()], [ROOT.signed()]), where)
    assert not (where.folder / "issuing-ca.pem").exists()


def test_its_files_are_three(tmp_path: Path) -> None:
    step = IMPORT.format(issuer_sha256="ab" * 32).replace("issuing-ca.pem", "received.pem")
    with pytest.raises(ConfigError, match="must be another file than received and issuer"):
        load_script(script(tmp_path, step))
