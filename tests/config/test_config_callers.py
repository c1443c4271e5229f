"""[callers.NAME] of policy.toml."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.callers import Caller, Delivery, EncryptPurpose, Role
from tmsd.config.policy import Policy
from tmsd.globalplatform.put_key import PUT_KEY

Load = Callable[[str], Policy]
Refusal = Callable[..., list[str]]

KEY = f'public_key_sha256 = "{"0a" * 32}"\n'
TPS = KEY + 'roles = ["tps"]\n'
TRANSPORT_KEY = '[transport_keys.shared]\nalgorithm = "aes256"\n'


def made(**values: object) -> Caller:
    required = {"name": "a", "public_key_sha256": "0" * 64, "roles": (Role.TPS,)}
    return Caller.model_validate(required | values)


def test_a_caller_holds_what_its_table_says(policy: Load) -> None:
    table = KEY + (
        'roles = ["ra", "drm-agent"]\ndeliveries = ["transport", "sealed"]\n'
        'transport_key = "shared"\ndeliver_static_dek = true\n'
        'encrypt_purposes = ["pin", "object"]\ncard_commands = ["e2", "20"]\n'
    )
    caller = policy("[callers.desk-1]\n" + table + TRANSPORT_KEY).callers["desk-1"]
    assert caller == Caller(
        name="desk-1",
        public_key_sha256="0a" * 32,
        roles=(Role.RA, Role.DRM_AGENT),
        deliveries=(Delivery.TRANSPORT, Delivery.SEALED),
        transport_key="shared",
        deliver_static_dek=True,
        encrypt_purposes=(EncryptPurpose.PIN, EncryptPurpose.OBJECT),
        card_commands=("e2", "20"),
    )


def test_what_a_caller_does_not_say_gives_it_no_key_and_no_plaintext(policy: Load) -> None:
    caller = policy(f"[callers.a]\n{TPS}").callers["a"]
    assert caller.key_sets == ()
    assert caller.deliveries == (Delivery.SEALED,)
    assert caller.transport_key is None
    assert not caller.deliver_static_dek
    assert caller.encrypt_purposes == ()


@given(st.integers(min_value=0, max_value=255))
def test_a_star_stands_for_every_command_but_put_key(ins: int) -> None:
    assert made().may_send(ins) == (ins != PUT_KEY)


@given(st.sets(st.integers(min_value=0, max_value=255).filter(lambda ins: ins != PUT_KEY)))
def test_a_caller_may_send_the_commands_it_lists_and_no_other(listed: set[int]) -> None:
    caller = made(card_commands=tuple(f"{ins:02x}" for ins in listed))
    assert {ins for ins in range(256) if caller.may_send(ins)} == listed


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
        (
            TPS + 'deliveries = ["transport"]',
            (
                "4: callers.a.deliveries: "
                "transport needs transport_key, which session keys are wrapped by"
            ),
        ),
        (
            TPS + 'transport_key = "shared"',
            (
                "4: callers.a.transport_key: "
                "'shared' is not a transport key of this file, which has none"
            ),
        ),
        (
            TPS + 'transport_key = "A"',
            (
                "4: callers.a.transport_key: 'A' is not a name: "
                "1 to 64 of a-z, 0-9, '.', '_' and '-', the first a letter or a digit"
            ),
        ),
        (
            TPS + "deliver_static_dek = true",
            (
                "4: callers.a.deliver_static_dek: "
                "needs transport among deliveries, which would hold it"
            ),
        ),
        (
            TPS + 'encrypt_purposes = ["pin", "fun"]',
            (
                "4: callers.a.encrypt_purposes[1]: "
                "'fun' is not one of proof-of-presence, proof-of-possession, pin, object"
            ),
        ),
        (
            TPS + 'card_commands = ["20", "d8"]',
            (
                "4: callers.a.card_commands[1]: d8 is PUT KEY, which callers do not make: "
                "only put-key makes one, along the key set's change_to"
            ),
        ),
        (
            TPS + 'card_commands = ["E2"]',
            (
                "4: callers.a.card_commands[0]: "
                "must be an INS byte, two lower-case hex digits as \"e2\", not 'E2'"
            ),
        ),
        (
            TPS + "card_commands = [20]",
            "4: callers.a.card_commands[0]: must be text in quotes, not 20",
        ),
        (
            TPS + 'card_commands = ["*", "20"]',
            '4: callers.a.card_commands: must be ["*"] or an array of INS bytes, not both',
        ),
        (TPS + 'card_commands = ["20", "20"]', "4: callers.a.card_commands: holds '20' twice"),
    ],
)
def test_a_wrong_caller_is_refused_with_what_would_be_right(
    policy: Load, refusal: Refusal, body: str, message: str
) -> None:
    assert refusal(policy, f"[callers.a]\n{body}\n") == [message]
