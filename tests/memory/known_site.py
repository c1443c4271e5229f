"""A site whose keys are known, searched for them while its token is in the middle of things."""

import base64
import os
import secrets
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace

from tests.memory.search import Found, MemorySearch
from tests.site.batches import Batch
from tests.site.caller import Caller
from tests.site.channels import (
    ENCRYPT,
    OK,
    SESSIONS,
    JsonObject,
    confirm,
    initialize_update,
    issued_challenge,
    open_presented,
    put_key,
    session_request,
    store_data,
    wrap,
)
from tests.site.daemon import Daemon, wait_until
from tests.site.session_keys import on_the_card
from tests.softhsm.faulty_module import FaultyModule
from tests.virtual_token.card import Card
from tests.virtual_token.keys import KeySet

_SLOWED_SECONDS = 0.05

PUBLIC = "public"
"""The name of what front and workers have to do with, and everybody may know."""


def with_unpredictable_keys(batch: Batch) -> Batch:
    """Return a batch whose master keys are nowhere in memory by chance, as rows of numbers are."""
    others = {
        version: secrets.token_bytes(len(key)) for version, key in batch.other_masters.items()
    }
    return replace(batch, master=secrets.token_bytes(len(batch.master)), other_masters=others)


class Planted:
    """Values that a search is for, under the names of their kinds."""

    def __init__(self) -> None:
        self._values: list[tuple[str, bytes]] = []

    def __iter__(self) -> Iterator[tuple[str, bytes]]:
        return iter(tuple(self._values))

    def add(self, kind: str, *values: bytes) -> None:
        """Search for further values."""
        self._values += [(kind, value) for value in values]

    def add_masters(self, batches: Sequence[Batch]) -> None:
        """Search for the master keys of batches."""
        for batch in batches:
            self.add("master", *{batch.master_of(version) for version in batch.imported})

    def add_card_keys(self, keys: KeySet) -> None:
        """Search for the static keys of a card."""
        self.add("card", keys.enc, keys.mac, keys.dek)


@dataclass(frozen=True, slots=True)
class Desk:
    """Somebody who serves cards, and knows all of their keys before the site does.

    Attributes:
        caller: whose connection is used.
        planted: gets the keys.
    """

    caller: Caller
    planted: Planted

    def serving(self, *batches: Batch) -> Callable[[], None]:
        """Return what serves a card of each, and changes those over that can be."""

        def serve_all() -> None:
            for batch in batches:
                self.serve(batch)
                if "change_to" in batch.settings:
                    self.change_over(batch)

        return serve_all

    def serve(self, batch: Batch) -> None:
        """Serve a new card: a channel, a command, its DEK, keys under the transport key."""
        card = batch.card()
        session = open_presented(self.caller, card, self._request(batch, card))
        self.planted.add(PUBLIC, base64.urlsafe_b64decode(session[:64]))
        session, (command,) = wrap(self.caller, session, [store_data(0xDF20, b"value")])
        assert card.transmit(command) == OK
        encrypt = {"session": session, "purpose": "proof-of-presence"}
        assert self.caller.post(ENCRYPT, encrypt).status == 200
        delivery = self._request(batch, card) | {"delivery": "transport"}
        assert self.caller.post(SESSIONS, delivery).status == 200

    def change_over(self, batch: Batch) -> None:
        """Change a new card over to the second version of its keys."""
        card = batch.card()
        session = open_presented(self.caller, card, self._request(batch, card))
        self.planted.add_card_keys(batch.keys(card.profile.kdd, 2))
        change = put_key(self.caller, session, batch, 2).document
        answer = card.transmit(bytes.fromhex(change["apdu"]))
        assert confirm(self.caller, change["session"], answer).status == 200

    def _request(self, batch: Batch, card: Card) -> JsonObject:
        issued = issued_challenge(self.caller, batch.challenge_length)
        host_challenge = bytes.fromhex(issued["host_challenge"])
        answer = initialize_update(card, host_challenge)
        self.planted.add_card_keys(card.profile.keys)
        session_keys = on_the_card(batch, card, host_challenge, answer)
        self.planted.add("session", *(session_keys[name] for name in session_keys.keys() - {"dek"}))
        presented = {
            "initialize_update": answer.hex(),
            "challenge": issued["challenge"],
            "key_set": batch.key_set,
        }
        return session_request(presented)


@dataclass(slots=True)
class Watched:
    """The processes of a site, and what was found in each so far.

    Attributes:
        search: that is made.
        planted: what it is for.
        daemon: the front, which knows its workers.
        of_token: says which processes have SoftHSM loaded.
        front: found in the front.
        workers: found in any of its workers.
        token: found in any process that has SoftHSM loaded.
    """

    search: MemorySearch
    planted: Planted
    daemon: Daemon
    of_token: Callable[[], Sequence[int]]
    front: Found = field(default_factory=dict)
    workers: Found = field(default_factory=dict)
    token: Found = field(default_factory=dict)

    def look(self) -> None:
        """Search all of them."""
        self._look_into(self.daemon.pid, self.front)
        for pid in self.daemon.workers:
            self._look_into(pid, self.workers)
        for pid in self.of_token():
            self._look_into(pid, self.token)

    def wait_for_token_to_show(self, kinds: set[str]) -> None:
        """Search until these were all found where SoftHSM is loaded."""
        wait_until(lambda: self.shows(self.token, kinds))

    def shows(self, where: Found, kinds: set[str]) -> bool:
        """Search once more; say whether these were all found in one of the three."""
        self.look()
        return where.keys() >= kinds

    def _look_into(self, pid: int, found: Found) -> None:
        """Search a process, which stands still meanwhile."""
        os.kill(pid, signal.SIGSTOP)
        try:
            of_process = self.search.of(pid, self.planted)
        finally:
            os.kill(pid, signal.SIGCONT)
        for kind, places in of_process.items():
            found.setdefault(kind, set()).update(places)


@contextmanager
def busy(module: FaultyModule, function: str, act: Callable[[], None]) -> Iterator[None]:
    """Do something over and over while the block runs, with a token that is slow at one function.

    Most of the time it is then at the beginning of one. SoftHSM has the key in the clear there,
    since C_EncryptInit and C_SignInit.
    """
    over = threading.Event()

    def act_on() -> None:
        while not over.is_set():
            act()

    module.delay(function, _SLOWED_SECONDS)
    with ThreadPoolExecutor(1) as acting:
        done = acting.submit(act_on)
        try:
            yield
        finally:
            over.set()
            module.behave()
        done.result()
