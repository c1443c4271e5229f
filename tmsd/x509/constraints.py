"""Name constraints: the names that a CA, or one above it, allows below itself (RFC 5280, 4.2.1.10).

What cannot be told for sure is refused: a form of name that is constrained and not known here, a
URI whose host is no name, two directory names that are alike but not written alike.
"""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.x509.oid import NameOID

from tmsd.x509.names import folded
from tmsd.x509.refusal import CertificateRefused, Rule

# What relying parties take for a host's name where there is no other: OpenSSL does, and others did.
_HOST_NAME = re.compile(r"(?=.*\.)[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?")


@dataclass(frozen=True, slots=True)
class _Name:
    """A name of a form, with its value as x509.GeneralName has it."""

    form: type[x509.GeneralName]
    value: Any


def require_permitted(certificate: x509.Certificate, path: Sequence[x509.Certificate]) -> None:
    """Make sure that all CAs above a certificate allow it the names that it has.

    A CA that changes its key keeps its name, and is not asked (6.1.3, b).

    Args:
        certificate: signed or on trial.
        path: the certificates of its issuer and of those above, up to the root.

    Raises:
        CertificateRefused: `name-not-permitted` or `name-excluded`.
    """
    is_ca = _is_ca(certificate)
    if is_ca and certificate.subject == certificate.issuer:
        return
    names = list(_names(certificate, is_ca=is_ca))
    for authority in path:
        constraints = _constraints(authority)
        if constraints is not None:
            for name in names:
                _require(name, constraints, authority)


def _require(name: _Name, constraints: x509.NameConstraints, authority: x509.Certificate) -> None:
    owner = authority.subject.rfc4514_string()
    permitted = _of_form(constraints.permitted_subtrees, name.form)
    if permitted and not any(_is_within(name, base) for base in permitted):
        some = ", ".join(_told(base) for base in permitted[:8])
        raise CertificateRefused(
            Rule.NAME_NOT_PERMITTED,
            f"{_told(name.value)} is within nothing that {owner} permits: {some}",
        )
    for base in _of_form(constraints.excluded_subtrees, name.form):
        if _is_within(name, base) is not False:
            raise CertificateRefused(
                Rule.NAME_EXCLUDED,
                f"{_told(name.value)} is within {_told(base)}, excluded by {owner}",
            )


def _constraints(authority: x509.Certificate) -> x509.NameConstraints | None:
    try:
        return authority.extensions.get_extension_for_class(x509.NameConstraints).value
    except x509.ExtensionNotFound:
        return None


def _is_ca(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except x509.ExtensionNotFound:
        return False


def _names(certificate: x509.Certificate, *, is_ca: bool) -> Iterator[_Name]:
    """Yield what a certificate calls its holder, as those see it who look at constraints."""
    subject = certificate.subject
    if list(subject):
        yield _Name(x509.DirectoryName, subject)
    for attribute in subject.get_attributes_for_oid(NameOID.EMAIL_ADDRESS):
        yield _Name(x509.RFC822Name, attribute.value)
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
        alternative = list(found.value)
    except x509.ExtensionNotFound:
        alternative = []
    for name in alternative:
        yield _Name(type(name), name.value)
    if not is_ca and not any(isinstance(name, x509.DNSName) for name in alternative):
        for attribute in subject.get_attributes_for_oid(NameOID.COMMON_NAME):
            if _HOST_NAME.fullmatch(str(attribute.value)):
                yield _Name(x509.DNSName, attribute.value)


def _of_form(
    subtrees: Sequence[x509.GeneralName] | None, form: type[x509.GeneralName]
) -> list[Any]:
    return [base.value for base in subtrees or () if isinstance(base, form)]


def _is_within(name: _Name, base: Any) -> bool | None:  # noqa: ANN401  of the form's own type
    """Say whether a name is within a subtree; None where that cannot be told."""
    judge = _JUDGES.get(name.form)
    return None if judge is None else judge(name.value, base)


def _is_dns_name_within(name: str, base: str) -> bool:
    name, base = name.lower(), base.lower()
    return base in ("", name) or name.endswith(base if base.startswith(".") else f".{base}")


def _is_email_within(name: str, base: str) -> bool | None:
    """Look at a mailbox, which is another one in other letters, or at its host."""
    local, _, host = name.rpartition("@")
    of_local, _, of_host = base.rpartition("@")
    if not _is_host_within(host, of_host):
        return _is_host_within(host, of_host)
    if of_local in ("", local):
        return True
    return None if local.casefold() == of_local.casefold() else False


def _is_uri_within(name: str, base: str) -> bool | None:
    try:
        host = urlsplit(name).hostname
    except ValueError:
        host = None
    if not host or _is_ip_address(host):
        return None
    return _is_host_within(host, base)


def _is_host_within(host: str, base: str) -> bool | None:
    """Compare with one host, or with all of a domain where a dot comes first."""
    if base == "":
        return None
    host, base = host.lower(), base.lower()
    return host.endswith(base) and host != base if base.startswith(".") else host == base


def _is_ip_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True


def _is_directory_name_within(name: x509.Name, base: x509.Name) -> bool | None:
    """Say whether a name begins with another; alike, but not written alike, is not for sure."""
    begins = name.rdns[: len(base.rdns)]
    if _compared(begins, _as_written) == _compared(base.rdns, _as_written):
        return True
    return None if _compared(begins, folded) == _compared(base.rdns, folded) else False


def _compared(
    rdns: Sequence[x509.RelativeDistinguishedName], fold: Callable[[str], str]
) -> list[frozenset[tuple[str, str]]]:
    return [
        frozenset((each.oid.dotted_string, fold(str(each.value))) for each in rdn) for rdn in rdns
    ]


def _as_written(value: str) -> str:
    """Return what everybody compares: single spaces, and letters of ASCII in one case."""
    return b" ".join(value.encode().lower().split()).decode()


def _told(value: object) -> str:
    return repr(value.rfc4514_string() if isinstance(value, x509.Name) else str(value))


_JUDGES: Mapping[type[x509.GeneralName], Callable[[Any, Any], bool | None]] = {
    x509.DNSName: _is_dns_name_within,
    x509.RFC822Name: _is_email_within,
    x509.UniformResourceIdentifier: _is_uri_within,
    x509.IPAddress: lambda address, network: address in network,
    x509.DirectoryName: _is_directory_name_within,
}
