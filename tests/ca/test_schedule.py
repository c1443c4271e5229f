"""What comes by itself: what cannot be signed keeps nothing else."""

import asyncio
from functools import partial

import pytest

from tests.ca.asking import issued, revoked
from tests.site.authority import CA, have_crls
from tests.site.fixtures import MakeSite
from tmsd.ca.schedule import keep
from tmsd.cli.appliance import certification
from tmsd.store import crls
from tmsd.store.crls import Scope
from tmsd.x509.distribution import WHOLE


async def test_a_crl_that_would_be_too_long_keeps_no_other_and_is_complained_of_once(
    make_site: MakeSite, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("tmsd.ca.publishing.MAX_CRL_ENTRIES", 3)
    site = make_site(ca=True)
    have_crls(site.policy, "crl_partitions = 50\n")
    async with certification(site.configuration) as ca:
        for _ in range(4):
            await revoked(ca, await issued(ca))
        keeping = asyncio.create_task(keep(lambda: ca))

        async def number(partition: int) -> int | None:
            latest = partial(crls.latest_number, scope=Scope(CA, partition), is_delta=False)
            return await ca.reader.run(latest)

        while not (await number(50) and "cannot be kept" in caplog.text):  # noqa: ASYNC110  no event tells
            await asyncio.sleep(0.05)
        keeping.cancel()
        assert await number(WHOLE) is None
    assert (
        caplog.text.count(
            f"the CRLs of {CA} cannot be kept: request-invalid: the CRL of {CA}: it would have more"
            " than 3 entries: have more partitions (crl_partitions), and no whole CRL"
        )
        == 1
    )
