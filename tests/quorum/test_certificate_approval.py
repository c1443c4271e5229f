"""A request for a certificate says all of it, and is read back as the terms that it was made of."""

from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from hypothesis import given
from hypothesis import strategies as st

from tests.quorum.officers import NOW, quorum
from tmsd.quorum import canonical
from tmsd.quorum import request as requests
from tmsd.quorum.certificate_approval import Draft, request_for, require_request_for, terms_of
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.x509.building import Terms

KEY = ec.generate_private_key(ec.SECP256R1())
TIMES = st.integers(0, 7 * 10**9).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
TERMS = st.builds(
    lambda serial, begin, seconds: Terms(serial, begin, begin + timedelta(seconds=seconds)),
    st.integers(1, 2**128 - 1),
    TIMES,
    st.integers(0, 10**9),
)


def draft(terms: Terms, *names: x509.GeneralName, subject: str = "CN=Olga") -> Draft:
    name = x509.Name.from_rfc4514_string(subject)
    built = x509.CertificateBuilder(name, name, KEY.public_key(), terms.serial_number)
    built = built.not_valid_before(terms.not_before).not_valid_after(terms.not_after)
    if names:
        built = built.add_extension(x509.SubjectAlternativeName(names), critical=False)
    return Draft("demo", "officer", built.sign(KEY, SHA256()))


def asked(drafted: Draft) -> requests.Request:
    return request_for(drafted, quorum(), 7, "olaf", NOW)


TODAY = Terms(2**127, NOW, NOW + timedelta(days=90))


@given(TERMS)
def test_serial_number_and_validity_come_back_as_they_went(terms: Terms) -> None:
    drafted = draft(terms)
    read = requests.decode(canonical.encode(asked(drafted)))

    assert terms_of(read) == terms
    require_request_for(read, drafted)


def test_other_names_are_shown_by_their_kind() -> None:
    names = (x509.RFC822Name("olga@pki.example"), x509.DNSName("pki.example"))
    shown = list(asked(draft(TODAY, *names)).shown())
    assert "    alternative names: email:olga@pki.example, dns:pki.example" in shown


def test_what_differs_is_told() -> None:
    other = draft(TODAY, x509.DNSName("pki.example"), subject="CN=Otto")
    with pytest.raises(ApprovalRefused) as refused:
        require_request_for(asked(draft(TODAY)), other)
    assert refused.value.rule is Rule.REQUEST_OF_OTHER_CERTIFICATE
    assert refused.value.words == (
        "it differs from what is at hand in alternative names, subject, to be signed sha256"
    )
