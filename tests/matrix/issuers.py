"""Who issues cards: a key set of the policy, its master keys, and cards that have keys of them."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import shake_256
from typing import Any

from tests.virtual_token.card import Card
from tests.virtual_token.keys import BY_CUID, RoleMasters, with_odd_parity
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile, personalise

LENGTHS = {"des3": 16, "aes128": 16, "aes192": 24, "aes256": 32}
ROLES = ("enc", "mac", "dek")
HMAC = "nist-sp800-108-hmac"

# Where the virtual card spells a scheme otherwise.
_ON_THE_CARD = {"gp-kmc-dogtag-10": "gp-kmc-dogtag-10.10"}


@dataclass(frozen=True, slots=True)
class Issuer:
    """A key set, and how its cards come to their keys.

    Attributes:
        scp: the protocol of the cards.
        algorithm: of the card keys, as the policy spells it.
        master: the algorithm of the master keys.
        scheme: the diversification.
        by_cuid: the cards are told apart by their CUID and not by the KDD.
        three_masters: one for each role, where others have one for all.
        exception: whether `allow_key_material_in_worker` is set; the one scheme that no token
            computes inside cannot do without.
        factory: the keys are everybody's, under version FF.
        change_to: further targets of key changeover.
    """

    scp: int
    algorithm: str
    master: str
    scheme: str
    by_cuid: bool = False
    three_masters: bool = False
    exception: bool = False
    factory: bool = False
    change_to: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The key set's name, which tells all of it but `change_to`."""
        parts = [
            f"scp{self.scp:02x}",
            self.algorithm,
            *([f"of-{self.master}"] if self.master != self.algorithm else []),
            self.scheme,
            "cuid" if self.by_cuid else "kdd",
            *(["three"] if self.three_masters else []),
            *(["exception"] if self.exception else []),
            *(["factory"] if self.factory else []),
        ]
        return "-".join(parts)

    @property
    def is_exposed(self) -> bool:
        """Whether card keys are derived in the worker's memory."""
        return self.scheme == HMAC

    @property
    def versions(self) -> tuple[int, ...]:
        """The versions of the master keys."""
        return (0xFF,) if self.factory else (1, 2)

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of the master keys in the token, by role."""
        kind = {"none": "shared", HMAC: "hmac"}.get(self.scheme, "diversified")
        one = f"{self.master}-{kind}"
        return {role: f"{one}-{role}" if self.three_masters else one for role in ROLES}

    def key_set(self, scp_i: tuple[int, ...]) -> dict[str, Any]:
        """Return the key set as the policy has it; `scp_i` is what it accepts."""
        labels = self.labels
        own_targets = () if self.factory or self.scheme == "none" else (f"{self.name}:2",)
        return {
            "name": self.name,
            "scp": f"{self.scp:02x}",
            "algorithm": self.master,
            "card_key_algorithm": self.algorithm,
            "diversification": self.scheme,
            "undiversified": self.scheme == "none",
            "diversification_data": "cuid" if self.by_cuid else "kdd",
            "allow_key_material_in_worker": self.exception or self.is_exposed,
            "icv_in_clear": True,
            "versions": dict.fromkeys(self.versions, "active"),
            "scp_i": scp_i,
            "change_to": (*own_targets, *self.change_to),
            "factory": self.factory,
            **({"master_keys": labels} if self.three_masters else {"master_key": labels["enc"]}),
        }

    def card(
        self,
        i: int,
        *,
        version: int | None = None,
        memory: NonVolatileMemory | None = None,
        upgrade_i: int | None = None,
    ) -> Card:
        """Return a card that there was not before, as this issuer hands it out."""
        return Card(self.profile(i, version=version, upgrade_i=upgrade_i), memory)

    def profile(
        self, i: int, *, version: int | None = None, upgrade_i: int | None = None
    ) -> CardProfile:
        """Return a new card's personalisation.

        KDD and CUID differ, but where the card's own notion of the scheme knows the CUID alone.
        """
        version = version or self.versions[0]
        kdd = secrets.token_bytes(10)
        same = self.scheme_on_card in BY_CUID and not self.by_cuid
        values = {role: master_value(self.labels[role], self.master, version) for role in ROLES}
        return personalise(
            RoleMasters(**values),
            kdd,
            cuid=kdd if same else secrets.token_bytes(10),
            by_cuid=self.by_cuid,
            diversification=self.scheme_on_card,
            scp=self.scp,
            i=i,
            key_version=version,
            upgrade_i=upgrade_i,
        )

    @property
    def scheme_on_card(self) -> str:
        """The diversification as the virtual card spells it."""
        return _ON_THE_CARD.get(self.scheme, self.scheme)


def master_value(label: str, algorithm: str, version: int) -> bytes:
    """Return the value of a master key, of which any will do: other names have other values."""
    value = shake_256(f"{label} {version}".encode()).digest(LENGTHS[algorithm])
    return with_odd_parity(value) if algorithm == "des3" else value
