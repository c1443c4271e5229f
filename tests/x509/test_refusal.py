"""Rules have names, and each name a test that something is refused by it."""

from pathlib import Path

from tmsd.x509.refusal import CertificateRefused, Rule

FOLDER = Path(__file__).parent
# Known to the worker and to the store alone.
ELSEWHERE = [Rule.PROOF_NOT_ALLOWED, Rule.KEY_IN_USE]


def test_every_rule_is_broken_by_a_test_of_this_folder() -> None:
    tests = "".join(
        file.read_text() for file in FOLDER.glob("test_*.py") if file.name != Path(__file__).name
    )
    assert [rule for rule in Rule if f"Rule.{rule.name}" not in tests] == ELSEWHERE


def test_a_refusal_says_its_rule_and_what_would_be_right() -> None:
    refused = CertificateRefused(Rule.FIELD_MISSING, "the profile needs a name", "common_name")
    assert str(refused) == "field-missing: the profile needs a name"
    assert (refused.rule, refused.words, refused.field) == (
        "field-missing",
        "the profile needs a name",
        "common_name",
    )
