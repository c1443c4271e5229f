"""Name constraints and path lengths of an issuer and of those above it, as OpenSSL sees them."""

import subprocess
from collections.abc import Sequence
from dataclasses import dataclass, replace
from ipaddress import ip_address, ip_network
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from asn1crypto.core import UTF8String
from cryptography import x509
from cryptography.x509.oid import NameOID
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.x509.drafts import Draft
from tests.x509.issuing import (
    NOW,
    TERMS,
    Ca,
    asked_of,
    ca_with,
    issuing,
    key_of,
    root,
    root_of,
    shipped,
    without_pointers,
)
from tests.x509.relying_parties import openssl_verify, pem
from tmsd.x509.building import Issuer, builder
from tmsd.x509.constraints import require_permitted
from tmsd.x509.linting import lint
from tmsd.x509.names import UPN
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused, Rule

Names = Sequence[x509.GeneralName]


def dns(name: str) -> x509.GeneralName:
    return x509.DNSName(name)


def email(name: str) -> x509.GeneralName:
    return x509.RFC822Name(name)


def uri(name: str) -> x509.GeneralName:
    return x509.UniformResourceIdentifier(name)


def ip(name: str) -> x509.GeneralName:
    return x509.IPAddress(ip_network(name) if "/" in name else ip_address(name))


def named(name: str) -> x509.GeneralName:
    return x509.DirectoryName(x509.Name.from_rfc4514_string(name))


def upn(name: str) -> x509.GeneralName:
    return x509.OtherName(UPN, UTF8String(name).dump())


def constrained(ca: Ca, permitted: Names = (), excluded: Names = ()) -> x509.Certificate:
    """Return a root's certificate with constraints."""
    constraints = x509.NameConstraints(permitted or None, excluded or None)
    return Draft.of(ca.certificate).having(constraints, critical=True).signed(ca)


def holder(names: Names, subject: str = "") -> x509.Certificate:
    """Return the certificate of somebody with these names, issued by the root."""
    issued = Draft.of(root().issue(asked_of("tls-client", common_name="a")))
    draft = replace(issued, subject=x509.Name.from_rfc4514_string(subject))
    if names:
        alternative = x509.SubjectAlternativeName(names)
        draft = draft.having(alternative, critical=not subject)
    return draft.signed(root())


def rule_against(certificate: x509.Certificate, *path: x509.Certificate) -> Rule | None:
    try:
        require_permitted(certificate, path)
    except CertificateRefused as refused:
        return refused.rule
    return None


def openssl_accepts(
    certificates: Sequence[x509.Certificate], authority: x509.Certificate
) -> list[bool]:
    with TemporaryDirectory() as directory:
        folder = Path(directory)
        trusted = pem([authority], folder / "root.pem")
        files = [pem([each], folder / f"{n}.pem") for n, each in enumerate(certificates)]
        at = str(int(NOW.timestamp()))
        command = ["openssl", "verify", "-attime", at, "-trusted", trusted, *files]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert "subtree violation" in done.stderr or done.returncode == 0, done.stderr
    return [f"{file}: OK" in done.stdout.splitlines() for file in files]


WITHIN = [
    (dns("example"), dns("www.pki.example")),
    (dns("pki.example"), dns("PKI.example")),
    (dns(".example"), dns("pki.example")),
    (dns(""), dns("pki.example")),
    (email("zoe@pki.example"), email("zoe@PKI.example")),
    (email("pki.example"), email("zoe@pki.example")),
    (email(".example"), email("zoe@mail.pki.example")),
    (uri("pki.example"), uri("https://PKI.example:8443/a")),
    (uri(".example"), uri("http://www.pki.example/")),
    (ip("192.0.2.0/24"), ip("192.0.2.255")),
    (ip("2001:db8::/32"), ip("2001:db8:1::1")),
    (named("O=Example,C=IS"), named("CN=Zoe,O=EXAMPLE,C=is")),
    (named("O=Example Two"), named("O=Example  Two")),
]
WITHOUT = [
    (dns("pki.example"), dns("pki.example.org")),
    (dns("pki.example"), dns("notpki.example")),
    (dns(".pki.example"), dns("pki.example")),
    (email("pki.example"), email("zoe@mail.pki.example")),
    (email(".pki.example"), email("zoe@pki.example")),
    (email("zoe@pki.example"), email("anna@pki.example")),
    (uri("pki.example"), uri("https://www.pki.example/")),
    (uri(".pki.example"), uri("https://pki.example/")),
    (ip("192.0.2.0/24"), ip("192.0.3.0")),
    (ip("192.0.2.0/24"), ip("2001:db8::1")),
    (named("O=Example,C=IS"), named("O=Another,C=IS")),
    (named("O=Example,C=IS"), named("C=IS")),
    (named("O=Example"), named("CN=Example")),
]
# Neither is it certain that one is within the other, nor that it is not.
UNCERTAIN = [
    (email("Zoe@pki.example"), email("zoe@pki.example")),
    (uri("pki.example"), uri("urn:pki:example")),
    (uri("192.0.2.1"), uri("https://192.0.2.1/")),
    (uri("pki.example"), uri("https://[2001:db8::1]/")),
    (uri(""), uri("https://pki.example/")),
    (named("O=Søns"), named("O=SØNS")),
    (upn("a@corp.example"), upn("zoe@corp.example")),
]


def certified(name: x509.GeneralName) -> x509.Certificate:
    if isinstance(name, x509.DirectoryName):
        return holder([], name.value.rfc4514_string())
    return holder([name])


@pytest.mark.parametrize(("base", "name"), WITHIN)
def test_a_name_within_what_is_permitted_is_permitted_and_may_be_excluded(
    base: x509.GeneralName, name: x509.GeneralName
) -> None:
    permitting, excluding = constrained(root(), [base]), constrained(root(), excluded=[base])
    assert rule_against(certified(name), permitting) is None
    assert rule_against(certified(name), excluding) is Rule.NAME_EXCLUDED
    assert openssl_accepts([certified(name)], permitting) == [True]
    assert openssl_accepts([certified(name)], excluding) == [False]


@pytest.mark.parametrize(("base", "name"), WITHOUT)
def test_a_name_without_is_not_permitted_and_not_excluded(
    base: x509.GeneralName, name: x509.GeneralName
) -> None:
    permitting, excluding = constrained(root(), [base]), constrained(root(), excluded=[base])
    assert rule_against(certified(name), permitting) is Rule.NAME_NOT_PERMITTED
    assert rule_against(certified(name), excluding) is None
    assert openssl_accepts([certified(name)], permitting) == [False]
    assert openssl_accepts([certified(name)], excluding) == [True]


@pytest.mark.parametrize(("base", "name"), UNCERTAIN)
def test_what_cannot_be_told_is_refused_either_way(
    base: x509.GeneralName, name: x509.GeneralName
) -> None:
    permitting, excluding = constrained(root(), [base]), constrained(root(), excluded=[base])
    assert rule_against(certified(name), permitting) is Rule.NAME_NOT_PERMITTED
    assert rule_against(certified(name), excluding) is Rule.NAME_EXCLUDED


@pytest.mark.parametrize("base", [base for base, _ in WITHIN])
def test_names_of_another_form_are_not_constrained(base: x509.GeneralName) -> None:
    others = [name for of, name in WITHIN if type(of) is not type(base)]
    names = [name for name in others if not isinstance(name, x509.DirectoryName)]
    assert rule_against(holder(names), constrained(root(), [base])) is None


def test_a_common_name_that_looks_like_a_host_is_one_where_no_other_is_named() -> None:
    above = constrained(root(), [dns("pki.example")])
    assert rule_against(holder([], "CN=www.elsewhere.example"), above) is Rule.NAME_NOT_PERMITTED
    assert rule_against(holder([], "CN=Zoe Example"), above) is None
    beside = holder([dns("www.pki.example")], "CN=www.elsewhere.example")
    assert rule_against(beside, above) is None


def test_an_address_in_the_subject_is_an_address() -> None:
    address = x509.Name([x509.NameAttribute(NameOID.EMAIL_ADDRESS, "zoe@elsewhere.example")])
    draft = replace(Draft.of(holder([])), subject=address)
    above = constrained(root(), [email("pki.example")])
    assert rule_against(draft.signed(root()), above) is Rule.NAME_NOT_PERMITTED


LABELS = st.lists(st.sampled_from(["a", "b", "A"]), min_size=1, max_size=3)
HOSTS = LABELS.map(lambda labels: ".".join([*labels, "example"]))
BASES = st.builds(str.__add__, st.sampled_from(["", "."]), HOSTS)
USERS = st.sampled_from(["x", "y"])
NETWORKS = st.builds(
    lambda last, length: ip_network((f"192.0.2.{last}", length), strict=False),
    st.integers(0, 255),
    st.integers(24, 32),
)
RDNS = st.lists(
    st.builds(
        x509.NameAttribute,
        st.sampled_from([NameOID.ORGANIZATION_NAME, NameOID.ORGANIZATIONAL_UNIT_NAME]),
        st.sampled_from(["one", "One", "two", "one  two", " ONE two"]),
    ),
    min_size=1,
    max_size=3,
)
MAILBOXES = st.builds("{}@{}".format, USERS, HOSTS)
SUBTREES = st.one_of(
    BASES.map(dns),
    st.one_of(BASES, MAILBOXES).map(email),
    BASES.map(uri),
    NETWORKS.map(x509.IPAddress),
    RDNS.map(x509.Name).map(x509.DirectoryName),
)
ALTERNATIVE = st.one_of(
    HOSTS.map(dns),
    MAILBOXES.map(email),
    HOSTS.map("http://{}/".format).map(uri),
    st.integers(0, 255).map("192.0.2.{}".format).map(ip),
)


@dataclass(frozen=True, slots=True)
class Holder:
    names: Names
    subject: Sequence[x509.NameAttribute[str]]

    def certificate(self) -> x509.Certificate:
        draft = replace(Draft.of(holder(self.names)), subject=x509.Name(self.subject))
        return draft.signed(root())


HOLDERS = st.builds(
    Holder, st.lists(ALTERNATIVE, max_size=3, unique=True), st.one_of(st.just([]), RDNS)
)


@settings(max_examples=30)
@given(
    permitted=st.lists(SUBTREES, max_size=3, unique=True),
    excluded=st.lists(SUBTREES, max_size=2, unique=True),
    holders=st.lists(HOLDERS, min_size=6, max_size=6),
)
def test_openssl_permits_what_is_permitted_and_nothing_else(
    permitted: Names, excluded: Names, holders: Sequence[Holder]
) -> None:
    if not permitted and not excluded:
        return
    above = constrained(root(), permitted, excluded)
    certificates = [each.certificate() for each in holders]
    found = [rule_against(each, above) is None for each in certificates]
    assert found == openssl_accepts(certificates, above)


def below(above: Ca, name: str, **changes: object) -> Ca:
    """Return a CA below another, with a certificate that is changed."""
    key = key_of(KeyKind.P_256, name)
    made = above.issue_ca(name, key, replace(shipped("subordinate-ca"), path_length=None))
    draft = replace(Draft.of(made.certificate), **changes)  # type: ignore[arg-type]  # of a test
    return ca_with(draft.signed(above), key)


def test_what_the_root_excludes_no_ca_below_certifies(tmp_path: Path) -> None:
    above = constrained(root(), excluded=[dns("pki.example")])
    middle = below(root(), "Middle")
    asked = asked_of("tls-server", dns="www.pki.example")
    leaf = middle.sign(builder(without_pointers(middle), asked, TERMS))
    lint(leaf, asked.profile, without_pointers(middle))
    with pytest.raises(CertificateRefused, match="is within 'pki\\.example'"):
        lint(leaf, asked.profile, replace(without_pointers(middle), above=(above,)))
    said = openssl_verify([leaf, middle.certificate, above], tmp_path)
    assert "excluded subtree violation" in said


def test_a_ca_that_changes_its_key_keeps_its_name_whatever_it_constrains() -> None:
    old = constrained(root(), [named("O=Elsewhere")])
    new = root_of(key_of(KeyKind.P_521, "new root"))
    draft = replace(Draft.of(new.certificate), issuer=old.subject)
    assert rule_against(draft.signed(root()), old) is None
    assert rule_against(issuing().certificate, old) is Rule.NAME_NOT_PERMITTED


@pytest.mark.parametrize(
    ("of_root", "of_middle", "allowed"),
    [(None, None, None), (3, None, 2), (1, None, 0), (0, None, -1), (3, 1, 1), (1, 3, 0)],
)
def test_the_path_length_is_what_all_above_leave(
    of_root: int | None, of_middle: int | None, allowed: int | None
) -> None:
    above = root_of(key_of(KeyKind.P_384, "root"), path_length=of_root)
    key = key_of(KeyKind.P_256, "middle")
    profile = replace(shipped("subordinate-ca"), path_length=of_middle)
    middle = above.issue_ca("Middle", key, profile).certificate
    assert Issuer(middle, (above.certificate,)).path_length == allowed


def test_a_ca_that_the_root_leaves_no_room_for_is_refused(tmp_path: Path) -> None:
    above = root_of(key_of(KeyKind.P_384, "root"), path_length=1)
    middle = below(above, "Middle")
    low = below(middle, "Low")
    chain = [low.certificate, middle.certificate, above.certificate]
    issuer = replace(middle.issuer, above=(above.certificate,))
    with pytest.raises(CertificateRefused) as caught:
        lint(low.certificate, shipped("subordinate-ca"), issuer)
    assert caught.value.rule is Rule.PATH_TOO_LONG
    leaf = low.issue(asked_of("tls-client", common_name="a"))
    assert "path length constraint exceeded" in openssl_verify([leaf, *chain], tmp_path)
