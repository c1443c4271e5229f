"""Parameters as servlets and Dogtag read them, and as nothing else can be read."""

from urllib.parse import parse_qsl, quote_from_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.dogtag.exchanges import EXCHANGES, Exchange
from tmsd.dogtag.parameters import MAX_BODY, Malformed, parse, special_decoded

NAMES = st.text(st.characters(codec="ascii", exclude_categories=["C"]), min_size=1, max_size=20)
FORMS = st.dictionaries(NAMES, st.binary(max_size=40), max_size=8)


def special(value: bytes, digits: str = "02X") -> bytes:
    return "".join(f"#{byte:{digits}}" for byte in value).encode()


@given(st.binary(max_size=200), st.sampled_from(["02X", "02x"]))
def test_bytes_come_back_as_they_were_in_either_case(value: bytes, digits: str) -> None:
    assert special_decoded(special(value, digits)) == value


@given(FORMS)
def test_a_form_is_read_as_it_was_written(form: dict[str, bytes]) -> None:
    written = "&".join(
        f"{quote_from_bytes(name.encode(), safe='')}={quote_from_bytes(value, safe='')}"
        for name, value in form.items()
    )

    assert parse(written.encode()) == form


@given(FORMS)
def test_a_bare_number_sign_and_an_escaped_one_mean_the_same(form: dict[str, bytes]) -> None:
    bare = b"&".join(b"a%d=" % at + special(value) for at, value in enumerate(form.values()))

    assert parse(bare) == parse(bare.replace(b"#", b"%23"))
    assert [special_decoded(value) for value in parse(bare).values()] == list(form.values())


@given(st.binary(max_size=MAX_BODY // 16))
def test_any_bytes_are_read_without_an_error(body: bytes) -> None:
    for name, value in parse(body).items():
        assert name
        assert len(value) <= len(body)


@pytest.mark.parametrize("exchange", EXCHANGES.values(), ids=list(EXCHANGES))
def test_recorded_requests_are_read_as_another_reader_has_them(exchange: Exchange) -> None:
    body = exchange.request_body
    expected = dict(parse_qsl(body, keep_blank_values=True, encoding="latin-1"))

    assert {name: value.decode("latin-1") for name, value in parse(body.encode()).items()} == (
        expected
    )


@pytest.mark.parametrize(
    ("body", "values"),
    [
        (b"", {}),
        (b"&&", {}),
        (b"a", {"a": b""}),
        (b"a=", {"a": b""}),
        (b"=a", {}),
        (b"a=1&a=2", {"a": b"1"}),
        (b"a=1=2", {"a": b"1=2"}),
        (b"a=%&b=1", {"b": b"1"}),
        (b"a=%0g&a=2", {"a": b"2"}),
        (b"%4&b=1", {"b": b"1"}),
        (b"a+b=c+d", {"a b": b"c d"}),
        (b"%61=%00%ff", {"a": b"\x00\xff"}),
    ],
)
def test_a_form_is_read_as_servlets_do(body: bytes, values: dict[str, bytes]) -> None:
    assert parse(body) == values


@pytest.mark.parametrize(
    ("value", "meaning"), [(b"", b""), (b"abc", b"abc"), (b"#41b#43", b"AbC"), (b"a+b", b"a b")]
)
def test_what_is_not_escaped_stands_for_itself(value: bytes, meaning: bytes) -> None:
    assert special_decoded(value) == meaning


@pytest.mark.parametrize("value", [b"#", b"#4", b"#4g", b"#41#", b"##41", b"# 1", b"#+1", b"#-1"])
def test_a_number_sign_alone_is_refused(value: bytes) -> None:
    with pytest.raises(Malformed):
        special_decoded(value)
