"""A token behind p11-kit's server, which is killed and comes back under a worker that goes on.

Sessions with cards cannot be shown here (tests/softhsm/p11_kit.py): what is asked for is random
bytes, with receipts that are MACed in the token.
"""

import socket
import time
from collections.abc import Collection, Iterator
from contextlib import ExitStack
from pathlib import Path
from threading import Thread

import pytest
from cryptography.hazmat.primitives.ciphers.algorithms import AES
from cryptography.hazmat.primitives.cmac import CMAC

from hsm.attributes import SERVICE_MAC_KEY_IN_STEPS
from hsm.importing import import_key
from hsm.keys import AES_256, KeyReference
from hsm.login import Login
from hsm.pin_latch import PinLatch
from hsm.secret import Secret
from hsm.token import open_token
from tests.site.daemon import PATIENCE
from tests.softhsm.p11_kit import P11KitServer
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tests.worker.test_serving_questions import TPS, policy, question
from tmsd.config.reserved_keys import SERVICE_KEYS
from tmsd.errors import Code
from tmsd.vault.card_messages import MakeRandom, RandomMade
from tmsd.vault.framing import FrameReader
from tmsd.vault.messages import Reply
from tmsd.vault.worker_messages import Condition, Receipt, Refused
from tmsd.worker.context import Context
from tmsd.worker.generations import Generations
from tmsd.worker.keyring import Identities, KeyName, Keyring
from tmsd.worker.receipts import Receipts
from tmsd.worker.serving import serve

SERVICE_KEY = bytes(range(32))
REFERENCES = [KeyReference(label, 1) for label in SERVICE_KEYS]


@pytest.fixture(scope="module")
def server(softhsm: SoftHsm, tmp_path_factory: pytest.TempPathFactory) -> Iterator[P11KitServer]:
    """A server of a token with the daemon's own keys, which runs."""
    behind = softhsm.make_token()
    with open_token(behind, Secret(USER_PIN), writable=True) as token:
        for reference in REFERENCES:
            key = Secret(SERVICE_KEY)
            import_key(token, reference, key, AES_256, SERVICE_MAC_KEY_IN_STEPS)
    server = P11KitServer(tmp_path_factory.mktemp("p11-kit"), behind)
    server.start()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in server.token.environment.items():
            patch.setenv(name, value)  # the module reads it in this process
        yield server
    server.kill()


class Front:
    """What the front is to a worker."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._frames = FrameReader(Reply)
        self._number = 0
        self._replies: list[Reply] = []

    def ask(self) -> Reply:
        """Ask for random bytes, and return the answer."""
        self._number += 1
        self._end.sendall(question(self._number, MakeRandom(TPS, length=16)))
        while (reply := self._next()).number != self._number:
            pass
        return reply

    def wait_for(self, state: str) -> Condition:
        """Wait until the worker tells that it is in a state."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            answer = self._next().answer
            if isinstance(answer, Condition) and answer.state == state:
                return answer
        raise TimeoutError(state)

    def _next(self) -> Reply:
        while not self._replies:
            self._replies = self._frames.feed(self._end.recv(65536))
        return self._replies.pop(0)


@pytest.fixture
def front(server: P11KitServer, tmp_path: Path) -> Iterator[Front]:
    """The front of a worker that is logged in through the server, and works in another thread."""
    login = Login(server.token, lambda: Secret(USER_PIN), None, PinLatch(tmp_path / "latch"))

    def reopen(before: Identities, gone: Collection[KeyName]) -> Context:
        token = login.log_in(restart=True)
        keyring = Keyring(token)
        keyring.look_for(REFERENCES)
        keyring.require(before, gone)
        return Context(token, keyring, policy(), 1, 1, 1, session_seconds=300, challenge_seconds=60)

    with ExitStack() as stack:
        here, there = (stack.enter_context(end) for end in socket.socketpair())
        there.settimeout(PATIENCE)
        generations = Generations(reopen({}, ()), reopen)
        worker = Thread(target=serve, args=(here, generations, Receipts(bytes(8))))
        worker.start()
        stack.callback(worker.join)
        stack.callback(there.shutdown, socket.SHUT_WR)
        yield Front(there)


def right_mac(receipt: Receipt) -> bytes:
    mac = CMAC(AES(SERVICE_KEY))
    mac.update(receipt.mac_input())
    return mac.finalize()


def test_a_server_that_is_killed_is_a_loss_and_its_return_another_generation(
    server: P11KitServer, front: Front
) -> None:
    for generation in (1, 2, 3, 4):
        reply = front.ask()
        assert isinstance(reply.answer, RandomMade)
        assert reply.receipt is not None
        assert reply.receipt.generation == generation
        assert reply.receipt.mac == right_mac(reply.receipt)

        server.kill()
        for _ in range(2):
            refused = front.ask().answer
            assert isinstance(refused, Refused)
            assert refused.code is Code.HSM_UNAVAILABLE
        front.wait_for("lost")

        server.start()
        assert front.wait_for("operational").generation == generation + 1


def test_a_server_that_is_killed_unasked_is_noticed(server: P11KitServer, front: Front) -> None:
    server.kill()

    assert "DeviceError" in str(front.wait_for("lost").reason)

    server.start()
    front.wait_for("operational")
