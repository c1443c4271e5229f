"""Rules have names, and people can look them up."""

from pathlib import Path

from tmsd.ceremony.destruction_refusal import DestructionRule
from tmsd.quorum.refusal import ApprovalRefused, Rule

DOCS = Path(__file__).parents[2] / "docs"


def test_every_rule_is_explained() -> None:
    explained = "".join((DOCS / name).read_text() for name in ("ceremonies.md", "policy.md"))

    assert [rule for rule in (*Rule, *DestructionRule) if f"`{rule}`" not in explained] == []


def test_a_refusal_begins_with_its_rule() -> None:
    assert str(ApprovalRefused(Rule.POLICY_OLDER, "it is")) == "policy-older: it is"
