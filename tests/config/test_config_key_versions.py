"""Versions of a master key: when each is active, and which one cards get."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.key_versions import (
    HIGHEST_PUT,
    MasterKeyVersion,
    VersionState,
    newest_active,
    newest_first,
)
from tmsd.config.policy import Policy

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

MIDDAY = datetime(2027, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)

KEY_SET = """\
[key_sets.pilot]
scp = "03"
algorithm = "aes256"
diversification = "kdf3"
change_to = ["pilot"]
"""

TIMES = st.datetimes(timezones=st.just(UTC))
VERSIONS = st.builds(MasterKeyVersion, active_from=st.none() | TIMES, retired=st.booleans())


def versions(text: str) -> str:
    return f"{KEY_SET}versions = {text}\n"


def test_a_version_with_a_date_is_active_from_then_on() -> None:
    version = MasterKeyVersion(active_from=MIDDAY)

    assert version.state(MIDDAY - SECOND) is VersionState.PRE_ACTIVE
    assert version.state(MIDDAY) is VersionState.ACTIVE
    assert MasterKeyVersion(active_from=MIDDAY, retired=True).state(MIDDAY) is VersionState.RETIRED


def test_dates_are_taken_in_any_zone_and_told_in_utc(policy: Load) -> None:
    text = versions('{ 1 = "active", 2 = { active_from = 2027-01-01T13:00:00+01:00 } }')
    held = policy(text).key_sets["pilot"].versions

    assert held == {1: MasterKeyVersion(), 2: MasterKeyVersion(active_from=MIDDAY)}
    assert [str(each) for each in held.values()] == ["active", "active from 2027-01-01T12:00:00Z"]


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ("2027-01-01T00:00:00Z", "2: must be a table, not 2027-01-01 00:00:00+00:00"),
        (
            "{ active_from = 2027-01-01 }",
            "2.active_from: must be a date and a time, as 2027-01-01T00:00:00Z, not 2027-01-01",
        ),
        (
            "{ active_from = 2027-01-01T00:00:00 }",
            "2.active_from: must say its zone, as 2027-01-01T00:00:00Z",
        ),
        (
            "{ active_until = 2027-01-01T00:00:00Z }",
            "2.active_until: is not a key of this table, which has active_from, retired",
        ),
        ('"pre-active"', "2: 'pre-active' is not one of active, retired, { active_from = "),
    ],
)
def test_a_wrong_version_is_refused_with_what_would_be_right(
    policy: Load, refusal: Refusal, version: str, reason: str
) -> None:
    (line,) = refusal(policy, versions(f'{{ 1 = "active", 2 = {version} }}'))

    assert line.startswith(f"6: key_sets.pilot.versions.{reason}")


@pytest.mark.parametrize("held", ['{ 1 = "retired" }', '{ 255 = "active" }'])
def test_a_way_without_a_version_needs_one_that_put_key_can_make(
    policy: Load, refusal: Refusal, held: str
) -> None:
    (line,) = refusal(policy, versions(held))

    assert line.endswith("change_to[0]: pilot has no active version from 1 to 127")


def test_cards_get_the_version_that_became_active_last() -> None:
    held = {
        1: MasterKeyVersion(),
        2: MasterKeyVersion(),
        3: MasterKeyVersion(active_from=MIDDAY),
        4: MasterKeyVersion(active_from=MIDDAY - SECOND, retired=True),
        255: MasterKeyVersion(),
    }

    assert newest_active(newest_first(held), MIDDAY - SECOND) == 2
    assert newest_active(newest_first(held), MIDDAY) == 3
    assert newest_active(newest_first({255: held[255]}), MIDDAY) == 255
    assert newest_active(newest_first({4: held[4]}), MIDDAY) is None


@given(st.dictionaries(st.integers(1, 255), VERSIONS, max_size=6), TIMES)
def test_the_newest_is_active_and_no_active_one_is_newer(
    held: dict[int, MasterKeyVersion], now: datetime
) -> None:
    newest = newest_active(newest_first(held), now)
    active = {n: each for n, each in held.items() if each.state(now) is VersionState.ACTIVE}

    assert (newest is None) == (not active)
    if newest is not None:
        since = held[newest].active_from
        others = [each.active_from for each in active.values() if each.active_from]
        assert all(since is not None and other <= since for other in others)
        assert newest in active
        assert newest <= HIGHEST_PUT or since or all(n > HIGHEST_PUT for n in active)


@given(VERSIONS, VERSIONS)
def test_different_versions_are_told_in_different_words(
    one: MasterKeyVersion, other: MasterKeyVersion
) -> None:
    assert (str(one) == str(other)) == (one == other)
