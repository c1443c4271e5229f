"""What a worker is there for: the messages of one boundary, and the functions that answer them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, Protocol

from tmsd.vault.message import Answer, Framed, NamedCard, Request
from tmsd.vault.worker_messages import Receipt
from tmsd.worker.generations import C


class AnyQuestion(Framed, Protocol):
    """A question, of whichever boundary."""

    @property
    def number(self) -> int:
        """What its reply repeats."""

    @property
    def deadline(self) -> float:
        """When who asks stops waiting, on the monotonic clock."""

    @property
    def request(self) -> Request[Any]:
        """What is asked."""


def no_card(_context: object, _request: object) -> None:
    """Return nothing: no request names a session with a card."""


@dataclass(frozen=True, slots=True)
class Service(Generic[C]):
    """The messages of one boundary, and what answers them.

    Attributes:
        question: what is read from the socket.
        reply: makes what is written: of a number, an answer, and a receipt where there is one.
        answers: by the kind of request, the function that answers it.
        receipt: makes the receipt of an answer, from context, generation, request and answer.
        card: returns whose session a refused request named, if one.
    """

    question: type[AnyQuestion]
    reply: Callable[..., Framed]
    answers: Mapping[type[Any], Callable[[C, Any], Answer]]
    receipt: Callable[[C, int, Any, Any], Receipt] | None = None
    card: Callable[[C, Any], NamedCard | None] = no_card
