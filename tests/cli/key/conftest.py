"""The site of these tests: without its CAs' key pairs, with key sets whose keys are missing."""

from pathlib import Path

import pytest

from tests.cli.key.commands import key
from tests.cli.sites import allow, copy_site

MORE_KEY_SETS = """
[key_sets.old]
scp = "02"
algorithm = "des3"
diversification = "visa2"
versions = { 1 = "active", 2 = "retired" }

[key_sets.fresh]
scp = "03"
algorithm = "aes128"
diversification = "none"
undiversified = true
factory = true
versions = { 255 = "active" }
"""


@pytest.fixture(scope="session")
def site_without_pairs(quickstart_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose token has no key pairs. No test may change it."""
    site = copy_site(quickstart_site, tmp_path_factory.mktemp("no-pairs") / "site")
    for names in (("--ca", "demo-root"), ("--ca", "demo"), ("--ocsp", "demo")):
        done = key(site, "destroy", *names, "--yes")
        assert (done.returncode, done.stderr) == (0, "")
    return site


@pytest.fixture
def site(site_without_pairs: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of a test's own, whose policy also names keys that its token lacks."""
    site = copy_site(site_without_pairs, tmp_path_factory.mktemp("s") / "site")
    allow(site, MORE_KEY_SETS)
    return site
