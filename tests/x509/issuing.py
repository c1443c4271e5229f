"""A root, an issuing CA and requests, with keys in memory, at one moment for good."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import NameOID

from tmsd.config.profiles import load_profile
from tmsd.x509.building import Issuer, Terms, Wanted, builder, validity, wanted
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.roots import root_builder
from tmsd.x509.signature import SignatureScheme, scheme_for

NOW = datetime(2031, 5, 17, 12, tzinfo=UTC)
SERIAL_NUMBER = 0x8A2B_4C6D_8E0F_1A2B_3C4D_5E6F_7081_92A3
TERMS = Terms(SERIAL_NUMBER, NOW, NOW + timedelta(days=30, seconds=-1))

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
SHIPPED = sorted(path.stem for path in PROFILES.glob("*.toml"))

FIELDS = {
    "common_name": ("Zoë Example",),
    "country": ("IS",),
    "dns": ("xn--bcher-kva.example", "www.example"),
    "email": ("zoe@example.com",),
    "ip": ("192.0.2.1", "2001:db8::1"),
    "organization": ("Example & Søns",),
    "serial_number": ("A-0123 4567",),
    "upn": ("zoë@corp.example",),
    # Of http, as pkilint takes others for no URIs.
    "uri": ("https://example.com/zoe?a=%20", "https://192.0.2.1:8443/"),
    "user_id": ("zoe",),
}
"""A value for each field of the profiles that are shipped."""

PrivateKey = rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey

_MAKERS: dict[KeyKind, Callable[[], PrivateKey]] = {
    KeyKind.RSA_2048: lambda: rsa.generate_private_key(65537, 2048),
    KeyKind.RSA_3072: lambda: rsa.generate_private_key(65537, 3072),
    KeyKind.RSA_4096: lambda: rsa.generate_private_key(65537, 4096),
    KeyKind.P_256: lambda: ec.generate_private_key(ec.SECP256R1()),
    KeyKind.P_384: lambda: ec.generate_private_key(ec.SECP384R1()),
    KeyKind.P_521: lambda: ec.generate_private_key(ec.SECP521R1()),
    KeyKind.ED25519: ed25519.Ed25519PrivateKey.generate,
}


@cache
def key_of(kind: KeyKind, _owner: str = "holder") -> PrivateKey:
    """Return the key of such a kind that somebody has."""
    return _MAKERS[kind]()


@cache
def shipped(name: str) -> Profile:
    """Return a profile of config/profiles/."""
    return load_profile(PROFILES / f"{name}.toml")[0]


def fields_of(profile: Profile) -> dict[str, tuple[str, ...]]:
    """Return what a request for everything that a profile knows has."""
    given = {name: FIELDS[name] for name in profile.fields}
    if "dns" in given and "ip" in given:
        given["common_name"] = FIELDS["dns"][1:]
    return given


@dataclass(frozen=True, slots=True)
class Ca:
    """A CA: what its certificates show of it, its key, and how that signs."""

    issuer: Issuer
    key: PrivateKey
    scheme: SignatureScheme

    @property
    def certificate(self) -> x509.Certificate:
        """Its own."""
        return self.issuer.certificate

    def sign(self, built: x509.CertificateBuilder) -> x509.Certificate:
        """Sign what was built."""
        return self.scheme.sign_certificate(built, self.key)

    def issue(self, asked: Wanted) -> x509.Certificate:
        """Issue a certificate as it is asked for, for as long as there is."""
        terms = Terms(SERIAL_NUMBER, *validity(asked.profile, self.issuer, NOW))
        return self.sign(builder(self.issuer, asked, terms))

    def issue_ca(self, name: str, key: PrivateKey, profile: Profile | None = None) -> "Ca":
        """Issue a certificate for a CA below this one."""
        asked = wanted(
            profile or shipped("subordinate-ca"), key.public_key(), {"common_name": (name,)}
        )
        return ca_with(self.issue(asked), key)


def ca_with(certificate: x509.Certificate, key: PrivateKey, *, pss: bool = False) -> Ca:
    """Return the CA of a certificate and its key."""
    issuer = Issuer(
        certificate,
        crl_url="http://pki.example/crl/demo.crl",
        ocsp_url="http://pki.example/ocsp",
        certificate_url="http://pki.example/ca/demo.cer",
    )
    return Ca(issuer, key, scheme_for(key.public_key(), pss=pss))


def root_of(
    key: PrivateKey,
    name: str = "Example Root",
    *,
    pss: bool = False,
    path_length: int | None = None,
) -> Ca:
    """Return a root of twenty years."""
    subject = x509.Name(
        [
            x509.NameAttribute(NameOID.COUNTRY_NAME, "IS"),
            x509.NameAttribute(NameOID.COMMON_NAME, name),
        ]
    )
    begins = NOW - timedelta(days=365)
    terms = Terms(SERIAL_NUMBER, begins, begins + timedelta(days=20 * 365))
    built = root_builder(subject, key.public_key(), terms, path_length)
    scheme = scheme_for(key.public_key(), pss=pss)
    return ca_with(scheme.sign_certificate(built, key), key, pss=pss)


@cache
def root() -> Ca:
    """Return the root of most tests."""
    return root_of(key_of(KeyKind.P_384, "root"))


@cache
def issuing() -> Ca:
    """Return the CA below it."""
    return root().issue_ca("Example Issuing CA", key_of(KeyKind.P_256, "issuing"))


def asked_of(name: str, kind: KeyKind = KeyKind.P_256, **fields: str) -> Wanted:
    """Return what is asked for by a shipped profile, with these fields alone."""
    return wanted(
        shipped(name),
        key_of(kind).public_key(),
        {field: (value,) for field, value in fields.items()},
    )


def without_pointers(ca: Ca) -> Issuer:
    """Return a CA that tells nobody where its CRL and its responder are."""
    return replace(ca.issuer, crl_url=None, ocsp_url=None, certificate_url=None)
