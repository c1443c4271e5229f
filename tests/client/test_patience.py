"""A client with patience asks again what can help, and nothing else, and no longer than it may."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.client.cut_connection import CutConnection, cut_connection
from tests.site.batches import AES128
from tests.site.channels import OK, initialize_update
from tests.site.daemon import Daemon
from tests.site.directory import HOST, Site
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.site.identities import BRANCH, TPS
from tmsd.client.connection import Connection, tls_context
from tmsd.client.problem import Problem, ServiceUnreachable
from tmsd.client.tks import TokenKeyService
from tmsd.client.values import PresentedCard

GET_PRODUCTION_DATA = bytes.fromhex("80ca9f7f00")
PATIENCE = 30.0


@asynccontextmanager
async def service(
    site: Site, patience: float, name: str = TPS, port: int | None = None
) -> AsyncIterator[TokenKeyService]:
    """Yield the service as a caller of so much patience has it."""
    files = site.credentials(name)
    tls = tls_context(site.credentials("ca").certificate, files.certificate, files.private_key)
    url = f"https://{HOST}:{port or site.port}"
    async with Connection(url, tls, patience=patience) as connection:
        yield TokenKeyService(connection)


async def presented(tks: TokenKeyService) -> PresentedCard:
    issued = await tks.issue_challenge()
    card = AES128.card()
    return PresentedCard(initialize_update(card, issued.host_challenge), issued, AES128.key_set)


def at_most(requests_per_second: float) -> str:
    return f"requests_per_second = {requests_per_second}\nburst = 1\nfailures_per_minute = 10"


async def test_who_asks_too_often_waits_as_long_as_it_is_told_unless_it_cannot(run: Run) -> None:
    site = run(of_callers={TPS: at_most(1), BRANCH: at_most(0.1)}).site
    async with service(site, 5.0, BRANCH) as impatient, service(site, PATIENCE) as patient:
        await impatient.random(1)
        began = time.monotonic()
        with pytest.raises(Problem) as refused:
            await impatient.random(1)
        assert refused.value.code == "rate-limited"
        assert refused.value.retry_after == 10.0
        assert time.monotonic() - began < 5.0

        began = time.monotonic()
        for _ in range(3):
            await patient.random(1)
        assert time.monotonic() - began > 1.5


async def test_a_card_that_failed_is_asked_for_again_with_the_challenge_it_answered_to(
    site: RunningSite,
) -> None:
    card = AES128.card()
    async with service(site.site, PATIENCE) as tks:
        issued = await tks.issue_challenge()
        answer = bytearray(initialize_update(card, issued.host_challenge))
        answer[21] ^= 1
        with pytest.raises(Problem) as refused:
            await tks.open_session(PresentedCard(bytes(answer), issued, AES128.key_set))
        assert refused.value.code == "card-cryptogram-mismatch"

        issued = await tks.issue_challenge()
        answer = bytearray(initialize_update(card, issued.host_challenge))
        session = await tks.open_session(PresentedCard(bytes(answer), issued, AES128.key_set))

    assert card.transmit(session.external_authenticate) == OK


async def test_a_service_that_comes_back_answers(make_site: MakeSite) -> None:
    made = make_site()
    async with service(made, PATIENCE) as patient, service(made, 0.0) as impatient:
        with Daemon(made) as daemon:
            asked = asyncio.create_task(patient.random(16))
            with pytest.raises(ServiceUnreachable):
                await impatient.random(16)
            await asyncio.to_thread(daemon.wait_until_ready)
            assert len(await asked) == 16

            with made.token_taken_away():
                await asyncio.to_thread(daemon.wait_until_told, "the token is lost")
                with pytest.raises(Problem) as refused:
                    await impatient.random(16)
                asked = asyncio.create_task(patient.random(16))
                await asyncio.sleep(0)
            assert refused.value.code == "hsm-unavailable"
            assert len(await asked) == 16


class TestALostAnswer:
    @pytest.fixture
    async def between(self, site: RunningSite) -> AsyncIterator[CutConnection]:
        """What loses answers of the site."""
        async with cut_connection(site.site.port) as between:
            yield between

    async def test_to_a_function_of_its_body_is_given_again(
        self, site: RunningSite, between: CutConnection
    ) -> None:
        async with service(site.site, PATIENCE, port=between.port) as tks:
            session = await tks.open_session(await presented(tks))
            expected = await tks.wrap(session, [GET_PRODUCTION_DATA])
            between.cuts = True

            assert await tks.wrap(session, [GET_PRODUCTION_DATA]) == expected

        assert between.lost == 1

    async def test_that_used_a_challenge_up_is_told_as_that(
        self, site: RunningSite, between: CutConnection
    ) -> None:
        async with service(site.site, PATIENCE, port=between.port) as tks:
            card = await presented(tks)
            between.cuts = True

            with pytest.raises(Problem) as refused:
                await tks.open_session(card)

        assert between.lost == 1
        assert refused.value.code == "challenge-used"
        assert refused.value.next == "reopen-channel"

    async def test_is_told_at_once_without_patience(
        self, site: RunningSite, between: CutConnection
    ) -> None:
        async with service(site.site, 0.0, port=between.port) as tks:
            await tks.random(1)
            between.cuts = True

            with pytest.raises(ServiceUnreachable):
                await tks.random(1)
