"""profiles/NAME.toml: what certificates say, and who may have them (docs/profiles.md)."""

from collections.abc import Callable, Iterator
from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeVar

from cryptography import x509
from pydantic import AfterValidator, Field, ValidationError

from tmsd.config.callers import Role
from tmsd.config.table import BY_LOADER, TOML, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, Document, read, shown
from tmsd.config.values import DISTINCT, Name
from tmsd.config.wording import explain
from tmsd.x509.names import AlternativeName, AttributeType, alternative_name, attribute
from tmsd.x509.profile import ExtendedKeyUsage, Holder, KeyUsage, Profile, Proof
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import CertificateRefused
from tmsd.x509.templates import Template

Kind = TypeVar("Kind", bound=StrEnum)

_ISSUERS = (Role.TPS, Role.RA)
_OF_CA = frozenset({KeyUsage.KEY_CERT_SIGN, KeyUsage.CRL_SIGN})


def _check_attribute(value: str) -> str:
    _require_right(attribute, *_attribute_template(value))
    return value


def _check_alternative_name(value: str) -> str:
    _require_right(alternative_name, *_alternative_name_template(value))
    return value


def _attribute_template(value: str) -> tuple[AttributeType, Template]:
    return _typed_template(value, "=", AttributeType)


def _alternative_name_template(value: str) -> tuple[AlternativeName, Template]:
    return _typed_template(value, ":", AlternativeName)


def _typed_template(value: str, separator: str, kinds: type[Kind]) -> tuple[Kind, Template]:
    kind, found, template = value.partition(separator)
    if not found or kind not in list(kinds):
        raise ValueError(
            f"{shown(value)} does not begin with one of "
            f"{', '.join(f'{known}{separator}' for known in kinds)}"
        )
    return kinds(kind), Template.parse(template)


def _require_right(make: Callable[[Kind, str], object], kind: Kind, template: Template) -> None:
    """Try now what needs no request."""
    if not template.fields:
        try:
            make(kind, template.text)
        except CertificateRefused as refused:
            raise ValueError(refused.words) from None


def _check_oid(value: str) -> str:
    try:
        return x509.ObjectIdentifier(value).dotted_string
    except ValueError:
        raise ValueError(
            f'must be an object identifier, as "2.5.29.32.0", not {shown(value)}'
        ) from None


def _check_issuer_role(role: Role) -> Role:
    if role not in _ISSUERS:
        raise ValueError(f"{role} asks for no certificates; {' and '.join(_ISSUERS)} do")
    return role


class ProfileFile(Table):
    """A certificate profile as its file spells it.

    Attributes:
        name: the file's name without its ending.
        holder: what holds the key.
        issue_by: roles of callers that may have certificates of it over the API.
        days: the longest validity.
        keys: kinds of keys.
        proofs: what shows that who asks holds the key.
        unique_key: refuse a key that a valid certificate has.
        subject: attributes of the subject, `TYPE=template`, from the root of the name.
        alternative_names: subject alternative names, `kind:template`.
        key_usage: what the key may do; of these, a key has what its kind can.
        extended_key_usage: what the certificate is for.
        policies: OIDs of certificate policies.
        path_length: of a CA: how many CAs may follow.
    """

    name: Annotated[Name, BY_LOADER]
    holder: Annotated[Holder, TOML] = Holder.END_ENTITY
    issue_by: Annotated[
        tuple[Annotated[Role, TOML, AfterValidator(_check_issuer_role)], ...], TOML, DISTINCT
    ] = ()
    days: Annotated[int, Field(ge=1, le=36_525)] = Field(
        description="the longest validity, in days: 1 to 36525"
    )
    keys: Annotated[tuple[Annotated[KeyKind, TOML], ...], TOML, DISTINCT, Field(min_length=1)] = (
        Field(description=f"an array of {', '.join(KeyKind)}")
    )
    proofs: Annotated[tuple[Annotated[Proof, TOML], ...], TOML, DISTINCT, Field(min_length=1)] = (
        Proof.CSR,
    )
    unique_key: bool = True
    subject: Annotated[
        tuple[Annotated[str, AfterValidator(_check_attribute)], ...], TOML, DISTINCT
    ] = ()
    alternative_names: Annotated[
        tuple[Annotated[str, AfterValidator(_check_alternative_name)], ...], TOML, DISTINCT
    ] = ()
    key_usage: Annotated[tuple[Annotated[KeyUsage, TOML], ...], TOML, DISTINCT] = Field(
        description=f"an array of {', '.join(KeyUsage)}"
    )
    extended_key_usage: Annotated[
        tuple[Annotated[ExtendedKeyUsage, TOML], ...], TOML, DISTINCT
    ] = ()
    policies: Annotated[tuple[Annotated[str, AfterValidator(_check_oid)], ...], TOML, DISTINCT] = ()
    path_length: Annotated[int, Field(ge=0, le=16)] | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield what the keys of a profile have against each other."""
        if self.issue_by and not self.holder.from_api:
            yield Complaint(
                ("issue_by",),
                f"must be left out: certificates of {self.holder} come from the appliance alone",
            )
        if Proof.CARD in self.proofs and not self.holder.from_api:
            yield Complaint(("proofs",), f"of {self.holder} are requests for signing: csr")
        yield from self._complaints_of_names()
        yield from self._complaints_of_usage()
        if self.path_length is not None and not self.profile.is_ca:
            yield Complaint(("path_length",), "is for CAs alone")

    def _complaints_of_names(self) -> Iterator[Complaint]:
        if self.profile.is_ca and not self.subject:
            yield Complaint(("subject",), "a CA has a subject (RFC 5280, 4.1.2.6)")
        elif not self.subject and not self.alternative_names:
            yield Complaint(("subject",), "a certificate without any name is nobody's")
        kinds = [kind for kind, _ in self.profile.subject]
        for kind in AttributeType:
            if kinds.count(kind) > 1 and not kind.repeats:
                yield Complaint(("subject",), f"a subject has one {kind}")
        if ExtendedKeyUsage.SERVER_AUTH in self.extended_key_usage and not {
            AlternativeName.DNS,
            AlternativeName.IP,
        }.intersection(kind for kind, _ in self.profile.alternative_names):
            yield Complaint(("alternative_names",), "a TLS server has a dns or ip name")

    def _complaints_of_usage(self) -> Iterator[Complaint]:
        if self.profile.is_ca and set(self.key_usage) != _OF_CA:
            yield Complaint(("key_usage",), "of a CA is key_cert_sign and crl_sign")
        if not self.profile.is_ca and _OF_CA & set(self.key_usage):
            yield Complaint(("key_usage",), "signs certificates or CRLs, as CAs alone do")
        responds = ExtendedKeyUsage.OCSP_SIGNING in self.extended_key_usage
        if responds != (self.holder is Holder.OCSP_RESPONDER):
            yield Complaint(
                ("extended_key_usage",), "ocsp_signing is for the holder ocsp-responder, who has it"
            )
        for kind in self.keys:
            yield from self._complaints_of_key(kind)

    def _complaints_of_key(self, kind: KeyKind) -> Iterator[Complaint]:
        usages = self.profile.usages_of(kind)
        if not usages:
            yield Complaint(("keys",), f"{kind} keys have none of the profile's usages")
        elif not self.profile.is_ca:
            for purpose in self.extended_key_usage:
                if purpose.usages.isdisjoint(usages):
                    yield Complaint(
                        ("extended_key_usage",),
                        f"{purpose} takes one of {', '.join(sorted(purpose.usages))}, and {kind} "
                        "keys of the profile have none (RFC 5280, 4.2.1.12)",
                    )

    @property
    def profile(self) -> Profile:
        """The profile."""
        return Profile(
            name=self.name,
            holder=self.holder,
            issue_by=tuple(role.value for role in self.issue_by),
            days=self.days,
            keys=self.keys,
            proofs=self.proofs,
            unique_key=self.unique_key,
            subject=tuple(map(_attribute_template, self.subject)),
            alternative_names=tuple(map(_alternative_name_template, self.alternative_names)),
            key_usage=self.key_usage,
            extended_key_usage=self.extended_key_usage,
            policies=self.policies,
            path_length=self.path_length,
        )


def load_profile(path: Path) -> tuple[Profile, Document]:
    """Read a profile; return it and the file that it was.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    document = read(path)
    tables = {"name": Loaded(path.stem)} | document.tables
    try:
        return ProfileFile.model_validate(
            tables, context=Origin(path.absolute().parent)
        ).profile, document
    except ValidationError as error:
        raise ConfigError(document.faults(explain(error, ProfileFile))) from None
