"""What the policy says to a request, refusal by refusal."""

from pathlib import Path

import pytest

from tests.worker.key_sets import made
from tmsd.config.callers import Caller, Role
from tmsd.config.key_sets import DiversificationData, KeyAlgorithm, KeySet
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.globalplatform.channel import SecurityLevel
from tmsd.globalplatform.initialize_update import InitializeUpdateResponse, parse
from tmsd.worker import admission

BOTH = SecurityLevel.C_MAC | SecurityLevel.C_ENC
SCP02_CARD = parse(bytes(range(10)) + b"\x01\x02" + bytes(16))
SCP03_CARD = parse(bytes(range(10)) + b"\x01\x03\x70" + bytes(16))
SCP02_SET = made(KeyAlgorithm.DES3)
SCP03_SET = made(KeyAlgorithm.AES128)


def _caller(*key_sets: str) -> Caller:
    return Caller(name="tps-demo", public_key_sha256="0" * 64, roles=(Role.TPS,), key_sets=key_sets)


def _policy(caller: Caller) -> Policy:
    return Policy.model_validate(
        {
            "source": Path("/etc/tmsd/policy.toml"),
            "digest": "0" * 64,
            "callers": {caller.name: caller},
            "key_sets": {"pilot": SCP03_SET},
        }
    )


def test_a_caller_of_the_policy_is_known_and_no_other() -> None:
    caller = _caller()

    assert admission.known_caller(_policy(caller), "tps-demo") == caller
    with pytest.raises(ServiceError) as refusal:
        admission.known_caller(_policy(caller), "somebody")
    assert refusal.value.code is Code.CALLER_UNKNOWN


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
    key_set = made(versions={1: "retired", 2: "active"})

    admission.require_version(key_set, 2)
    for version, code in (
        (1, Code.KEY_VERSION_RETIRED),
        (3, Code.KEY_VERSION_UNKNOWN),
        (0, Code.KEY_VERSION_UNKNOWN),
    ):
        with pytest.raises(ServiceError) as refusal:
            admission.require_version(key_set, version)
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
    ("least", "accepted"),
    [(SecurityLevel.C_MAC, {SecurityLevel.C_MAC, BOTH}), (BOTH, {BOTH})],
)
def test_levels_that_are_served_and_not_below_the_key_sets_least_are_accepted(
    least: SecurityLevel, accepted: set[SecurityLevel]
) -> None:
    key_set = made(min_security_level=int(least))

    for level in range(256):
        if level in accepted:
            assert admission.accepted_level(key_set, level) == SecurityLevel(level)
        else:
            with pytest.raises(ServiceError) as refusal:
                admission.accepted_level(key_set, level)
            assert refusal.value.code is Code.LEVEL_NOT_SUPPORTED
            assert refusal.value.pointer == "/security_level"


def test_cards_are_told_apart_by_kdd_or_by_cuid_as_the_key_set_says() -> None:
    by_cuid = made(diversification_data=DiversificationData.CUID)
    cuid = bytes(range(20, 30))

    assert admission.diversification_data(SCP03_SET, SCP03_CARD, cuid) == bytes(range(10))
    assert admission.diversification_data(by_cuid, SCP03_CARD, cuid) == cuid
    with pytest.raises(ServiceError) as refusal:
        admission.diversification_data(by_cuid, SCP03_CARD, None)
    assert (refusal.value.code, refusal.value.pointer) == (Code.REQUEST_INVALID, "/card/cuid")
