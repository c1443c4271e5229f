"""kill -9 in the middle of an activation: the old policy is in force, or the new one."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.site.directory import Site
from tests.site.policies import (
    approved,
    known,
    new_policy,
    run,
    told,
)
from tmsd.ceremony.policy_activation import identity
from tmsd.config.policy import load_policy
from tmsd.quorum.policy_in_force import require_in_force

ROOT = Path(__file__).parents[3]
OLD, NEW = False, True
ACTIVATION, FOLDER = "tmsd.ceremony.policy_activation", "tmsd.ceremony.policy_folder"


def version_in_force(site: Site) -> int:
    """Return the version in its place, which a worker takes."""
    policy, of_token = load_policy(site.policy), known(site)
    return require_in_force(
        identity(policy), policy.approvals, of_token.quorum, of_token.remembered
    ).version


@pytest.mark.parametrize(
    ("step", "is_new"),
    [
        (f"{FOLDER}._write", OLD),
        (f"{ACTIVATION}.add_document", OLD),
        (f"{ACTIVATION}.lead", NEW),
        (f"{ACTIVATION}.drop_others", NEW),
    ],
)
def test_an_activation_that_is_killed_is_done_or_not_and_goes_on(
    governed: Site, step: str, is_new: bool
) -> None:
    before = version_in_force(governed)
    given = approved(governed, new_policy(governed, before + 1))
    command = ["policy", "activate", "--config", str(governed.configuration), *given]
    killed = subprocess.run(
        [sys.executable, "-m", "tests.cli.policy.killed", step, *command], cwd=ROOT, check=False
    )
    assert killed.returncode == -signal.SIGKILL
    assert version_in_force(governed) == before + is_new

    told(run(governed, "activate", *given))

    assert version_in_force(governed) == before + 1
    assert len(known(governed).remembered) == 1
    left = [path.name for path in governed.policy.parent.rglob(".*")]
    assert left == []
