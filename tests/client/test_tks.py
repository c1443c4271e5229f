"""The client's calls against a real site, with virtual cards."""

import os
from collections.abc import AsyncIterator

import pytest

from tests.site.batches import AES128, BY_CUID, DES_VISA2, OWN_CHALLENGE, SERVED, Batch
from tests.site.channels import OK, initialize_update
from tests.site.directory import HOST
from tests.site.fixtures import RunningSite
from tests.site.identities import TPS
from tests.virtual_token.card import Card
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem
from tmsd.client.tks import C_MAC, C_MAC_AND_C_ENC, TokenKeyService
from tmsd.client.values import IssuedChallenge, KeyVersion, PresentedCard

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
    challenge = await tks.issue_challenge()
    answer = initialize_update(card, challenge.host_challenge)
    return PresentedCard(answer, challenge, key_set=batch.key_set)


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
    assert session.host_cryptogram in session.external_authenticate
    assert after.state != session.state
    assert after.key_set == session.key_set


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
    assert [(v.version, v.active) for v in rotated.versions] == [(1, False), (2, True)]
    assert all(len(v.key_check_value or b"") == 3 for v in rotated.versions)
    assert described["absent"].versions == (KeyVersion(1, active=True, key_check_value=None),)


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
