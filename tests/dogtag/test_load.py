"""The load for a TKS (bench/load.py) notices each answer that is not right."""

from dataclasses import replace

import pytest

from bench.dogtag_card import CardKeys
from bench.load import Case, Tks, Wanted, measured
from tests.dogtag.conftest import RunningDogtagSite
from tests.site.caller import tls_settings
from tests.site.directory import HOST
from tests.site.dogtag_policy import FACTORY_KEY, SHARED_SECRET
from tests.site.dogtag_site import OPEN

FACTORY = CardKeys(FACTORY_KEY, FACTORY_KEY, FACTORY_KEY)
KEY_SETS = {1: "defKeySet", 2: "defKeySet", 3: "sc7KeySet"}

each_protocol = pytest.mark.parametrize("protocol", KEY_SETS)


def wanted(protocol: int) -> Wanted:
    return Wanted(protocol, KEY_SETS[protocol], 1, FACTORY, SHARED_SECRET)


def of_running(tks: RunningDogtagSite, asked: Wanted) -> Case:
    url = f"https://{HOST}:{tks.dogtag.port}"
    target = Tks(url, tls_settings(tks.dogtag.site, OPEN))
    [case] = measured([target], asked, [2], seconds=0.1, rounds=1)
    return case


@each_protocol
def test_right_answers_are_counted_and_nothing_else(tks: RunningDogtagSite, protocol: int) -> None:
    case = of_running(tks, wanted(protocol))

    assert case.failed == {}
    assert sum(each.sessions for each in case.rounds) >= 2


@each_protocol
def test_keys_under_another_secret_are_wrong(tks: RunningDogtagSite, protocol: int) -> None:
    case = of_running(tks, replace(wanted(protocol), secret=bytes(range(24))))

    assert case.failed.keys() <= {"wrong: sessionKey", "wrong: macSessionKey"}
    assert case.failed.total() >= 2


@pytest.mark.parametrize("protocol", [1, 3])
def test_cards_with_other_keys_are_turned_down_by_the_tks(
    tks: RunningDogtagSite, protocol: int
) -> None:
    other = CardKeys(bytes(16), bytes(16), bytes(16))
    case = of_running(tks, replace(wanted(protocol), keys=other))

    assert case.failed.keys() == {"computeSessionKey: status=5"}


def test_a_tks_that_is_not_there_is_told_in_words(tks: RunningDogtagSite) -> None:
    nobody = Tks(f"https://{HOST}:1", tls_settings(tks.dogtag.site, OPEN))

    [case] = measured([nobody], wanted(1), [1], seconds=0.1, rounds=1)

    assert case.failed.keys() == {"ConnectionRefusedError"}
    assert case.rate == 0
