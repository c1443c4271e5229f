"""pytest fixtures: a running site for TPSs of Dogtag, one for each test process."""

from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from tests.site.audit_trail import AuditTrail
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.dogtag_site import DogtagSite, dogtag_site
from tests.softhsm.tokens import SoftHsm


class RunningDogtagSite:
    """A site for TPSs, and its daemon."""

    def __init__(self, dogtag: DogtagSite, daemon: Daemon) -> None:
        self.dogtag = dogtag
        self.daemon = daemon
        self.trail = AuditTrail(dogtag.site.audit_file)


@pytest.fixture(scope="session")
def tks(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningDogtagSite]:
    """The site of this test process. No test may stop it or break it."""
    with ExitStack() as running:
        made = Site(tmp_path_factory.mktemp("dogtag"), softhsm, batches=())
        running.callback(made.close)
        dogtag = running.enter_context(dogtag_site(made))
        daemon = running.enter_context(Daemon(made)).wait_until_ready()
        yield RunningDogtagSite(dogtag, daemon)
        assert daemon.stop() == 0, daemon.log
        assert "Traceback" not in daemon.log, daemon.log
