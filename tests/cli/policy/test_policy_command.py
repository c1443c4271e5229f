"""`tmsctl policy`: shown, proposed, approved by officers, and activated once."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from tests.quorum.officers import pem
from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tests.site.policies import (
    approved,
    enrol_officers,
    known,
    new_policy,
    run,
    told,
)
from tmsd.audit.verification import verify
from tmsd.cli.main import tmsctl
from tmsd.config.policy import load_policy

PASSWORD = "of an officer"
UNSAFE = 'diversification = "none"\nundiversified = true'


@pytest.fixture
def next_policy(governed: Site) -> Iterator[Path]:
    """The policy that could be next, in which all cards share their keys."""
    file = new_policy(governed, 2, lambda text: text.replace('diversification = "kdf3"', UNSAFE))
    yield file
    file.unlink()
    file.parent.rmdir()


def refusal(result: Result) -> str:
    """Return the line of a command that was refused."""
    assert result.exit_code == 1, result.output
    return result.stderr.removeprefix("Error: ").rstrip("\n")


def propose(site: Site, policy: Path, requester: str = "olaf") -> Result:
    out = site.directory / "asked.json"
    out.unlink(missing_ok=True)
    return run(site, "propose", "--policy", policy, "--requester", requester, "--out", out)


def approve(
    site: Site,
    policy: Path,
    officer: str,
    *,
    old: Path | None = None,
    typed: str = f"y\n{PASSWORD}\n",
) -> Result:
    """Let an officer approve what was proposed, by a key in a file."""
    key, out = site.directory / "of-officer.key", site.directory / f"{officer}.approval"
    key.write_bytes(pem(officer, PASSWORD.encode()))
    out.unlink(missing_ok=True)
    asked = {
        "--policy": policy,
        "--request": site.directory / "asked.json",
        "--quorum": site.directory / "quorum.json",
        "--in-place-of": old or site.policy,
        "--key": key,
        "--out": out,
    }
    arguments = [str(each) for option in asked.items() for each in option]
    return CliRunner().invoke(tmsctl, ["policy", "approve", *arguments], input=typed)


def test_the_difference_is_said_without_a_token(governed: Site, next_policy: Path) -> None:
    arguments = ["policy", "diff", str(governed.policy), str(next_policy)]
    lines = told(CliRunner().invoke(tmsctl, arguments)).splitlines()

    assert lines[:2] == ["version: 1 becomes 2", "Changed key set aes128:"]
    assert '    diversification: kdf3 becomes "none"' in lines
    assert any(line.startswith("UNSAFE: key set aes128 is undiversified") for line in lines)


def test_what_is_asked_is_shown_and_an_officer_approves_it_by_a_password(
    governed: Site, next_policy: Path
) -> None:
    digest = load_policy(next_policy).digest
    for done in (propose(governed, next_policy), approve(governed, next_policy, "anna")):
        shown = told(done)
        assert "version: 1 becomes 2\nChanged key set aes128:\n" in shown
        assert "UNSAFE: key set aes128 is undiversified" in shown
        assert f"policy sha256: {digest}\n" in shown
        assert "To be read aloud:\n    1  " in shown
    assert "Do you approve? [y/N]: y\n" in shown
    assert "Approved by anna: " in shown
    approval = json.loads((governed.directory / "anna.approval").read_bytes())
    assert approval["officer"] == "anna"


@pytest.mark.parametrize(
    ("typed", "words"),
    [
        ("n\n", "not approved: nothing was signed"),
        ("y\n\n", "nothing was typed"),
        ("y\nwrong\n", "officer-key-unfit"),
    ],
)
def test_who_does_not_agree_and_say_so_has_not_approved(
    governed: Site, next_policy: Path, typed: str, words: str
) -> None:
    told(propose(governed, next_policy))

    assert words in refusal(approve(governed, next_policy, "anna", typed=typed))
    assert not (governed.directory / "anna.approval").exists()


def test_who_asks_and_who_is_no_officer_cannot_approve(governed: Site, next_policy: Path) -> None:
    told(propose(governed, next_policy, requester="anna"))

    assert "approval-by-requester" in refusal(approve(governed, next_policy, "anna"))
    assert "approval-by-stranger" in refusal(approve(governed, next_policy, "dora"))


def test_nobody_approves_another_policy_than_was_asked_for(
    governed: Site, next_policy: Path
) -> None:
    told(propose(governed, next_policy))
    asked = next_policy.read_text()
    next_policy.write_text(asked + "# one more\n")
    assert "request-of-other-policy" in refusal(approve(governed, next_policy, "anna"))

    next_policy.write_text(asked)
    same = approve(governed, next_policy, "anna", old=next_policy)  # the difference would be none
    assert "request-of-other-policy" in refusal(same)


def test_a_proposal_has_the_next_version_and_a_name(governed: Site, next_policy: Path) -> None:
    assert "request-malformed" in refusal(propose(governed, next_policy, requester="Olaf O"))
    assert refusal(propose(governed, governed.policy)) == (
        "policy-version-not-next: version 1 is in force, and the new policy says 1: "
        "it must say version = 2"
    )
    next_policy.write_text("version = 2\n[callers.nobody]\n")
    assert f"{next_policy}:2: callers.nobody" in refusal(propose(governed, next_policy))
    assert not (governed.directory / "asked.json").exists()


@pytest.mark.parametrize(
    ("officers", "rule"),
    [((), "approvals-missing"), (("anna",), "approvals-missing: 1 of 2 persons")],
)
def test_too_few_approvals_change_nothing(
    governed: Site, next_policy: Path, officers: tuple[str, ...], rule: str
) -> None:
    given = approved(governed, next_policy, officers)

    assert refusal(run(governed, "activate", *given)).startswith(rule)

    assert load_policy(governed.policy).version == 1
    assert [each.version for each in known(governed).remembered] == [1]


def test_files_outside_its_folder_are_not_kept_with_it(governed: Site, next_policy: Path) -> None:
    (governed.directory / "blocked.txt").write_text("b" * 64)
    next_policy.write_text(f'blocked_keys = "../blocked.txt"\n{next_policy.read_text()}')
    given = approved(governed, next_policy)

    assert "names ../blocked.txt" in refusal(run(governed, "activate", *given))
    assert [each.version for each in known(governed).remembered] == [1]


def test_an_activation_is_on_record_and_done_once(make_site: MakeSite) -> None:
    site = make_site()
    unsigned = site.policy.read_text()
    enrol_officers(site)
    first = approved(site, new_policy(site, 1))
    told(run(site, "activate", *first))

    assert (site.directory / "policies" / "unsigned.toml").read_text() == unsigned
    assert site.policy.readlink() == Path("policies/1/policy.toml")
    assert "in force: policy version 1" in told(run(site, "activate", *first))
    second = approved(site, new_policy(site, 2), ("berta", "carl"))
    assert "approved by berta, carl" in told(run(site, "activate", *second))
    assert "request-of-other-policy" in refusal(run(site, "activate", *first))
    assert load_policy(site.policy).version == 2

    record = site.directory / "audit.tmsctl.jsonl"
    assert verify(record).clean
    events = [json.loads(line) for line in record.read_text().splitlines()]
    told_of = [event for event in events if event["operation"].startswith("policy.")]
    assert [(e["operation"], e["details"]["policy_version"]) for e in told_of] == [
        ("policy.activate.intent", 1),
        ("policy.activate", 1),
        ("policy.activate.intent", 1),
        ("policy.activate", 1),
        ("policy.activate.intent", 2),
        ("policy.activate", 2),
    ]
    assert told_of[-1]["details"]["approved_by"] == "berta, carl"


def test_where_there_is_no_quorum_nothing_needs_approval(make_site: MakeSite) -> None:
    site = make_site()

    assert refusal(propose(site, site.policy)).startswith("the token has no quorum of officers")
