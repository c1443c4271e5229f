"""The files behind [cas.NAME] of policy.toml: certificates and profiles, read with the policy.

They are authority as the policy is: its digest covers them.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from cryptography.x509 import Certificate, ExtendedKeyUsage, ExtensionNotFound
from cryptography.x509.oid import ExtendedKeyUsageOID

from tmsd.config.cas import Ca, NonceResponder, Responder
from tmsd.config.profiles import load_profile
from tmsd.config.toml import ConfigError, Fault
from tmsd.x509.building import Issuer
from tmsd.x509.distribution import WHOLE, crl_url
from tmsd.x509.paths import LARGEST_FILE, is_issued_by, objections, read_path
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import spki_sha256

PROFILES = "profiles"


@dataclass(frozen=True, slots=True)
class Authority:
    """A certificate authority as its files have it.

    Attributes:
        table: what the policy says of it.
        chain: its certificate, then its issuers' up to the root.
        profiles: that it issues by, by name.
        responder: the certificate of its OCSP responder; None where it has none.
        nonce_responder: that of the key that answers with nonces; None where there is none.
    """

    table: Ca
    chain: tuple[Certificate, ...]
    profiles: Mapping[str, Profile]
    responder: Certificate | None
    nonce_responder: Certificate | None = None

    @property
    def certificate(self) -> Certificate:
        """Its own certificate."""
        return self.chain[0]

    @property
    def issuer(self) -> Issuer:
        """The CA as what it issues shows it, where that is in no partition of its CRLs."""
        return self.issuer_in(WHOLE)

    def issuer_in(self, partition: int) -> Issuer:
        """Return the CA as what it issues shows it that is in a partition of its CRLs."""
        table = self.table
        return Issuer(
            certificate=self.certificate,
            above=self.chain[1:],
            crl_url=table.crl_url and crl_url(table.crl_url, partition),
            ocsp_url=table.ocsp.url if table.ocsp else None,
            certificate_url=table.certificate_url,
        )


@dataclass(frozen=True, slots=True)
class Authorities:
    """All authorities of a policy, and a digest of each file that they were read from.

    Files are named from the policy's directory on, where they are in it.
    """

    by_name: Mapping[str, Authority] = field(default_factory=dict)
    digests: Mapping[str, str] = field(default_factory=dict)


def load_authorities(cas: Mapping[str, Ca], directory: Path) -> Authorities:
    """Read the certificates and profiles of all CAs.

    Args:
        cas: the tables, by name.
        directory: of policy.toml; profiles are in `profiles/` there.

    Raises:
        ConfigError: with everything that is wrong in any of the files.
    """
    loading = _Loading(directory)
    found = {name: loading.authority(ca) for name, ca in cas.items()}
    if loading.faults:
        raise ConfigError(loading.faults)
    by_name = {name: authority for name, authority in found.items() if authority}
    return Authorities(by_name, loading.digests)


class _Loading:
    """Reads each file once, and collects what is wrong."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._profiles: dict[str, Profile | None] = {}
        self._chains: dict[Path, tuple[Certificate, ...]] = {}
        self.faults: list[Fault] = []
        self.digests: dict[str, str] = {}

    def authority(self, ca: Ca) -> Authority | None:
        """Read a CA's files; None where something is wrong with them."""
        known = len(self.faults)
        chain = self._certificates(ca.certificate)
        profiles = {name: self._profile(name) for name in ca.profiles}
        responder = self._certificate_of(ca.ocsp)
        nonce_responder = self._certificate_of(ca.ocsp.nonces if ca.ocsp else None)
        if len(self.faults) > known or None in profiles.values():
            return None
        sound = {name: profile for name, profile in profiles.items() if profile}
        authority = Authority(ca, chain, sound, responder, nonce_responder)
        complaints = list(_complaints(authority))
        self.faults += [Fault(ca.certificate, None, "", words) for words in complaints]
        return None if complaints else authority

    def _profile(self, name: str) -> Profile | None:
        if name not in self._profiles:
            path = self._directory / PROFILES / f"{name}.toml"
            try:
                self._profiles[name], document = load_profile(path)
                self.digests[f"{PROFILES}/{name}.toml"] = sha256(document.content).hexdigest()
            except ConfigError as error:
                self._profiles[name] = None
                self.faults += error.faults
        return self._profiles[name]

    def _certificate_of(self, responder: Responder | NonceResponder | None) -> Certificate | None:
        found = self._certificates(responder.certificate) if responder else ()
        return found[0] if found else None

    def _certificates(self, file: Path) -> tuple[Certificate, ...]:
        if file not in self._chains:
            self._chains[file] = self._read(file)
        return self._chains[file]

    def _read(self, file: Path) -> tuple[Certificate, ...]:
        try:
            with file.open("rb") as opened:
                content = opened.read(LARGEST_FILE)
            certificates = read_path(content)
        except OSError as error:
            self.faults.append(Fault(file, None, "", f"cannot be read: {error.strerror}"))
            return ()
        except ValueError as error:
            self.faults.append(Fault(file, None, "", str(error)))
            return ()
        self.digests[named_from(self._directory, file)] = sha256(content).hexdigest()
        return certificates


def named_from(directory: Path, file: Path) -> str:
    """Return how a file of a policy is named: from the policy's directory on, if it is in it."""
    return str(file.relative_to(directory) if file.is_relative_to(directory) else file)


def _complaints(authority: Authority) -> Iterator[str]:
    if not authority.issuer.may_issue:
        yield "the first certificate must be a CA's, with key usages keyCertSign and cRLSign"
    yield from objections(authority.chain)
    yield from _complaints_of_responders(authority)


def _complaints_of_responders(authority: Authority) -> Iterator[str]:
    keys = {spki_sha256(authority.certificate.public_key())}
    responders = {
        "the responder": authority.responder,
        "the nonce responder": authority.nonce_responder,
    }
    for who, certificate in responders.items():
        if certificate is None:
            continue
        if not is_issued_by(certificate, authority.certificate):
            yield f"{who}'s certificate must be issued by the CA itself"
        if not _answers_for_others(certificate):
            yield f"{who}'s certificate must be by the profile ocsp-signing"
        key = spki_sha256(certificate.public_key())
        if key in keys:
            yield f"{who} must have a key of its own"
        keys.add(key)


def _answers_for_others(certificate: Certificate) -> bool:
    try:
        purposes = certificate.extensions.get_extension_for_class(ExtendedKeyUsage).value
    except ExtensionNotFound:
        return False
    return ExtendedKeyUsageOID.OCSP_SIGNING in purposes
