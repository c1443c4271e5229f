"""Frames: round trips, streams cut anywhere, and everything that is no frame."""

import tracemalloc

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.vault.samples import QUESTIONS, REPLIES
from tmsd.errors import Code
from tmsd.vault import card_messages, certificate_messages, message, messages, worker_messages
from tmsd.vault.framing import LENGTH_BYTES, FrameError, FrameReader, encode
from tmsd.vault.messages import Question, Reply
from tmsd.x509.ocsp import MAX_ANSWER

QUESTION = Question(
    number=1, deadline=1.5, request=card_messages.MakeRandom(caller="tps-demo", length=16)
)
BODY = msgspec.msgpack.encode(QUESTION)


def _framed(body: bytes) -> bytes:
    return len(body).to_bytes(LENGTH_BYTES, "big") + body


@settings(deadline=None)
@given(question=QUESTIONS)
def test_a_question_arrives_as_it_was_sent(question: Question) -> None:
    assert FrameReader(Question).feed(encode(question)) == [question]


@settings(deadline=None)
@given(reply=REPLIES)
def test_a_reply_arrives_as_it_was_sent(reply: Reply) -> None:
    assert FrameReader(Reply).feed(encode(reply)) == [reply]


@settings(deadline=None)
@given(questions=st.lists(QUESTIONS, max_size=4), data=st.data())
def test_a_stream_may_be_cut_anywhere(questions: list[Question], data: st.DataObject) -> None:
    stream = b"".join(encode(question) for question in questions)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=8)))
    reader = FrameReader(Question)

    received = [
        question
        for start, end in zip([0, *cuts], [*cuts, len(stream)], strict=True)
        for question in reader.feed(stream[start:end])
    ]

    assert received == questions


def test_a_stream_may_come_byte_by_byte() -> None:
    reader = FrameReader(Question)

    received = [reader.feed(bytes([byte])) for byte in encode(QUESTION) * 2]

    assert [question for questions in received for question in questions] == [QUESTION] * 2
    assert received[-1] == [QUESTION]


@settings(deadline=None)
@given(garbage=st.binary(max_size=200))
def test_garbage_is_waited_for_or_refused_and_raises_nothing_else(garbage: bytes) -> None:
    for received in (garbage, _framed(garbage)):
        try:
            FrameReader(Question).feed(received)
        except FrameError:
            continue


@settings(deadline=None)
@given(question=QUESTIONS, data=st.data())
def test_a_changed_byte_is_read_or_refused_and_raises_nothing_else(
    question: Question, data: st.DataObject
) -> None:
    body = bytearray(msgspec.msgpack.encode(question))
    body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        FrameReader(Question).feed(_framed(bytes(body)))
    except FrameError:
        return


@pytest.mark.parametrize(
    "body",
    [
        b"",
        BODY[:-1],
        BODY + b"\x00",
        BODY.replace(b"tps-demo", b"\xffps-demo"),
        BODY.replace(b"caller", b"\xffaller"),
        BODY.replace(b"make-random", b"\xffake-random"),
        BODY.replace(b"make-random", b"lose-random"),
        BODY.replace(b"length", b"strong"),
        b"\x91" * 20_000 + b"\xc0",
        b"\x81\xa7request\x81\xa1x" + b"\x91" * 20_000 + b"\xc0",
        b"\xdf\xff\xff\xff\xff",
        msgspec.msgpack.encode(Reply(number=1, answer=card_messages.RandomMade(random=b"r"))),
    ],
    ids=[
        "empty",
        "cut short",
        "trailing byte",
        "caller is not UTF-8",
        "field name is not UTF-8",
        "type is not UTF-8",
        "unknown type",
        "unknown field",
        "nested arrays",
        "arrays nested in an unknown field",
        "a map of 4 billion",
        "a reply",
    ],
)
def test_what_is_not_a_question_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError, match="not a message of the protocol"):
        FrameReader(Question).feed(_framed(body))


def test_an_array_that_announces_4_billion_elements_costs_nothing() -> None:
    wrap = card_messages.WrapCommands(caller="a", session=b"s", apdus=[b"\x00"])
    body = msgspec.msgpack.encode(Question(number=1, deadline=0.0, request=wrap))
    forged = body.replace(b"\x91\xc4\x01\x00", b"\xdd\xff\xff\xff\xff")
    assert forged != body

    tracemalloc.start()
    try:
        with pytest.raises(FrameError, match="length <= 64"):
            FrameReader(Question).feed(_framed(forged))
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert peak < 64 * 1024


@pytest.mark.parametrize("length", [Question.LARGEST + 1, 2**31, 2**32 - 1])
def test_a_length_over_the_limit_is_refused_before_anything_of_it_is_taken_in(
    length: int,
) -> None:
    reader = FrameReader(Question)
    header = length.to_bytes(LENGTH_BYTES, "big")

    assert reader.feed(header[:-1]) == []
    with pytest.raises(FrameError, match=f"a message of {length} bytes is announced"):
        reader.feed(header[-1:])


def test_the_largest_frame_is_waited_for() -> None:
    reader = FrameReader(Question)

    assert reader.feed(_framed(bytes(Question.LARGEST))[:-1]) == []
    with pytest.raises(FrameError, match="not a message of the protocol"):
        reader.feed(b"\x00")


def test_a_stream_that_went_wrong_stays_wrong() -> None:
    reader = FrameReader(Question)
    for received in (b"\xff\xff\xff\xff", encode(QUESTION)):
        with pytest.raises(FrameError):
            reader.feed(received)


def test_what_is_too_large_is_not_sent() -> None:
    long = card_messages.WrapCommands(caller="a", session=b"s", apdus=[bytes(message.MAX_FRAME)])

    with pytest.raises(FrameError, match=f"{message.MAX_FRAME} are allowed"):
        encode(Question(number=1, deadline=0.0, request=long))


def test_what_is_too_large_for_its_kind_is_refused_though_another_kind_may_be_larger() -> None:
    fields = {f"f{n}": ["v" * 256] * 64 for n in range(14)}
    prepare = certificate_messages.PrepareCertificate(
        "a", "b", "c", certificate_messages.SignedRequest(b"request"), fields, None
    )
    body = msgspec.msgpack.encode(Question(1, 0.0, prepare))
    assert prepare.LARGEST < len(body) < Question.LARGEST

    with pytest.raises(FrameError, match=f"{prepare.LARGEST} are allowed"):
        FrameReader(Question).feed(_framed(body))


def test_answers_for_the_most_statuses_fit_a_frame() -> None:
    answers = [bytes(MAX_ANSWER)] * certificate_messages.MAX_STATUSES
    reply = Reply(1, certificate_messages.SignedStatuses(1, 2, answers, answers))
    assert FrameReader(Reply).feed(encode(reply)) == [reply]


def test_a_crl_of_the_most_entries_fits_a_frame() -> None:
    entries = bytes(certificate_messages.MAX_CRL_ENTRIES * certificate_messages.ENTRY_LENGTH)
    question = Question(
        1, 1e300, certificate_messages.SignCrl("a" * 64, "b" * 64, 1000, 2**53 - 1, 1, entries)
    )
    assert FrameReader(Question).feed(encode(question)) == [question]

    reply = Reply(1, certificate_messages.SignedCrl(bytes(certificate_messages.MAX_CRL)))
    assert FrameReader(Reply).feed(encode(reply)) == [reply]


def test_the_largest_request_and_the_largest_answer_fit_a_frame() -> None:
    name, text = "n" * 64, "\u20ac" * 1024
    apdus = [bytes(card_messages.MAX_APDU)] * card_messages.MAX_APDUS
    session = bytes(card_messages.MAX_SESSION)
    number = 2**53 - 1

    response = bytes(card_messages.MAX_RESPONSE)
    channel = card_messages.Channel(
        session=session, key_set=name, key_version=255, diversification_data=bytes(10)
    )
    requests: list[messages.AnyRequest] = [
        card_messages.WrapCommands(caller=name, session=session, apdus=apdus),
        card_messages.UnwrapResponses(
            caller=name, session=session, responses=[response] * card_messages.MAX_APDUS
        ),
    ]
    answers: list[messages.AnyAnswer] = [
        card_messages.CommandsWrapped(channel=channel, apdus=apdus),
        card_messages.ResponsesUnwrapped(
            channel=channel,
            responses=[card_messages.UnwrappedResponse(response=response, protected=False)]
            * card_messages.MAX_APDUS,
            closed=False,
        ),
        card_messages.KeySetDescribed(
            versions=[
                card_messages.KeyVersion(version=255, state="retired", key_check_value=bytes(3))
            ]
            * 255
        ),
        worker_messages.Refused(code=max(Code, key=len), detail=text, pointer=text),
    ]

    for request in requests:
        question = Question(number=number, deadline=1e300, request=request)
        assert FrameReader(Question).feed(encode(question)) == [question]
    for answer in answers:
        reply = Reply(number=number, answer=answer)
        assert FrameReader(Reply).feed(encode(reply)) == [reply]
