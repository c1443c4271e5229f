"""A token that is lost and comes back: the same worker goes on, if the keys are the same."""

import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from hsm.attributes import MASTER_KEY, SERVICE_MAC_KEY
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_128, AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import open_token
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
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.softhsm.tokens import SO_PIN, USER_PIN
from tmsd.config.reserved_keys import SERVICE_KEYS

SOON = 15.0


@contextmanager
def token_taken_away(site: RunningSite) -> Iterator[None]:
    """Move the token's folder away, and back."""
    folder = site.site.token_folder
    away = folder.rename(site.site.directory / "token that was taken away")
    try:
        yield
    finally:
        away.rename(folder)


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
        with token_taken_away(site):
            wait_until(
                lambda: site.daemon.log.count("the token is lost") == generation - 1,  # noqa: B023
                SOON,
            )
        wait_until(
            lambda: f"the token is back, in generation {generation}" in site.daemon.log,  # noqa: B023
            SOON,
        )

    with site.caller() as caller:
        wait_until(lambda: serves(caller), SOON)
        assert open_channel(caller, AES128, AES128.card())
    assert site.daemon.worker == worker
    assert site.daemon.stop() == 0


def test_random_bytes_do_not_pass_for_a_token(run: Run) -> None:
    site = run()
    with site.caller() as caller, token_taken_away(site):
        # SoftHSM goes on making them for whoever is logged in.
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).code == "hsm-unavailable", SOON)


def test_sessions_outlive_the_loss(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        body = {"session": open_channel(caller, AES128, AES128.card()), "apdus": [get_data(0x9F7F)]}
        before = caller.post(WRAP, body)
        with token_taken_away(site):
            wait_until(lambda: caller.post(WRAP, body).status == 503, SOON)
        wait_until(lambda: serves(caller), SOON)

        assert caller.post(WRAP, body).document == before.document


@pytest.mark.parametrize("changed", [AES128.key_set, "tmsd-channel"])
def test_a_token_that_comes_back_with_another_key_serves_nobody(run: Run, changed: str) -> None:
    site = run(batches=[AES128])
    folder = site.site.token_folder
    away = folder.rename(site.site.directory / "the old token")
    with site.caller() as caller:
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).status == 503, SOON)
        with worker_asleep(site):
            shutil.copytree(away, folder)
            make_anew(site, changed)
        wait_until(lambda: f"key '{changed}' version 1 is another key" in site.daemon.log, SOON)
        assert not serves(caller)

        shutil.rmtree(folder)
        away.rename(folder)
        wait_until(lambda: serves(caller), SOON)


def make_anew(site: RunningSite, label: str) -> None:
    """Replace a key in the token by a random one, as another process."""

    reference = KeyReference(label, 1)
    service = label in SERVICE_KEYS
    with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
        destroy_key(token, reference)
        generate_key(
            token,
            reference,
            AES_256 if service else AES_128,
            SERVICE_MAC_KEY if service else MASTER_KEY,
        )


def test_a_key_that_is_gone_after_the_loss_is_named(run: Run) -> None:
    site = run(batches=[AES128])
    folder = site.site.token_folder
    away = folder.rename(site.site.directory / "the old token")
    with site.caller() as caller:
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).status == 503, SOON)
        with worker_asleep(site):
            shutil.copytree(away, folder)
            with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
                destroy_key(token, KeyReference(AES128.key_set, 1))

        wait_until(
            lambda: (
                f"key '{AES128.key_set}' version 1: it is not in the token, and it was"
                in site.daemon.log
            ),
            SOON,
        )


def opens(caller: Caller) -> str:
    """Try to open a channel; return the code of the refusal, or nothing."""
    card = presented(caller, AES128, AES128.card())
    answer = caller.post(SESSIONS, session_request(card))
    return "" if answer.status == 200 else str(answer.code)


def without_key(site: RunningSite) -> None:
    with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
        destroy_key(token, KeyReference(AES128.key_set, 1))


def test_a_key_that_a_ceremony_puts_back_while_the_daemon_runs_serves_again(run: Run) -> None:
    site = run(batches=[AES128])
    with site.caller() as caller:
        assert opens(caller) == ""
        without_key(site)
        site.site.import_master_key(AES128, 1)

        assert opens(caller) == "hsm-unavailable"  # its handle was held, and is void
        assert opens(caller) == ""
    assert "the token is lost" not in site.daemon.log


def test_a_key_that_is_destroyed_or_replaced_while_the_daemon_runs_is_alone_refused(
    run: Run,
) -> None:
    site = run(batches=[AES128, AES256])
    with site.caller() as caller:
        assert opens(caller) == ""
        without_key(site)
        assert opens(caller) == "hsm-unavailable"
        assert opens(caller) == "key-missing"

        with open_token(site.site.token, Secret(USER_PIN), writable=True) as token:
            generate_key(token, KeyReference(AES128.key_set, 1), AES_128, MASTER_KEY)
        assert opens(caller) == "hsm-unavailable"
        assert "key 'aes128' version 1 is another key than when it was found first" in (
            site.daemon.log
        )
        assert open_channel(caller, AES256, AES256.card())


def initialise_again(site: Site) -> None:
    """Initialise the token anew, as another process; all of its keys are gone."""
    subprocess.run(
        [
            *("softhsm2-util", "--init-token", "--token", site.token.label),
            *("--label", site.token.label, "--so-pin", SO_PIN, "--pin", USER_PIN),
        ],
        env=dict(site.token.environment),
        check=True,
        capture_output=True,
    )


def test_a_token_that_another_process_initialised_serves_once_it_has_the_same_keys(
    make_site: MakeSite,
) -> None:
    made = make_site(batches=[AES128])
    initialise_again(made)
    made.fill_token(bytes(32))
    with Daemon(made) as daemon:
        site = RunningSite(made, daemon.wait_until_ready())
        with site.caller() as caller:
            body = {
                "session": open_channel(caller, AES128, AES128.card()),
                "apdus": [get_data(0x9F7F)],
            }
            before = caller.post(WRAP, body)
            initialise_again(made)
            wait_until(lambda: "the token is lost" in daemon.log, SOON)
            assert not serves(caller)

            made.fill_token(bytes([1]) * 32)
            wait_until(lambda: "is another key than before the token was lost" in daemon.log, SOON)
            assert not serves(caller)

            initialise_again(made)
            made.fill_token(bytes(32))
            wait_until(lambda: serves(caller), SOON)
            assert caller.post(WRAP, body).document == before.document
