"""What was expected, what happened, and the end of the story where the two differ."""

from collections.abc import Awaitable, Sequence
from dataclasses import dataclass

from tests.demo.screen import Screen
from tmsd.client.problem import Problem, ServiceUnreachable

_LONGEST = 400  # characters of a value in a deviation


class Deviation(Exception):
    """Something happened that should not have, or did not that should have.

    Args:
        what: was looked at.
        expected: what should have happened.
        happened: what did.
    """

    def __init__(self, what: str, expected: str, happened: str) -> None:
        super().__init__(f"{what}: expected {expected}; happened: {happened}")
        self.what = what
        self.expected = expected
        self.happened = happened


@dataclass(frozen=True, slots=True)
class Finding:
    """A line of the summary: in which step what was looked at, and what was seen."""

    step: int
    what: str
    seen: str


class Findings:
    """All that was as expected so far; the first deviation is raised."""

    def __init__(self, screen: Screen) -> None:
        self._screen = screen
        self.all: list[Finding] = []
        self.problems: list[Problem] = []

    def seen(self, what: str, seen: str) -> None:
        """Note what was seen, after it was compared with what should be."""
        self._screen.right(f"{what}: {seen}")
        self.all.append(Finding(self._screen.number, what, seen))

    def require_equal(self, what: str, expected: object, happened: object) -> None:
        """Compare.

        Raises:
            Deviation: the two differ.
        """
        if happened != expected:
            raise Deviation(what, _in_words(expected), _in_words(happened))

    async def refused(self, what: str, codes: Sequence[str], call: Awaitable[object]) -> None:
        """Let the service refuse a call, and show the message that its caller sees.

        Args:
            what: is refused.
            codes: one of these is the right one.
            call: what the service is asked.

        Raises:
            Deviation: it does not refuse, or for another reason.
        """
        wanted = "refused: " + " or ".join(codes)
        try:
            answer = await call
        except Problem as problem:
            self._show(problem)
            if problem.code not in codes:
                raise Deviation(what, wanted, f"{problem.code}: {problem.detail}") from problem
            self.problems.append(problem)
            self.seen(what, f"refused: {problem.code}")
        else:
            raise Deviation(what, wanted, f"it was done: {_in_words(answer)}")

    async def cut_off(self, what: str, call: Awaitable[object]) -> None:
        """Let TLS refuse a connection, and show what its client sees.

        Raises:
            Deviation: the service answers.
        """
        try:
            answer = await call
        except ServiceUnreachable as error:
            self._screen.value("the client sees", str(error))
            self.seen(what, "refused by TLS")
        except Problem as problem:
            raise Deviation(what, "no answer", f"{problem.code}: {problem.detail}") from problem
        else:
            raise Deviation(what, "no answer", f"it was done: {_in_words(answer)}")

    def _show(self, problem: Problem) -> None:
        self._screen.value("the caller sees", f"HTTP {problem.status} {problem.code}")
        self._screen.value("", f"{problem.title}: {problem.detail}")
        place = f", at {problem.pointer}" if problem.pointer else ""
        self._screen.value("", f"next: {problem.next}{place}")


def _in_words(value: object) -> str:
    text = value.hex() if isinstance(value, bytes) else str(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."
