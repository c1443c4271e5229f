"""Whatever a caller sends for a card's answer, the refusal is in words, and never a 500."""

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.site.batches import BATCHES
from tests.site.caller import Caller
from tests.site.changeovers import CHANGING, ROTATING
from tests.site.channels import (
    CONFIRM,
    ENCRYPT,
    PUT_KEY,
    SESSIONS,
    UNWRAP,
    VERIFY,
    WRAP,
    get_data,
    open_channel,
    put_key,
    wrap,
)

over_the_site = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)

names = st.one_of(st.none(), st.sampled_from([batch.key_set for batch in (*BATCHES, *CHANGING)]))


@st.composite
def answers_of_cards(draw: st.DrawFn) -> bytes:
    """Any bytes, and often such as begin like an answer to INITIALIZE UPDATE."""
    if draw(st.booleans()):
        return draw(st.binary(min_size=12, max_size=50))
    version = draw(st.sampled_from([0, 1, 2, 0x20, 0x7F, 0xFF]))
    scp = draw(st.sampled_from([1, 2, 3]))
    length = draw(st.sampled_from([28, 29, 32, 45, 48]))
    head = bytes(10) + bytes([version, scp])
    rest = draw(st.binary(min_size=length - 12, max_size=length - 12))
    return head + rest + draw(st.sampled_from([b"", b"\x90\x00"]))


@over_the_site
@given(answer=answers_of_cards(), key_set=names, path=st.sampled_from([SESSIONS, VERIFY]))
def test_arbitrary_answers_of_cards_are_refused(
    tps: Caller, answer: bytes, key_set: str | None, path: str
) -> None:
    card = {"initialize_update": answer.hex(), "host_challenge": bytes(8).hex()}
    if key_set is not None:
        card["key_set"] = key_set
    body = {"card": card} | ({"security_level": "03"} if path == SESSIONS else {})

    got = tps.post(path, body)

    assert got.status in (400, 409, 422) or got.document == {"valid": False}


@over_the_site
@given(content=st.one_of(st.binary(max_size=300), st.text(max_size=100).map(str.encode)))
def test_arbitrary_bodies_are_refused(tps: Caller, content: bytes) -> None:
    for path in (SESSIONS, VERIFY, WRAP, UNWRAP, PUT_KEY, CONFIRM, ENCRYPT):
        assert tps.send("POST", path, content).code == "request-invalid"


@over_the_site
@given(
    level=st.sampled_from(["01", "11", "33"]),
    response=st.binary(min_size=2, max_size=274),
)
def test_arbitrary_responses_of_cards_are_taken_as_they_are_or_refused(
    tps: Caller, level: str, response: bytes
) -> None:
    session = open_channel(tps, ROTATING, ROTATING.card(), level)
    commanded, _ = wrap(tps, session, [get_data(0x9F7F)])
    changed = put_key(tps, session, ROTATING, 2).document["session"]

    unwrapped = tps.post(UNWRAP, {"session": commanded, "responses": [response.hex()]})
    confirmed = tps.post(CONFIRM, {"session": changed, "response": response.hex()})

    assert unwrapped.status == 200 or unwrapped.code == "session-closed"
    if unwrapped.status == 200:
        assert unwrapped.document["responses"] == [{"response": response.hex(), "protected": False}]
    assert confirmed.code in ("session-closed", "put-key-unconfirmed")
