"""What the policy says to a request, refusal by refusal."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.worker.key_sets import made
from tmsd.config.callers import Caller, Delivery, Role
from tmsd.config.key_sets import DiversificationData, KeyAlgorithm, KeySet
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import ChannelState, SecurityLevel
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse, parse
from tmsd.worker import admission
from tmsd.worker.admission import WantedKeys

KDD = bytes(range(10))
MIDDAY = datetime(2027, 1, 1, 12, tzinfo=UTC)
SECOND = timedelta(seconds=1)
SCP02_CARD = parse(bytes(range(10)) + b"\x01\x02" + bytes(16))
SCP03_CARD = parse(bytes(range(10)) + b"\x01\x03\x70" + bytes(16))
SCP01_CARD = parse(bytes(range(10)) + b"\x01\x01" + bytes(16))
S16_CARD = parse(bytes(range(10)) + b"\x01\x03\x71" + bytes(32))
SCP01_SET = made(KeyAlgorithm.DES3, scp="01")
SCP02_SET = made(KeyAlgorithm.DES3)
SCP03_SET = made(KeyAlgorithm.AES128)


def _caller(*key_sets: str) -> Caller:
    return Caller(name="tps-demo", public_key_sha256="0" * 64, roles=(Role.TPS,), key_sets=key_sets)


def _policy(caller: Caller, *key_sets: KeySet) -> Policy:
    return Policy.model_validate(
        {
            "source": Path("/etc/tmsd/policy.toml"),
            "digest": "0" * 64,
            "callers": {caller.name: caller},
            "key_sets": {key_set.name: key_set for key_set in key_sets or (SCP03_SET,)},
        }
    )


def test_a_caller_of_the_policy_is_known_and_no_other() -> None:
    caller = _caller()

    assert admission.tks_caller(_policy(caller), "tps-demo") == caller
    with pytest.raises(ServiceError) as refusal:
        admission.tks_caller(_policy(caller), "somebody")
    assert refusal.value.code is Code.CALLER_UNKNOWN


def test_a_caller_without_the_role_is_refused_here_as_well() -> None:
    caller = _caller().model_copy(update={"roles": (Role.AUDITOR,)})

    with pytest.raises(ServiceError) as refusal:
        admission.tks_caller(_policy(caller), "tps-demo")
    assert refusal.value.code is Code.ROLE_MISSING


def test_a_delivery_that_the_caller_does_not_have_is_refused() -> None:
    admission.require_delivery(_caller(), Delivery.SEALED)

    with pytest.raises(ServiceError) as refusal:
        admission.require_delivery(_caller(), Delivery.TRANSPORT)
    assert refusal.value.code is Code.DELIVERY_NOT_ALLOWED


@pytest.mark.parametrize(
    ("scp", "i", "level", "code"),
    [
        (0x02, 0x15, SecurityLevel.C_MAC, Code.PROTOCOL_MISMATCH),
        (0x03, 0x60, SecurityLevel.C_MAC, Code.PROTOCOL_MISMATCH),
        (0x03, 0x70, SecurityLevel.C_MAC, Code.LEVEL_NOT_SUPPORTED),
    ],
)
def test_a_channel_ends_when_its_key_set_no_longer_accepts_it(
    scp: int, i: int, level: SecurityLevel, code: Code
) -> None:
    key_set = made(KeyAlgorithm.AES128, scp_i=(0x70,), min_security_level=0x03)
    state = ChannelState(i, level, commands=0, responses=0, mac_chaining=bytes(16))

    with pytest.raises(ServiceError) as refusal:
        admission.require_channel(key_set, scp, state)
    assert refusal.value.code is code


@pytest.mark.parametrize("key_sets", [("pilot",), ("*",)])
def test_a_caller_uses_the_key_sets_that_the_policy_gives_it(key_sets: tuple[str, ...]) -> None:
    caller = _caller(*key_sets)

    assert admission.usable_key_set(_policy(caller), caller, "pilot") == SCP03_SET


def test_a_key_set_of_others_is_refused_as_if_there_were_none() -> None:
    caller = _caller()
    refusals = []
    for name in ("pilot", "absent"):
        with pytest.raises(ServiceError) as refusal:
            admission.usable_key_set(_policy(caller), caller, name)
        refusals.append((refusal.value.code, refusal.value.detail.replace(name, "…")))

    assert refusals[0] == refusals[1]
    assert refusals[0][0] is Code.KEY_SET_UNKNOWN


def test_active_versions_alone_are_used() -> None:
    key_set = made(versions={1: "retired", 2: "active", 4: {"active_from": MIDDAY}})

    key_set.require_active(2, MIDDAY)
    key_set.require_active(4, MIDDAY)
    for version, code in (
        (1, Code.KEY_VERSION_RETIRED),
        (3, Code.KEY_VERSION_UNKNOWN),
        (0, Code.KEY_VERSION_UNKNOWN),
        (4, Code.KEY_VERSION_NOT_YET_ACTIVE),
    ):
        with pytest.raises(ServiceError) as refusal:
            key_set.require_active(version, MIDDAY - SECOND)
        assert refusal.value.code is code


@pytest.mark.parametrize(
    ("key_set", "card", "claimed", "accepted"),
    [
        (SCP03_SET, SCP03_CARD, None, 0x70),
        (SCP03_SET, SCP03_CARD, 0x70, 0x70),
        (SCP02_SET, SCP02_CARD, None, 0x15),
        (SCP02_SET, SCP02_CARD, 0x15, 0x15),
    ],
    ids=["the card's word", "both agree", "the default", "the caller's word"],
)
def test_the_card_says_i_or_the_caller_or_the_key_set(
    key_set: KeySet, card: InitializeUpdateResponse, claimed: int | None, accepted: int
) -> None:
    assert admission.accepted_i(key_set, card, claimed) == accepted


@pytest.mark.parametrize(
    ("key_set", "card", "claimed", "reason"),
    [
        (SCP02_SET, SCP03_CARD, None, "the card speaks SCP03; key set pilot is for SCP02"),
        (SCP03_SET, SCP02_CARD, None, "the card speaks SCP02; key set pilot is for SCP03"),
        (SCP01_SET, SCP02_CARD, None, "the card speaks SCP02; key set pilot is for SCP01"),
        (SCP01_SET, SCP01_CARD, 0x15, "i=15; key set pilot accepts 05"),
        (SCP03_SET, S16_CARD, None, "i=71; key set pilot accepts 70, 00"),
        (SCP03_SET, SCP03_CARD, 0x00, "the card says i=70, not 00"),
        (SCP02_SET, SCP02_CARD, 0x55, "i=55; key set pilot accepts 15"),
        (
            made(KeyAlgorithm.AES128, scp_i=(0x00, 0x10)),
            SCP03_CARD,
            None,
            "i=70; key set pilot accepts 00, 10",
        ),
    ],
)
def test_a_protocol_that_does_not_fit_is_refused_with_both_sides(
    key_set: KeySet, card: InitializeUpdateResponse, claimed: int | None, reason: str
) -> None:
    with pytest.raises(ServiceError) as refusal:
        admission.accepted_i(key_set, card, claimed)

    assert (refusal.value.code, refusal.value.detail) == (Code.PROTOCOL_MISMATCH, reason)


@pytest.mark.parametrize(
    ("i", "least", "accepted"),
    [
        (0x00, 0x01, {0x01, 0x03}),
        (0x00, 0x03, {0x03}),
        (0x20, 0x01, {0x01, 0x03, 0x11, 0x13}),
        (0x70, 0x01, {0x01, 0x03, 0x11, 0x13, 0x33}),
        (0x70, 0x11, {0x11, 0x13, 0x33}),
        (0x70, 0x33, {0x33}),
        (0x00, 0x33, set()),
    ],
)
def test_levels_that_the_card_has_and_that_are_not_below_the_key_sets_least_are_accepted(
    i: int, least: int, accepted: set[int]
) -> None:
    key_set = made(min_security_level=least, scp_i=(0x00, 0x20, 0x70))

    for level in range(256):
        if level in accepted:
            assert admission.accepted_level(key_set, i, level) == SecurityLevel(level)
        else:
            with pytest.raises(ServiceError) as refusal:
                admission.accepted_level(key_set, i, level)
            assert refusal.value.code is Code.LEVEL_NOT_SUPPORTED
            assert refusal.value.pointer == "/security_level"


def test_cards_are_told_apart_by_kdd_or_by_cuid_as_the_key_set_says() -> None:
    by_cuid = made(diversification_data=DiversificationData.CUID)
    cuid = bytes(range(20, 30))

    assert admission.diversification_data(SCP03_SET, KDD, cuid) == KDD
    assert admission.diversification_data(SCP03_SET, KDD, b"") == KDD
    assert admission.diversification_data(by_cuid, KDD, cuid) == cuid
    with pytest.raises(ServiceError) as refusal:
        admission.diversification_data(by_cuid, KDD, b"")
    assert (refusal.value.code, refusal.value.pointer) == (Code.REQUEST_INVALID, "/card/cuid")


def test_channels_may_go_by_the_cuid_where_new_keys_go_by_the_kdd() -> None:
    both = made(
        KeyAlgorithm.DES3,
        scp="02",
        diversification="visa2",
        diversification_data=DiversificationData.CUID_KDD,
    )
    by_cuid = made(diversification_data=DiversificationData.CUID)
    cuid = bytes(range(20, 30))

    assert admission.diversification_data(both, KDD, cuid) == cuid
    assert admission.static_data(both, KDD, cuid) == KDD
    assert admission.static_data(SCP03_SET, KDD, cuid) == KDD
    assert admission.static_data(by_cuid, KDD, cuid) == cuid
    for data_of in (admission.diversification_data, admission.static_data):
        with pytest.raises(ServiceError) as refusal:
            data_of(by_cuid, KDD, b"")
        assert (refusal.value.code, refusal.value.pointer) == (Code.REQUEST_INVALID, "/card/cuid")


def test_a_card_is_changed_over_along_change_to_alone() -> None:
    next_set = made(KeyAlgorithm.AES128, name="next", versions={1: "active", 2: "active"})
    key_set = made(
        KeyAlgorithm.AES128,
        change_to=("pilot:2", "next:1"),
        versions={1: "active", 2: "active", 3: "active"},
    )
    caller = _caller("*")
    policy = _policy(caller, key_set, next_set)

    assert admission.change_target(policy, caller, key_set, WantedKeys(None, 2), MIDDAY) == key_set
    assert (
        admission.change_target(policy, caller, key_set, WantedKeys("pilot", 2), MIDDAY) == key_set
    )
    assert (
        admission.change_target(policy, caller, key_set, WantedKeys("next", 1), MIDDAY) == next_set
    )
    for name, version in ((None, 1), (None, 3), ("next", 2), ("absent", 2), ("next", 0)):
        with pytest.raises(ServiceError, match="may change to pilot:2, next:1") as refusal:
            admission.change_target(policy, caller, key_set, WantedKeys(name, version), MIDDAY)
        assert refusal.value.code is Code.CHANGE_NOT_ALLOWED


def test_a_way_without_a_version_leads_to_the_newest_that_is_active() -> None:
    key_set = made(
        KeyAlgorithm.AES128,
        change_to=("pilot",),
        versions={1: "active", 2: {"active_from": MIDDAY}},
    )
    caller = _caller("*")
    policy = _policy(caller, key_set)

    def refusal_of(version: int, now: datetime) -> Code | None:
        try:
            wanted = WantedKeys(None, version)
            admission.change_target(policy, caller, key_set, wanted, now)
        except ServiceError as refusal:
            return refusal.code
        return None

    assert refusal_of(1, MIDDAY - SECOND) is None
    assert refusal_of(2, MIDDAY - SECOND) is Code.KEY_VERSION_NOT_YET_ACTIVE
    assert refusal_of(2, MIDDAY) is None
    assert refusal_of(1, MIDDAY) is Code.CHANGE_NOT_ALLOWED
    assert refusal_of(3, MIDDAY) is Code.KEY_VERSION_UNKNOWN


def test_nobody_changes_cards_over_to_key_sets_of_others() -> None:
    next_set = made(KeyAlgorithm.AES128, name="next", versions={1: "active"})
    key_set = made(KeyAlgorithm.AES128, change_to=("next:1",))
    caller = _caller("pilot")
    policy = _policy(caller, key_set, next_set)

    with pytest.raises(ServiceError) as refusal:
        admission.change_target(policy, caller, key_set, WantedKeys("next", 1), MIDDAY)
    assert refusal.value.code is Code.CHANGE_NOT_ALLOWED


def test_a_key_set_that_leads_nowhere_says_so() -> None:
    caller = _caller("*")
    policy = _policy(caller)

    with pytest.raises(ServiceError, match="may change to nowhere, not to pilot:1"):
        admission.change_target(policy, caller, SCP03_SET, WantedKeys(None, 1), MIDDAY)
