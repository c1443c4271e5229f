"""What may stand in a subject and among alternative names, and how it is written there."""

from ipaddress import ip_address

import pytest
from asn1crypto.core import UTF8String
from cryptography import x509
from hypothesis import given
from hypothesis import strategies as st

from tmsd.x509.names import UPN, AlternativeName, AttributeType, alternative_name, attribute
from tmsd.x509.refusal import CertificateRefused, Rule


def make(
    kind: AttributeType | AlternativeName, value: str
) -> x509.NameAttribute[str] | x509.GeneralName:
    if isinstance(kind, AttributeType):
        return attribute(kind, value)
    return alternative_name(kind, value)


def rule_against(kind: AttributeType | AlternativeName, value: str) -> Rule:
    with pytest.raises(CertificateRefused) as caught:
        make(kind, value)
    return caught.value.rule


@pytest.mark.parametrize("kind", AttributeType)
def test_an_attribute_has_the_name_that_profiles_know_it_by(kind: AttributeType) -> None:
    value = "IS" if kind is AttributeType.COUNTRY else "a-1"
    made = x509.Name([attribute(kind, value)])
    assert made.rfc4514_string({kind.oid: kind}) == f"{kind}={value}"


@pytest.mark.parametrize("kind", AttributeType)
def test_an_attribute_is_as_long_as_its_upper_bound_and_no_longer(kind: AttributeType) -> None:
    assert attribute(kind, "A" * kind.longest).value == "A" * kind.longest
    longer = Rule.COUNTRY_MALFORMED if kind is AttributeType.COUNTRY else Rule.FIELD_TOO_LONG
    assert rule_against(kind, "A" * (kind.longest + 1)) is longer


def test_the_length_of_an_attribute_is_in_bytes_of_utf_8() -> None:
    assert attribute(AttributeType.COMMON_NAME, "ë" * 32).value == "ë" * 32
    assert rule_against(AttributeType.COMMON_NAME, "ë" * 32 + "e") is Rule.FIELD_TOO_LONG


@pytest.mark.parametrize("value", ["", "I", "is", "ISL", "I1", "ÍS", "IS\n"])
def test_a_country_is_two_upper_case_letters(value: str) -> None:
    assert rule_against(AttributeType.COUNTRY, value) is Rule.COUNTRY_MALFORMED


@pytest.mark.parametrize(
    "value", ["", "a.b", "-a", "a-", "a_b", "é", "a b", "a\n", "\u017f", "\u212a"]
)
def test_a_domain_component_is_one_label(value: str) -> None:
    assert rule_against(AttributeType.DOMAIN_COMPONENT, value) is Rule.DOMAIN_COMPONENT_MALFORMED


@pytest.mark.parametrize("value", ["a_b", "é", "a*", "a@b", "a&b", "#1", '"', "a;b", "a\n"])
def test_a_serial_number_is_a_printable_string(value: str) -> None:
    assert rule_against(AttributeType.SERIAL_NUMBER, value) is Rule.FIELD_NOT_PRINTABLE_STRING


def test_a_serial_number_may_have_all_that_printable_strings_have() -> None:
    value = "Az09 '()+,-./:=?"
    assert attribute(AttributeType.SERIAL_NUMBER, value).value == value


@pytest.mark.parametrize(
    ("kind", "value", "made"),
    [
        (AlternativeName.DNS, "WWW.Example", x509.DNSName("www.example")),
        (AlternativeName.DNS, "localhost", x509.DNSName("localhost")),
        (AlternativeName.DNS, "a" * 63 + ".1a", x509.DNSName("a" * 63 + ".1a")),
        (AlternativeName.DNS, "xn--bcher-kva.example", x509.DNSName("xn--bcher-kva.example")),
        (AlternativeName.DNS, "XN--BCHER-KVA.example", x509.DNSName("xn--bcher-kva.example")),
        (AlternativeName.EMAIL, "Zoe+x@Example.COM", x509.RFC822Name("Zoe+x@example.com")),
        (AlternativeName.URI, "urn:a1:b", x509.UniformResourceIdentifier("urn:a1:b")),
        (AlternativeName.URI, "urn:uuid:0", x509.UniformResourceIdentifier("urn:uuid:0")),
        (
            AlternativeName.URI,
            "https://[2001:db8::1]:8443/%7e?q#f",
            x509.UniformResourceIdentifier("https://[2001:db8::1]:8443/%7e?q#f"),
        ),
        (
            AlternativeName.URI,
            "spiffe://example.org/ns/x",
            x509.UniformResourceIdentifier("spiffe://example.org/ns/x"),
        ),
        (AlternativeName.IP, "192.0.2.1", x509.IPAddress(ip_address("192.0.2.1"))),
        (AlternativeName.IP, "2001:DB8::1", x509.IPAddress(ip_address("2001:db8::1"))),
        (
            AlternativeName.UPN,
            "zoë@Corp.Example",
            x509.OtherName(UPN, UTF8String("zoë@corp.example").dump()),
        ),
    ],
)
def test_an_alternative_name_is_written_in_its_preferred_form(
    kind: AlternativeName, value: str, made: x509.GeneralName
) -> None:
    assert alternative_name(kind, value) == made


@pytest.mark.parametrize(
    "value",
    [
        "",
        ".",
        "a.",
        ".a",
        "a..b",
        "-a.example",
        "a-.example",
        "a_b.example",
        "a b",
        "a\n",
        "192.0.2.1",
        "example.1",
        "a" * 64,
        ".".join(["a" * 49] * 5) + ".aaaa",
    ],
)
def test_a_dns_name_is_labels_of_letters_digits_and_inner_hyphens(value: str) -> None:
    assert rule_against(AlternativeName.DNS, value) is Rule.DNS_NAME_MALFORMED


@pytest.mark.parametrize("value", ["*.example", "*", "w*.example", "a.*.example"])
def test_wildcards_are_not_certified(value: str) -> None:
    assert rule_against(AlternativeName.DNS, value) is Rule.DNS_NAME_IS_WILDCARD


@pytest.mark.parametrize(
    "value",
    [
        "bücher.example",
        "ab--cd.example",
        "xn--a.example",
        "xn--bcher-kvb.example",
        "xn--ls8h.example",  # an emoji, which IDNA 2008 has not
    ],
)
def test_internationalised_names_are_written_in_a_labels(value: str) -> None:
    assert rule_against(AlternativeName.DNS, value) is Rule.DNS_NAME_NOT_A_LABELS


@pytest.mark.parametrize(
    "value",
    ["", "zoe", "@example.com", "zoë@example.com", "a b@example.com", ".a@b", "a..b@c", "a.@b",
     '"a"@example.com', "a@b@c", "a" * 65 + "@example.com", "zoe\n@example.com"],
)  # fmt: skip
def test_an_email_address_is_a_mailbox_in_ascii(value: str) -> None:
    assert rule_against(AlternativeName.EMAIL, value) is Rule.EMAIL_MALFORMED


def test_the_domain_of_an_email_address_is_a_dns_name() -> None:
    assert rule_against(AlternativeName.EMAIL, "zoe@") is Rule.DNS_NAME_MALFORMED
    assert rule_against(AlternativeName.EMAIL, "zoe@[192.0.2.1]") is Rule.DNS_NAME_MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        "",
        "example.com/",
        "//example.com/",
        "https:",
        "https:///path",
        "https:path",
        "mailto:zoe@example.com",
        "https://zoe@example.com/",
        "https://zoe:secret@example.com/",
        "https://example.com:port/",
        "https://example.com:99999/",
        "https://[::1/",
        "https://exämple.com/",
        "https://example.com/a b",
        "https://example.com/%zz",
        "https://example.com/%4",
        "1http://example.com/",
        "urn:",
        "urn:a",
        "urn:a:b",
        "urn:-a:b",
        "urn:uuid:",
        "javascript:alert(1)",
    ],
)
def test_a_uri_has_a_host_or_is_a_urn(value: str) -> None:
    assert rule_against(AlternativeName.URI, value) is Rule.URI_MALFORMED


def test_the_host_of_a_uri_is_a_dns_name() -> None:
    assert rule_against(AlternativeName.URI, "https://a_b/") is Rule.DNS_NAME_MALFORMED
    assert rule_against(AlternativeName.URI, "https://1.2.3/") is Rule.DNS_NAME_MALFORMED


@pytest.mark.parametrize(
    "value",
    [
        "",
        "1",
        "192.0.2",
        "192.0.2.256",
        "192.0.02.1",
        "192.0.2.0/24",
        "fe80::1%eth0",
        "::g",
        "[::1]",
    ],
)
def test_an_address_is_of_one_host(value: str) -> None:
    assert rule_against(AlternativeName.IP, value) is Rule.IP_ADDRESS_MALFORMED


@pytest.mark.parametrize("value", ["", "zoe", "@corp.example", "a@b@corp.example"])
def test_a_user_principal_name_is_a_user_at_a_domain(value: str) -> None:
    assert rule_against(AlternativeName.UPN, value) is Rule.UPN_MALFORMED


def test_the_domain_of_a_user_principal_name_is_a_dns_name() -> None:
    assert rule_against(AlternativeName.UPN, "zoe@corp_x") is Rule.DNS_NAME_MALFORMED


@given(st.sampled_from(AlternativeName), st.text(max_size=80))
def test_any_text_makes_an_alternative_name_or_is_refused(kind: AlternativeName, text: str) -> None:
    try:
        made = alternative_name(kind, text)
    except CertificateRefused:
        return
    # What was made can be encoded, and is read as it was made.
    certificate_names = x509.SubjectAlternativeName([made])
    assert certificate_names.public_bytes()


@given(st.sampled_from(AttributeType), st.text(min_size=1, max_size=80))
def test_any_text_makes_an_attribute_or_is_refused(kind: AttributeType, text: str) -> None:
    try:
        made = attribute(kind, text)
    except CertificateRefused:
        return
    assert made.value == text
