"""[callers.NAME] of policy.toml."""

from collections.abc import Callable

import pytest

from tmsd.config.callers import Caller, Delivery, Role
from tmsd.config.policy import Policy

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

KEY = f'public_key_sha256 = "{"0a" * 32}"\n'


def test_a_caller_holds_what_its_table_says(policy: Load) -> None:
    table = KEY + 'roles = ["ra", "drm-agent"]\ndeliveries = ["transport", "sealed"]\n'
    caller = policy("[callers.desk-1]\n" + table).callers["desk-1"]
    assert caller == Caller(
        name="desk-1",
        public_key_sha256="0a" * 32,
        roles=(Role.RA, Role.DRM_AGENT),
        deliveries=(Delivery.TRANSPORT, Delivery.SEALED),
    )


def test_a_star_stands_for_every_key_set() -> None:
    caller = Caller(name="a", public_key_sha256="0" * 64, roles=(Role.TPS,), key_sets=("*",))
    assert caller.may_use("anything")


def test_a_caller_may_use_the_key_sets_it_names_and_no_other() -> None:
    caller = Caller(name="a", public_key_sha256="0" * 64, roles=(Role.TPS,), key_sets=("m",))
    assert caller.may_use("m")
    assert not caller.may_use("mm")
    assert not caller.may_use("*")


@pytest.mark.parametrize("name", ["A", "-a", ".a", "a" * 65, "ä", '""', '"a b"', '"a\\n"'])
def test_a_name_out_of_the_alphabet_is_refused(policy: Load, refusal: Refusal, name: str) -> None:
    quoted = f'"{name}"' if name in {".a", "ä"} else name
    (line,) = refusal(policy, f'\n[callers.{quoted}]\n{KEY}roles = ["tps"]\n')
    assert line.startswith("2: callers.")
    assert "is not a name: 1 to 64 of a-z, 0-9, '.', '_' and '-'" in line


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (
            'roles = ["tps"]',
            (
                "1: callers.a.public_key_sha256: is missing: "
                "the SHA-256 of the caller's public key, 64 hex digits"
            ),
        ),
        (
            'public_key_sha256 = "AB"\nroles = ["tps"]',
            (
                "2: callers.a.public_key_sha256: "
                "must be a SHA-256, 64 lower-case hex digits, not 'AB'"
            ),
        ),
        (
            f'public_key_sha256 = "{"A" * 64}"\nroles = ["tps"]',
            (
                "2: callers.a.public_key_sha256: "
                f"must be a SHA-256, 64 lower-case hex digits, not '{'A' * 64}'"
            ),
        ),
        (KEY, ("1: callers.a.roles: is missing: an array of tps, ra, drm-agent, auditor, metrics")),
        (
            KEY + "roles = []",
            ("3: callers.a.roles: must hold at least one of tps, ra, drm-agent, auditor, metrics"),
        ),
        (
            KEY + 'roles = "tps"',
            ('3: callers.a.roles: must be an array, as ["a", "b"], not \'tps\''),
        ),
        (
            KEY + 'roles = [\n"ra",\n"boss"]',
            ("3: callers.a.roles[1]: 'boss' is not one of tps, ra, drm-agent, auditor, metrics"),
        ),
        (
            KEY + "roles = [1]",
            (
                "3: callers.a.roles[0]: "
                "1 is not one of tps, ra, drm-agent, auditor, metrics, in quotes"
            ),
        ),
        (KEY + 'roles = ["ra", "ra"]', "3: callers.a.roles: holds 'ra' twice"),
        (
            KEY + 'roles = ["ra"]\nkey_sets = ["*", "m"]',
            ('4: callers.a.key_sets: must be ["*"] or an array of names, not both'),
        ),
        (
            KEY + 'roles = ["ra"]\ndeliveries = ["post"]',
            ("4: callers.a.deliveries[0]: 'post' is not one of sealed, transport"),
        ),
    ],
)
def test_a_wrong_caller_is_refused_with_what_would_be_right(
    policy: Load, refusal: Refusal, body: str, message: str
) -> None:
    assert refusal(policy, f"[callers.a]\n{body}\n") == [message]
