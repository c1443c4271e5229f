"""Answering questions one after another on the worker's one socket."""

import logging
import socket
import time
from collections.abc import Callable
from typing import Any

from hsm.errors import HsmError, MechanismUnavailable, TokenLost
from tmsd.errors import Code, ServiceError
from tmsd.vault import messages
from tmsd.vault.framing import FrameReader, encode
from tmsd.vault.messages import Question, Refused, Reply
from tmsd.worker import tks
from tmsd.worker.tks import Context

LOG = logging.getLogger(__name__)

_RECEIVE = 64 * 1024

# Every request and the function that answers it; a test holds this to messages.AnyRequest.
ANSWERS: dict[type[messages.AnyRequest], Callable[[Context, Any], messages.AnyAnswer]] = {
    messages.IssueChallenge: tks.issue_challenge,
    messages.OpenChannel: tks.open_channel,
    messages.VerifyCryptogram: tks.verify_cryptogram,
    messages.WrapCommands: tks.wrap_commands,
    messages.MakeRandom: tks.make_random,
    messages.DescribeKeySet: tks.describe_key_set,
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
                lost = Refused(code=Code.HSM_UNAVAILABLE, detail="the HSM does not answer")
                connection.sendall(encode(Reply(number=question.number, answer=lost)))
                raise
            connection.sendall(encode(Reply(number=question.number, answer=answer)))


def _answer(context: Context, question: Question) -> messages.AnyAnswer:
    if not time.monotonic() <= question.deadline:  # also when it is not a number
        return Refused(code=Code.OVERLOADED, detail="the request waited too long for the HSM")
    try:
        return ANSWERS[type(question.request)](context, question.request)
    except ServiceError as refusal:
        return Refused(code=refusal.code, detail=refusal.detail, pointer=refusal.pointer)
    except MechanismUnavailable as error:
        LOG.warning("the token refuses a mechanism: %s", error)
        return Refused(code=Code.MECHANISM_UNAVAILABLE, detail=str(error))
    except TokenLost as error:
        LOG.error("the token is lost: %s", error)  # noqa: TRY400  a vendor's traceback says no more
        raise
    except HsmError as error:
        LOG.error("the token failed an operation: %s", error)  # noqa: TRY400  as above
        return Refused(code=Code.HSM_UNAVAILABLE, detail="the HSM failed the operation")
