"""Templates: where a request's words go, and which words are plain enough to go anywhere."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.templates import MAX_VALUE, MAX_VALUES, Template, is_plain, require_plain


@pytest.mark.parametrize(
    ("text", "fields", "optional"),
    [
        ("Security Officers", (), False),
        ("{common_name}", ("common_name",), False),
        ("{email?}", ("email",), True),
        ("{user_id}@{dns}", ("user_id", "dns"), False),
        ("urn:uuid:{uuid?}", ("uuid",), True),
    ],
)
def test_a_template_is_text_with_fields(text: str, fields: tuple[str, ...], optional: bool) -> None:
    template = Template.parse(text)
    assert (template.text, template.fields, template.optional) == (text, fields, optional)


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        "{",
        "}",
        "{}",
        "{Name}",
        "{a",
        "a}",
        "{{a}}",
        "{a}{b?}",
        "{a-b}",
        "a  b",
        "a\u200bb",
    ],
)
def test_what_is_no_template_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no template|question mark"):
        Template.parse(text)


def test_text_without_a_field_stays_as_it_is() -> None:
    assert list(Template.parse("Security Officers").filled({})) == ["Security Officers"]


def test_a_template_of_one_field_is_filled_once_for_each_value() -> None:
    filled = Template.parse("https://{dns}/").filled({"dns": ("a.example", "b.example")})
    assert list(filled) == ["https://a.example/", "https://b.example/"]


def test_values_are_no_templates() -> None:
    fields = {"a": ("{b}",), "b": (r"\1 {a}",)}
    assert list(Template.parse("{a}, {b}").filled(fields)) == [r"{b}, \1 {a}"]


@pytest.mark.parametrize("fields", [{}, {"a": ("x",)}, {"a": ("x",), "b": ()}])
def test_an_optional_template_comes_to_nothing_without_its_fields(
    fields: dict[str, tuple[str, ...]],
) -> None:
    assert list(Template.parse("{a?}-{b?}").filled(fields)) == []


def test_a_field_that_is_needed_and_not_given_is_refused_by_its_name() -> None:
    with pytest.raises(CertificateRefused) as caught:
        list(Template.parse("{a}-{b}").filled({"a": ("x",)}))
    assert (caught.value.rule, caught.value.field) == (Rule.FIELD_MISSING, "b")


def test_several_fields_in_one_text_have_one_value_each() -> None:
    with pytest.raises(CertificateRefused) as caught:
        list(Template.parse("{a}-{b}").filled({"a": ("x",), "b": ("y", "z")}))
    assert (caught.value.rule, caught.value.field) == (Rule.FIELD_NOT_SINGLE, "b")


def rule_against(*values: str) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        require_plain({"common_name": values})
    assert caught.value.field == "common_name"
    return caught.value.rule


@pytest.mark.parametrize(
    "value", ["Zoë Example", 'O\'Brien & Søns, "Ltd."', "Ωμέγα", "山田 太郎", "a\u0301\u0323"[:1]]
)
def test_text_that_reads_as_it_is_passes(value: str) -> None:
    require_plain({"common_name": (value,)})


@pytest.mark.parametrize(
    "value",
    [
        "",
        " a",
        "a ",
        "a  b",  # the same name as "a b" (RFC 5280, 7.1)
        "a\u00a0b",
        "a\u3000b",
        "a\tb",
        "a\nb",
        "a\x00",
        "a\x7f",
        "pay\u202elap",  # reads as "paypal" reversed
        "a\u200bb",
        "a\u00adb",
        "a\ufeff",
        "a\u3164",  # Hangul filler, a letter that shows as nothing
        "a\u2800",
        "a\ufe0f",
        "a\U000e0100",
        "e\u0301",  # not composed
        "a\ue000",  # of private use
        "a\U000e01f0",  # unassigned
        "\ud800",
    ],
    ids=ascii,
)
def test_text_that_does_not_read_as_it_is_is_refused(value: str) -> None:
    assert rule_against("fine", value) is Rule.FIELD_NOT_PLAIN_TEXT


def test_values_are_short_and_few() -> None:
    require_plain({"dns": ("a" * MAX_VALUE,) * MAX_VALUES})
    assert rule_against("a" * (MAX_VALUE + 1)) is Rule.FIELD_TOO_LONG
    assert rule_against(*["a"] * (MAX_VALUES + 1)) is Rule.FIELD_TOO_LONG


@given(st.text(max_size=20))
def test_plain_text_is_composed_visible_and_without_spaces_at_its_ends(value: str) -> None:
    if is_plain(value):
        assert value == value.strip() == unicodedata.normalize("NFC", value)
        assert value.replace(" ", "a").isprintable()
