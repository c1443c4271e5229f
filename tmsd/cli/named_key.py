"""Keys as the command line of `tmsctl key` names them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import wraps

import click

from tmsd.ceremony.master_key import master_key
from tmsd.ceremony.signing_key import (
    WantedKeyPair,
    ca_key_pair,
    nonce_key_pair,
    responder_key_pair,
)
from tmsd.ceremony.transport_key import transport_key
from tmsd.ceremony.wanted_key import WantedKey
from tmsd.config.cas import Ca, NonceResponder, Responder
from tmsd.config.policy import Policy
from tmsd.globalplatform.diversification import Role

NAMES = "give either --key-set and --version, or --transport-key"
PAIR_NAMES = "give either --ca, --ocsp or --nonces"

_ROLES = click.Choice([role.name.lower() for role in Role])


@dataclass(frozen=True, slots=True)
class NamedKey:
    """A master key or a transport key.

    Attributes:
        version: also that of a key pair.
    """

    key_set: str | None
    transport_key: str | None
    role: str | None
    version: int | None

    @property
    def is_whole(self) -> bool:
        """Whether it names one key."""
        if self.key_set is not None:
            return self.transport_key is None and self.version is not None
        return self.transport_key is not None and self.role is None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self == NamedKey(None, None, None, None)

    @property
    def is_at_most_a_version(self) -> bool:
        """Whether it leaves it open which key has the version."""
        return self == NamedKey(None, None, None, self.version)

    def wanted(self, policy: Policy) -> WantedKey:
        """Look the key up in the policy.

        Raises:
            Refused: the policy does not have it so.
        """
        if self.key_set is not None and self.version is not None:
            role = Role[self.role.upper()] if self.role else None
            return master_key(policy, self.key_set, self.version, role)
        if self.transport_key is not None:
            return transport_key(policy, self.transport_key, self.version)
        raise click.UsageError(NAMES)


@dataclass(frozen=True, slots=True)
class NamedKeyPair:
    """A key pair of a CA or its responder."""

    ca: str | None
    ocsp: str | None
    nonces: str | None
    label: str | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was said."""
        return self == NamedKeyPair(None, None, None, None)

    def require_one(self, named: NamedKey) -> None:
        """Refuse a command line that does not name one key pair, before any file is read."""
        said = [name for name in (self.ca, self.ocsp, self.nonces) if name is not None]
        if not named.is_at_most_a_version or len(said) != 1:
            raise click.UsageError(PAIR_NAMES)

    def wanted(self, version: int | None, cas: Mapping[str, Ca]) -> WantedKeyPair:
        """Return the key pair.

        Args:
            version: that was named; None for that of the policy, or the first.
            cas: of the policy; a CA that is not there yet has the labels that it is given.

        Raises:
            Refused: its label is none.
        """
        name = self.ca or self.ocsp or self.nonces or ""
        ca = cas.get(name)
        responder = ca.ocsp if ca else None
        if self.ca is not None:
            return ca_key_pair(name, *self._reference(version, ca))
        if self.ocsp is not None:
            return responder_key_pair(name, *self._reference(version, responder))
        nonces = responder.nonces if responder else None
        return nonce_key_pair(name, *self._reference(version, nonces))

    def _reference(
        self, version: int | None, table: Ca | Responder | NonceResponder | None
    ) -> tuple[int, str | None]:
        """Return version and label: as they were said, or as a table of the policy has them."""
        if table is None:
            return version or 1, self.label
        return version or table.version, self.label or table.label


def names_a_key(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a key; the command gets them as its `named`."""

    @click.option("--key-set", metavar="NAME", help="A master key of this key set.")
    @click.option("--role", type=_ROLES, help="Which one, in key sets with three master keys.")
    @click.option("--transport-key", metavar="NAME", help="This transport key.")
    @click.option(
        "--version",
        metavar="N",
        type=click.IntRange(1, 255),
        help="1 to 255; by default that of the policy, but for master keys.",
    )
    @wraps(command)
    def packed(
        *,
        key_set: str | None,
        transport_key: str | None,
        role: str | None,
        version: int | None,
        **others: object,
    ) -> None:
        command(named=NamedKey(key_set, transport_key, role, version), **others)

    return packed


def names_a_key_pair(command: Callable[..., None]) -> Callable[..., None]:
    """Add the options that name a key pair, which the command gets as its `pair`.

    The version is that of `names_a_key`.
    """

    @click.option("--ca", metavar="NAME", help="The key pair of this CA.")
    @click.option("--ocsp", metavar="NAME", help="The key pair of this CA's OCSP responder.")
    @click.option(
        "--nonces", metavar="NAME", help="This CA's for nonces, in the token of [ocsp.nonces.hsm]."
    )
    @click.option(
        "--label",
        metavar="TEXT",
        help="Its label in the HSM; by default that of the policy, as for the version, or NAME, "
        "NAME-ocsp or NAME-nonces.",
    )
    @wraps(command)
    def packed(
        *,
        ca: str | None,
        ocsp: str | None,
        nonces: str | None,
        label: str | None,
        **others: object,
    ) -> None:
        command(pair=NamedKeyPair(ca, ocsp, nonces, label), **others)

    return packed
