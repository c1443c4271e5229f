"""The client's calls against a real site, with virtual cards."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.site.batches import (
    AES128,
    AES_S16,
    BY_CUID,
    DES_R_MAC,
    DES_VISA2,
    OWN_CHALLENGE,
    SCP01,
    SERVED,
    Batch,
)
from tests.site.changeovers import FRESH_SCP03, ROTATING
from tests.site.channels import OK, initialize_update
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS
from tests.site.transport_keys import AES_SHARED_KEY
from tests.virtual_token.card import PROVE_PRESENCE, Card
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem
from tmsd.client.tks import (
    C_MAC,
    C_MAC_AND_C_ENC,
    C_MAC_AND_R_MAC,
    C_MAC_C_ENC_AND_R_MAC,
    EVERYTHING,
    TokenKeyService,
)
from tmsd.client.values import (
    IssuedChallenge,
    KeyVersion,
    PresentedCard,
    Session,
    UnwrappedResponse,
    VersionState,
    WrappingMechanism,
)

GET_PRODUCTION_DATA = bytes.fromhex("80ca9f7f00")


@pytest.fixture
async def tks(site: RunningSite) -> AsyncIterator[TokenKeyService]:
    """The service as a front-end has it."""
    files = site.site.credentials(TPS)
    trust = site.site.credentials("ca").certificate
    tls = tls_context(trust, files.certificate, files.private_key)
    async with Connection(f"https://{HOST}:{site.site.port}/", tls) as connection:
        yield TokenKeyService(connection)


async def presented(tks: TokenKeyService, batch: Batch, card: Card) -> PresentedCard:
    """Let a card answer to an issued challenge."""
    challenge = await tks.issue_challenge(batch.challenge_length)
    answer = initialize_update(card, challenge.host_challenge)
    return PresentedCard(answer, challenge, key_set=batch.key_set)


async def opened(tks: TokenKeyService, batch: Batch, card: Card, level: int) -> Session:
    """Open a channel that the card agrees to."""
    session = await tks.open_session(await presented(tks, batch, card), level)
    assert card.transmit(session.external_authenticate) == OK
    return session


async def decrypted_by(
    card: Card, tks: TokenKeyService, session: Session, encrypted: bytes
) -> bytes:
    """Send 16 bytes to the card and return what it makes of them."""
    command = bytes([0x80, PROVE_PRESENCE, 0x00, 0x00, len(encrypted)]) + encrypted + b"\x00"
    session, (wrapped,) = await tks.wrap(session, [command])
    (response,) = (await tks.unwrap(session, [card.transmit(wrapped)])).responses
    assert response.status == OK
    return response.data


@pytest.mark.parametrize("level", [C_MAC, C_MAC_AND_C_ENC])
@pytest.mark.parametrize("batch", SERVED, ids=lambda batch: batch.key_set)
async def test_a_channel_is_opened_and_used(tks: TokenKeyService, batch: Batch, level: int) -> None:
    card = batch.card()

    session = await tks.open_session(await presented(tks, batch, card), level)
    assert card.transmit(session.external_authenticate) == OK
    after, (command,) = await tks.wrap(session, [GET_PRODUCTION_DATA])

    assert card.transmit(command).endswith(card.profile.production_data + OK)
    assert (session.scp, session.i, session.key_set) == (batch.scp, batch.i, batch.key_set)
    assert session.key_version == 1
    assert not session.is_due_for_changeover
    assert session.host_cryptogram in session.external_authenticate
    assert after.state != session.state
    assert after.key_set == session.key_set


LEVELS_WITH_R_MAC = [
    (AES128, C_MAC_AND_R_MAC),
    (AES128, EVERYTHING),
    (AES_S16, EVERYTHING),
    (DES_R_MAC, C_MAC_C_ENC_AND_R_MAC),
]


@pytest.mark.parametrize(("batch", "level"), LEVELS_WITH_R_MAC)
async def test_responses_are_unwrapped(tks: TokenKeyService, batch: Batch, level: int) -> None:
    card = batch.card()
    session = await opened(tks, batch, card, level)
    session, commands = await tks.wrap(session, [GET_PRODUCTION_DATA, GET_PRODUCTION_DATA])

    unwrapped = await tks.unwrap(session, [card.transmit(command) for command in commands])

    data = bytes.fromhex("9f7f2a") + card.profile.production_data
    assert unwrapped.responses == (UnwrappedResponse(data, OK, protected=True),) * 2
    assert unwrapped.closed is False
    assert unwrapped.session.state != session.state


async def test_a_card_that_gives_the_channel_up_is_told(tks: TokenKeyService) -> None:
    session = await opened(tks, AES128, AES128.card(), C_MAC)
    session, _ = await tks.wrap(session, [GET_PRODUCTION_DATA])

    unwrapped = await tks.unwrap(session, [bytes.fromhex("6982")])

    assert unwrapped.closed is True
    assert unwrapped.responses == (UnwrappedResponse(b"", bytes.fromhex("6982"), protected=False),)
    with pytest.raises(Problem) as refused:
        await tks.wrap(unwrapped.session, [GET_PRODUCTION_DATA])
    assert refused.value.code == "session-closed"


async def test_a_card_is_changed_over(tks: TokenKeyService) -> None:
    card = FRESH_SCP03.card()
    session = await opened(tks, FRESH_SCP03, card, EVERYTHING)

    change = await tks.put_key(session, 1, mode="add", new_key_set=ROTATING.key_set)
    confirmed = await tks.confirm_put_key(change.session, card.transmit(change.apdu))

    group = card.keyring.group(1)
    assert group is not None
    assert change.key_check_values == tuple(group.keys[k].check_value for k in (1, 2, 3))
    assert group.key_set() == ROTATING.keys(card.profile.kdd, 1)
    assert (confirmed.new_key_version, confirmed.protected) == (1, True)
    assert confirmed.session.state != change.session.state
    on_again = await opened(tks, ROTATING, card, C_MAC)
    change = await tks.put_key(on_again, 2, mode="replace")
    assert card.transmit(change.apdu).endswith(OK)


async def test_an_answer_that_confirms_nothing_is_a_problem(tks: TokenKeyService) -> None:
    session = await opened(tks, ROTATING, ROTATING.card(), C_MAC)
    change = await tks.put_key(session, 2, mode="add")

    with pytest.raises(Problem) as refused:
        await tks.confirm_put_key(change.session, bytes.fromhex("6a80"))

    assert refused.value.code == "put-key-unconfirmed"
    assert refused.value.next == "reopen-channel"


@pytest.mark.parametrize("batch", [AES128, DES_VISA2, SCP01], ids=lambda batch: batch.key_set)
async def test_a_card_proves_its_presence(tks: TokenKeyService, batch: Batch) -> None:
    card = batch.card()
    session = await opened(tks, batch, card, C_MAC_AND_C_ENC)

    presence = await tks.challenge_presence(session)

    assert await decrypted_by(card, tks, presence.session, presence.encrypted) == presence.challenge


@pytest.mark.parametrize("batch", [AES128, DES_VISA2, SCP01], ids=lambda batch: batch.key_set)
async def test_a_pin_and_an_object_are_encrypted_for_the_card(
    tks: TokenKeyService, batch: Batch
) -> None:
    card = batch.card()
    session = await opened(tks, batch, card, C_MAC_AND_C_ENC)

    after, pin = await tks.encrypt(session, "pin", b"1234567890abcdef")
    after, thing = await tks.encrypt(after, "object", bytes(range(16)))

    commands = [bytes.fromhex("800e000010") + each + b"\x00" for each in (pin, thing)]
    _, wrapped = await tks.wrap(after, commands)
    answers = [card.transmit(command) for command in wrapped]
    assert answers == [b"1234567890abcdef" + OK, bytes(range(16)) + OK]


@pytest.mark.parametrize(
    ("batch", "level", "names"),
    [
        (AES128, C_MAC, {"mac"}),
        (AES128, EVERYTHING, {"enc", "mac", "rmac"}),
        (DES_VISA2, C_MAC_AND_C_ENC, {"enc", "mac"}),
    ],
)
async def test_session_keys_are_delivered(
    tks: TokenKeyService, batch: Batch, level: int, names: set[str]
) -> None:
    card = batch.card()

    session = await tks.open_delivered_session(await presented(tks, batch, card), level)

    assert card.transmit(session.external_authenticate) == OK
    assert (session.scp, session.i, session.key_set) == (batch.scp, batch.i, batch.key_set)
    assert session.keys.transport_key == AES_SHARED_KEY.name
    assert session.keys.mechanism is WrappingMechanism.AES_KEY_WRAP
    keys = {name: getattr(session.keys, name) for name in ("enc", "mac", "rmac", "dek")}
    assert {name for name, key in keys.items() if key} == names
    assert all(len(AES_SHARED_KEY.unwrap(key)) == 16 for key in keys.values() if key)


@pytest.mark.parametrize("length", [8, 16])
async def test_a_challenge_is_issued(tks: TokenKeyService, length: int) -> None:
    issued = await tks.issue_challenge(length)

    assert isinstance(issued, IssuedChallenge)
    assert len(issued.host_challenge) == length


async def test_a_card_is_verified(tks: TokenKeyService) -> None:
    genuine = await presented(tks, AES128, AES128.card())
    forged = await presented(tks, AES128, BY_CUID.card())

    assert await tks.verify_cryptogram(genuine) is True
    assert await tks.verify_cryptogram(forged) is False


async def test_ones_own_challenge_a_cuid_and_an_i_may_be_presented(tks: TokenKeyService) -> None:
    challenge = os.urandom(8)
    own = PresentedCard(
        initialize_update(OWN_CHALLENGE.card(), challenge), challenge, OWN_CHALLENGE.key_set
    )
    cuid = os.urandom(10)
    issued = await tks.issue_challenge()
    by_cuid = PresentedCard(
        initialize_update(BY_CUID.card_by_cuid(cuid), issued.host_challenge),
        issued,
        BY_CUID.key_set,
        cuid=cuid,
    )
    issued = await tks.issue_challenge()
    by_i = PresentedCard(
        initialize_update(DES_VISA2.card(), issued.host_challenge),
        issued,
        DES_VISA2.key_set,
        scp_i=0x15,
    )

    for card in (own, by_cuid, by_i):
        assert (await tks.open_session(card)).key_set == card.key_set


async def test_random_bytes_are_of_the_length_asked_for(tks: TokenKeyService) -> None:
    assert len(await tks.random(33)) == 33


async def test_key_sets_are_described(tks: TokenKeyService) -> None:
    described = {key_set.name: key_set for key_set in await tks.key_sets()}

    rotated = described["rotated"]
    assert (rotated.scp, rotated.algorithm, rotated.diversification) == (3, "aes128", "kdf3")
    assert [(v.version, v.state) for v in rotated.versions] == [(1, "retired"), (2, "active")]
    retired, active = rotated.versions
    assert (retired.key_check_value, len(active.key_check_value or b"")) == (None, 3)
    assert rotated.newest_key_version == 2
    assert described["absent"].versions == (
        KeyVersion(1, VersionState.ACTIVE, key_check_value=None),
    )


async def test_a_refusal_is_a_problem_with_all_that_the_service_said(
    tks: TokenKeyService, site: RunningSite
) -> None:
    card = await presented(tks, AES128, AES128.card())
    await tks.open_session(card)

    with pytest.raises(Problem) as refused:
        await tks.open_session(card)

    problem = refused.value
    assert problem.code == "challenge-used"
    assert problem.title == "The challenge was used before"
    assert problem.status == 422
    assert problem.next == "reopen-channel"
    assert problem.pointer == "/card/challenge"
    assert str(problem) == f"{problem.title}: {problem.detail}"
    (record,) = site.trail.of_request(problem.request_id)
    assert record.decision.code == problem.code
