"""TLS 1.3 with a client certificate, for the API's listener."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tmsd.config.caller_trust import CallerTrust, UnfitTrust, load_caller_trust
from tmsd.config.daemon import DaemonConfig
from tmsd.config.files import check_identity
from tmsd.config.toml import Complaint, ConfigError, Document, KeyPath, read


@dataclass(frozen=True, slots=True)
class Admission:
    """Who gets through.

    Attributes:
        tls: settings for whoever connects.
        trust: what each request of an open connection is held against.
    """

    tls: ssl.SSLContext
    trust: CallerTrust


def load_admission(config: DaemonConfig) -> Admission:
    """Read the files of [api].

    Raises:
        ConfigError: some are not fit for it; their keys are named.
    """
    document = read(config.source)
    complaints = list(check_identity(config.api))
    try:
        trust = load_caller_trust(config.api)
    except UnfitTrust as unfit:
        complaints += unfit.complaints
    if complaints:
        raise ConfigError(document.faults(complaints))
    return Admission(_context(config, document), trust)


def _context(config: DaemonConfig, document: Document) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_3
    context.verify_mode = ssl.CERT_REQUIRED
    # A ticket would carry the verdict on a certificate past its end, and past the next CRL.
    context.num_tickets = 0
    api = config.api
    with _told(document, ("api", "certificate"), api.certificate):
        # Without a function for it, OpenSSL would ask a terminal for the password.
        context.load_cert_chain(api.certificate, api.private_key, password=lambda: "")
    with _told(document, ("api", "caller_trust"), api.caller_trust):
        context.load_verify_locations(api.caller_trust)
    for number, file in enumerate(api.caller_crls):
        with _told(document, ("api", "caller_crls", number), file):
            context.load_verify_locations(file)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
    return context


@contextmanager
def _told(document: Document, key: KeyPath, file: Path) -> Iterator[None]:
    """Say of what OpenSSL refuses which file it is, and where it is named."""
    try:
        yield
    except ssl.SSLError as error:
        complaint = Complaint(key, f"{file}: is refused by OpenSSL: {error.reason}")
        raise ConfigError(document.faults([complaint])) from None
    except OSError as error:
        complaint = Complaint(key, f"{file}: {error.strerror}")
        raise ConfigError(document.faults([complaint])) from None
