"""The service over a store of either kind, with a worker of its own that has a real token."""

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

from tests.site.directory import Site
from tests.site.fixtures import MakeSite
from tmsd.ca.service import Certification
from tmsd.cli.appliance import certification


@pytest.fixture(params=["sqlite", "postgresql"])
def ca_site(request: pytest.FixtureRequest, make_site: MakeSite) -> Site:
    """A site with a CA, over a database of each kind; no daemon runs."""
    if request.param == "sqlite":
        return make_site(ca=True)
    cluster = request.getfixturevalue("postgresql")
    return make_site(ca=True, store=f'url = "{cluster.url(cluster.make_database())}"')


@pytest_asyncio.fixture
async def ca(ca_site: Site) -> AsyncIterator[Certification]:
    """The service at work."""
    async with certification(ca_site.configuration) as service:
        yield service
