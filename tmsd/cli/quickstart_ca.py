"""The CAs of a development site: a root, a CA below it and its responder, all in the token."""

import asyncio
from importlib.resources import files
from pathlib import Path
from uuid import uuid4

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.public_keys import KeyPairAlgorithm
from hsm.token import Token
from tmsd.audit.trail import Trail, recorded
from tmsd.ca.issuing import CertificateWanted, issue
from tmsd.ceremony.steps.make_root import RootWanted
from tmsd.ceremony.steps.request_certificate import request_certificate
from tmsd.ceremony.ungoverned_token import ungoverned_token
from tmsd.cli.appliance import certification, record_of_appliance
from tmsd.cli.ca_setup import root_on_record
from tmsd.config.authorities import PROFILES
from tmsd.config.callers import APPLIANCE
from tmsd.config.daemon import DaemonConfig
from tmsd.quickstart.configuration import CA, ROOT_CA, issuing_ca, responder, root_ca
from tmsd.quickstart.directory import NewDirectory
from tmsd.vault.certificate_messages import SignedRequest

_ROOT_DAYS = 3652
_RESPONDER = f"{CA}-ocsp"


def make_cas(site: NewDirectory, config: DaemonConfig, ocsp_port: int) -> None:
    """Make keys and certificates, and add the CAs to policy.toml.

    Each certificate is issued as any other is, and on record.

    Raises:
        HsmError, ServiceError, OSError: something fails.
    """
    site.folder("cas")
    _copy_profiles(site)
    for made in (config.store.file, record_of_appliance(config.audit.file)):
        site.expect(made)
    policy = config.policy.file
    with ungoverned_token(config.hsm) as token:
        for name in (ROOT_CA, CA, _RESPONDER):
            generate_key_pair(token, KeyReference(name, 1), KeyPairAlgorithm.P256)
        wanted = RootWanted(_named("tmsd development root CA"), _ROOT_DAYS, path_length=1)
        root = root_on_record(token, KeyReference(ROOT_CA, 1), wanted, config.audit.file)
        of_ca = _request(token, CA, "tmsd development CA")
        of_responder = _request(token, _RESPONDER, "tmsd development OCSP responder")
    site.file(f"cas/{ROOT_CA}.pem", _pem(root))
    _append(policy, root_ca(ocsp_port))
    ca = asyncio.run(_issued(config.source, ROOT_CA, "subordinate-ca", of_ca))
    site.file(f"cas/{CA}.pem", _pem(ca) + _pem(root))
    _append(policy, issuing_ca(ocsp_port))
    answering = asyncio.run(_issued(config.source, CA, "ocsp-signing", of_responder))
    site.file(f"cas/{_RESPONDER}.pem", _pem(answering))
    _append(policy, responder(ocsp_port))


def _copy_profiles(site: NewDirectory) -> None:
    site.folder(PROFILES)
    for profile in sorted(files("tmsd.quickstart").joinpath(PROFILES).iterdir(), key=str):
        site.file(f"{PROFILES}/{profile.name}", profile.read_bytes())


async def _issued(config_file: Path, ca: str, profile: str, request: bytes) -> x509.Certificate:
    wanted = CertificateWanted(ca, profile, SignedRequest(request), {}, None, uuid4().hex)
    async with certification(config_file) as service:
        trail = Trail("ca.issue", request_id=uuid4().hex, caller=APPLIANCE)
        async with recorded(service.audit, trail):
            return await issue(service, APPLIANCE, wanted, trail)


def _request(token: Token, label: str, common_name: str) -> bytes:
    made = request_certificate(token, KeyReference(label, 1), _named(common_name))
    return made.public_bytes(Encoding.PEM)


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, common_name)])


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _append(policy: Path, table: str) -> None:
    with policy.open("a") as appended:
        appended.write(table)
