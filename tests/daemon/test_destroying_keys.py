"""A master key from its first card to its end: retired by the officers, dropped, and destroyed."""

import shutil
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from hsm.keys import KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.keys import check_value
from tests.ceremony.rooms import Present, room, script
from tests.postgresql.cluster import Cluster
from tests.site.batches import AES128
from tests.site.changeovers import DATED
from tests.site.channels import SESSIONS, WRAP, get_data, open_channel, presented, session_request
from tests.site.daemon import Daemon, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, Run, RunningSite
from tests.site.policies import activated, enrol_officers, new_policy
from tests.softhsm.tokens import USER_PIN
from tmsd.ceremony.destruction_refusal import DestructionRefused, DestructionRule
from tmsd.ceremony.key_users import KeyUsers
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script, load_script
from tmsd.clock import now_ms
from tmsd.config.daemon import load_daemon_config
from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.policy import load_policy
from tmsd.database import read_store
from tmsd.quorum.refusal import ApprovalRefused, Rule
from tmsd.store import held_keys
from tmsd.store.held_keys import HeldKey, Holder

OLD = KeyReference(DATED.key_set, 1)
KCV = check_value(DATED.master, KeyAlgorithm.AES128).hex()
DESTROY = f"""
[[steps]]
do = "destroy-key"
label = "{DATED.key_set}"
version = 1
kcv = "{KCV}"
"""


@pytest.fixture
def governed(make_site: MakeSite) -> Site:
    """A site whose officers have approved its policy."""
    site = make_site((AES128, DATED), workers=2)
    enrol_officers(site)
    activated(site, site.policy)
    return site


@pytest.fixture
def running(governed: Site) -> Iterator[RunningSite]:
    with Daemon(governed) as daemon:
        yield RunningSite(governed, daemon.wait_until_ready())
        assert "Traceback" not in daemon.log


def room_of(site: Site, folder: Path) -> Room:
    """Return a room around the site's token, that knows of its daemons."""
    made = room(folder, site.token, Present())
    of_daemons = {
        "hsm": load_daemon_config(site.configuration).hsm,
        "configuration": site.configuration,
    }
    return replace(made, binding=made.binding.model_copy(update=of_daemons))


def users_of(site: Site) -> KeyUsers:
    return KeyUsers(load_daemon_config(site.configuration), load_policy(site.policy))


def holders(users: KeyUsers) -> list[Holder]:
    """Return whose workers may use the old version."""
    held = partial(held_keys.holders, key=HeldKey(OLD.label, OLD.version), now_ms=now_ms())
    return read_store(users.config.store, held)


def destruction(folder: Path) -> Script:
    return load_script(script(folder, DESTROY))


def people(where: Room) -> Present:
    assert isinstance(where.people, Present)
    return where.people


def is_there(site: Site) -> bool:
    with open_token(site.token, Secret(USER_PIN)) as token:
        return bool(token.find_keys(OLD))


def retire(site: Site) -> None:
    """Have the officers activate a policy in which the old version is retired."""
    activated(
        site, new_policy(site, 2, lambda text: text.replace('{1 = "active"', '{1 = "retired"'))
    )


def reload(site: RunningSite) -> None:
    site.daemon.send(signal.SIGHUP)
    site.daemon.wait_until_told("policy version 2 and certificates are taken")


def test_a_key_is_destroyed_once_it_is_retired_and_every_worker_has_dropped_it(
    running: RunningSite, tmp_path: Path
) -> None:
    site, card = running.site, DATED.card()
    where = room_of(site, tmp_path)
    with running.caller() as caller, ThreadPoolExecutor(1) as officers:
        session = open_channel(caller, DATED, card)
        wait_until(lambda: users_of(site).cards_on(OLD).count == 1)
        with pytest.raises(DestructionRefused, match="key-in-use: policy version 1") as refused:
            begin(destruction(tmp_path), where)
        assert refused.value.rule is DestructionRule.KEY_IN_USE
        assert people(where).asked == []
        minutes_of(where).unlink()

        retire(site)
        ceremony = officers.submit(begin, destruction(tmp_path), where)
        wait_until(lambda: any("have dropped" in line for line in people(where).told))
        assert caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]}).status == 200
        assert is_there(site)
        reload(running)
        ceremony.result(timeout=30)

        assert not is_there(site)
        refused_card = caller.post(SESSIONS, session_request(presented(caller, DATED, card)))
        assert refused_card.code == "key-version-retired"
        ended = caller.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
        assert (ended.code, ended.pointer) == ("key-version-retired", "/session")
        moved = replace(DATED, key_version=2)
        assert open_channel(caller, moved, moved.card())
    cards = f"1 card: {card.profile.kdd.hex()}"
    assert people(where).asked[0].parameters["cards_last_seen"] == cards
    done = [each.decision for each in events(minutes_of(where))]
    [details] = [each.details for each in done if each.operation == Event.DONE]
    assert details["cards_last_seen"] == cards


def test_a_card_that_was_seen_after_the_approval_has_officers_asked_again(
    running: RunningSite, tmp_path: Path
) -> None:
    site, where = running.site, room_of(running.site, tmp_path)
    planned = destruction(tmp_path)
    retire(site)
    with running.caller() as caller, ThreadPoolExecutor(1) as officers:
        ceremony = officers.submit(begin, planned, where)
        wait_until(lambda: any("have dropped" in line for line in people(where).told))
        open_channel(caller, DATED, DATED.card())
        wait_until(lambda: users_of(site).cards_on(OLD).count == 1)
        reload(running)
        with pytest.raises(DestructionRefused) as refused:
            ceremony.result(timeout=30)

    assert refused.value.rule is DestructionRule.CARDS_NOT_THE_APPROVED
    assert is_there(site)
    resume(planned, where)
    approved = [asked.parameters["cards_last_seen"] for asked in people(where).asked[:2]]
    assert approved == ["none", users_of(site).cards_on(OLD).told]
    assert not is_there(site)


def test_who_does_not_drop_it_in_time_is_named_and_the_key_stays(
    running: RunningSite,
) -> None:
    site = running.site
    retire(site)
    users = users_of(site)
    told: list[str] = []

    with pytest.raises(DestructionRefused, match=r"key-held: .* used by workers of tmsd"):
        users.require_dropped(OLD, told.append, patience_seconds=0.1)
    assert len(told) == 1
    running.daemon.send(signal.SIGKILL)
    running.daemon.wait()
    with pytest.raises(DestructionRefused, match="if it is silent, gone from"):
        users.require_dropped(OLD, told.append, patience_seconds=0.1)
    assert is_there(site)


def test_of_several_daemons_over_one_database_each_has_to_drop_it(
    run: Run, postgresql: Cluster
) -> None:
    url = postgresql.url(postgresql.make_database())
    one, other = (run((AES128, DATED), store=f'url = "{url}"') for _ in range(2))
    text = one.site.policy.read_text()
    one.site.policy.write_text(text.replace('{1 = "active"', '{1 = "retired"'))
    users = users_of(one.site)

    with other.caller() as caller:
        open_channel(caller, DATED, DATED.card())
    wait_until(lambda: users.cards_on(OLD).count == 1)
    one.daemon.send(signal.SIGHUP)
    wait_until(lambda: len(holders(users)) == 1)
    told: list[str] = []
    with pytest.raises(DestructionRefused) as refused:
        users.require_dropped(OLD, told.append, patience_seconds=0)
    assert refused.value.rule is DestructionRule.KEY_HELD
    assert holders(users)[0].daemon.id[:8] in told[0]

    assert other.daemon.stop() == 0
    users.require_dropped(OLD, pytest.fail, patience_seconds=0)


def test_officers_are_told_where_there_is_no_database_that_would_know(governed: Site) -> None:
    cards = users_of(governed).cards_on(OLD)

    assert cards.told == "none, as no daemon has made the database yet"


def test_a_daemon_that_has_stopped_uses_no_key(governed: Site) -> None:
    with Daemon(governed) as daemon:
        daemon.wait_until_ready()
        assert daemon.stop() == 0

    users_of(governed).require_dropped(OLD, pytest.fail, patience_seconds=0)


def test_a_token_that_knows_a_policy_needs_to_know_who_serves_by_it(
    governed: Site, tmp_path: Path
) -> None:
    where = room_of(governed, tmp_path)
    unaware = where.binding.model_copy(update={"configuration": None})
    planned = destruction(tmp_path).steps[0]

    with pytest.raises(DestructionRefused, match="key-users-unknown: the token knows a policy"):
        planned.also_asked(replace(where, binding=unaware))
    mistaken = where.binding.model_copy(update={"configuration": tmp_path / "tmsd.toml"})
    with pytest.raises(DestructionRefused, match=r"key-users-unknown: .*tmsd\.toml: "):
        planned.also_asked(replace(where, binding=mistaken))


def test_another_policy_than_the_one_in_force_says_nothing(governed: Site, tmp_path: Path) -> None:
    where = room_of(governed, tmp_path)
    other = tmp_path / "other"
    shutil.copytree(
        governed.directory, other, symlinks=True, ignore=shutil.ignore_patterns("tokens")
    )
    policy = other / governed.policy.name
    text = policy.read_text().replace('{1 = "active"', '{1 = "retired"')
    policy.unlink()
    policy.write_text(text)
    altered = where.binding.model_copy(
        update={"configuration": other / governed.configuration.name}
    )

    with pytest.raises(ApprovalRefused) as refused:
        destruction(tmp_path).steps[0].perform(replace(where, binding=altered))
    assert refused.value.rule is Rule.POLICY_ALTERED
    assert is_there(governed)
