"""What a worker is asked for a TPS of Dogtag, and what it answers: operations of their own.

The TPS gets session keys under the secret that it shares (its transport key), and sends no proof of
a session with what it asks afterwards. So a worker answers each request for session keys with a
voucher, which the front keeps: it says for which caller, card and key set they were, and until when
keys may be changed and challenges be encrypted. Lengths are in bytes.
"""

from typing import Annotated

from msgspec import Meta, Struct

from tmsd.vault.card_messages import CheckValue
from tmsd.vault.message import Answer, Byte, Name, Request, Ticket

Identity = Annotated[bytes, Meta(min_length=10, max_length=10)]
Eight = Annotated[bytes, Meta(min_length=8, max_length=8)]
Two = Annotated[bytes, Meta(min_length=2, max_length=2)]
Encrypted = Annotated[bytes, Meta(min_length=16, max_length=32)]
ForDrm = Annotated[bytes, Meta(min_length=128, max_length=1024)]
KeySetData = Annotated[bytes, Meta(min_length=67, max_length=118)]


class DogtagCard(Struct, frozen=True, forbid_unknown_fields=True):
    """A card as a TPS tells of it: its KDD, its CUID, and the version of its keys."""

    kdd: Identity
    cuid: Identity
    key_version: Byte


class KeygenKey(Struct, frozen=True, forbid_unknown_fields=True):
    """A key for server-side key generation: under the card's DEK, and for the DRM."""

    under_dek: Annotated[bytes, Meta(min_length=16, max_length=16)]
    key_check_value: CheckValue
    for_drm: ForDrm


class KeygenKeys(Struct, frozen=True, forbid_unknown_fields=True):
    """The keys for server-side key generation that the caller's policy names."""

    des: KeygenKey
    aes: KeygenKey | None


class SessionKeysMade(Answer, frozen=True, tag="session-keys-made"):
    """Session keys of a card that proved its keys, each under the caller's transport key.

    `dek` is there in SCP03 with server-side key generation alone, as in Dogtag.
    """

    mac: Encrypted
    enc: Encrypted
    dek: Encrypted | None
    host_cryptogram: Eight
    keygen: KeygenKeys | None
    voucher: Ticket
    key_material_in_worker: bool


class MakeSessionKeys(Request[SessionKeysMade], frozen=True, tag="make-session-keys"):
    """Verify a card's cryptogram in SCP01 or SCP03, and make session keys.

    `ticket` is that of the host challenge, where it was issued here; `i` what an SCP03 card says.
    """

    ANSWER = SessionKeysMade
    caller: Name
    key_set: Name
    card: DogtagCard
    i: Byte | None
    card_challenge: Eight
    host_challenge: Eight
    card_cryptogram: Eight
    ticket: Ticket | None
    server_side_keygen: bool


class Scp02KeyMade(Answer, frozen=True, tag="scp02-key-made"):
    """One session key of SCP02 under the caller's transport key; nothing proved the card."""

    key: Annotated[bytes, Meta(min_length=16, max_length=16)]
    keygen: KeygenKeys | None
    voucher: Ticket
    key_material_in_worker: bool


class MakeScp02Key(Request[Scp02KeyMade], frozen=True, tag="make-scp02-key"):
    """Make a session key of SCP02 (Card Specification 2.3.1, E.4.1) without a proof of the card."""

    ANSWER = Scp02KeyMade
    caller: Name
    key_set: Name
    card: DogtagCard
    sequence_counter: Two
    derivation_constant: Two
    server_side_keygen: bool


class KeySetDataMade(Answer, frozen=True, tag="key-set-data-made"):
    """The data of a PUT KEY command, which the TPS makes, and the new keys' check values."""

    key_set_data: KeySetData
    key_check_values: Annotated[list[CheckValue], Meta(min_length=3, max_length=3)]
    key_material_in_worker: bool


class MakeKeySetData(Request[KeySetDataMade], frozen=True, tag="make-key-set-data"):
    """Encrypt a card's new keys under its DEK.

    `wrapped_dek` is SCP02's: what the TPS was given as DEK. It is compared, and never decrypted.
    """

    ANSWER = KeySetDataMade
    caller: Name
    key_set: Name
    card: DogtagCard
    new_key_set: Name
    new_key_version: Byte
    voucher: Ticket | None
    wrapped_dek: Annotated[bytes, Meta(min_length=16, max_length=16)] | None


class ChallengeEncrypted(Answer, frozen=True, tag="challenge-encrypted"):
    """16 random bytes, and the same under the card's static DEK."""

    challenge: Annotated[bytes, Meta(min_length=16, max_length=16)]
    encrypted: Annotated[bytes, Meta(min_length=16, max_length=16)]
    key_material_in_worker: bool


class EncryptChallenge(Request[ChallengeEncrypted], frozen=True, tag="encrypt-challenge"):
    """Make a challenge, and encrypt it under the card's static DEK."""

    ANSWER = ChallengeEncrypted
    caller: Name
    key_set: Name
    card: DogtagCard
    voucher: Ticket | None
