"""[callers.NAME.dogtag] of policy.toml: a TPS of Dogtag, which speaks the protocol of Dogtag's TKS.

It names its key sets in words of its own, and gets session keys. docs/dogtag.md tells what is other
than it was with Dogtag's TKS, and why.
"""

from collections.abc import Iterator
from enum import StrEnum
from typing import Annotated

from pydantic import AfterValidator, Field

from tmsd.config.table import TOML, Table
from tmsd.config.toml import Complaint, shown
from tmsd.config.values import DISTINCT, Name, Place, text

LONGEST_KEY_SET_NAME = 64
"""Bytes of a key set's name in the words of a TPS."""


class KeygenKey(StrEnum):
    """A key that a TPS and a DRM get for a card's key pair that the DRM generates."""

    DES = "des"
    AES = "aes"


def _check_keygen_keys(keys: tuple[KeygenKey, ...]) -> tuple[KeygenKey, ...]:
    if KeygenKey.DES not in keys:
        raise ValueError(f'must be ["des"] or ["des", "aes"], not {shown(list(map(str, keys)))}')
    return keys


def _check_key_sets(
    key_sets: dict[str, tuple[Name, ...]],
) -> dict[str, tuple[Name, ...]]:
    for name, ours in key_sets.items():
        if not ours:
            raise ValueError(f"{shown(name)} must stand for at least one key set")
    return key_sets


class DogtagTps(Table):
    """What a TPS of Dogtag asks, and in which words.

    Attributes:
        key_sets: by a `keySet` of the TPS, the key sets that it stands for. Which one a card has is
            told by its protocol and the version of its keys.
        default_key_set: the `keySet` of requests that name none.
        kra_certificate: of the DRM's transport key, RSA; a PEM file. Without it, no keys for
            server-side key generation are made.
        kra_oaep: keys for the DRM are encrypted with OAEP (SHA-256, RFC 8017, 7.1), not with PKCS
            #1 v1.5.
        keygen_keys: which keys are made for server-side key generation: `des` alone as for Dogtag
            10, or `aes` as well.
        aes128_sessions: session keys of cards with AES-256 keys are of AES-128, as Dogtag 10 has
            them, and no card by Amendment D.
        allow_unverified_scp02: session keys of SCP02 may be had without a proof of the card.
        unverified_keys_per_minute: how many of these, for one card.
        require_recent_session: keys are changed and challenges encrypted only for a card that had
            session keys lately.
    """

    key_sets: Annotated[
        dict[
            Annotated[str, text(LONGEST_KEY_SET_NAME)],
            Annotated[tuple[Name, ...], TOML, DISTINCT],
        ],
        AfterValidator(_check_key_sets),
    ] = Field(description='key sets by the words of the TPS, as { defKeySet = ["pilot"] }')
    default_key_set: Annotated[str, text(LONGEST_KEY_SET_NAME)] = "defKeySet"
    kra_certificate: Place | None = None
    kra_oaep: bool = False
    keygen_keys: Annotated[
        tuple[Annotated[KeygenKey, TOML], ...], TOML, DISTINCT, AfterValidator(_check_keygen_keys)
    ] = (KeygenKey.DES, KeygenKey.AES)
    aes128_sessions: bool = False
    allow_unverified_scp02: bool = False
    unverified_keys_per_minute: Annotated[int, Field(ge=1, le=1_000_000)] = 60
    require_recent_session: bool = True

    def complaints(self) -> Iterator[Complaint]:
        """Yield what the names of key sets lack."""
        if not self.key_sets:
            yield Complaint(("key_sets",), 'must hold at least one, as { defKeySet = ["pilot"] }')
        elif (
            "default_key_set" in self.model_fields_set and self.default_key_set not in self.key_sets
        ):
            yield Complaint(
                ("default_key_set",),
                f"{shown(self.default_key_set)} is none of key_sets, which has "
                f"{', '.join(map(shown, self.key_sets))}",
            )
