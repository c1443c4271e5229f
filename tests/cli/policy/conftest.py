"""A site whose token has a quorum of officers."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.site.batches import AES128
from tests.site.directory import Site
from tests.site.policies import activated, enrol_officers
from tests.softhsm.tokens import SoftHsm


@pytest.fixture(scope="module")
def governed(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site whose officers have approved version 1 of its policy."""
    with ExitStack() as made:
        site = Site(tmp_path_factory.mktemp("governed"), softhsm, batches=[AES128])
        made.callback(site.close)
        enrol_officers(site)
        activated(site, site.policy)
        yield site
