"""No secret of a whole run is in what the run leaves behind."""

import signal

import pytest

from tests.site.batches import ABSENT, AES128, DES_VISA2, SCP01_HMAC, Batch
from tests.site.changeovers import DES_OPEN, LONGER, ROTATING
from tests.site.channels import (
    ENCRYPT,
    OK,
    SESSIONS,
    UNWRAP,
    WRAP,
    confirm,
    get_data,
    open_channel,
    presented,
    put_key,
    session_request,
    store_data,
    wrap,
)
from tests.site.daemon import Watched
from tests.site.fixtures import Run, RunningSite
from tests.site.transport_keys import AES_SHARED_KEY, SHARED_KEYS
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
    site = run(batches=(AES128, DES_VISA2))
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

    assert_not_left_behind(site, secrets, tokens)


def test_new_keys_delivered_keys_and_what_is_encrypted_for_cards_are_not_left_behind(
    run: Run,
) -> None:
    site = run(batches=(AES128, SCP01_HMAC, ROTATING, LONGER, ABSENT, DES_OPEN))
    pin = b"the PIN is 31415"
    secrets = [pin, *(key.value for key in SHARED_KEYS)]
    tokens = []
    with site.caller() as caller:
        for batch in (ROTATING, DES_OPEN):
            card = batch.card()
            made = put_key(caller, open_channel(caller, batch, card, "03"), batch, 2).document
            tokens.append(made["session"])
            new = batch.keys(card.profile.kdd, 2)
            secrets += [*secrets_of(card, batch), batch.master_of(2), new.enc, new.mac, new.dek]
            answer = card.transmit(bytes.fromhex(made["apdu"]))
            assert confirm(caller, made["session"], answer[:-2] + b"\x00" + OK).status == 409
            confirmed = confirm(caller, made["session"], answer)
            assert confirmed.status == 200
        for batch in (AES128, SCP01_HMAC):
            card = batch.card()
            secrets += secrets_of(card, batch)
            session = open_channel(caller, batch, card)
            tokens.append(session)
            request = {"session": session, "purpose": "pin", "data": pin.hex()}
            assert caller.post(ENCRYPT, request).status == 200
            assert caller.post(ENCRYPT, request | {"data": (pin + b"!").hex()}).status == 400
            request = {"session": session, "purpose": "proof-of-presence"}
            secrets.append(bytes.fromhex(caller.post(ENCRYPT, request).document["challenge"]))
            body = session_request(presented(caller, batch, card)) | {"delivery": "transport"}
            delivered = caller.post(SESSIONS, body).document["keys"]
            tokens += [delivered["mac"], delivered["enc"]]
            secrets += [AES_SHARED_KEY.unwrap(bytes.fromhex(delivered[n])) for n in ("mac", "enc")]
        card = AES128.card()
        session, (store, get) = wrap(
            caller,
            open_channel(caller, AES128, card, "33"),
            [store_data(STORED, pin), get_data(STORED)],
        )
        responses = [card.transmit(store).hex(), card.transmit(get).hex()]
        body = {"session": session, "responses": responses}
        assert pin.hex() in caller.post(UNWRAP, body).document["responses"][1]["response"]
        assert caller.post(UNWRAP, body | {"responses": responses[::-1]}).status == 409
    assert site.daemon.stop() == 0

    assert_not_left_behind(site, secrets, tokens)


def assert_not_left_behind(site: RunningSite, secrets: list[bytes], tokens: list[str]) -> None:
    left_behind = {
        "log": site.daemon.log.encode(),
        "audit log": site.site.audit_file.read_bytes(),
    }
    for name, text in left_behind.items():
        for secret in secrets:
            assert not [s for s in spellings(secret) if s in text], name
        assert not [token for token in tokens if token.encode() in text], name
