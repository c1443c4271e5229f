"""No secret of a whole run is in what the run leaves behind."""

import signal

import pytest

from tests.site.batches import AES128, DES_VISA2, SERVED, Batch
from tests.site.channels import (
    OK,
    SESSIONS,
    WRAP,
    open_channel,
    presented,
    session_request,
    store_data,
    wrap,
)
from tests.site.daemon import Watched
from tests.site.fixtures import Run
from tests.softhsm.tokens import SO_PIN, USER_PIN
from tests.virtual_token.card import Card

STORED = 0xDF20


def spellings(secret: bytes) -> list[bytes]:
    """Return how a secret could be found in a text: raw, in hex, as Python shows bytes."""
    return [secret, secret.hex().encode(), secret.hex().upper().encode(), repr(secret).encode()]


def secrets_of(card: Card, batch: Batch) -> list[bytes]:
    """Return a batch's master key and a card's keys."""
    return [batch.master, card.profile.enc, card.profile.mac, card.profile.dek]


@pytest.mark.parametrize("ending", [signal.SIGTERM, signal.SIGKILL])
def test_pins_keys_and_what_goes_to_cards_are_not_left_behind(
    run: Run, ending: signal.Signals
) -> None:
    site = run(batches=SERVED)
    personal = b"what only the card shall know"
    secrets = [USER_PIN, SO_PIN, personal]
    tokens = []
    with site.caller() as caller:
        for batch in (AES128, DES_VISA2):
            card = batch.card()
            secrets += secrets_of(card, batch)
            session = open_channel(caller, batch, card)
            tokens.append(session)
            _, (command,) = wrap(caller, session, [store_data(STORED, personal)])
            assert card.transmit(command) == OK
            forged = presented(caller, batch, batch.card()) | {"initialize_update": "00" * 28}
            assert caller.post(SESSIONS, session_request(forged)).status >= 400
            assert caller.post(WRAP, {"session": session, "apdus": ["00d8"]}).status >= 400
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        worker.send(signal.SIGKILL)
        site.daemon.send(ending)
        site.daemon.wait()

    left_behind = {
        "log": site.daemon.log.encode(),
        "audit log": site.site.audit_file.read_bytes(),
    }
    for name, text in left_behind.items():
        for secret in secrets:
            assert not [s for s in spellings(secret) if s in text], name
        assert not [token for token in tokens if token.encode() in text], name
