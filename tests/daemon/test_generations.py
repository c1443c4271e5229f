"""A token that is lost and comes back: the same worker goes on, if the keys are the same."""

import shutil
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

import pytest

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY
from hsm.check_values import key_check_value
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_128, AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.ceremony.rooms import Present, room
from tests.site.batches import AES128, AES256
from tests.site.caller import Caller
from tests.site.channels import (
    RANDOM,
    SESSIONS,
    WRAP,
    get_data,
    open_channel,
    presented,
    session_request,
)
from tests.site.daemon import Daemon, Watched, wait_until
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.steps.destroy_key import DestroyKey
from tmsd.config.reserved_keys import SERVICE_KEYS

MASTER = KeyReference(AES128.key_set, 1)


@contextmanager
def worker_asleep(site: RunningSite) -> Iterator[None]:
    """Keep the worker from seeing a token that is not as it shall be found yet."""
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        worker.send(signal.SIGSTOP)
        try:
            yield
        finally:
            worker.send(signal.SIGCONT)


def serves(caller: Caller) -> bool:
    return caller.post(RANDOM, {"length": 1}).status == 200


def test_a_loss_is_noticed_without_a_request_and_mended_by_the_same_worker(run: Run) -> None:
    site = run()
    worker = site.daemon.worker
    for generation in (2, 3, 4):
        with site.site.token_taken_away():
            site.daemon.wait_until_told("the token is lost", times=generation - 1)
        site.daemon.wait_until_told(f"the token is back, in generation {generation}")

    with site.caller() as caller:
        wait_until(lambda: serves(caller))
        assert open_channel(caller, AES128, AES128.card())
    assert site.daemon.worker == worker
    assert site.daemon.stop() == 0


def test_random_bytes_do_not_pass_for_a_token(run: Run) -> None:
    site = run()
    with site.caller() as caller, site.site.token_taken_away():
        # SoftHSM goes on making them for whoever is logged in.
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable")


def test_sessions_outlive_the_loss(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        body = {"session": open_channel(caller, AES128, AES128.card()), "apdus": [get_data(0x9F7F)]}
        before = caller.post(WRAP, body)
        with site.site.token_taken_away():
            wait_until(lambda: caller.post(WRAP, body).status == 503)
        wait_until(lambda: serves(caller))

        assert caller.post(WRAP, body).document == before.document


@contextmanager
def token_changed(site: RunningSite, change: Callable[[Token], None]) -> Iterator[None]:
    """Lose the token, and have a changed copy in its place; it comes back itself afterwards."""
    with site.caller() as caller, site.site.token_taken_away() as away:
        wait_until(lambda: not serves(caller))
        with worker_asleep(site):
            copy = shutil.copytree(away, site.site.token_directory / away.name)
            with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
                change(token)
        try:
            yield
        finally:
            shutil.rmtree(copy)


@pytest.mark.parametrize("changed", [AES128.key_set, "tmsd-channel"])
def test_a_token_that_comes_back_with_another_key_serves_nobody(run: Run, changed: str) -> None:
    site = run(batches=[AES128])
    with site.caller() as caller:
        with token_changed(site, partial(make_anew, label=changed)):
            site.daemon.wait_until_told(f"key '{changed}' version 1 is another key")
            assert not serves(caller)

        wait_until(lambda: serves(caller))


def make_anew(token: Token, label: str) -> None:
    """Replace a key by a random one."""
    reference = KeyReference(label, 1)
    service = label in SERVICE_KEYS
    destroy_key(token, reference)
    generate_key(
        token,
        reference,
        AES_256 if service else AES_128,
        SERVICE_MAC_KEY if service else MASTER_KEY,
    )


def test_a_key_that_is_gone_after_the_loss_is_named(run: Run) -> None:
    site = run(batches=[AES128])
    with token_changed(site, lambda token: destroy_key(token, MASTER)):
        site.daemon.wait_until_told(
            f"key '{AES128.key_set}' version 1: it is not in the token, and it was"
        )


def opens(caller: Caller) -> str:
    """Try to open a channel; return the code of the refusal, or nothing."""
    card = presented(caller, AES128, AES128.card())
    answer = caller.post(SESSIONS, session_request(card))
    return "" if answer.status == 200 else str(answer.code)


def without_key(site: RunningSite) -> None:
    with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
        destroy_key(token, MASTER)


def test_a_key_that_a_ceremony_puts_back_while_the_daemon_runs_serves_again(run: Run) -> None:
    site = run(batches=[AES128])
    with site.caller() as caller:
        assert opens(caller) == ""
        without_key(site)
        site.site.import_master_key(AES128, 1)

        assert opens(caller) == "hsm-unavailable"  # its handle was held, and is void
        assert opens(caller) == ""
    assert "the token is lost" not in site.daemon.log


def destroy_in_a_ceremony(site: RunningSite, folder: Path) -> None:
    where = room(folder, site.site.token, Present())
    with where.token() as token:
        kcv = key_check_value(token.find_key(MASTER)).hex()
    step = DestroyKey(do="destroy-key", label=MASTER.label, version=MASTER.version, kcv=kcv)
    step.perform(where)


def test_a_key_that_is_destroyed_or_replaced_while_the_daemon_runs_is_alone_refused(
    run: Run, tmp_path: Path
) -> None:
    site = run(batches=[AES128, AES256])
    with site.caller() as caller:
        assert opens(caller) == ""
        destroy_in_a_ceremony(site, tmp_path)
        assert opens(caller) == "hsm-unavailable"
        wait_until(lambda: serves(caller))
        assert opens(caller) == "key-missing"

        with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
            generate_key(token, MASTER, AES_128, MASTER_KEY)
        assert opens(caller) == "hsm-unavailable"
        assert "key 'aes128' version 1 is another key than when it was found first" in (
            site.daemon.log
        )
        assert open_channel(caller, AES256, AES256.card())


def test_a_token_that_another_process_initialised_serves_once_it_has_the_same_keys(
    make_site: MakeSite,
) -> None:
    made = make_site(batches=[AES128])
    made.initialise_again()
    made.fill_token(bytes(32))
    with Daemon(made) as daemon:
        site = RunningSite(made, daemon.wait_until_ready())
        with site.caller() as caller:
            body = {
                "session": open_channel(caller, AES128, AES128.card()),
                "apdus": [get_data(0x9F7F)],
            }
            before = caller.post(WRAP, body)
            made.initialise_again()
            daemon.wait_until_told("the token is lost")
            assert not serves(caller)

            made.fill_token(bytes([1]) * 32)
            daemon.wait_until_told("is another key than before the token was lost")
            assert not serves(caller)

            made.initialise_again()
            made.fill_token(bytes(32))
            wait_until(lambda: serves(caller))
            assert caller.post(WRAP, body).document == before.document
