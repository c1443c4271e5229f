"""Requests for certificates that nobody should have: each refused by name, and on record.

The rules are tried one by one in tests/x509/. Here they come as callers send them, to a daemon
that goes on, and whose record says who asked, by which profile, and which rule it was.
"""

from base64 import encodebytes
from collections.abc import Iterator
from random import Random

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from cryptography.x509.oid import NameOID

from tests.site.authority import BLOCKED_KEY
from tests.site.caller import Caller
from tests.site.certificates import issue
from tests.site.channels import JsonObject
from tests.site.contract import Answer
from tests.site.fixtures import RunningSite
from tests.site.identities import RA
from tmsd.audit.record import Decision, Outcome
from tmsd.x509.refusal import Rule

PERSON, SERVER = "token-authentication", "tls-server"
_KEY = ec.generate_private_key(ec.SECP256R1())
_UNKNOWN = x509.ObjectIdentifier("1.3.6.1.4.1.99999.1")

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def csr(*extensions: x509.ExtensionType, name: str = "Alice", key: PrivateKey = _KEY) -> bytes:
    """Return a request for signing in DER."""
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = x509.CertificateSigningRequestBuilder().subject_name(subject)
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    digest = None if isinstance(key, ed25519.Ed25519PrivateKey) else SHA256()
    return builder.sign(key, digest).public_bytes(Encoding.DER)


def pem(content: bytes) -> str:
    """Return bytes as a request in PEM, whatever they are."""
    label = "CERTIFICATE REQUEST"
    return f"-----BEGIN {label}-----\n{encodebytes(content).decode()}-----END {label}-----\n"


def naming(*names: str) -> bytes:
    return csr(x509.SubjectAlternativeName(list(map(x509.DNSName, names))))


def signed_by_another() -> bytes:
    """Return a request of which one bit of the signature is another."""
    content = csr()
    return content[:-1] + bytes([content[-1] ^ 1])


def signed_by_nobody() -> bytes:
    """Return a request for the point 1, for which 1 and zeros are a signature of anything."""
    key = ed25519.Ed25519PrivateKey.generate()
    content = csr(key=key)
    point = key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    one = (1).to_bytes(32, "little")
    return content.replace(point, one)[:-64] + one + bytes(32)


@pytest.fixture
def ra(site: RunningSite) -> Iterator[Caller]:
    with site.caller(RA) as caller:
        yield caller


def decision_on(site: RunningSite, refused: Answer) -> Decision:
    """Return what the record has of a refusal, which is all that it has of the request."""
    (record,) = site.trail.of_request(refused.request_id)
    decision = record.decision
    assert decision.outcome is Outcome.REFUSED
    assert (decision.operation, decision.caller) == ("ca.issue", RA)
    assert decision.code == refused.code
    return decision


def rule_against(site: RunningSite, caller: Caller, body: JsonObject) -> str:
    """Ask, and return the rule by which it was refused, as caller and record have it."""
    refused = issue(caller, body)
    assert (refused.status, refused.code) == (422, "issuance-refused"), refused.document
    rule, _, words = refused.detail.partition(": ")
    assert words
    decision = decision_on(site, refused)
    assert decision.details["profile"] == body["profile"]
    assert decision.details["rule"] == rule
    assert "serial_number" not in decision.details, "something was prepared"
    assert len(decision.receipts) == 1
    return rule


REQUESTS = {
    "nothing of PEM": (b"", "csr-malformed"),
    "another thing in PEM": (b"\x30\x03\x02\x01\x00", "csr-malformed"),
    "cut": (csr()[:-1], "csr-malformed"),
    "more behind it": (csr() + b"\x00", "csr-malformed"),
    "an endless length": (b"\x30\x84\xff\xff\xff\xff" + csr()[4:], "csr-malformed"),
    "deeply nested": (b"\x30\x80" * 4000, "csr-malformed"),
    "signed by another": (signed_by_another(), "csr-signature-wrong"),
    "a CA": (csr(x509.BasicConstraints(ca=True, path_length=None)), "csr-asks-for-ca"),
    "short": (csr(key=rsa.generate_private_key(65537, 1024)), "key-kind-not-allowed"),  # noqa: S505  to be refused
    "other curve": (csr(key=ec.generate_private_key(ec.SECP256K1())), "key-kind-not-allowed"),
    "exponent 3": (csr(key=rsa.generate_private_key(3, 2048)), "key-exponent-unsafe"),
    "blocked": (csr(key=BLOCKED_KEY), "key-blocked"),
    "signed by nobody": (signed_by_nobody(), "key-point-unsafe"),
    "bell": (csr(name="Alice\x07"), "field-not-plain-text"),
    "zero byte": (csr(name="Alice\x00.example"), "field-not-plain-text"),
    "line feed": (csr(name="Alice\nBob"), "field-not-plain-text"),
    "reordered": (csr(name="Alice\u202e"), "field-not-plain-text"),
    "unseen": (csr(name="Al\u200bice"), "field-not-plain-text"),
    "two spaces": (csr(name="Alice  Example"), "field-not-plain-text"),
    "not normalised": (csr(name="Zoe\u0308"), "field-not-plain-text"),
    "of a caller": (csr(name="TPS-Demo"), "name-of-caller"),
    "of a caller, wide": (csr(name="\uff54ps-demo"), "name-of-caller"),
}


@pytest.mark.parametrize(("content", "rule"), REQUESTS.values(), ids=REQUESTS)
def test_a_request_that_nobody_should_send_is_refused_by_its_rule(
    site: RunningSite, ra: Caller, content: bytes, rule: str
) -> None:
    assert rule_against(site, ra, {"profile": PERSON, "csr": pem(content)}) == rule


def test_text_that_is_no_pem_is_refused_by_its_rule(site: RunningSite, ra: Caller) -> None:
    assert rule_against(site, ra, {"profile": PERSON, "csr": "Alice"}) == "csr-malformed"


HOSTS = {
    "wildcard": ("*.pki.example", "dns-name-is-wildcard"),
    "wildcard within": ("www.*.example", "dns-name-is-wildcard"),
    "wildcard in part": ("w*.pki.example", "dns-name-is-wildcard"),
    "empty label": ("pki..example", "dns-name-malformed"),
    "dot at its end": ("pki.example.", "dns-name-malformed"),
    "underscore": ("_dmarc.example", "dns-name-malformed"),
    "zero byte": ("www.bank.example\x00.evil.example", "field-not-plain-text"),
    "an address": ("192.0.2.1", "dns-name-malformed"),
    "long label": (f"{'a' * 64}.example", "dns-name-malformed"),
    "no A-label": ("xn--a.example", "dns-name-not-a-labels"),
    "A-label of ASCII": ("xn--www-.example", "dns-name-malformed"),
    "A-label of a symbol": ("xn--ls8h.example", "dns-name-not-a-labels"),
    "other prefix": ("ab--cd.example", "dns-name-not-a-labels"),
}


@pytest.mark.parametrize(("host", "rule"), HOSTS.values(), ids=HOSTS)
@pytest.mark.parametrize("by_field", [False, True], ids=["by request", "by field"])
def test_a_host_that_cannot_be_called_so_is_refused_by_its_rule(
    *, site: RunningSite, ra: Caller, host: str, rule: str, by_field: bool
) -> None:
    if by_field:
        body = {"csr": pem(csr(name="www.pki.example")), "fields": {"dns": host}}
    else:
        body = {"csr": pem(naming(host))}
    assert rule_against(site, ra, {"profile": SERVER, **body}) == rule


FIELDS = {
    "U-label": (SERVER, {"dns": "b\u00fccher.example"}, "dns-name-not-a-labels"),
    "letters of another script": (SERVER, {"dns": "p\u0430ypal.example"}, "dns-name-not-a-labels"),
    "dots of another script": (SERVER, {"dns": "pki\u3002example"}, "dns-name-not-a-labels"),
    "zone": (SERVER, {"ip": "fe80::1%eth0"}, "ip-address-malformed"),
    "network": (SERVER, {"ip": "192.0.2.0/24"}, "ip-address-malformed"),
    "octal": (SERVER, {"ip": "192.0.02.1"}, "ip-address-malformed"),
    "mailbox with a name": (PERSON, {"email": "Alice <a@b.example>"}, "email-malformed"),
    "two mailboxes": (PERSON, {"email": "a@b.example,c@d.example"}, "email-malformed"),
    "script": (PERSON, {"uri": "javascript:alert(1)"}, "uri-malformed"),
    "user in a URI": (PERSON, {"uri": "https://bank.example@evil.example/"}, "uri-malformed"),
    "user principal": (PERSON, {"upn": "alice"}, "upn-malformed"),
    "unknown": (PERSON, {"shoe_size": "44"}, "field-unknown"),
    "long": (PERSON, {"common_name": "A" * 65}, "field-too-long"),
    "digits of another script": (
        PERSON,
        {"serial_number": "\u0661"},
        "field-not-printable-string",
    ),
}


@pytest.mark.parametrize(("profile", "fields", "rule"), FIELDS.values(), ids=FIELDS)
def test_a_field_that_cannot_be_is_refused_by_its_rule(
    *, site: RunningSite, ra: Caller, profile: str, fields: dict[str, str], rule: str
) -> None:
    body = {"profile": profile, "csr": pem(csr(name="www.pki.example")), "fields": fields}
    assert rule_against(site, ra, body) == rule


@pytest.mark.parametrize(
    ("names", "rule"),
    [
        (tuple(f"{n}.example" for n in range(65)), "field-too-long"),
        (tuple(f"{'a' * 60}.{n}.{'b' * 60}.{'c' * 60}.example" for n in range(50)), None),
        ((f"{'.'.join('a' * 130)}.example",), "field-too-long"),
    ],
    ids=["many", "much", "long"],
)
def test_names_without_end_are_refused_by_their_rule(
    site: RunningSite, ra: Caller, names: tuple[str, ...], rule: str | None
) -> None:
    body = {"profile": SERVER, "csr": pem(naming(*names))}
    assert rule_against(site, ra, body) == (rule or "certificate-too-large")


def test_an_extension_without_end_gets_into_no_certificate(site: RunningSite, ra: Caller) -> None:
    key = ec.generate_private_key(ec.SECP256R1())
    content = csr(x509.UnrecognizedExtension(_UNKNOWN, bytes(9_000)), key=key)
    issued = issue(ra, {"profile": PERSON, "csr": pem(content)})

    assert issued.status == 200, issued.document
    certificate = x509.load_pem_x509_certificate(issued.document["certificate"].encode())
    assert _UNKNOWN not in [each.oid for each in certificate.extensions]
    (intent, record) = site.trail.of_request(issued.request_id)
    assert intent.decision.operation == "ca.issue.intent"
    assert record.decision.details["proof"] == "csr"


@pytest.mark.parametrize(
    ("changes", "pointer"),
    [
        ({"csr": pem(csr(x509.UnrecognizedExtension(_UNKNOWN, bytes(13_000))))}, "/csr"),
        ({"days": 0}, "/days"),
        ({"days": -1}, "/days"),
        ({"not_before": "1999-01-01T00:00:00Z"}, "/not_before"),
    ],
    ids=[
        "larger than a request is",
        "no validity",
        "validity in the past",
        "beginning in the past",
    ],
)
def test_what_no_body_has_is_refused_where_it_is_and_on_record(
    site: RunningSite, ra: Caller, changes: JsonObject, pointer: str
) -> None:
    refused = issue(ra, {"profile": PERSON, "csr": pem(csr())} | changes)
    assert (refused.status, refused.code, refused.pointer) == (400, "request-invalid", pointer)
    assert decision_on(site, refused).receipts == ()


def test_a_validity_beyond_the_profile_s_is_refused_by_its_rule(
    site: RunningSite, ra: Caller
) -> None:
    body = {"profile": PERSON, "csr": pem(csr()), "days": 36_525}
    assert rule_against(site, ra, body) == "validity-too-long"


@pytest.mark.parametrize(
    ("profile", "code"),
    [
        ("no-such-profile", "profile-unknown"),
        ("subordinate-ca", "profile-unknown"),
        ("officer", "profile-not-allowed"),
    ],
)
def test_a_profile_that_is_not_the_caller_s_is_refused_and_on_record(
    site: RunningSite, ra: Caller, profile: str, code: str
) -> None:
    refused = issue(ra, {"profile": profile, "csr": pem(csr())})
    assert (refused.code, refused.pointer) == (code, "/profile")
    assert decision_on(site, refused).details["profile"] == profile


def mutated(content: bytes, random: Random) -> bytes:
    """Return something like it."""
    at, to = sorted(random.randrange(len(content)) for _ in range(2))
    match random.randrange(4):
        case 0:
            return (
                content[:at] + bytes([content[at] ^ 1 << random.randrange(8)]) + content[at + 1 :]
            )
        case 1:
            return content[:at] + content[to + 1 :]
        case 2:
            return content[:to] + content[at:to] + content[to:] + b"\x00"
        case _:
            return content[:at] + random.randbytes(random.randrange(1, 40)) + content[at:]


def test_requests_that_were_changed_at_random_are_each_refused_by_a_rule_and_on_record(
    site: RunningSite, ra: Caller
) -> None:
    """What is signed is among what is changed; tests/fuzz/ does it for hours, and behind that."""
    before, random = site.daemon.workers, Random(2986)  # noqa: S311  it guards nothing
    whole = naming("www.pki.example", "pki.example")
    for _ in range(60):
        body = {"profile": SERVER, "csr": pem(mutated(whole, random))}
        rule = rule_against(site, ra, body)
        assert rule.startswith(("csr-", "key-")), rule
        assert rule in list(Rule)
    assert site.daemon.workers == before
