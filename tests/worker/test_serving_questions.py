"""The worker over its socket: one answer for each question, and no word to who breaks the rules.

Questions are written into a real socket before the worker reads it, which then works on
until the other end is closed, as it is when the front ends.
"""

import socket
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any, get_args

import pytest

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY, TRANSPORT_KEY
from hsm.errors import TokenLost
from hsm.importing import destroy_key, generate_key, import_key
from hsm.keys import AES_128, AES_256, KeyReference
from hsm.module import TokenAddress
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.site.batches import AES128
from tests.site.channels import OK, initialize_update
from tests.softhsm.tokens import USER_PIN
from tmsd.config.callers import Caller, Delivery, EncryptPurpose, Role
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import Policy
from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.config.transport_keys import TransportKey
from tmsd.errors import Code
from tmsd.vault.card_messages import (
    Card,
    ChallengeIssued,
    ChannelOpened,
    CommandsWrapped,
    ConfirmPutKey,
    DeliverKeys,
    DescribeKeySet,
    EncryptData,
    IssueChallenge,
    MakeRandom,
    OpenChannel,
    PutKey,
    PutKeyMade,
    RandomMade,
    UnwrapResponses,
    VerifyCryptogram,
    WrapCommands,
)
from tmsd.vault.certificate_messages import (
    DraftCertificate,
    PrepareCertificate,
    SignCertificate,
    SignCrl,
    SignStatuses,
)
from tmsd.vault.dogtag_messages import (
    EncryptChallenge,
    MakeKeySetData,
    MakeScp02Key,
    MakeSessionKeys,
)
from tmsd.vault.framing import FrameError, FrameReader, encode
from tmsd.vault.messages import AnyAnswer, AnyRequest, Question, Reply
from tmsd.vault.worker_messages import Condition, Refused
from tmsd.worker.answers import service
from tmsd.worker.context import Context
from tmsd.worker.generations import Generations
from tmsd.worker.keyring import Identities, KeyName, Keyring
from tmsd.worker.receipts import Receipts
from tmsd.worker.serving import serve

TPS = "tps"
OTHER = "other"
GET_DATA = bytes.fromhex("80ca9f7f00")
FAR_AWAY = 3600.0
TRANSPORT = TransportKey(name="tps-transport", algorithm=KeyAlgorithm.AES256)


def policy() -> Policy:
    """Return a policy of two callers, of which one may use the key set `aes128`."""
    key_set: dict[str, Any] = {
        "name": AES128.key_set,
        "scp": "03",
        "algorithm": AES128.algorithm,
        "diversification": AES128.diversification,
        "versions": {1: "active", 2: "active"},
        "change_to": [f"{AES128.key_set}:2"],
    }
    callers = [
        Caller(
            name=name,
            public_key_sha256=digit * 64,
            roles=(Role.TPS,),
            key_sets=key_sets,
            deliveries=tuple(Delivery),
            transport_key=TRANSPORT.name,
            encrypt_purposes=(EncryptPurpose.PIN,),
        )
        for name, digit, key_sets in ((TPS, "a", (AES128.key_set,)), (OTHER, "b", ()))
    ]
    return Policy.model_validate(
        {
            "source": Path("policy.toml"),
            "digest": "0" * 64,
            "callers": {caller.name: caller for caller in callers},
            "key_sets": {AES128.key_set: key_set},
            "transport_keys": {TRANSPORT.name: TRANSPORT},
        }
    )


@pytest.fixture(scope="module")
def context(hsm_token: Token, keyring: Keyring) -> Iterator[Context]:
    """A worker's, over a real token with the master key of the batch."""
    masters = [(1, Secret(AES128.master)), (2, Secret(AES128.master[::-1]))]
    with ExitStack() as stack:
        for version, master in masters:
            reference = KeyReference(AES128.key_set, version)
            import_key(hsm_token, reference, master, AES_128, MASTER_KEY)
            stack.callback(destroy_key, hsm_token, reference)
        shared = KeyReference(TRANSPORT.label, TRANSPORT.version)
        generate_key(hsm_token, shared, AES_256, TRANSPORT_KEY)
        stack.callback(destroy_key, hsm_token, shared)
        yield _context(hsm_token, keyring)


def _context(hsm_token: Token, keyring: Keyring) -> Context:
    return Context(
        token=hsm_token,
        keyring=keyring,
        policy=policy(),
        channel_key_version=2,
        challenge_key_version=2,
        receipt_key_version=2,
        session_seconds=300,
        challenge_seconds=60,
    )


def never_lost(context: Context) -> Generations[Context]:
    """Return a login that is not made again."""

    def reopen(_before: Identities, _gone: Collection[KeyName]) -> Context:
        raise TokenLost("it stays away")

    return Generations(context, reopen)


def question(number: int, request: AnyRequest, seconds: float = FAR_AWAY) -> bytes:
    """Return the frame of a question that is waited for so long."""
    return encode(Question(number, time.monotonic() + seconds, request))


def answers_to(context: Context, written: bytes) -> list[Reply]:
    """Let a worker read what was written, and return what it says until it ends."""
    here, there = socket.socketpair()
    with there:
        with here:
            there.sendall(written)
            there.shutdown(socket.SHUT_WR)
            serve(here, never_lost(context), service(Receipts(bytes(8))))
        received = b"".join(iter(lambda: there.recv(65536), b""))
    return FrameReader(Reply).feed(received)


def answer_to(context: Context, request: AnyRequest) -> AnyAnswer:
    """Ask one question."""
    (reply,) = answers_to(context, question(1, request))
    return reply.answer


def presented(context: Context) -> Card:
    """Let a new card answer to a challenge that the worker issues."""
    issued = answer_to(context, IssueChallenge(caller=TPS, length=8))
    assert isinstance(issued, ChallengeIssued)
    answer = initialize_update(AES128.card(), issued.host_challenge)
    return Card(initialize_update=answer, ticket=issued.ticket)


def changing_session(context: Context) -> tuple[bytes, bytes]:
    """Let a new card take new keys; return the session that waits, and the card's answer."""
    virtual = AES128.card()
    issued = answer_to(context, IssueChallenge(caller=TPS, length=8))
    assert isinstance(issued, ChallengeIssued)
    answer = initialize_update(virtual, issued.host_challenge)
    opened = open_channel(context, Card(initialize_update=answer, ticket=issued.ticket))
    assert isinstance(opened, ChannelOpened)
    assert virtual.transmit(opened.external_authenticate) == OK
    made = answer_to(context, PutKey(TPS, opened.session, None, 2, "replace"))
    assert isinstance(made, PutKeyMade)
    return made.channel.session, virtual.transmit(made.apdu)


def wrapped_session(context: Context) -> bytes:
    """Open a channel, and have a command wrapped that the card has not answered yet."""
    wrapped = answer_to(context, WrapCommands(TPS, opened_session(context), [GET_DATA]))
    assert isinstance(wrapped, CommandsWrapped)
    return wrapped.channel.session


def open_channel(context: Context, card: Card) -> AnyAnswer:
    """Ask for a channel with C-MAC and C-ENC."""
    return answer_to(context, OpenChannel(TPS, AES128.key_set, card, 0x03))


def opened_session(context: Context) -> bytes:
    """Open a channel with a new card and return its session."""
    opened = open_channel(context, presented(context))
    assert isinstance(opened, ChannelOpened)
    return opened.session


def test_each_question_is_answered_once_in_order_by_its_number(context: Context) -> None:
    numbers = [5, 3, 2**53 - 1, 4]
    written = b"".join(question(n, MakeRandom(TPS, length=n % 16 + 1)) for n in numbers)

    replies = answers_to(context, written)

    assert [reply.number for reply in replies] == numbers
    lengths = [len(r.answer.random) for r in replies if isinstance(r.answer, RandomMade)]
    assert lengths == [n % 16 + 1 for n in numbers]


# test_certifying.py and test_publishing.py ask these of a worker that has a CA.
OF_CAS = {DraftCertificate, PrepareCertificate, SignCertificate, SignCrl, SignStatuses}
# test_dogtag_replay.py asks these of one that has a TPS of Dogtag.
OF_DOGTAG = {MakeSessionKeys, MakeScp02Key, MakeKeySetData, EncryptChallenge}


def test_every_request_is_answered_in_its_own_kind(context: Context) -> None:
    requests: list[AnyRequest] = [
        IssueChallenge(TPS, length=16),
        OpenChannel(TPS, AES128.key_set, presented(context), 0x01),
        VerifyCryptogram(TPS, AES128.key_set, presented(context)),
        DeliverKeys(TPS, AES128.key_set, presented(context), 0x01),
        WrapCommands(TPS, opened_session(context), [GET_DATA]),
        UnwrapResponses(TPS, wrapped_session(context), [OK]),
        PutKey(TPS, opened_session(context), None, 2, "add"),
        ConfirmPutKey(TPS, *changing_session(context)),
        EncryptData(TPS, opened_session(context), "pin", bytes(16)),
        MakeRandom(TPS, length=1),
        DescribeKeySet(TPS, AES128.key_set),
    ]

    answers = [answer_to(context, request) for request in requests]

    assert {type(request) for request in requests} | OF_CAS | OF_DOGTAG == set(get_args(AnyRequest))
    assert [type(answer) for answer in answers] == [request.ANSWER for request in requests]


@pytest.mark.parametrize(
    "garbage",
    [
        (Question.LARGEST + 1).to_bytes(4, "big"),
        b"\xff\xff\xff\xff",
        b"\x00\x00\x00\x00",
        b"\x00\x00\x00\x01\xc1",
        b"\x00\x00\x00\x03\x93\x01\x02",
        b"GET / HTTP/1.1\r\n\r\n",
        encode(Reply(number=1, answer=RandomMade(random=b"x"))),
    ],
    ids=["oversize", "huge", "empty", "no msgpack", "too few", "http", "an answer"],
)
def test_what_is_no_question_ends_the_connection_unanswered(
    context: Context, garbage: bytes
) -> None:
    here, there = socket.socketpair()
    with there, here:
        there.sendall(question(1, MakeRandom(TPS, length=1)))
        there.sendall(garbage)

        with pytest.raises(FrameError):
            serve(here, never_lost(context), service(Receipts(bytes(8))))


def test_a_front_that_goes_away_ends_the_work_without_a_word(context: Context) -> None:
    assert answers_to(context, b"") == []


def test_a_frame_that_was_cut_off_ends_the_work_without_a_word(context: Context) -> None:
    assert answers_to(context, question(1, MakeRandom(TPS, length=1))[:-1]) == []


class TestTheDeadline:
    def test_that_is_over_is_answered_with_overloaded(self, context: Context) -> None:
        (reply,) = answers_to(context, question(7, MakeRandom(TPS, length=1), seconds=-0.001))

        assert reply.number == 7
        assert isinstance(reply.answer, Refused)
        assert reply.answer.code is Code.OVERLOADED

    def test_that_is_over_spares_the_token(self, context: Context) -> None:
        session = opened_session(context)
        before = context.token.objects_made

        (late,) = answers_to(
            context, question(1, WrapCommands(TPS, session, [GET_DATA]), seconds=-1)
        )

        assert isinstance(late.answer, Refused)
        assert context.token.objects_made == before

    def test_of_one_question_does_not_touch_the_next(self, context: Context) -> None:
        late = question(1, MakeRandom(TPS, length=1), seconds=-1)
        timely = question(2, MakeRandom(TPS, length=1))

        first, second = answers_to(context, late + timely)

        assert isinstance(first.answer, Refused)
        assert isinstance(second.answer, RandomMade)


def test_a_lost_token_is_told_to_who_asked_and_to_the_front_and_the_work_goes_on(
    context: Context, fresh_token: TokenAddress
) -> None:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        generate_key(token, KeyReference(CHANNEL_KEY, 1), AES_256, SERVICE_MAC_KEY)
        keyring = Keyring(token)
        keyring.service_mac(CHANNEL_KEY, 1, b"")
        closed = replace(context, token=token, keyring=keyring)
    asked = question(9, MakeRandom(TPS, length=1)) + question(10, MakeRandom(TPS, length=1))

    refused, condition, next_refused, after_a_try = answers_to(closed, asked)

    assert (refused.number, condition.number, next_refused.number) == (9, 0, 10)
    assert isinstance(after_a_try.answer, Condition)
    assert after_a_try.answer.state == "lost"
    assert isinstance(condition.answer, Condition)
    assert condition.answer.state == "lost"
    for reply in (refused, next_refused):
        assert isinstance(reply.answer, Refused)
        assert reply.answer.code is Code.HSM_UNAVAILABLE
        assert reply.receipt is None  # there is no token to make one


class TestTheClock:
    def test_ends_a_session(self, context: Context) -> None:
        expired = opened_session(replace(context, session_seconds=0))

        refused = answer_to(context, WrapCommands(TPS, expired, [GET_DATA]))

        assert isinstance(refused, Refused)
        assert (refused.code, refused.pointer) == (Code.SESSION_EXPIRED, "/session")

    def test_is_not_stretched_by_using_a_session(self, context: Context) -> None:
        brief = replace(context, session_seconds=1)
        session = opened_session(brief)
        end = time.monotonic() + 1
        while time.monotonic() < end:
            wrapped = answer_to(brief, WrapCommands(TPS, session, [GET_DATA]))
            if isinstance(wrapped, CommandsWrapped):
                session = wrapped.channel.session

        refused = answer_to(brief, WrapCommands(TPS, session, [GET_DATA]))

        assert isinstance(refused, Refused)
        assert refused.code is Code.SESSION_EXPIRED

    def test_ends_a_ticket(self, context: Context) -> None:
        card = presented(replace(context, challenge_seconds=0))

        refused = open_channel(context, card)

        assert isinstance(refused, Refused)
        assert (refused.code, refused.pointer) == (Code.CHALLENGE_NOT_ISSUED, "/card/challenge")


class TestTheFrontIsNotTrusted:
    @pytest.mark.parametrize("caller", [OTHER, "nobody"])
    def test_to_name_another_key_set_than_the_callers(self, context: Context, caller: str) -> None:
        issued = answer_to(context, DescribeKeySet(caller, AES128.key_set))

        assert isinstance(issued, Refused)
        assert issued.code is (Code.KEY_SET_UNKNOWN if caller == OTHER else Code.CALLER_UNKNOWN)

    def test_to_have_seen_a_challenge_issued(self, context: Context) -> None:
        answer = initialize_update(AES128.card(), bytes(8))

        refused = open_channel(context, Card(initialize_update=answer, host_challenge=bytes(8)))

        assert isinstance(refused, Refused)
        assert refused.code is Code.CHALLENGE_NOT_ISSUED

    def test_to_hand_a_session_to_another_caller(self, context: Context) -> None:
        session = opened_session(context)

        refused = answer_to(context, WrapCommands(OTHER, session, [GET_DATA]))

        assert isinstance(refused, Refused)
        assert refused.code is Code.SESSION_FOREIGN

    def test_to_keep_put_key_from_the_card(self, context: Context) -> None:
        session = opened_session(context)

        refused = answer_to(context, WrapCommands(TPS, session, [bytes.fromhex("80d8018100")]))

        assert isinstance(refused, Refused)
        assert (refused.code, refused.pointer) == (Code.COMMAND_NOT_ALLOWED, "/apdus/0")

    def test_to_make_put_key_under_another_name(self, context: Context) -> None:
        session = opened_session(context)

        for command in ("00d8018100", "84d8018100", "80e2600001ff", "80e2200001ff"):
            refused = answer_to(context, WrapCommands(TPS, session, [bytes.fromhex(command)]))
            assert isinstance(refused, Refused)
            assert (refused.code, refused.pointer) == (Code.COMMAND_NOT_ALLOWED, "/apdus/0")

    def test_to_lead_a_card_where_the_policy_does_not(self, context: Context) -> None:
        refused = answer_to(context, PutKey(TPS, opened_session(context), None, 1, "add"))

        assert isinstance(refused, Refused)
        assert refused.code is Code.CHANGE_NOT_ALLOWED

    def test_to_encrypt_for_a_purpose_that_the_caller_has_not(self, context: Context) -> None:
        session = opened_session(context)

        refused = answer_to(context, EncryptData(TPS, session, "object", bytes(16)))

        assert isinstance(refused, Refused)
        assert refused.code is Code.PURPOSE_NOT_ALLOWED

    def test_to_unwrap_the_answer_to_put_key_unrecorded(self, context: Context) -> None:
        session, answer = changing_session(context)

        refused = answer_to(context, UnwrapResponses(TPS, session, [answer]))

        assert isinstance(refused, Refused)
        assert (refused.code, refused.pointer) == (Code.REQUEST_INVALID, "/session")

    def test_to_know_who_may_use_a_key_set_for_as_long_as_a_session_lives(
        self, context: Context
    ) -> None:
        session = opened_session(context)
        tps = context.policy.callers[TPS].model_copy(update={"key_sets": ()})
        without = context.policy.model_copy(update={"callers": {TPS: tps}})

        refused = answer_to(
            replace(context, policy=without), WrapCommands(TPS, session, [GET_DATA])
        )

        assert isinstance(refused, Refused)
        assert refused.code is Code.KEY_SET_UNKNOWN
