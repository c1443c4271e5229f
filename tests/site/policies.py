"""Policies of a site whose token has a quorum: new ones, approved by officers, and activated."""

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from click.testing import CliRunner, Result

from hsm.secret import Secret
from hsm.token import open_token
from tests.quorum.officers import quorum, signer
from tests.site.directory import Site
from tests.softhsm.tokens import USER_PIN
from tmsd import clock
from tmsd.ceremony.policy_activation import Governance, governance, identity
from tmsd.ceremony.steps.enrol_quorum import enrol
from tmsd.cli.main import tmsctl
from tmsd.config.policy import load_policy
from tmsd.quorum import canonical
from tmsd.quorum.approval import approve
from tmsd.quorum.policy_approval import request_for

QUORUM = quorum()


def enrol_officers(site: Site) -> None:
    """Have the token know its officers: anna, berta and carl, two of whom have to approve."""
    with open_token(site.token, Secret(USER_PIN), writable=True) as token:
        enrol(token, QUORUM)


def known(site: Site) -> Governance:
    """Return the quorum and the policies that the token knows."""
    with open_token(site.token, Secret(USER_PIN)) as token:
        return governance(token)


def new_policy(site: Site, version: int, change: Callable[[str], str] = str) -> Path:
    """Write the next policy into a folder of its own, with the files that it names."""
    folder = site.directory / f"review-{version}"
    folder.mkdir()
    present = load_policy(site.policy)
    for name in present.files:
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(present.source.parent / name, folder / name)
    text = present.source.read_text().removeprefix(f"version = {present.version}\n")
    file = folder / "policy.toml"
    file.write_text(change(f"version = {version}\n{text}"))
    return file


def run(site: Site, command: str, *arguments: str | Path, typed: str = "") -> Result:
    """Run `tmsctl policy COMMAND` in this process."""
    configured = ("policy", command, "--config", str(site.configuration))
    return CliRunner().invoke(tmsctl, [*configured, *map(str, arguments)], input=typed)


def told(result: Result) -> str:
    """Return what a command that succeeded printed."""
    assert result.exit_code == 0, result.output
    return result.stdout


def approved(site: Site, policy: Path, officers: Sequence[str] = ("anna", "berta")) -> list[str]:
    """Have a policy approved; return what `activate` is given."""
    now = clock.now()
    asked = request_for(identity(load_policy(policy)), known(site).in_force, QUORUM, "olaf", now)
    version = asked.parameters["version"]
    request = site.directory / f"request-{version}.json"
    request.write_bytes(canonical.encode(asked))
    given = ["--policy", str(policy), "--request", str(request)]
    for officer in officers:
        file = site.directory / f"{officer}-{version}.approval"
        file.write_bytes(canonical.encode(approve(asked, QUORUM, signer(officer), now)))
        given += ["--approval", str(file)]
    return given


def activated(site: Site, policy: Path, officers: Sequence[str] = ("anna", "berta")) -> str:
    """Have a policy approved, and activate it."""
    return told(run(site, "activate", *approved(site, policy, officers)))
