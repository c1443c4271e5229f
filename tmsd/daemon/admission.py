"""TLS with a client certificate: 1.3 for the API, and 1.2 as well for TPSs of Dogtag."""

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tmsd.config.api import ApiConfig
from tmsd.config.caller_trust import CallerTrust, UnfitTrust, load_caller_trust
from tmsd.config.daemon import DaemonConfig
from tmsd.config.files import check_identity
from tmsd.config.toml import Complaint, ConfigError, Document, KeyPath, read

# Of TLS 1.2: those that RFC 9325 (section 4.2) recommends, and no others.
_CIPHERS_OF_TLS_1_2 = "ECDHE+AESGCM:ECDHE+CHACHA20"


@dataclass(frozen=True, slots=True)
class Admission:
    """Who gets through.

    Attributes:
        tls: settings for whoever connects.
        trust: what each request of an open connection is held against.
    """

    tls: ssl.SSLContext
    trust: CallerTrust


@dataclass(frozen=True, slots=True)
class Admissions:
    """Who gets through where.

    Attributes:
        api: at the API.
        dogtag: at the listener for TPSs of Dogtag; None where there is none.
    """

    api: Admission
    dogtag: Admission | None


def load_admissions(config: DaemonConfig) -> Admissions:
    """Read the files of [api] and of [dogtag].

    Raises:
        ConfigError: some are not fit for it; their keys are named.
    """
    document = read(config.source)
    api = _Listener("api", config.api, document).load(ssl.TLSVersion.TLSv1_3)
    if config.dogtag is None:
        return Admissions(api, None)
    listener = _Listener("dogtag", config.dogtag.filled_in(config.api), document)
    dogtag = listener.load(ssl.TLSVersion.TLSv1_2)
    if config.dogtag.caller_trust is None:  # of the same files: what was judged once need not be
        dogtag = Admission(dogtag.tls, api.trust)
    return Admissions(api, dogtag)


@dataclass(frozen=True, slots=True)
class _Listener:
    """A table of tmsd.toml with the files of a listener."""

    table: str
    files: ApiConfig
    document: Document

    def load(self, least: ssl.TLSVersion) -> Admission:
        complaints = list(check_identity(self.files, self.table))
        try:
            trust = load_caller_trust(self.files, self.table)
        except UnfitTrust as unfit:
            complaints += unfit.complaints
        if complaints:
            raise ConfigError(self.document.faults(complaints))
        return Admission(self._context(least), trust)

    def _context(self, least: ssl.TLSVersion) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = least
        if least < ssl.TLSVersion.TLSv1_3:
            context.set_ciphers(_CIPHERS_OF_TLS_1_2)
            # Nobody becomes another in mid-connection.
            context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_TICKET
        context.verify_mode = ssl.CERT_REQUIRED
        # A ticket would carry the verdict on a certificate past its end, and past the next CRL.
        context.num_tickets = 0
        files = self.files
        with self._told("certificate", file=files.certificate):
            # Without a function for it, OpenSSL would ask a terminal for the password.
            context.load_cert_chain(files.certificate, files.private_key, password=lambda: "")
        with self._told("caller_trust", file=files.caller_trust):
            context.load_verify_locations(files.caller_trust)
        for number, file in enumerate(files.caller_crls):
            with self._told("caller_crls", number, file=file):
                context.load_verify_locations(file)
            context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN
        return context

    @contextmanager
    def _told(self, *key: str | int, file: Path) -> Iterator[None]:
        """Say of what OpenSSL refuses which file it is, and where it is named."""
        path: KeyPath = (self.table, *key)
        try:
            yield
        except ssl.SSLError as error:
            complaint = Complaint(path, f"{file}: is refused by OpenSSL: {error.reason}")
            raise ConfigError(self.document.faults([complaint])) from None
        except OSError as error:
            complaint = Complaint(path, f"{file}: {error.strerror}")
            raise ConfigError(self.document.faults([complaint])) from None
