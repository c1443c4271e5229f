"""Answering questions one after another on the worker's one socket."""

import logging
import resource
import select
import socket
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from msgspec import structs

from hsm.errors import (
    HsmError,
    KeyNotFound,
    KeyUnsuitable,
    MechanismUnavailable,
    TokenLost,
)
from hsm.hang import process_ending_after
from tmsd.clock import monotonic
from tmsd.errors import Code, ServiceError
from tmsd.vault import card_messages, certificate_messages, messages, worker_messages
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.message import LONGEST_TEXT
from tmsd.vault.messages import Question, Reply
from tmsd.vault.worker_messages import Refused
from tmsd.worker import certifying, describing, key_changeover, messaging, opening, publishing
from tmsd.worker.context import Context
from tmsd.worker.generations import Generations
from tmsd.worker.receipts import Receipts

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

# Every request and the function that answers it; a test holds this to messages.AnyRequest.
ANSWERS: dict[type[messages.AnyRequest], Callable[[Context, Any], messages.AnyAnswer]] = {
    card_messages.IssueChallenge: opening.issue_challenge,
    card_messages.OpenChannel: opening.open_channel,
    card_messages.DeliverKeys: opening.deliver_keys,
    card_messages.VerifyCryptogram: opening.verify_cryptogram,
    card_messages.WrapCommands: messaging.wrap_commands,
    card_messages.UnwrapResponses: messaging.unwrap_responses,
    card_messages.EncryptData: messaging.encrypt_data,
    card_messages.PutKey: key_changeover.put_key,
    card_messages.ConfirmPutKey: key_changeover.confirm_put_key,
    card_messages.MakeRandom: describing.make_random,
    card_messages.DescribeKeySet: describing.describe_key_set,
    certificate_messages.PrepareCertificate: certifying.prepare_certificate,
    certificate_messages.SignCertificate: certifying.sign_certificate,
    certificate_messages.SignCrl: publishing.sign_crl,
    certificate_messages.SignStatuses: publishing.sign_statuses,
}


def serve(connection: socket.socket, generations: Generations, receipts: Receipts) -> None:
    """Answer until the front closes the socket, whatever becomes of the token meanwhile.

    Raises:
        FrameError: the front does not keep to the protocol.
        ModuleStuck: the token is lost, and to be reached again by another process alone.
    """
    with suppress(BrokenPipeError, ConnectionResetError):  # the front went away meanwhile
        _serve(connection, generations, receipts)


def _serve(connection: socket.socket, generations: Generations, receipts: Receipts) -> None:
    worker = _Worker(connection, generations, receipts)
    reader = FrameReader(Question)
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


class _Worker:
    """One socket, one login at a time, one question after another."""

    def __init__(
        self, connection: socket.socket, generations: Generations, receipts: Receipts
    ) -> None:
        self._connection = connection
        self._generations = generations
        self._receipts = receipts
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

    def answer(self, question: Question) -> None:
        """Answer one question in time, or end; a token that turns out to be lost is let go of."""
        with process_ending_after(_seconds_for(question)):
            self._answer(question)

    def _answer(self, question: Question) -> None:
        context = self._generations.context
        if context is None:
            self._send(question.number, _refused(Code.HSM_UNAVAILABLE, _LOST), None)
            return
        try:
            answer = _answer(context, question)
            receipt = self._receipts.make(
                context, self._generations.generation, question.request, answer
            )
        except HsmError as error:
            LOG.error("an operation failed: %s", error)
            self._send(question.number, _refused(Code.HSM_UNAVAILABLE, _LOST), None)
            # Some tokens say the like of a single operation or key; the probe knows.
            self._generations.probe_after_failure()
            if self._generations.context is None:
                self._tell_condition()
            return
        self._send(question.number, answer, receipt)

    def _tell_condition(self) -> None:
        self._next_beat = monotonic() + BEAT_SECONDS
        generations = self._generations
        condition = worker_messages.Condition(
            state="lost" if generations.context is None else "operational",
            generation=generations.generation,
            derivations=generations.derivations,
            resident_bytes=_resident_bytes(),
            reason=generations.reason[:LONGEST_TEXT] if generations.reason else None,
        )
        self._send(0, condition, None)

    def _send(
        self, number: int, answer: messages.AnyAnswer, receipt: worker_messages.Receipt | None
    ) -> None:
        self._connection.sendall(encode(Reply(number=number, answer=answer, receipt=receipt)))


def _seconds_for(question: Question) -> float:
    """Return how long the answer may take, whatever the front says of its deadline."""
    left = question.deadline - monotonic()
    return min(left, _LONGEST_DEADLINE) + _GRACE_SECONDS if left > 0 else _GRACE_SECONDS


def _resident_bytes() -> int:
    """Return how much memory this process holds (proc(5), statm)."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize()


def _answer(context: Context, question: Question) -> messages.AnyAnswer:
    if not monotonic() <= question.deadline:  # also when it is not a number
        return _refused(Code.OVERLOADED, "the request waited too long for the HSM")
    try:
        return ANSWERS[type(question.request)](context, question.request)
    except ServiceError as refusal:
        refused = _refused(refusal.code, refusal.detail, refusal.pointer)
        return structs.replace(refused, card=_card(context, question.request))
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


def _card(context: Context, request: messages.AnyRequest) -> worker_messages.RefusedCard | None:
    """Return whose session a request named; of a card without one the front knows by itself."""
    sealed = getattr(request, "session", None)
    return None if sealed is None else messaging.card_of(context, sealed, request.caller)


def _refused(code: Code, detail: str, pointer: str | None = None) -> Refused:
    """Return a refusal within the bounds of its message, however long its words are."""
    return Refused(code=code, detail=detail[:LONGEST_TEXT], pointer=pointer)
