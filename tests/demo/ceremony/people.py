"""Who is there, and what each of them types when the terminal asks."""

import re
import secrets
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import cycle

from tests.terminal import plain

OPERATOR, AUDITOR = "olaf", "adele"
EVERYBODY = "Everybody"

_COMPONENT_BYTES = 16
_IN_A_LINE = 11  # words of a share that a custodian types before Enter
_WHO_SITS_DOWN = re.compile(r"(\w+ \w+) \(\w+\), alone at this screen")
_NUMBERED_WORD = re.compile(r"\d+ ([a-z]+)")


@dataclass(frozen=True, slots=True)
class Officer:
    """Who approves.

    Attributes:
        name: as scripts have it.
        person: their name.
        secret: the PIN of their card, or else the password of their key.
        has_card: whether the key is on a card, and not in a file.
    """

    name: str
    person: str
    secret: str = field(repr=False)
    has_card: bool = True

    @property
    def public_key(self) -> str:
        """The file that `tmsctl officer` makes of it."""
        return f"officers/{self.name}.pub"

    @property
    def private_key(self) -> str:
        """The file of a key that is on no card."""
        return f"officers/{self.name}.key"


@dataclass(frozen=True, slots=True)
class Custodian:
    """Who holds a component or a share."""

    name: str
    person: str


OFFICERS = (
    Officer("anna", "Anna Arndt", "271828"),
    Officer("berta", "Berta Brandt", "314159"),
    Officer("carl", "Carl Conrad", "correct horse battery staple", has_card=False),
)
CUSTODIANS = (
    Custodian("karl", "Karl Kunze"),
    Custodian("lena", "Lena Lorenz"),
    Custodian("mia", "Mia Maurer"),
)


@dataclass(frozen=True, slots=True)
class Answer:
    """What somebody types.

    Attributes:
        seen_by: who sees the screen with the question.
        line: what they type.
        unseen: what it is, where the terminal does not show it.
    """

    seen_by: str
    line: str
    unseen: str = ""


class People:
    """Officers who agree, in turn; custodians who keep what they wrote down."""

    def __init__(self) -> None:
        self._officers = cycle(OFFICERS)
        self._components = {
            custodian.person: secrets.token_hex(_COMPONENT_BYTES) for custodian in CUSTODIANS
        }
        self._written_down: dict[str, list[str]] = {}
        self._to_type: list[str] = []
        self._at_the_screen = EVERYBODY
        self._has_erred = False
        self._answers: dict[str, Callable[[re.Match[str]], Answer]] = {
            r"Is it the same for everybody\? .*": self._agrees,
            r"Who approves\? .*": self._approves,
            r"Enough have approved\. .*|Enter, once everybody has seen it": self._goes_on,
            r"(?P<person>\w+ \w+): (?P<what>PIN|password) of .*": self._signs,
            r"password of the new key|the same again": self._keeps_a_key,
            r"Enter, once nobody else can see this screen": self._sits_down,
            r".*Enter, once it is written down": self._writes_down,
            r"Type component .*": self._types_component,
            r"Type the share of .*": self._types_share,
            r"Then words .*": self._types_on,
            r"Is that right\? .*": self._confirms,
        }

    def is_asked(self, shown: str) -> bool:
        """Say whether there is a question at the end of what a screen shows."""
        return self._question(shown) is not None

    def answer(self, shown: str) -> Answer | None:
        """Return what is typed at the end of what a screen shows; None where nothing is asked."""
        asked = self._question(shown)
        if asked is None:
            return None
        found, answer = asked
        return answer(found)

    def _question(
        self, shown: str
    ) -> tuple[re.Match[str], Callable[[re.Match[str]], Answer]] | None:
        shown = plain(shown)
        last_line = shown.rfind("\n") + 1
        for question, answer in self._answers.items():
            if found := re.compile(f"(?:{question}): ").fullmatch(shown, last_line):
                return found, answer
        return None

    def _approves(self, _found: re.Match[str]) -> Answer:
        return Answer(EVERYBODY, next(self._officers).name)

    def _goes_on(self, _found: re.Match[str]) -> Answer:
        return Answer(EVERYBODY, "")

    def _signs(self, found: re.Match[str]) -> Answer:
        [officer] = [each for each in OFFICERS if each.person == found["person"]]
        return Answer(EVERYBODY, officer.secret, f"{officer.person} types a {found['what']}")

    def _keeps_a_key(self, _found: re.Match[str]) -> Answer:
        [officer] = [each for each in OFFICERS if not each.has_card]
        return Answer(officer.person, officer.secret, f"{officer.person} types a password")

    def _agrees(self, _found: re.Match[str]) -> Answer:
        return Answer(EVERYBODY, "y")

    def _confirms(self, _found: re.Match[str]) -> Answer:
        return Answer(self._at_the_screen, "y")

    def _sits_down(self, found: re.Match[str]) -> Answer:
        [self._at_the_screen] = _WHO_SITS_DOWN.findall(found.string)[-1:]
        return Answer(self._at_the_screen, "")

    def _writes_down(self, found: re.Match[str]) -> Answer:
        self._written_down[self._at_the_screen] = _NUMBERED_WORD.findall(found.string)
        return Answer(self._at_the_screen, "")

    def _types_component(self, _found: re.Match[str]) -> Answer:
        person = self._at_the_screen
        return Answer(person, self._components[person], f"{person} types 32 hexadecimal digits")

    def _types_share(self, _found: re.Match[str]) -> Answer:
        """Type the first line of a share, and once, the first of all, with a mistake."""
        person = self._at_the_screen
        self._to_type = self._written_down[person]
        if self._has_erred:
            return self._types_on(_found)
        self._has_erred = True
        wrong = [*self._to_type[1:_IN_A_LINE]]
        return Answer(person, " ".join(wrong), f"{person} forgets the first word")

    def _types_on(self, _found: re.Match[str]) -> Answer:
        line, self._to_type = self._to_type[:_IN_A_LINE], self._to_type[_IN_A_LINE:]
        person = self._at_the_screen
        return Answer(person, " ".join(line), f"{person} types {len(line)} words")
