"""profiles/NAME.toml: what certificates say, and who may have them."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.x509.issuing import PROFILES, SHIPPED
from tmsd.config.profiles import ProfileFile, load_profile
from tmsd.config.table import BY_LOADER
from tmsd.x509.names import AlternativeName, AttributeType
from tmsd.x509.profile import ExtendedKeyUsage, Holder, KeyUsage, Profile, Proof
from tmsd.x509.public_keys import KeyKind
from tmsd.x509.refusal import Rule
from tmsd.x509.templates import Template

Load = Callable[..., Profile]
Refusal = Callable[..., list[str]]

KEYS = {
    "days": "90",
    "keys": '["p256"]',
    "subject": '["CN={common_name}"]',
    "key_usage": '["digital_signature"]',
}
OF_CA = {"holder": '"subordinate-ca"', "key_usage": '["key_cert_sign", "crl_sign"]'}


@pytest.fixture
def profile(tmp_path: Path) -> Load:
    """Load a profile of the required keys, with keys replaced, added or (None) left out."""

    def load(**keys: str | None) -> Profile:
        file = tmp_path / "test.toml"
        given = {name: value for name, value in (KEYS | keys).items() if value is not None}
        file.write_text("".join(f"{name} = {value}\n" for name, value in given.items()))
        return load_profile(file)[0]

    return load


def test_what_is_not_said_is_allowed_to_nobody_and_to_end_entities(profile: Load) -> None:
    assert profile() == Profile(
        name="test",
        holder=Holder.END_ENTITY,
        issue_by=(),
        days=90,
        keys=(KeyKind.P_256,),
        proofs=(Proof.CSR,),
        unique_key=True,
        subject=((AttributeType.COMMON_NAME, Template.parse("{common_name}")),),
        alternative_names=(),
        key_usage=(KeyUsage.DIGITAL_SIGNATURE,),
        extended_key_usage=(),
        policies=(),
        path_length=None,
    )


def test_every_key_of_a_profile_can_be_said(profile: Load) -> None:
    loaded = profile(
        holder='"end-entity"',
        issue_by='["tps", "ra"]',
        days="1",
        keys='["rsa2048", "ed25519"]',
        proofs='["csr", "card"]',
        unique_key="false",
        subject='["OU=Staff", "CN={common_name}", "UID={user_id?}"]',
        alternative_names='["dns:{dns?}", "uri:https://example.com/{user_id?}"]',
        key_usage='["digital_signature", "content_commitment"]',
        extended_key_usage='["client_auth", "email_protection"]',
        policies='["1.3.6.1.4.1.99999.1"]',
    )
    assert loaded.issue_by == ("tps", "ra")
    assert loaded.proofs == (Proof.CSR, Proof.CARD)
    assert loaded.fields == {"common_name", "user_id", "dns"}
    assert loaded.alternative_names == (
        (AlternativeName.DNS, Template.parse("{dns?}")),
        (AlternativeName.URI, Template.parse("https://example.com/{user_id?}")),
    )
    assert loaded.extended_key_usage == (
        ExtendedKeyUsage.CLIENT_AUTH,
        ExtendedKeyUsage.EMAIL_PROTECTION,
    )
    assert loaded.policies == ("1.3.6.1.4.1.99999.1",)


def test_a_ca_may_have_a_path_length(profile: Load) -> None:
    loaded = profile(**OF_CA, path_length="0")
    assert (loaded.is_ca, loaded.path_length) == (True, 0)


def test_a_profile_is_named_by_its_file(profile: Load, refusal: Refusal) -> None:
    assert profile().name == "test"
    (said,) = refusal(profile, name='"other"')
    assert said.startswith("5: name: is not a key of this table, which has holder, issue_by, ")


def test_a_file_whose_name_is_no_name_is_refused(tmp_path: Path, refusal: Refusal) -> None:
    file = tmp_path / "Two Words.toml"
    file.write_text("".join(f"{name} = {value}\n" for name, value in KEYS.items()))
    assert "'Two Words' is not a name" in refusal(load_profile, file)[0]


@pytest.mark.parametrize("holder", ["officer", "ocsp-responder", "subordinate-ca"])
def test_what_comes_from_the_appliance_alone_is_issued_by_no_caller(
    holder: str, profile: Load, refusal: Refusal
) -> None:
    keys = {"holder": f'"{holder}"', "issue_by": '["ra"]'}
    if holder == "ocsp-responder":
        keys["extended_key_usage"] = '["ocsp_signing"]'
    if holder == "subordinate-ca":
        keys |= OF_CA
    assert refusal(profile, **keys) == [
        f"6: issue_by: must be left out: certificates of {holder} come from the appliance alone"
    ]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ({"days": "0"}, "days: "),
        ({"days": "36526"}, "days: "),
        ({"days": None}, "days: "),
        ({"keys": "[]"}, "keys: "),
        ({"keys": '["rsa1024"]'}, "rsa2048"),
        ({"keys": '["p256", "p256"]'}, "holds 'p256' twice"),
        ({"proofs": "[]"}, "proofs: "),
        ({"proofs": '["word"]'}, "'word' is not one of csr, card"),
        (OF_CA | {"proofs": '["card"]'}, "of subordinate-ca are requests for signing: csr"),
        ({"issue_by": '["auditor"]'}, "auditor asks for no certificates; tps and ra do"),
        ({"subject": '["common_name"]'}, "does not begin with one of C=, ST=, L=, O="),
        ({"subject": '["CN={}"]'}, "is no template"),
        ({"subject": '["C=is"]'}, "C must be two upper-case letters"),
        ({"subject": '["CN={a}", "CN={b}"]'}, "a subject has one CN"),
        ({"subject": "[]"}, "a certificate without any name is nobody's"),
        (OF_CA | {"subject": "[]", "alternative_names": '["dns:{dns}"]'}, "a CA has a subject"),
        ({"alternative_names": '["fax:{fax}"]'}, "does not begin with one of dns:, email:, uri:"),
        ({"alternative_names": '["dns:*.example"]'}, "wildcards are not certified"),
        ({"key_usage": "[]"}, "p256 keys have none of the profile's usages"),
        ({"key_usage": '["key_encipherment"]'}, "p256 keys have none of the profile's usages"),
        ({"key_usage": '["digital_signature", "crl_sign"]'}, "as CAs alone do"),
        (OF_CA | {"key_usage": '["key_cert_sign"]'}, "of a CA is key_cert_sign and crl_sign"),
        ({"extended_key_usage": '["ocsp_signing"]'}, "ocsp_signing is for the holder"),
        ({"holder": '"ocsp-responder"'}, "ocsp_signing is for the holder"),
        ({"extended_key_usage": '["any"]'}, "client_auth"),
        (
            {"key_usage": '["key_agreement"]', "extended_key_usage": '["document_signing"]'},
            "document_signing takes one of content_commitment, digital_signature, and p256 keys",
        ),
        ({"extended_key_usage": '["server_auth"]'}, "a TLS server has a dns or ip name"),
        ({"policies": '["anyPolicy"]'}, "must be an object identifier"),
        ({"policies": '["3.1"]'}, "must be an object identifier"),
        ({"path_length": "0"}, "path_length: is for CAs alone"),
        (OF_CA | {"path_length": "-1"}, "path_length: "),
        ({"basic_constraints": "true"}, "basic_constraints: "),
    ],
)
def test_what_is_wrong_in_a_profile_is_said_where_it_is(
    keys: dict[str, str | None], message: str, profile: Load, refusal: Refusal
) -> None:
    (said,) = refusal(profile, **keys)
    assert message in said


def test_the_manual_explains_every_key_every_value_and_every_rule() -> None:
    manual = (PROFILES.parents[1] / "docs" / "profiles.md").read_text()
    keys = {
        key for key, field in ProfileFile.model_fields.items() if BY_LOADER not in field.metadata
    }
    words = {
        *keys,
        *KeyKind,
        *KeyUsage,
        *ExtendedKeyUsage,
        *Holder,
        *AttributeType,
        *AlternativeName,
        *(kind.name.lower() for kind in AttributeType),
    }
    assert [word for word in sorted(words) if f"`{word}`" not in manual] == []
    assert [rule for rule in Rule if f"\n| `{rule}` | " not in manual] == []


def test_the_manual_names_every_profile_that_is_shipped() -> None:
    manual = (PROFILES.parents[1] / "docs" / "profiles.md").read_text()
    assert [name for name in SHIPPED if f"\n| `{name}` | " not in manual] == []
