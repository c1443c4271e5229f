"""pytest fixtures: a private pcscd for the session, and a reader to put cards into.

For tests/conftest.py: `pytest_plugins = ["tests.pcsc.fixtures"]`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator

import pytest
from smartcard import scard
from smartcard.System import readers

from tests.pcsc.pcscd import PrivatePcscd, private_pcscd
from tests.pcsc.vpcd import InsertedCard, Token

_NOTICE_MILLISECONDS = 10_000
_POLLING_SECONDS = 1.0  # pcscd looks for cards each 400 ms, later on a busy machine


class ConnectedCard:
    """The card in a reader, reached as programs reach cards: through pyscard."""

    def __init__(self, slot: int) -> None:
        self._connection = readers()[slot].createConnection()
        self.connect()

    @property
    def atr(self) -> bytes:
        """The card's answer to reset."""
        return bytes(self._connection.getATR())

    def transmit(self, command: bytes) -> bytes:
        """Send a command APDU and return the response APDU."""
        data, sw1, sw2 = self._connection.transmit(list(command))
        return bytes([*data, sw1, sw2])

    def connect(self) -> None:
        """Give the card power."""
        self._connection.connect()

    def disconnect(self) -> None:
        """Leave the card without power."""
        self._connection.disconnect()

    def release(self) -> None:
        """Let go of the reader; at garbage collection it may be too late."""
        self._connection.release()


PutInReader = Callable[[Token], int]
InsertCard = Callable[[Token], ConnectedCard]


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """A private pcscd with two readers, where libpcsclite of this process finds it."""
    with private_pcscd() as daemon, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(daemon.socket_path))
        yield daemon


@pytest.fixture
def put_in_reader(pcscd: PrivatePcscd) -> Iterator[PutInReader]:
    """Put a card into a free reader, and return the reader's number.

    At most as many cards at a time as there are readers; all are out after the test.
    """
    with contextlib.ExitStack() as inserted:
        free = iter(range(len(pcscd.ports)))

        def put(token: Token) -> int:
            slot = next(free, None)
            if slot is None:
                raise ValueError(f"there are {len(pcscd.ports)} readers, and a card in each")
            in_reader = InsertedCard(token, pcscd.ports[slot])
            inserted.callback(_take_out, in_reader, slot)
            wait_for_card(slot, present=True)
            return slot

        yield put


@pytest.fixture
def insert_card(put_in_reader: PutInReader) -> Iterator[InsertCard]:
    """Put a card into a free reader, and connect to it."""
    with contextlib.ExitStack() as connections:

        def insert(token: Token) -> ConnectedCard:
            connected = ConnectedCard(put_in_reader(token))
            connections.callback(connected.release)
            return connected

        yield insert


def _take_out(in_reader: InsertedCard, slot: int) -> None:
    in_reader.remove()
    wait_for_card(slot, present=False)
    if in_reader.left_by_itself:
        # A failed command empties the reader in pcscd's books at once, but its polling thread
        # must have seen the gap too, or it takes the next card for the last one.
        time.sleep(_POLLING_SECONDS)


def wait_for_card(slot: int, *, present: bool) -> None:
    """Wait until pcscd has noticed that a card is in the reader, or out of it."""
    wanted = scard.SCARD_STATE_PRESENT if present else scard.SCARD_STATE_EMPTY
    name = str(readers()[slot])
    result, context = scard.SCardEstablishContext(scard.SCARD_SCOPE_SYSTEM)
    _require_success(result)
    try:
        state = scard.SCARD_STATE_UNAWARE
        while not state & wanted:
            result, changed = scard.SCardGetStatusChange(
                context, _NOTICE_MILLISECONDS, [(name, state)]
            )
            _require_success(result)
            state = changed[0][1] & ~scard.SCARD_STATE_CHANGED
    finally:
        scard.SCardReleaseContext(context)


def _require_success(result: int) -> None:
    if result != scard.SCARD_S_SUCCESS:
        raise RuntimeError(scard.SCardGetErrorMessage(result))
