"""A root, a CA below it and the CA's responder, with their keys in a real token, and a policy."""

import shutil
from dataclasses import replace
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tmsd.ceremony.steps.make_root import RootWanted, make_root
from tmsd.ceremony.steps.request_certificate import request_certificate
from tmsd.clock import now
from tmsd.config.callers import APPLIANCE
from tmsd.config.policy import load_policy
from tmsd.vault import certificate_messages
from tmsd.worker import certifying
from tmsd.worker.context import Context
from tmsd.worker.keyring import Keyring

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
ROOT, CA, RESPONDER = (KeyReference(name, 1) for name in ("a root", "a CA", "a responder"))

_ROOT = """\
[cas.root]
certificate = "root.pem"
label = "a root"
profiles = ["subordinate-ca"]
"""
_CA = """\
[cas.demo]
certificate = "demo.pem"
label = "a CA"
profiles = ["token-authentication", "token-encryption", "tls-server", "officer", "ocsp-signing"]
crl_url = "http://pki.example/demo.crl"
"""
_RESPONDER = """\
[cas.demo.ocsp]
certificate = "ocsp.pem"
label = "a responder"
url = "http://pki.example/ocsp"
"""
_CALLERS = """\
[callers.ra]
public_key_sha256 = "{ra}"
roles = ["ra"]
certificates = ["demo:token-authentication", "demo:token-encryption", "demo:tls-server"]
[callers.tps]
public_key_sha256 = "{tps}"
roles = ["tps"]
certificates = ["demo:token-authentication"]
"""


def made_authority(directory: Path, token: Token, keyring: Keyring) -> Context:
    """Make keys and certificates as a ceremony does; return what a worker works with."""
    shutil.copytree(PROFILES, directory / "profiles")
    for reference in (ROOT, CA, RESPONDER):
        generate_key_pair(token, reference, KeyPairAlgorithm.P256)
    root = make_root(token, ROOT, RootWanted(named("root"), days=3653), now())
    _write(directory / "root.pem", root)
    context = _context(directory, token, keyring, _ROOT)
    authority = issued(context, "root", "subordinate-ca", _request(token, CA, "demo"))
    _write(directory / "demo.pem", authority, root)
    context = _context(directory, token, keyring, _ROOT + _CA)
    responder = issued(context, "demo", "ocsp-signing", _request(token, RESPONDER, "responder"))
    _write(directory / "ocsp.pem", responder)
    callers = _CALLERS.format(ra="1" * 64, tps="2" * 64)
    whole = _context(directory, token, keyring, _ROOT + _CA + _RESPONDER + callers)
    return replace(whole, for_appliance=False)


def issued(
    context: Context, ca: str, profile: str, request: bytes, caller: str = APPLIANCE
) -> x509.Certificate:
    """Have a certificate prepared and signed."""
    proof = certificate_messages.SignedRequest(request)
    asked = certificate_messages.PrepareCertificate(caller, ca, profile, proof, {}, None)
    prepared = certifying.prepare_certificate(context, asked)
    signed = certifying.sign_certificate(
        context, certificate_messages.SignCertificate(caller, prepared.prepared)
    )
    return x509.load_der_x509_certificate(signed.certificate)


def csr(common_name: str, key: ec.EllipticCurvePrivateKey | None = None) -> bytes:
    """Return a request for signing, in PEM."""
    builder = x509.CertificateSigningRequestBuilder().subject_name(named(common_name))
    signed = builder.sign(key or ec.generate_private_key(ec.SECP256R1()), SHA256())
    return signed.public_bytes(Encoding.PEM)


def named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _request(token: Token, reference: KeyReference, common_name: str) -> bytes:
    return request_certificate(token, reference, named(common_name)).public_bytes(Encoding.PEM)


def _context(directory: Path, token: Token, keyring: Keyring, policy: str) -> Context:
    file = directory / "policy.toml"
    file.write_text(policy)
    return Context(
        token=token,
        keyring=keyring,
        policy=load_policy(file),
        channel_key_version=1,
        challenge_key_version=1,
        receipt_key_version=1,
        session_seconds=300,
        challenge_seconds=60,
        certificate_key_version=1,
        for_appliance=True,
    )


def _write(file: Path, *certificates: x509.Certificate) -> None:
    file.write_bytes(b"".join(each.public_bytes(Encoding.PEM) for each in certificates))
