"""What is wrong with a body is said with the place where it is wrong."""

import gzip
import json
import time
from typing import Any

import pytest

from tests.site.batches import AES128
from tests.site.caller import Caller, connected
from tests.site.certificates import at
from tests.site.channels import CHALLENGES, RANDOM, SESSIONS, WRAP, JsonObject
from tests.site.contract import JSON
from tests.site.daemon import wait_until
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS
from tmsd.api.all_routes import ROUTES
from tmsd.api.routes import Route

LARGEST = 64 * 1024

with_body = pytest.mark.parametrize(
    "route", [route for route in ROUTES if route.request], ids=lambda route: route.operation
)


def session_body() -> JsonObject:
    """Return a body that is well formed, though no card would agree to it."""
    return {
        "card": {
            "initialize_update": "00" * 32,
            "challenge": "AAAA",
            "key_set": AES128.key_set,
        },
        "security_level": "03",
        "delivery": "sealed",
    }


def changed(body: JsonObject, pointer: str, value: object) -> JsonObject:
    """Return the body with another value at a JSON pointer; `...` removes the field."""
    copy: JsonObject = json.loads(json.dumps(body))
    *path, last = pointer.removeprefix("/").split("/")
    inner: Any = copy
    for part in path:
        inner = inner[part]
    if value is ...:
        del inner[last]
    else:
        inner[last] = value
    return copy


@pytest.mark.parametrize(
    ("pointer", "value"),
    [
        ("/card", ...),
        ("/card", "28 bytes"),
        ("/card", None),
        ("/card", []),
        ("/card/initialize_update", ...),
        ("/card/initialize_update", ""),
        ("/card/initialize_update", "00" * 11),
        ("/card/initialize_update", "00" * 51),
        ("/card/initialize_update", "0" * 63),
        ("/card/initialize_update", "AB" * 32),
        ("/card/initialize_update", "zz" * 32),
        ("/card/initialize_update", " " + "00" * 32),
        ("/card/initialize_update", "00" * 32 + "\n"),
        ("/card/initialize_update", 0),
        ("/card/initialize_update", None),
        ("/card/challenge", "not base64url!"),
        ("/card/challenge", "AAAA="),
        ("/card/challenge", "A"),
        ("/card/challenge", "A" * 343),
        ("/card/challenge", ""),
        ("/card/challenge", 7),
        ("/card/key_set", "Upper"),
        ("/card/key_set", ""),
        ("/card/key_set", "a" * 65),
        ("/card/key_set", "../etc"),
        ("/card/key_set", "aes128\n"),
        ("/card/key_set", 1),
        ("/card/cuid", "00" * 9),
        ("/card/cuid", "00" * 11),
        ("/card/scp_i", "7"),
        ("/card/scp_i", "0070"),
        ("/card/scp_i", 70),
        ("/card/host_challenges", "00" * 8),
        ("/card/a~b", 1),
        ("/security_level", ...),
        ("/security_level", "3"),
        ("/security_level", "0x03"),
        ("/security_level", 3),
        ("/security_level", "0A"),
        ("/delivery", "open"),
        ("/delivery", None),
        ("/delivery", ["sealed"]),
        ("/diversification", "none"),
        ("/scp", "03"),
    ],
)
def test_a_faulty_field_is_refused_and_pointed_at(tps: Caller, pointer: str, value: object) -> None:
    refused = tps.post(SESSIONS, changed(session_body(), pointer, value))

    assert (refused.status, refused.code) == (400, "request-invalid")
    assert refused.pointer == pointer.replace("~", "~0")


@pytest.mark.parametrize("challenges", [{}, {"challenge": "AAAA", "host_challenge": "00" * 8}])
def test_a_card_answers_to_one_challenge(tps: Caller, challenges: JsonObject) -> None:
    body = session_body()
    body["card"] = {"initialize_update": "00" * 32, **challenges}

    refused = tps.post(SESSIONS, body)

    assert (refused.code, refused.pointer) == ("request-invalid", "/card")
    assert refused.document["detail"] == "card must hold either challenge or host_challenge"


@pytest.mark.parametrize(
    ("apdus", "pointer"),
    [
        (["80ca9f7f00", "80CA9F7F00"], "/apdus/1"),
        (["80ca9f"], "/apdus/0"),
        (["80ca9f7f00"] * 63 + ["00" * 262], "/apdus/63"),
        ([None], "/apdus/0"),
        ("80ca9f7f00", "/apdus"),
        ({"0": "80ca9f7f00"}, "/apdus"),
    ],
)
def test_a_faulty_command_is_pointed_at_by_its_place(
    tps: Caller, apdus: object, pointer: str
) -> None:
    refused = tps.post(WRAP, {"session": "AAAA", "apdus": apdus})

    assert (refused.code, refused.pointer) == ("request-invalid", pointer)


def test_the_detail_says_what_would_be_right(tps: Caller) -> None:
    upper_case = changed(session_body(), "/card/initialize_update", "AB" * 32)

    assert tps.post(SESSIONS, upper_case).document["detail"] == (
        "initialize_update must be 12 to 50 bytes in lower-case hex"
    )
    assert tps.post(SESSIONS, changed(session_body(), "/card", ...)).document["detail"] == (
        "card is missing"
    )
    assert tps.post(RANDOM, {"length": 1, "colour": 2}).document["detail"] == (
        "'colour' is not a field of this request"
    )


def test_the_detail_of_an_unknown_field_stays_short_and_on_one_line(tps: Caller) -> None:
    detail = tps.post(RANDOM, {"length": 1, "x\nERROR y" + "z" * 10_000: 2}).document["detail"]

    assert detail.isprintable()
    assert len(detail) < 200


@with_body
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b" ",
        b"{",
        b"{}}",
        b"null",
        b"[]",
        b'"text"',
        b"1",
        b"\xff\xfe",
        b"\xef\xbb\xbf{}",
        b'{"length": NaN}',
        b"{'length': 8}",
        b'{"\\ud800": 1}',
        b"[" * 10_000,
        b'{"length":' * 5_000,
    ],
)
def test_what_is_no_json_object_is_refused(tps: Caller, route: Route, content: bytes) -> None:
    refused = tps.send("POST", at(route.path), content)

    assert (refused.status, refused.code) == (400, "request-invalid")


@with_body
@pytest.mark.parametrize(
    "content_type",
    ["", "text/plain", "application/x-www-form-urlencoded", "application/problem+json", "json"],
)
def test_what_is_not_said_to_be_json_is_refused(
    tps: Caller, route: Route, content_type: str
) -> None:
    headers = {"Content-Type": content_type} if content_type else {}

    refused = tps.send("POST", at(route.path), b'{"length": 8}', headers)

    assert (refused.status, refused.code) == (415, "media-type-unsupported")


def test_json_may_name_its_character_set(tps: Caller) -> None:
    headers = {"Content-Type": f"{JSON}; charset=utf-8"}

    assert tps.send("POST", CHALLENGES, b'{"length": 8}', headers).status == 200


@with_body
def test_more_than_64_kib_is_refused(tps: Caller, route: Route) -> None:
    refused = tps.send("POST", at(route.path), b'{"length": 8}'.ljust(LARGEST + 1))

    assert (refused.status, refused.code) == (413, "body-too-large")


def test_64_kib_are_read(tps: Caller) -> None:
    assert tps.send("POST", CHALLENGES, b'{"length": 8}'.ljust(LARGEST)).status == 200


@pytest.mark.parametrize("encoding", ["gzip", "deflate", "br", "gzip, gzip", "no-such-encoding"])
def test_a_compressed_body_is_refused_without_a_look_into_it(tps: Caller, encoding: str) -> None:
    headers = {"Content-Type": JSON, "Content-Encoding": encoding}

    refused = tps.send("POST", CHALLENGES, gzip.compress(bytes(LARGEST)), headers)

    assert (refused.status, refused.code) == (415, "media-type-unsupported")
    assert "Content-Encoding" in refused.document["detail"]


def test_a_body_that_does_not_arrive_in_time_is_given_up(site: RunningSite) -> None:
    with connected(site.site, TPS) as slow:
        begun = time.monotonic()
        slow.sendall(unfinished_request())
        answer = slow.recv(65536)
        took = time.monotonic() - begun

    status, _, rest = answer.partition(b"\r\n")
    problem = json.loads(rest.partition(b"\r\n\r\n")[2])
    (record,) = site.trail.of_request(problem["request_id"])
    assert status.startswith(b"HTTP/1.1 408")
    assert problem["type"] == "urn:tmsd:problem:request-timeout"
    assert took > 0.9
    assert record.decision.code == "request-timeout"


def test_a_body_that_breaks_off_is_recorded_and_leaves_no_trace_in_the_log(
    site: RunningSite,
) -> None:
    before = len(site.trail.records)
    with connected(site.site, TPS) as breaking:
        breaking.sendall(unfinished_request())

    wait_until(lambda: len(site.trail.records) > before)
    assert site.trail.records[-1].decision.code == "request-invalid"
    assert "Traceback" not in site.daemon.log


def unfinished_request() -> bytes:
    """Return a request that announces 13 bytes of body and has 9."""
    head = f"POST {CHALLENGES} HTTP/1.1\r\nHost: {HOST}\r\n"
    head += f"Content-Type: {JSON}\r\nContent-Length: 13\r\n\r\n"
    return head.encode() + b'{"length"'
