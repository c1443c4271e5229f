"""Making the certificate of a root: looked over by the rules before its key signs."""

from collections.abc import Iterator

import pytest
from cryptography import x509

from hsm.key_pairs import generate_key_pair
from hsm.keys import KeyReference
from hsm.module import TokenAddress
from hsm.public_keys import KeyPairAlgorithm
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.steps.make_root import RootWanted, make_root
from tmsd.clock import now
from tmsd.errors import Code, ServiceError
from tmsd.x509.roots import lint_root

ROOT = KeyReference("root", 1)


@pytest.fixture
def token(fresh_token: TokenAddress) -> Iterator[Token]:
    with open_token(fresh_token, Secret(USER_PIN), writable=True) as token:
        generate_key_pair(token, ROOT, KeyPairAlgorithm.P256)
        yield token


def test_a_root_breaks_no_rule(token: Token) -> None:
    subject = x509.Name.from_rfc4514_string("CN=Root,O=Example,C=IS")
    root = make_root(token, ROOT, RootWanted(subject, days=36_524, path_length=1), now())
    root.verify_directly_issued_by(root)
    lint_root(root, path_length=1)


@pytest.mark.parametrize(
    ("wanted", "rule"),
    [
        (RootWanted(x509.Name([]), days=1), "subject-missing"),
        (RootWanted(x509.Name.from_rfc4514_string("CN=Root"), days=36_600), "validity-too-long"),
        (
            RootWanted(x509.Name.from_rfc4514_string(",".join([f"OU={'u' * 64}"] * 120)), days=1),
            "certificate-too-large",
        ),
    ],
    ids=["no subject", "a century and more", "many names"],
)
def test_a_root_that_breaks_a_rule_is_not_signed(
    token: Token, wanted: RootWanted, rule: str
) -> None:
    with pytest.raises(ServiceError, match=rule) as refused:
        make_root(token, ROOT, wanted, now())
    assert refused.value.code is Code.ISSUANCE_REFUSED
