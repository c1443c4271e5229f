"""The policy: what a site does not start with, and what a change of it ends."""

import pytest

from tests.site.batches import ABSENT, AES128, AES_SHARED, FACTORY_SCP02, ROTATED, SCP01_HMAC, Batch
from tests.site.changeovers import DES_OPEN, LONGER, ROTATING
from tests.site.channels import ENCRYPT, WRAP, get_data, open_channel, put_key
from tests.site.daemon import refuses_to_start
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, Run

FIELD = (AES128, ROTATING, LONGER, ABSENT)
WAYS = 'change_to = ["rotating:2", "longer:1", "absent:1"]'
TPS_DELIVERIES = 'deliveries = ["sealed", "transport"]\ntransport_key = "tps-aes"'


def change_policy(site: Site, before: str, after: str) -> None:
    """Replace a passage of policy.toml that stands there once."""
    policy = site.policy.read_text()
    assert policy.count(before) == 1, before
    site.policy.write_text(policy.replace(before, after))


@pytest.mark.parametrize(
    ("batches", "target", "reason"),
    [
        (FIELD, "rotating:3", "rotating has no active version 3; active: 1, 2"),
        (FIELD, "rotating:9", "rotating has no active version 9"),
        (FIELD, "nothing:1", "'nothing' is not a key set of this file"),
        (FIELD, "rotating:255", "must be a key set, or a key set and its version from 1 to 127"),
        (FIELD, "rotating:", "must be a key set, or a key set and its version from 1 to 127"),
        ((*FIELD, DES_OPEN), "des-open:1", "des-open is weaker: des3 after aes128"),
        ((*FIELD, AES_SHARED), "aes-shared:1", "aes-shared is undiversified"),
        ((*FIELD, FACTORY_SCP02), "factory-scp02:1", "factory-scp02 holds factory keys"),
    ],
)
def test_a_way_that_leads_to_worse_keys_ends_it(
    make_site: MakeSite, batches: tuple[Batch, ...], target: str, reason: str
) -> None:
    site = make_site(batches)
    change_policy(site, WAYS, f'change_to = ["{target}"]')

    said = refuses_to_start(site)

    assert "key_sets.rotating.change_to" in said
    assert reason in said


@pytest.mark.parametrize(
    ("before", "after", "reason"),
    [
        (
            TPS_DELIVERIES,
            'deliveries = ["sealed", "transport"]',
            "callers.tps-demo.deliveries: transport needs transport_key",
        ),
        (
            TPS_DELIVERIES,
            'deliveries = ["sealed"]\ndeliver_static_dek = true',
            "callers.tps-demo.deliver_static_dek: needs transport among deliveries",
        ),
        (
            TPS_DELIVERIES,
            TPS_DELIVERIES.replace("tps-aes", "nothing"),
            "callers.tps-demo.transport_key: 'nothing' is not a transport key",
        ),
        ('card_commands = ["e2"]', 'card_commands = ["d8"]', "d8 is PUT KEY"),
        (
            "[transport_keys.tps-aes]\n",
            '[transport_keys.tps-aes]\nlabel = "aes128"\n',
            "is the label of a master key of key set aes128",
        ),
    ],
)
def test_a_caller_that_would_get_what_it_cannot_have_ends_it(
    make_site: MakeSite, before: str, after: str, reason: str
) -> None:
    site = make_site()
    change_policy(site, before, after)

    assert reason in refuses_to_start(site)


def test_a_scheme_that_needs_an_exception_ends_it_without_one(make_site: MakeSite) -> None:
    site = make_site((AES128, SCP01_HMAC))
    versions = 'versions = {1 = "active"}\n'
    change_policy(site, f"{versions}allow_key_material_in_worker = true\n", versions)

    reason = refuses_to_start(site)

    assert "key_sets.scp01-hmac.diversification: nist-sp800-108-hmac cannot be computed" in reason


class TestAChangeOfThePolicy:
    """Sessions outlive a restart, and nothing that they stand on does."""

    def test_leaves_sessions_alone_that_it_does_not_concern(self, run: Run) -> None:
        site = run((AES128, ROTATED))
        with site.caller() as caller:
            session = open_channel(caller, AES128, AES128.card())
        assert site.daemon.stop() == 0

        with site.restarted() as again, again.caller() as caller:
            answer = caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
            assert answer.status == 200
            assert again.daemon.stop() == 0

    def test_ends_the_sessions_of_a_version_that_it_retires(self, run: Run) -> None:
        site = run((AES128, ROTATED))
        with site.caller() as caller:
            session = open_channel(caller, ROTATED, ROTATED.card())
        assert site.daemon.stop() == 0
        change_policy(site.site, '{1 = "retired", 2 = "active"}', '{1 = "active", 2 = "retired"}')

        with site.restarted() as again, again.caller() as caller:
            refused = caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
            assert (refused.code, refused.pointer) == ("key-version-retired", "/session")
            assert again.daemon.stop() == 0

    def test_ends_the_sessions_of_a_key_set_that_it_takes_away(self, run: Run) -> None:
        site = run((AES128, ROTATED))
        with site.caller() as caller:
            session = open_channel(caller, ROTATED, ROTATED.card())
        assert site.daemon.stop() == 0
        policy = site.site.policy.read_text()
        site.site.policy.write_text(policy.replace('key_sets = ["*"]', 'key_sets = ["aes128"]'))

        with site.restarted() as again, again.caller() as caller:
            refused = caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
            assert (refused.code, refused.pointer) == ("key-set-unknown", "/session")
            assert again.daemon.stop() == 0

    def test_ends_purposes_and_ways_within_sessions(self, run: Run) -> None:
        site = run(FIELD)
        with site.caller() as caller:
            session = open_channel(caller, ROTATING, ROTATING.card())
            assert put_key(caller, session, ROTATING, 2).status == 200
        assert site.daemon.stop() == 0
        change_policy(site.site, WAYS, 'change_to = ["longer:1"]')
        change_policy(
            site.site, '["proof-of-presence", "proof-of-possession", "pin", "object"]', '["pin"]'
        )

        with site.restarted() as again, again.caller() as caller:
            request = {"session": session, "purpose": "proof-of-presence"}
            assert put_key(caller, session, ROTATING, 2).code == "change-not-allowed"
            assert caller.post(ENCRYPT, request).code == "purpose-not-allowed"
            assert put_key(caller, session, LONGER, 1).status == 200
            assert again.daemon.stop() == 0
