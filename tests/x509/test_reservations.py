"""Keys and names that are somebody else's."""

from dataclasses import replace

import pytest
from cryptography import x509

from tests.x509.issuing import TERMS, asked_of, issuing, key_of
from tmsd.x509.building import Wanted, builder, wanted
from tmsd.x509.names import AlternativeName, AttributeType
from tmsd.x509.profile import Profile
from tmsd.x509.public_keys import KeyKind, spki_sha256
from tmsd.x509.refusal import CertificateRefused, Rule
from tmsd.x509.reservations import Reserved, require_unreserved
from tmsd.x509.templates import Template

NOTHING = Reserved(frozenset(), frozenset(), frozenset())
KEY = spki_sha256(key_of(KeyKind.P_256).public_key())


def certificate(asked: Wanted) -> x509.Certificate:
    return issuing().sign(builder(issuing().issuer, asked, TERMS))


def refusal_of(asked: Wanted, reserved: Reserved) -> CertificateRefused:
    with pytest.raises(CertificateRefused) as caught:
        require_unreserved(certificate(asked), issuing().certificate, reserved)
    return caught.value


def test_what_nobody_has_is_free() -> None:
    free = Reserved(frozenset({"0" * 64}), frozenset({"1" * 64}), frozenset({"tps-demo"}))
    asked = asked_of("token-authentication", common_name="tps-demo 2", email="tps-demo@example.com")
    require_unreserved(certificate(asked), issuing().certificate, free)


def test_a_blocked_key_is_refused() -> None:
    blocked = replace(NOTHING, blocked_keys=frozenset({KEY}))
    asked = asked_of("tls-client", common_name="a")
    assert refusal_of(asked, blocked).rule is Rule.KEY_BLOCKED


def test_a_caller_s_key_is_refused() -> None:
    callers = replace(NOTHING, caller_keys=frozenset({KEY}))
    asked = asked_of("tls-client", common_name="a")
    assert refusal_of(asked, callers).rule is Rule.KEY_OF_CALLER


def test_the_ca_s_own_key_is_refused() -> None:
    profile = asked_of("tls-client", common_name="a").profile
    asked = wanted(profile, issuing().key.public_key(), {"common_name": ("a",)})
    assert refusal_of(asked, NOTHING).rule is Rule.KEY_OF_ISSUER


@pytest.mark.parametrize(
    "name", ["tps-demo", "TPS-Demo", "\uff54ps-demo", "tps\u2010demo".replace("\u2010", "-")]
)
def test_a_caller_s_name_is_refused_however_it_is_spelled(name: str) -> None:
    callers = replace(NOTHING, caller_names=frozenset({"tps-demo"}))
    refused = refusal_of(asked_of("tls-client", common_name=name), callers)
    assert refused.rule is Rule.NAME_OF_CALLER
    assert repr(name) in refused.words
    assert refused.words.endswith("CN")


def everywhere() -> Profile:
    """Return a profile that has a place for every kind of name."""
    return replace(
        asked_of("tls-client", common_name="a").profile,
        subject=tuple(
            (kind, Template.parse(f"{{{kind.name.lower()}?}}"))
            for kind in AttributeType
            if kind is not AttributeType.COUNTRY
        ),
        alternative_names=tuple((kind, Template.parse(f"{{{kind}?}}")) for kind in AlternativeName),
    )


@pytest.mark.parametrize(
    ("field", "name"),
    [
        *((kind.name.lower(), "tps-demo") for kind in AttributeType if kind.longest > 2),
        ("dns", "tps-demo"),
        ("email", "tps@example.com"),
        ("uri", "urn:tmsd:caller:tps-demo"),
        ("ip", "192.0.2.1"),
        ("upn", "tps@corp.example"),
    ],
)
def test_a_caller_s_name_is_refused_wherever_it_stands(field: str, name: str) -> None:
    key = key_of(KeyKind.P_256).public_key()
    callers = replace(NOTHING, caller_names=frozenset({name}))
    asked = wanted(everywhere(), key, {field: (name,)})
    # The critical alternative names of a certificate without a subject are looked at, too.
    assert refusal_of(asked, callers).rule is Rule.NAME_OF_CALLER


def test_a_caller_s_name_that_the_profile_puts_together_is_refused() -> None:
    profile = replace(
        everywhere(), subject=((AttributeType.COMMON_NAME, Template.parse("tps-{user_id}")),)
    )
    asked = wanted(profile, key_of(KeyKind.P_256).public_key(), {"user_id": ("demo",)})
    callers = replace(NOTHING, caller_names=frozenset({"tps-demo"}))
    assert refusal_of(asked, callers).rule is Rule.NAME_OF_CALLER
