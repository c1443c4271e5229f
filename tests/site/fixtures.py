"""pytest fixtures: a running site for each test process, its callers, and further sites.

For tests/conftest.py: `"tests.site.fixtures"` in `pytest_plugins`.
"""

from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import cached_property
from pathlib import Path
from typing import Protocol, Unpack

import pytest

from tests.site.audit_trail import AuditTrail
from tests.site.batches import AES128, Batch
from tests.site.caller import Caller
from tests.site.contract import Contract
from tests.site.daemon import Daemon
from tests.site.directory import Settings, Site
from tests.site.failing_disk import FailingDisk, obstacle
from tests.site.identities import BRANCH, TPS
from tests.softhsm.tokens import SoftHsm


class RunningSite:
    """A site, its daemon, and everybody's way to it."""

    def __init__(self, site: Site, daemon: Daemon) -> None:
        self.site = site
        self.daemon = daemon
        self.trail = AuditTrail(site.audit_file)

    def caller(self, name: str = TPS) -> Caller:
        """Return a new connection of somebody's; every answer is held to the contract."""
        return Caller(self.site, name, self.contract)

    @contextmanager
    def restarted(self) -> Iterator["RunningSite"]:
        """Start another daemon over the same site, after the first has ended."""
        with Daemon(self.site) as daemon:
            yield RunningSite(self.site, daemon.wait_until_ready())

    @cached_property
    def contract(self) -> Contract:
        """The rules that every answer is held to."""
        with Caller(self.site, TPS) as caller:
            return Contract(caller.get("/v1/openapi.json").document, self.trail)


class MakeSite(Protocol):
    """Makes a site for these cards."""

    def __call__(
        self, batches: Sequence[Batch] = (AES128,), **settings: Unpack[Settings]
    ) -> Site: ...


class Run(Protocol):
    """Makes a site for these cards and starts it."""

    def __call__(
        self, batches: Sequence[Batch] = (AES128,), **settings: Unpack[Settings]
    ) -> RunningSite: ...


@pytest.fixture(scope="session")
def site(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningSite]:
    """The site of this test process. No test may stop it or break it."""
    with ExitStack() as running:
        made = Site(tmp_path_factory.mktemp("site"), softhsm, ca=True)
        running.callback(made.close)
        daemon = running.enter_context(Daemon(made)).wait_until_ready()
        yield RunningSite(made, daemon)
        assert daemon.stop() == 0, daemon.log
        assert "Traceback" not in daemon.log, daemon.log


@pytest.fixture
def failing_disk(tmp_path: Path) -> Iterator[FailingDisk]:
    """A disk that fails when a test wants it to."""
    if reason := obstacle():
        pytest.skip(reason)
    disk = FailingDisk(tmp_path)
    try:
        yield disk
    finally:
        disk.close()


@pytest.fixture
def make_site(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeSite]:
    """Make further sites, which do not run and whose files a test may spoil."""
    with ExitStack() as made:

        def make(batches: Sequence[Batch] = (AES128,), **settings: Unpack[Settings]) -> Site:
            directory = tmp_path_factory.mktemp("site")
            site = Site(directory, softhsm, batches=batches, **settings)
            made.callback(site.close)
            return site

        yield make


@pytest.fixture
def run(make_site: MakeSite) -> Iterator[Run]:
    """Run sites that a test may stop, kill and break; with one key set unless told."""
    with ExitStack() as running:

        def start(
            batches: Sequence[Batch] = (AES128,), **settings: Unpack[Settings]
        ) -> RunningSite:
            site = make_site(batches, **settings)
            daemon = running.enter_context(Daemon(site))
            return RunningSite(site, daemon.wait_until_ready())

        yield start


@pytest.fixture
def tps(site: RunningSite) -> Iterator[Caller]:
    """A caller that may use every key set."""
    with site.caller(TPS) as caller:
        yield caller


@pytest.fixture
def branch(site: RunningSite) -> Iterator[Caller]:
    """A caller that may use one key set, `aes128`."""
    with site.caller(BRANCH) as caller:
        yield caller
