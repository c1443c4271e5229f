"""Host challenges: POST /v1/tks/challenges, and what their tickets are good for."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.site.batches import AES128, OWN_CHALLENGE
from tests.site.caller import Caller
from tests.site.channels import (
    CHALLENGES,
    SESSIONS,
    VERIFY,
    JsonObject,
    initialize_update,
    issued_challenge,
    presented,
    session_request,
)
from tests.site.contract import Answer
from tests.site.fixtures import RunningSite

AT_ONCE = 20


def with_another_bit(token: str, index: int) -> str:
    """Change one character of a token in base64url, other than its last."""
    other = "A" if token[index] != "A" else "B"
    return token[:index] + other + token[index + 1 :]


@pytest.mark.parametrize("length", [8, 16])
def test_a_challenge_has_the_length_that_was_asked_for(tps: Caller, length: int) -> None:
    issued = tps.post(CHALLENGES, {"length": length}).document

    assert len(bytes.fromhex(issued["host_challenge"])) == length


def test_no_challenge_comes_twice(tps: Caller) -> None:
    challenges = [issued_challenge(tps)["host_challenge"] for _ in range(50)]

    assert len(set(challenges)) == len(challenges)


@pytest.mark.parametrize("length", [0, 1, 7, 9, 15, 17, 32, -8, 8.5, "8", True, None])
def test_no_other_length_is_issued(tps: Caller, length: object) -> None:
    refused = tps.post(CHALLENGES, {"length": length})

    assert (refused.code, refused.pointer) == ("request-invalid", "/length")


def test_a_ticket_opens_one_channel(tps: Caller) -> None:
    body = session_request(presented(tps, AES128, AES128.card()))

    first, second = tps.post(SESSIONS, body), tps.post(SESSIONS, body)

    assert first.status == 200
    assert (second.code, second.pointer) == ("challenge-used", "/card/challenge")
    assert second.document["next"] == "reopen-channel"


def test_a_recorded_answer_of_a_card_is_worthless_with_a_new_ticket(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())
    assert tps.post(SESSIONS, session_request(card)).status == 200
    card["challenge"] = issued_challenge(tps)["challenge"]

    assert tps.post(SESSIONS, session_request(card)).code == "card-cryptogram-mismatch"


def test_of_requests_at_one_time_with_one_ticket_exactly_one_opens_a_channel(
    site: RunningSite, tps: Caller
) -> None:
    body = session_request(presented(tps, AES128, AES128.card()))
    callers = [site.caller() for _ in range(AT_ONCE)]

    def ask(caller: Caller) -> Answer:
        with caller:
            return caller.post(SESSIONS, body)

    with ThreadPoolExecutor(AT_ONCE) as threads:
        answers = list(threads.map(ask, callers))

    codes = Counter(answer.code for answer in answers)
    assert codes == {None: 1, "challenge-used": AT_ONCE - 1}


def test_a_ticket_is_used_up_by_verifying_a_cryptogram(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())

    assert tps.post(VERIFY, {"card": card}).document == {"valid": True}
    assert tps.post(VERIFY, {"card": card}).code == "challenge-used"
    assert tps.post(SESSIONS, session_request(card)).code == "challenge-used"


def test_a_ticket_is_used_up_by_a_card_that_fails(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())
    wrong = card | {"initialize_update": _with_wrong_cryptogram(card)}

    assert tps.post(SESSIONS, session_request(wrong)).code == "card-cryptogram-mismatch"
    while (again := tps.post(SESSIONS, session_request(card))).code == "backing-off":
        pass
    assert again.code == "challenge-used"


def test_a_ticket_is_not_used_up_by_a_request_that_needs_correcting(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())
    unnamed = {name: value for name, value in card.items() if name != "key_set"}

    assert tps.post(SESSIONS, session_request(unnamed)).code == "key-set-ambiguous"
    assert tps.post(SESSIONS, {"card": card}).code == "request-invalid"
    assert tps.post(SESSIONS, session_request(card)).status == 200


def test_the_ticket_of_another_caller_is_refused(tps: Caller, branch: Caller) -> None:
    card = presented(tps, AES128, AES128.card())

    refused = branch.post(SESSIONS, session_request(card))

    assert (refused.code, refused.pointer) == ("challenge-not-issued", "/card/challenge")
    assert tps.post(SESSIONS, session_request(card)).status == 200


def test_an_altered_ticket_is_refused_wherever_it_was_altered(tps: Caller) -> None:
    card = presented(tps, AES128, AES128.card())
    ticket = card["challenge"]

    for index in range(len(ticket) - 1):
        altered = card | {"challenge": with_another_bit(ticket, index)}
        assert tps.post(SESSIONS, session_request(altered)).code == "challenge-not-issued"
    assert tps.post(SESSIONS, session_request(card)).status == 200


@pytest.mark.parametrize("ticket", ["AA", "AQ", "A" * 64, "_" * 342])
def test_what_is_no_ticket_was_not_issued(tps: Caller, ticket: str) -> None:
    card = presented(tps, AES128, AES128.card()) | {"challenge": ticket}

    refused = tps.post(SESSIONS, session_request(card))

    assert (refused.code, refused.pointer) == ("challenge-not-issued", "/card/challenge")


def test_a_challenge_of_ones_own_is_refused_unless_the_key_set_allows_it(tps: Caller) -> None:
    def with_own_challenge(key_set: str) -> JsonObject:
        answer = initialize_update(OWN_CHALLENGE.card(), bytes(8))
        return {
            "initialize_update": answer.hex(),
            "host_challenge": bytes(8).hex(),
            "key_set": key_set,
        }

    refused = tps.post(SESSIONS, session_request(with_own_challenge(AES128.key_set)))
    served = tps.post(SESSIONS, session_request(with_own_challenge(OWN_CHALLENGE.key_set)))

    assert (refused.code, refused.pointer) == ("challenge-not-issued", "/card/challenge")
    assert served.status == 200


def test_an_issued_challenge_serves_every_key_set(tps: Caller) -> None:
    card = presented(tps, OWN_CHALLENGE, OWN_CHALLENGE.card())

    assert tps.post(SESSIONS, session_request(card)).status == 200
    assert tps.post(SESSIONS, session_request(card)).code == "challenge-used"


def _with_wrong_cryptogram(card: JsonObject) -> str:
    answer = bytearray.fromhex(card["initialize_update"])
    answer[25] ^= 0x80
    return answer.hex()
