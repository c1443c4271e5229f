"""Keys in the memory of front and workers: never in a front, and in workers by arrangement.

Processes are searched in the middle of calls into the token, and afterwards. That nothing is found
proves something only where it could be found: the same search has to find the keys in the process
that has SoftHSM loaded, and what everybody may know in front and workers.
"""

import secrets
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from hsm.attributes import SERVICE_MAC_KEY_IN_STEPS
from tests.memory import search
from tests.memory.known_site import (
    PUBLIC,
    Desk,
    Planted,
    Watched,
    busy,
    with_unpredictable_keys,
)
from tests.memory.search import MemorySearch, spellings
from tests.site.batches import AES128, DES_VISA2, SCP01_HMAC
from tests.site.changeovers import ROTATING
from tests.site.channels import RANDOM
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.site.transport_keys import AES_SHARED_KEY
from tests.softhsm import remote_module
from tests.softhsm.faulty_module import FaultyModule
from tests.softhsm.p11_kit import P11KitServer
from tests.softhsm.tokens import SoftHsm

CHANGING = with_unpredictable_keys(replace(ROTATING, settings='change_to = ["rotating:2"]'))
CARDS = (with_unpredictable_keys(AES128), with_unpredictable_keys(DES_VISA2), CHANGING)
EXCEPTED = with_unpredictable_keys(SCP01_HMAC)
SERVICE_KEY = secrets.token_bytes(32)

pytestmark = pytest.mark.xdist_group("keys in memory")  # one site for several

IN_THE_CLEAR = {"C_Encrypt": {"master", "card"}, "C_Sign": {"service", "session"}}
"""During which calls SoftHSM has which keys in the clear, for cards of AES."""


@pytest.fixture(scope="module")
def memory(tmp_path_factory: pytest.TempPathFactory) -> MemorySearch:
    """The compiled search."""
    return search.build(tmp_path_factory.mktemp("search"))


@pytest.fixture
def planted() -> Planted:
    """What is searched for: keys that every site here has."""
    planted = Planted()
    planted.add("service", SERVICE_KEY)
    planted.add("transport", AES_SHARED_KEY.value)
    return planted


def slowed(site: Site, faulty_module_file: Path) -> FaultyModule:
    """Give a site's daemon a key of its own that is known; return what slows its token down."""
    site.initialise_again()
    site.fill_token(SERVICE_KEY)
    return FaultyModule(faulty_module_file, site.token, site.directory / "orders")


@dataclass(frozen=True, slots=True)
class RemoteSite:
    """A site that runs, whose module works in another process than its workers."""

    running: RunningSite
    module: FaultyModule

    def watched(self, memory: MemorySearch, planted: Planted) -> Watched:
        """Return its processes; each worker has started the one that has SoftHSM loaded."""
        daemon = self.running.daemon
        return Watched(memory, planted, daemon, lambda: children(daemon.workers))


@pytest.fixture(scope="module")
def remote(
    softhsm: SoftHsm, faulty_module_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RemoteSite]:
    """The site of both tests of a module in another process."""
    built = remote_module.build(tmp_path_factory.mktemp("remote"))
    site = Site(tmp_path_factory.mktemp("site"), softhsm, batches=(*CARDS, EXCEPTED))
    module = slowed(site, faulty_module_file)
    site.write_configuration(built.before(module.token))
    with closing(site), Daemon(site) as daemon:
        yield RemoteSite(RunningSite(site, daemon.wait_until_ready()), module)
        assert daemon.stop() == 0


def children(pids: Sequence[int]) -> list[int]:
    """Return the processes that these have started."""
    told = [Path(f"/proc/{pid}/task/{pid}/children").read_text() for pid in pids]
    return [int(child) for line in told for child in line.split()]


def test_the_search_finds_a_value_however_it_is_spelled_and_no_other(memory: MemorySearch) -> None:
    there, nowhere = secrets.token_bytes(24), secrets.token_bytes(24)
    program = (
        "import signal, sys\n"
        "held = sys.stdin.buffer.read()\n"
        "print('held', flush=True)\n"
        "signal.pause()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as holding:
        assert holding.stdin is not None
        assert holding.stdout is not None
        holding.stdin.write(b"|".join(spellings(there).values()))
        holding.stdin.close()
        holding.stdout.readline()
        try:
            found = memory.of(holding.pid, [("there", there), ("nowhere", nowhere)])
        finally:
            holding.kill()

    assert found.keys() == {"there"}
    assert {place.split(" in ")[0] for place in found["there"]} == set(spellings(there))


def test_softhsm_has_keys_in_the_memory_of_the_worker_that_loads_it_and_the_front_has_none(
    make_site: MakeSite, faulty_module_file: Path, memory: MemorySearch, planted: Planted
) -> None:
    planted.add_masters(CARDS)
    site = make_site(CARDS)
    module = slowed(site, faulty_module_file)
    site.write_configuration(module.token)
    with Daemon(site) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        watched = Watched(memory, planted, daemon, lambda: daemon.workers)
        with running.caller() as caller:
            for function, kinds in IN_THE_CLEAR.items():
                with busy(module, function, Desk(caller, planted).serving(*CARDS)):
                    watched.wait_for_token_to_show(kinds)
        watched.look()
        assert daemon.stop() == 0

    assert watched.front.keys() == {PUBLIC}


def test_a_module_in_another_process_leaves_no_key_in_front_or_worker(
    remote: RemoteSite, memory: MemorySearch, planted: Planted
) -> None:
    planted.add_masters(CARDS)
    watched = remote.watched(memory, planted)
    with remote.running.caller() as caller:
        for function, kinds in IN_THE_CLEAR.items():
            with busy(remote.module, function, Desk(caller, planted).serving(*CARDS)):
                watched.wait_for_token_to_show(kinds)
    watched.look()

    assert watched.front.keys() == watched.workers.keys() == {PUBLIC}


def test_an_exception_of_a_key_set_puts_card_keys_into_the_worker_and_no_others(
    remote: RemoteSite, memory: MemorySearch, planted: Planted
) -> None:
    planted.add_masters([EXCEPTED])
    watched = remote.watched(memory, planted)
    with remote.running.caller() as caller:
        serving = Desk(caller, planted).serving(EXCEPTED)
        with busy(remote.module, "C_Sign", serving):
            watched.wait_for_token_to_show({"service", "master"})
        with busy(remote.module, "C_CreateObject", serving):
            wait_until(lambda: watched.shows(watched.workers, {"card"}))
    watched.look()

    assert watched.front.keys() == {PUBLIC}
    assert watched.workers.keys() == {PUBLIC, "card"}


def test_p11_kit_leaves_no_key_of_the_daemon_in_front_or_workers(
    make_site: MakeSite, faulty_module_file: Path, memory: MemorySearch, planted: Planted
) -> None:
    site = make_site([], service_keys=SERVICE_MAC_KEY_IN_STEPS)
    module = slowed(site, faulty_module_file)
    server = P11KitServer(site.directory, module.token)
    server.start()
    try:
        site.write_configuration(server.token)
        with Daemon(site) as daemon:
            running = RunningSite(site, daemon.wait_until_ready())
            watched = Watched(memory, planted, daemon, lambda: children([server.pid]))
            with running.caller() as caller:

                def ask() -> None:
                    random = caller.post(RANDOM, {"length": 32}).document["random"]
                    planted.add(PUBLIC, bytes.fromhex(random))

                with busy(module, "C_Encrypt", ask):
                    watched.wait_for_token_to_show({"service"})
            watched.look()
            assert daemon.stop() == 0
    finally:
        server.kill()

    assert watched.front.keys() == watched.workers.keys() == {PUBLIC}
