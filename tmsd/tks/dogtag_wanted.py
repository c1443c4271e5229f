"""What a TPS of Dogtag wants, with the lengths that its requests have. Lengths are in bytes."""

from dataclasses import dataclass

from tmsd.config.key_sets import Scp


@dataclass(frozen=True, slots=True)
class TpsCard:
    """A card as a TPS tells of it.

    Attributes:
        key_set: in the words of the TPS; None for its default.
        scp: the protocol that it speaks.
        kdd: what INITIALIZE UPDATE has as key diversification data, 10.
        cuid: of its CPLC data, 10.
        key_version: of its keys.
    """

    key_set: str | None
    scp: Scp
    kdd: bytes
    cuid: bytes
    key_version: int


@dataclass(frozen=True, slots=True)
class SessionKeysWanted:
    """Session keys of SCP01 or SCP03.

    Attributes:
        card: whose.
        i: what an SCP03 card says.
        card_challenge: 8.
        host_challenge: 8.
        card_cryptogram: 8.
        server_side_keygen: whether keys for a key pair that the DRM generates are wanted, too.
    """

    card: TpsCard
    i: int | None
    card_challenge: bytes
    host_challenge: bytes
    card_cryptogram: bytes
    server_side_keygen: bool


@dataclass(frozen=True, slots=True)
class Scp02KeyWanted:
    """One session key of SCP02.

    Attributes:
        card: whose.
        key_type: the second byte of KeyInfo.
        sequence_counter: 2.
        derivation_constant: 2; 0181 for the DEK.
        server_side_keygen: as for `SessionKeysWanted`.
    """

    card: TpsCard
    key_type: int
    sequence_counter: bytes
    derivation_constant: bytes
    server_side_keygen: bool


@dataclass(frozen=True, slots=True)
class KeySetDataWanted:
    """The data of a PUT KEY command.

    Attributes:
        card: whose; with `key_set` that of its present keys.
        new_key_set: in the words of the TPS; None for its default.
        new_key_version: of the keys that it shall get.
        wrapped_dek: in SCP02 the DEK as the TPS was given it, 16.
    """

    card: TpsCard
    new_key_set: str | None
    new_key_version: int
    wrapped_dek: bytes | None


@dataclass(frozen=True, slots=True)
class ChallengeWanted:
    """A challenge, encrypted under a card's static DEK."""

    card: TpsCard


@dataclass(frozen=True, slots=True)
class RandomWanted:
    """Random bytes.

    Attributes:
        length: how many, 0 to 1024.
    """

    length: int


Wanted = SessionKeysWanted | Scp02KeyWanted | KeySetDataWanted | ChallengeWanted | RandomWanted
