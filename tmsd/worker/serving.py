"""Answering questions one after another on the worker's one socket.

Which questions, and how, is for the service that the worker is there for.
"""

import logging
import resource
import select
import socket
from contextlib import suppress
from pathlib import Path
from typing import Generic

from msgspec import structs

from hsm.errors import (
    HsmError,
    KeyNotFound,
    KeyUnsuitable,
    MechanismUnavailable,
    TokenLost,
)
from hsm.hang import SharedAlarm, process_ending_after
from tmsd.clock import monotonic
from tmsd.errors import Code, ServiceError
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.message import LONGEST_TEXT, Answer
from tmsd.vault.worker_messages import Condition, Receipt, Refused
from tmsd.worker.generations import C, Generations
from tmsd.worker.service import AnyQuestion, Service

LOG = logging.getLogger(__name__)

# A lost token is noticed within a second, by one probe in each half of it.
BEAT_SECONDS = 0.5

# A probe that takes longer than this, or an answer that takes until its deadline and a second more,
# hangs, though each call into the module returns in time (hsm/hang.py). The process ends, and the
# front starts another, or systemd does.
_PROBE_SECONDS = 5.0
_GRACE_SECONDS = 1.0
_LONGEST_DEADLINE = 600.0

_RECEIVE = 64 * 1024
_LOST = "the HSM does not answer"


def serve(connection: socket.socket, generations: Generations[C], service: Service[C]) -> None:
    """Answer until the front closes the socket, whatever becomes of the token meanwhile.

    Raises:
        FrameError: the front does not keep to the protocol.
        ModuleStuck: the token is lost, and to be reached again by another process alone.
    """
    with suppress(BrokenPipeError, ConnectionResetError):  # the front went away meanwhile
        _serve(connection, generations, service)


def _serve(connection: socket.socket, generations: Generations[C], service: Service[C]) -> None:
    worker = _Worker(connection, generations, service)
    reader = FrameReader(service.question)
    while True:
        if select.select([connection], [], [], worker.seconds_to_beat())[0]:
            received = connection.recv(_RECEIVE)
            if not received:
                return
            for question in reader.feed(received):
                worker.answer(question)
                # Who asked is refused before the token is reached again.
                if generations.context is not None:
                    worker.beat_if_due()
        worker.beat_if_due()


class _Worker(Generic[C]):
    """One socket, one login at a time, one question after another."""

    def __init__(
        self, connection: socket.socket, generations: Generations[C], service: Service[C]
    ) -> None:
        self._connection = connection
        self._generations = generations
        self._service = service
        self._next_beat = monotonic() + BEAT_SECONDS

    def seconds_to_beat(self) -> float:
        """Return how long nothing has to be done unless a question comes."""
        to_beat = max(0.0, self._next_beat - monotonic())
        return min(to_beat, self._generations.seconds_to_try)

    def beat_if_due(self) -> None:
        """Look after the token and tell the front how it is, every so often."""
        is_due = monotonic() >= self._next_beat
        if self._generations.context is None:
            is_due |= self._generations.recover()
        elif is_due:
            with process_ending_after(_PROBE_SECONDS):
                self._generations.probe()
        if is_due:
            self._tell_condition()

    def answer(self, question: AnyQuestion) -> None:
        """Answer one question in time, or end; a token that turns out to be lost is let go of."""
        with SharedAlarm(_seconds_for(question)):
            self._answer(question)

    def _answer(self, question: AnyQuestion) -> None:
        context = self._generations.context
        if context is None:
            self._send(question.number, _refused(Code.HSM_UNAVAILABLE, _LOST))
            return
        try:
            answer = _answer(self._service, context, question)
            receipt = self._receipt(context, question, answer)
        except HsmError as error:
            LOG.error("an operation failed: %s", error)
            self._send(question.number, _refused(Code.HSM_UNAVAILABLE, _LOST))
            # Some tokens say the like of a single operation or key; the probe knows.
            self._generations.probe_after_failure()
            if self._generations.context is None:
                self._tell_condition()
            return
        self._send(question.number, answer, receipt)

    def _tell_condition(self) -> None:
        self._next_beat = monotonic() + BEAT_SECONDS
        generations = self._generations
        condition = Condition(
            state="lost" if generations.context is None else "operational",
            generation=generations.generation,
            derivations=generations.derivations,
            resident_bytes=_resident_bytes(),
            reason=generations.reason[:LONGEST_TEXT] if generations.reason else None,
        )
        self._send(0, condition)

    def _receipt(self, context: C, question: AnyQuestion, answer: Answer) -> Receipt | None:
        if self._service.receipt is None:
            return None
        generation = self._generations.generation
        return self._service.receipt(context, generation, question.request, answer)

    def _send(self, number: int, answer: Answer, receipt: Receipt | None = None) -> None:
        receipts = () if receipt is None else (receipt,)
        self._connection.sendall(encode(self._service.reply(number, answer, *receipts)))


def _seconds_for(question: AnyQuestion) -> float:
    """Return how long the answer may take, whatever the front says of its deadline."""
    left = question.deadline - monotonic()
    return min(left, _LONGEST_DEADLINE) + _GRACE_SECONDS if left > 0 else _GRACE_SECONDS


def _resident_bytes() -> int:
    """Return how much memory this process holds (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _answer(service: Service[C], context: C, question: AnyQuestion) -> Answer:
    if not monotonic() <= question.deadline:  # also when it is not a number
        return _refused(Code.OVERLOADED, "the request waited too long for the HSM")
    try:
        return service.answers[type(question.request)](context, question.request)
    except ServiceError as refusal:
        refused = _refused(refusal.code, refusal.detail, refusal.pointer)
        return structs.replace(refused, card=service.card(context, question.request))
    except MechanismUnavailable as error:
        LOG.warning("the token refuses a mechanism: %s", error)
        return _refused(Code.MECHANISM_UNAVAILABLE, "the token lacks a mechanism for this")
    except (KeyNotFound, KeyUnsuitable) as error:
        LOG.error("a key cannot be used: %s", error)
        return _refused(Code.KEY_MISSING, "a key in the token cannot be used for this")
    except TokenLost:
        raise
    except HsmError as error:
        LOG.error("the token failed an operation: %s", error)
        return _refused(Code.HSM_UNAVAILABLE, "the HSM failed the operation")


def _refused(code: Code, detail: str, pointer: str | None = None) -> Refused:
    """Return a refusal within the bounds of its message, however long its words are."""
    return Refused(code=code, detail=detail[:LONGEST_TEXT], pointer=pointer)
