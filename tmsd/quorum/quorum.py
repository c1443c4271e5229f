"""A quorum: its officers, by their public keys, and how many of them it takes."""

from base64 import b64encode
from collections.abc import Sequence
from hashlib import sha256
from typing import Annotated, Literal

from msgspec import Meta, Struct

from tmsd.quorum import canonical, officer_key
from tmsd.quorum.refusal import ApprovalRefused, Rule

MOST_OFFICERS = 32
_LEAST_APPROVALS = 2

Name = Annotated[str, Meta(min_length=1, max_length=64, pattern=r"^[a-z0-9][a-z0-9._-]*\Z")]
Person = Annotated[str, Meta(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f-\x9f]*\Z")]
Hex = Annotated[str, Meta(min_length=2, max_length=2048, pattern=r"^([0-9a-f]{2})+\Z")]
Sha256Hex = Annotated[str, Meta(pattern=r"^[0-9a-f]{64}\Z")]


class Officer(Struct, frozen=True, forbid_unknown_fields=True):
    """A security officer: a name in this quorum, the person, and the public key that is theirs.

    `public_key` is a SubjectPublicKeyInfo in DER, in hex. Who has two keys is one person.
    """

    name: Name
    person: Person
    public_key: Hex

    @property
    def public_key_base64(self) -> str:
        """The public key as records have it, which have no room for more."""
        return b64encode(bytes.fromhex(self.public_key)).decode()

    @property
    def public_key_sha256(self) -> str:
        """The SHA-256 of the public key, 64 lower-case hex digits."""
        return sha256(bytes.fromhex(self.public_key)).hexdigest()


class Quorum(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The officers of a deployment, of whom `approvals` persons have to approve.

    `number` rises by one with each change. A quorum of a `rehearsal` may be of one person.
    """

    format: Literal["tmsd-quorum-v1"] = "tmsd-quorum-v1"
    deployment: Name
    number: Annotated[int, Meta(ge=1, lt=2**31)]
    approvals: Annotated[int, Meta(ge=1, le=MOST_OFFICERS)]
    officers: Annotated[tuple[Officer, ...], Meta(min_length=1, max_length=MOST_OFFICERS)]
    rehearsal: bool = False

    @property
    def digest(self) -> str:
        """The SHA-256 of the quorum as it is written, 64 lower-case hex digits."""
        return sha256(canonical.encode(self)).hexdigest()

    def officer(self, name: str) -> Officer | None:
        """Return the officer of a name, if there is one."""
        return next((officer for officer in self.officers if officer.name == name), None)

    def officer_with(self, public_key: bytes) -> Officer | None:
        """Return the officer that a public key (SubjectPublicKeyInfo in DER) is pinned to."""
        known = public_key.hex()
        return next((officer for officer in self.officers if officer.public_key == known), None)


def decode(document: bytes) -> Quorum:
    """Read a quorum.

    Raises:
        ApprovalRefused: `quorum-malformed`, or as require_sound does.
    """
    try:
        quorum = canonical.decode(document, Quorum)
    except ValueError as error:
        raise ApprovalRefused(Rule.QUORUM_MALFORMED, str(error)) from None
    require_sound(quorum)
    return quorum


def newest(documents: Sequence[bytes]) -> Quorum | None:
    """Return the quorum of the highest number among documents; None where there are none.

    Raises:
        ApprovalRefused: one of them is none.
    """
    return max(map(decode, documents), key=lambda quorum: quorum.number, default=None)


def require_sound(quorum: Quorum) -> None:
    """Refuse a quorum that is none: nobody alone, somebody to spare, each key once.

    Raises:
        ApprovalRefused: `quorum-of-one`, `quorum-without-spare`, `officer-twice`,
            `officer-key-twice`, `officer-key-unfit`.
    """
    if not quorum.rehearsal:
        _require_several(quorum)
    names: set[str] = set()
    keys: dict[str, str] = {}
    for officer in quorum.officers:
        if officer.name in names:
            raise ApprovalRefused(Rule.OFFICER_TWICE, f"{officer.name} is named twice")
        names.add(officer.name)
        owner = keys.setdefault(officer.public_key, officer.name)
        if owner != officer.name:
            raise ApprovalRefused(
                Rule.OFFICER_KEY_TWICE, f"{owner} and {officer.name} have the same public key"
            )
        try:
            officer_key.accepted(bytes.fromhex(officer.public_key))
        except ApprovalRefused as unfit:
            raise ApprovalRefused(unfit.rule, f"{officer.name}: {unfit.words}") from None


def require_in_earnest(quorum: Quorum) -> None:
    """Refuse the quorum of a rehearsal, which may be of one, where it is none.

    Raises:
        ApprovalRefused: `quorum-of-rehearsal`.
    """
    if quorum.rehearsal:
        raise ApprovalRefused(
            Rule.QUORUM_OF_REHEARSAL, "the token's officers are those of a rehearsal"
        )


def _require_several(quorum: Quorum) -> None:
    persons = len({officer.person for officer in quorum.officers})
    if quorum.approvals < _LEAST_APPROVALS:
        raise ApprovalRefused(
            Rule.QUORUM_OF_ONE,
            f"it takes {_LEAST_APPROVALS} approvals at least, so that nobody acts alone",
        )
    if persons <= quorum.approvals:
        raise ApprovalRefused(
            Rule.QUORUM_WITHOUT_SPARE,
            f"{persons} persons are officers and {quorum.approvals} have to approve: without one "
            "more, nothing could be done when one of them is gone",
        )
