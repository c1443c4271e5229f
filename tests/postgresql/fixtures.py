"""pytest fixtures: a PostgreSQL server for each test process, and further ones to be ended.

For tests/conftest.py: `"tests.postgresql.fixtures"` in `pytest_plugins`.
"""

from collections.abc import Iterator

import pytest

from tests.postgresql.cluster import Cluster, made_cluster


@pytest.fixture(scope="session")
def postgresql() -> Iterator[Cluster]:
    """A server that tests share; each makes databases of its own."""
    with made_cluster() as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def own_postgresql() -> Iterator[Cluster]:
    """A server that is the test's, to stop and to kill."""
    with made_cluster() as cluster:
        cluster.start()
        yield cluster


@pytest.fixture
def cramped_postgresql() -> Iterator[Cluster]:
    """A server that is the test's, with a small disk."""
    with made_cluster() as cluster:
        cluster.start_with_small_disk()
        yield cluster
