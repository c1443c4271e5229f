"""All that a policy changes is said in words, and nothing that it changes is not."""

import shutil
from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.config.test_config_cas import CA, PROFILES
from tests.site.kra import kra_certificate_pem
from tmsd.config.authorities import Authorities
from tmsd.config.cas import NonceResponder, Responder
from tmsd.config.key_sets import MasterKeys
from tmsd.config.policy import Policy, load_policy
from tmsd.config.policy_difference import differences
from tmsd.config.table import Table
from tmsd.quickstart.certificates import certificate_authority

ONE, TWO = "1" * 64, "2" * 64
BEFORE = f"""\
version = 6

[callers.branch]
public_key_sha256 = "{ONE}"
roles = ["tps"]
key_sets = ["pilot"]

[key_sets.pilot]
scp = "03"
algorithm = "aes128"
diversification = "kdf3"
versions = {{1 = "active"}}
"""
DOGTAG = f"""\
{BEFORE}
[callers.tps]
public_key_sha256 = "{TWO}"
roles = ["tps"]
protocol = "dogtag"
key_sets = ["pilot"]
transport_key = "shared"
[callers.tps.dogtag]
key_sets = {{ defKeySet = ["pilot"] }}
[transport_keys.shared]
algorithm = "aes128"
"""
Make = Callable[..., Policy]


@pytest.fixture
def made(tmp_path: Path) -> Make:
    """Write a policy into a folder of its own, with a CA's files beside it, and load it."""
    certificate = certificate_authority("demo").certificate_pem

    def make(text: str, **files: str) -> Policy:
        folder = tmp_path / str(len(list(tmp_path.iterdir())))
        shutil.copytree(PROFILES, folder / "profiles")
        (folder / "demo.pem").write_bytes(certificate)
        for name, content in files.items():
            (folder / name).write_text(content)
        (folder / "policy.toml").write_text(text)
        return load_policy(folder / "policy.toml")

    return make


def said(old: Policy | None, new: Policy) -> list[str]:
    """Return what differs, but for the digest of all, which always stands at the end."""
    *lines, last = differences(old, new)
    assert last == f"SHA-256 of all: {old.digest if old else 'not set'} becomes {new.digest}"
    return lines


def test_what_says_the_same_elsewhere_differs_in_nothing(made: Make) -> None:
    assert said(made(BEFORE + CA), made(BEFORE + CA)) == []


def test_comments_change_the_digest_alone(made: Make) -> None:
    assert said(made(BEFORE), made(BEFORE + "# hello\n")) == []


def test_changes_are_said_key_by_key(made: Make) -> None:
    after = (
        BEFORE.replace("version = 6", "version = 7")
        .replace('key_sets = ["pilot"]', 'key_sets = ["*"]\ndeliver_static_dek = false')
        .replace(
            '{1 = "active"}',
            '{1 = "retired", 2 = {active_from = 2027-01-01T01:00:00+01:00}}\n'
            'min_security_level = "33"',
        )
        .replace(
            "[key_sets.pilot]",
            f'[callers.desk]\npublic_key_sha256 = "{TWO}"\nroles = ["ra"]\n[key_sets.pilot]',
        )
    )

    assert said(made(BEFORE), made(after)) == [
        "version: 6 becomes 7",
        "Changed caller branch:",
        "    key sets: pilot becomes *",
        "New caller desk:",
        f"    public key sha256: {TWO}",
        "    roles: ra",
        "    protocol: tmsd",
        "    key sets: none",
        "    deliveries: sealed",
        "    deliver static dek: no",
        "    encrypt purposes: none",
        "    certificates: none",
        "    card commands: *",
        "    requests per second: 200.0",
        "    burst: 400",
        "    failures per minute: 60",
        "Changed key set pilot:",
        "    versions, 1: active becomes retired",
        '    versions, 2: not set becomes "active from 2027-01-01T00:00:00Z"',
        "    min security level: 01 becomes 33",
    ]


def test_what_is_gone_is_said_and_another_order_too(made: Make) -> None:
    two = BEFORE + BEFORE.partition("[key_sets.pilot]")[2].join(["[key_sets.other]", ""])

    lines = said(
        made(two),
        made(two.replace("other", "swap").replace("pilot", "other").replace("swap", "pilot")),
    )

    assert "The order of each key set: pilot, other becomes other, pilot" in lines
    assert said(made(two), made(BEFORE)) == ["No key set other any more"]


def test_what_becomes_unsafe_is_said_once(made: Make) -> None:
    unsafe = BEFORE.replace('"kdf3"', '"none"\nundiversified = true')

    lines = said(made(BEFORE), made(unsafe))

    assert [line.partition(":")[0] for line in lines][-1] == "UNSAFE"
    assert "key set pilot is undiversified" in lines[-1]
    assert not any("UNSAFE" in line for line in said(made(unsafe), made(unsafe + "# once")))


def test_the_files_that_it_names_are_looked_into(made: Make) -> None:
    text = f'blocked_keys = "b.txt"\n{BEFORE}{CA}'
    before, after = (made(text, **{"b.txt": "7" * 64}) for _ in range(2))
    folder = after.source.parent
    profile = folder / "profiles" / "tls-server.toml"
    profile.write_text(profile.read_text().replace("\ndays = ", "\ndays = 1"))
    (folder / "demo.pem").write_bytes(certificate_authority("other").certificate_pem)
    (folder / "b.txt").write_text("8" * 64 + "\n" + "9" * 64)

    lines = said(before, load_policy(after.source))

    assert lines[0] == "Changed CA demo:"
    assert lines[1].startswith('    certificate 1: "CN=demo", serial number ')
    assert ' becomes "CN=other", serial number ' in lines[1]
    assert lines[2] == "Changed profile tls-server:"
    assert lines[3].startswith("    days: ")
    assert lines[4:6] == [
        "Blocked public keys: 2 more",
        f"No longer blocked: public key {'7' * 64}",
    ]
    assert [line.partition(":")[0] for line in lines[6:]] == [
        "File demo.pem",
        "File profiles/tls-server.toml",
        "File b.txt",
    ]


def test_the_first_policy_is_said_as_a_whole(made: Make) -> None:
    lines = said(None, made(BEFORE))

    assert lines[0] == "version: not set becomes 6"
    assert "New caller branch:" in lines
    assert "New key set pilot:" in lines


def test_nothing_that_a_label_says_is_mistaken_for_something_else(made: Make) -> None:
    key = '[transport_keys.tps]\nalgorithm = "aes256"\nlabel = "{}"\n'
    before = made(BEFORE + key.format("a"))

    for label, shown in (("a, b", '"a, b"'), ("none", '"none"'), ("not set", '"not set"')):
        [_, line] = said(before, made(BEFORE + key.format(label)))
        assert line == f"    label: a becomes {shown}"


def other(value: object) -> object:
    """Return another value of the same kind."""
    match value:
        case bool():
            return not value
        case int() | float():
            return value + 1
        case Path():
            return value.with_name("other")
        case tuple():
            return (*value, "other")
        case dict():
            return {**value, "other": "other"}
        case _:
            return f"{value}other"


def others(table: Table) -> Iterator[tuple[str, Table]]:
    """Yield a table with one key changed, for each of its keys and of the tables below it."""
    for key in type(table).model_fields:
        value = getattr(table, key)
        if isinstance(value, Table):
            for below, changed in others(value):
                yield f"{key}.{below}", table.model_copy(update={key: changed})
        elif key != "name":
            yield key, table.model_copy(update={key: other(value)})


def test_no_key_of_any_table_can_hide(made: Make) -> None:
    policy = made(DOGTAG + CA)
    tps = policy.callers["tps"]
    assert tps.dogtag is not None
    dogtag = tps.dogtag.model_copy(update={"kra_certificate": Path("kra.pem")})
    three = MasterKeys(enc="a", mac="b", dek="c")
    nonces = NonceResponder(certificate=Path("demo.pem"), label="demo-nonces")
    responder = Responder(certificate=Path("demo.pem"), label="demo-ocsp", nonces=nonces)
    tables: dict[str, tuple[str, Table]] = {
        "callers": ("tps", tps.model_copy(update={"dogtag": dogtag})),
        "key_sets": ("pilot", policy.key_sets["pilot"].model_copy(update={"master_keys": three})),
        "transport_keys": ("shared", policy.transport_keys["shared"]),
        "cas": ("demo", policy.cas["demo"].model_copy(update={"ocsp": responder})),
    }
    hidden = []
    for field, (name, table) in tables.items():
        before = policy.model_copy(update={field: {name: table}})
        for key, changed in others(table):
            lines = said(before, policy.model_copy(update={field: {name: changed}}))
            if not any(
                line.strip().startswith(key.replace("_", " ").replace(".", ", ")) for line in lines
            ):
                hidden.append(f"{field}.{key}")
    assert hidden == []
    assert set(Policy.model_fields) - set(tables) == {
        *("source", "digest", "files", "kra_certificates", "approvals", "authorities", "blocked"),
        *("version", "blocked_keys"),
    }


def test_no_certificate_of_a_ca_can_hide(made: Make) -> None:
    policy = made(BEFORE + CA)
    authority = policy.authorities.by_name["demo"]
    (certificate,) = authority.chain
    changes: dict[str, dict[str, Any]] = {
        "certificate 2": {"chain": (certificate, certificate)},
        "certificate of the responder": {"responder": certificate},
        "certificate of the key for nonces": {"nonce_responder": certificate},
    }
    for told, change in changes.items():
        authorities = Authorities({"demo": replace(authority, **change)})

        lines = said(policy, policy.model_copy(update={"authorities": authorities}))

        assert any(line.startswith(f"    {told}: not set becomes ") for line in lines)
    assert {field.name for field in fields(authority)} == {
        *("table", "profiles", "chain", "responder", "nonce_responder")
    }


def test_no_key_of_a_profile_can_hide(made: Make) -> None:
    policy = made(BEFORE + CA)
    authority = policy.authorities.by_name["demo"]
    profile = authority.profiles["tls-server"]
    for field in fields(profile):
        update: dict[str, Any] = {field.name: other(getattr(profile, field.name))}
        changed = replace(profile, **update)
        profiles = {**authority.profiles, "tls-server": changed}
        authorities = Authorities({"demo": replace(authority, profiles=profiles)})

        lines = said(policy, policy.model_copy(update={"authorities": authorities}))

        assert any(line.strip().startswith(field.name.replace("_", " ")) for line in lines), field


def test_the_certificate_of_a_drm_cannot_change_unsaid(made: Make) -> None:
    whole = DOGTAG.replace("[transport", 'kra_certificate = "kra.pem"\n[transport')
    one, two = (kra_certificate_pem().decode() for _ in range(2))  # each with its own number

    lines = said(made(whole, **{"kra.pem": one}), made(whole, **{"kra.pem": two}))

    assert lines[0] == "Changed caller tps:"
    assert lines[1].startswith('    dogtag, certificate of the DRM: "CN=DRM Transport Certificate"')
    assert " becomes " in lines[1]
    assert lines[2].startswith("File kra.pem: SHA-256 ")


def test_a_word_of_a_tps_hides_nothing_that_it_changes(made: Make) -> None:
    tricky = DOGTAG.replace("defKeySet", '"x, y: pilot becomes new"')

    assert said(made(DOGTAG), made(tricky)) == [
        "Changed caller tps:",
        '    dogtag, key sets, "x, y: pilot becomes new": not set becomes pilot',
        "    dogtag, key sets, defKeySet: pilot becomes not set",
    ]
