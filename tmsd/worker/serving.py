"""Answering questions one after another on the worker's one socket."""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from msgspec import structs

from hsm.errors import (
    HsmError,
    KeyNotFound,
    KeyUnsuitable,
    MechanismUnavailable,
    TokenLost,
)
from tmsd.errors import Code, ServiceError
from tmsd.vault import messages
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.messages import LONGEST_TEXT, Question, Refused, Reply
from tmsd.worker import describing, key_changeover, messaging, opening
from tmsd.worker.context import Context

LOG = logging.getLogger(__name__)

_RECEIVE = 64 * 1024

# Every request and the function that answers it; a test holds this to messages.AnyRequest.
ANSWERS: dict[type[messages.AnyRequest], Callable[[Context, Any], messages.AnyAnswer]] = {
    messages.IssueChallenge: opening.issue_challenge,
    messages.OpenChannel: opening.open_channel,
    messages.DeliverKeys: opening.deliver_keys,
    messages.VerifyCryptogram: opening.verify_cryptogram,
    messages.WrapCommands: messaging.wrap_commands,
    messages.UnwrapResponses: messaging.unwrap_responses,
    messages.EncryptData: messaging.encrypt_data,
    messages.PutKey: key_changeover.put_key,
    messages.ConfirmPutKey: key_changeover.confirm_put_key,
    messages.MakeRandom: describing.make_random,
    messages.DescribeKeySet: describing.describe_key_set,
}


def serve(connection: socket.socket, context: Context) -> None:
    """Answer until the front closes the socket.

    Raises:
        TokenLost: the token is gone; the question at hand was answered with
            `hsm-unavailable`, and only a new process helps.
        FrameError: the front does not keep to the protocol.
    """
    reader = FrameReader(Question)
    while received := connection.recv(_RECEIVE):
        for question in reader.feed(received):
            try:
                answer = _answer(context, question)
            except TokenLost:
                lost = _refused(Code.HSM_UNAVAILABLE, "the HSM does not answer")
                connection.sendall(encode(Reply(number=question.number, answer=lost)))
                raise
            connection.sendall(encode(Reply(number=question.number, answer=answer)))


def _answer(context: Context, question: Question) -> messages.AnyAnswer:
    if not time.monotonic() <= question.deadline:  # also when it is not a number
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
        LOG.error("a key cannot be used: %s", error)  # noqa: TRY400  as below
        return _refused(Code.KEY_MISSING, "a key in the token cannot be used for this")
    except TokenLost as error:
        LOG.error("the token is lost: %s", error)  # noqa: TRY400  a vendor's traceback says no more
        raise
    except HsmError as error:
        LOG.error("the token failed an operation: %s", error)  # noqa: TRY400  as above
        return _refused(Code.HSM_UNAVAILABLE, "the HSM failed the operation")


def _card(context: Context, request: messages.AnyRequest) -> messages.RefusedCard | None:
    """Return whose session a request named; of a card without one the front knows by itself."""
    sealed = getattr(request, "session", None)
    return None if sealed is None else messaging.card_of(context, sealed, request.caller)


def _refused(code: Code, detail: str, pointer: str | None = None) -> Refused:
    """Return a refusal within the bounds of its message, however long its words are."""
    return Refused(code=code, detail=detail[:LONGEST_TEXT], pointer=pointer)
