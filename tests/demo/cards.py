"""The demonstration's cards: some behave, some do not; all in virtual readers of a real pcscd."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace

from smartcard.System import readers

from tests.demo.issuer import IssuedKeySet, IssuedKeySets
from tests.pcsc.fixtures import wait_for_card
from tests.pcsc.pcscd import private_pcscd
from tests.pcsc.vpcd import InsertedCard, Token
from tests.virtual_token import faults
from tests.virtual_token.card import Card
from tests.virtual_token.keyring import Keyring
from tests.virtual_token.memory import NonVolatileMemory
from tests.virtual_token.personalisation import CardProfile

_WHERE_PCSCD_IS = "PCSCLITE_CSOCK_NAME"  # read by libpcsclite, at its first call


@dataclass(frozen=True, slots=True)
class IssuedCard:
    """A card before it is in a reader.

    Attributes:
        nature: what it is like, in words.
        key_set: which it says it belongs to.
        profile: what personalisation made of it.
        memory: what is stored on it.
        token: what answers.
    """

    nature: str
    key_set: IssuedKeySet
    profile: CardProfile
    memory: NonVolatileMemory
    token: Token

    @property
    def keyring(self) -> Keyring:
        """The keys on the card: those of its personalisation until PUT KEY changes them."""
        return self.memory.keyring or self.profile.keyring

    def check_values(self, version: int) -> list[bytes]:
        """Return the check values of its ENC, MAC and DEK; none where it lacks the version."""
        group = self.keyring.group(version)
        return [key.check_value for key in group.keys.values()] if group else []


@dataclass(frozen=True, slots=True)
class CardInReader:
    """A card, and the name of the PC/SC reader that it is in."""

    issued: IssuedCard
    reader: str


@dataclass(frozen=True, slots=True)
class Cards:
    """The cards of the story, by their parts in it."""

    staff: CardInReader
    officers: CardInReader
    older: CardInReader
    doors: CardInReader
    fresh: CardInReader
    also_fresh: CardInReader
    left_behind: CardInReader
    stranger: CardInReader
    replaying: CardInReader
    noisy: CardInReader
    truncating: CardInReader
    lengthening: CardInReader

    @property
    def good(self) -> tuple[CardInReader, ...]:
        """The cards that behave and hold the right keys."""
        field_cards = (self.staff, self.officers, self.older, self.doors)
        return (*field_cards, self.fresh, self.also_fresh)

    @property
    def all(self) -> tuple[CardInReader, ...]:
        """Every card, in the order of the readers."""
        misbehaving = (self.replaying, self.noisy, self.truncating, self.lengthening)
        return (*self.good, self.left_behind, self.stranger, *misbehaving)


@contextmanager
def issued_cards(key_sets: IssuedKeySets) -> Iterator[Cards]:
    """Personalise the cards, start pcscd, and put each into a reader until the end.

    Raises:
        PcscdError: a Debian package is missing, or the daemon does not come up.
    """
    staff, officers = _good(key_sets.staff), key_sets.officers
    replaying, noisy, truncating, lengthening = (_good(officers) for _ in range(4))
    stranger = key_sets.staff.profile_from_another_master()
    issued = (
        staff,
        *(_good(key_set) for key_set in (officers, key_sets.older, key_sets.doors)),
        *(_issue("holds factory keys", key_sets.fresh, key_sets.fresh.profile()) for _ in range(2)),
        _left_behind(staff),
        _issue("keys of another master key", key_sets.staff, stranger),
        _faulty("repeats its first answer", replaying, faults.ReplayingCard(replaying.token)),
        _garbling("answers random bytes", noisy, faults.random_bytes),
        _garbling("answers a byte short", truncating, faults.truncated),
        _garbling("answers a byte too much", lengthening, faults.too_long),
    )
    with in_readers(*(card.token for card in issued)) as names:
        yield Cards(*(CardInReader(*pair) for pair in zip(issued, names, strict=True)))


def _left_behind(card: IssuedCard) -> IssuedCard:
    """Return a copy of a card that has its old keys, and says that they are the new ones."""
    new_version = card.key_set.masters[1].version
    profile = replace(card.profile, key_version=new_version)
    return _issue(f"the first one's old keys, as {new_version:02x}", card.key_set, profile)


def _good(key_set: IssuedKeySet) -> IssuedCard:
    return _issue("behaves", key_set, key_set.profile())


def _issue(nature: str, key_set: IssuedKeySet, profile: CardProfile) -> IssuedCard:
    memory = NonVolatileMemory()
    return IssuedCard(nature, key_set, profile, memory, Card(profile, memory))


def _garbling(nature: str, card: IssuedCard, garble: Callable[[bytes], bytes]) -> IssuedCard:
    return _faulty(nature, card, faults.GarblingCard(card.token, garble))


def _faulty(nature: str, card: IssuedCard, token: Token) -> IssuedCard:
    return IssuedCard(nature, card.key_set, card.profile, card.memory, token)


@contextmanager
def in_readers(*cards: Token) -> Iterator[list[str]]:
    """Put each card into a reader of its own; yield the readers' names in the same order."""
    even = len(cards) + len(cards) % 2
    with ExitStack() as stack:
        daemon = stack.enter_context(private_pcscd(even))
        stack.enter_context(_environment(_WHERE_PCSCD_IS, str(daemon.socket_path)))
        for card, port in zip(cards, daemon.ports, strict=False):
            stack.enter_context(InsertedCard(card, port))
        for slot in range(len(cards)):
            wait_for_card(slot, present=True)
        yield [reader.name for reader in readers()][: len(cards)]


@contextmanager
def _environment(name: str, value: str) -> Iterator[None]:
    before = os.environ.get(name)
    os.environ[name] = value
    try:
        yield
    finally:
        if before is None:
            del os.environ[name]
        else:
            os.environ[name] = before
