"""The site of these tests, with key sets whose keys are missing."""

from pathlib import Path

import pytest

from tests.cli.sites import allow

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


@pytest.fixture
def site(site: Path) -> Path:
    """A site whose policy also names keys that its token lacks."""
    allow(site, MORE_KEY_SETS)
    return site
