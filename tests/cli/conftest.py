"""Sites that `tmsctl quickstart` made."""

from pathlib import Path

import pytest

from tests.cli.sites import copy_site, make_site


@pytest.fixture(scope="session")
def quickstart_site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site as it is made. No test may change it."""
    return make_site(tmp_path_factory.mktemp("quickstart") / "site")


@pytest.fixture
def site(quickstart_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site that a test may change."""
    # No longer a path than the other's, whose operations socket could be refused otherwise.
    return copy_site(quickstart_site, tmp_path_factory.mktemp("s") / "site")
