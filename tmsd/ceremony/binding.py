"""The binding: where a ceremony takes place, and who is there. It holds no secret.

A script says what happens, and is reviewed and hashed ahead of the day; this is the other file.
"""

from collections.abc import Iterator
from functools import cached_property
from pathlib import Path
from typing import Annotated

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_pem_public_key
from pydantic import Field, ValidationError

from tmsd.ceremony.refusal import Refused
from tmsd.config.hsm import HsmConfig
from tmsd.config.table import BY_LOADER, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, read
from tmsd.config.values import Name, Place, text
from tmsd.config.wording import explain
from tmsd.quorum.officer_key import OfficerPublicKey, spki
from tmsd.quorum.quorum import Officer


class CardOfOfficer(Table):
    """[officers.NAME.card]: the card that an officer's key is on, as a PKCS#11 module shows it.

    Attributes:
        module: the PKCS#11 library that reads it.
        token_label: its label; by default that of any card in a reader that has the key.
        token_serial: the same.
    """

    module: Place = Field(description="the PKCS#11 library, as OpenSC's opensc-pkcs11.so")
    token_label: Annotated[str, text(32)] | None = None
    token_serial: Annotated[str, text(16)] | None = None


class OfficerOfBinding(Table):
    """[officers.NAME]: a security officer, and what they sign with.

    Attributes:
        person: their name; two officers of one person are one person.
        public_key: a file with the public key in PEM.
        private_key: a file with the private key in PEM, encrypted unless it is a rehearsal's.
        card: or the card that holds it.
    """

    name: Annotated[Name, BY_LOADER]
    person: Annotated[str, text(128)]
    public_key: Place = Field(description="the officer's public key in PEM")
    private_key: Place | None = None
    card: CardOfOfficer | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where it is not clear what the officer signs with."""
        if (self.private_key is None) is (self.card is None):
            yield Complaint((), "needs either private_key or card, to sign with")

    @cached_property
    def officer(self) -> Officer:
        """The officer as a quorum has them; the key is read once, as it must not change meanwhile.

        Raises:
            Refused: the public key cannot be read.
        """
        try:
            key = load_pem_public_key(self.public_key.read_bytes())
        except (OSError, ValueError, UnsupportedAlgorithm):
            raise Refused(f"{self.public_key}: there is no public key in PEM") from None
        if not isinstance(key, OfficerPublicKey):
            raise Refused(f"{self.public_key}: it is of a kind that no officer may have")
        return Officer(self.name, self.person, spki(key).hex())


class Binding(Table):
    """binding.toml.

    Attributes:
        operator: who types; cannot approve.
        auditor: who watches, if anybody does.
        hsm: the token, as in tmsd.toml.
        configuration: tmsd.toml of the daemons that use the token's keys, if there are any.
        so_pin_file: where the security officer's PIN of a token that is initialised goes.
        officers: those who are there.
        custodians: those who hold components and shares: their names.
    """

    operator: Name
    auditor: Name | None = None
    hsm: HsmConfig
    configuration: Place | None = None
    so_pin_file: Place | None = None
    officers: dict[str, OfficerOfBinding] = Field(default_factory=dict)
    custodians: dict[str, Annotated[str, text(128)]] = Field(default_factory=dict)

    def complaints(self) -> Iterator[Complaint]:
        """Yield those who have two parts: one person has one in a ceremony.

        An officer may have two keys, each by a name of its own; they count once.
        """
        parts = {self.operator: "the operator"}
        if self.auditor is not None:
            if self.auditor in parts:
                yield Complaint(("auditor",), f"{self.auditor} is the operator as well")
            parts[self.auditor] = "the auditor"
        for kind, names in (("officers", self.officers), ("custodians", self.custodians)):
            for name in names:
                if name in parts:
                    yield Complaint((kind, name), f"is {parts[name]} as well")
                parts.setdefault(name, f"one of the {kind}")
        persons = {officer.person: officer.name for officer in self.officers.values()}
        for name, person in self.custodians.items():
            if other := persons.get(person):
                yield Complaint(("custodians", name), f"is {person}, as {other} is")
            persons.setdefault(person, name)


def load_binding(path: Path) -> Binding:
    """Read binding.toml. Relative paths in it start at its own directory.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    document = read(path)
    tables = dict(document.tables)
    if isinstance(officers := tables.get("officers"), dict):
        tables["officers"] = {
            name: {"name": Loaded(name)} | table if isinstance(table, dict) else table
            for name, table in officers.items()
        }
    try:
        return Binding.model_validate(tables, context=Origin(path.absolute().parent))
    except ValidationError as error:
        raise ConfigError(document.faults(explain(error, Binding))) from None
