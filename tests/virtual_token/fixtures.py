"""pytest fixtures: a private pcscd for the session, and a reader to put cards into.

For tests/conftest.py: `pytest_plugins = ["tests.virtual_token.fixtures"]`.
"""

import contextlib
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from smartcard import scard
from smartcard.System import readers

from tests.virtual_token.card import Card
from tests.virtual_token.pcscd import PrivatePcscd, private_pcscd
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.vpcd import InsertedCard, Token

InsertCard = Callable[[CardProfile | Token], Any]  # to a smartcard.CardConnection, untyped

_NOTICE_MILLISECONDS = 10_000
_POLLING_SECONDS = 1.0  # pcscd looks for cards each 400 ms, later on a busy machine


@pytest.fixture(scope="session")
def pcscd() -> Iterator[PrivatePcscd]:
    """A private pcscd with two readers, where libpcsclite of this process finds it."""
    with private_pcscd() as daemon, pytest.MonkeyPatch.context() as patch:
        patch.setenv("PCSCLITE_CSOCK_NAME", str(daemon.socket_path))
        yield daemon


@pytest.fixture
def insert_card(pcscd: PrivatePcscd) -> Iterator[InsertCard]:
    """Put a card, or a fresh card of a profile, into a free reader and connect to it.

    At most as many cards at a time as there are readers; all are out after the test.
    """
    with contextlib.ExitStack() as inserted:
        free = iter(range(len(pcscd.ports)))

        def insert(card: CardProfile | Token) -> Any:  # noqa: ANN401 - pyscard has no types
            token = Card(card) if isinstance(card, CardProfile) else card
            slot = next(free, None)
            if slot is None:
                raise ValueError(f"there are {len(pcscd.ports)} readers, and a card in each")
            in_reader = InsertedCard(token, pcscd.ports[slot])
            inserted.callback(_take_out, in_reader, slot)
            wait_for_card(slot, present=True)
            connection = readers()[slot].createConnection()
            connection.connect()
            inserted.callback(connection.release)  # at garbage collection it may be too late
            return connection

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
