"""What a policy changes, in plain words: everything that differs, for those who approve it."""

import json
import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.x509 import Certificate

from tmsd.config.authorities import Authority
from tmsd.config.policy import Policy
from tmsd.config.table import Table
from tmsd.config.unsafe import warnings
from tmsd.x509.public_keys import spki_sha256
from tmsd.x509.templates import Template

if TYPE_CHECKING:
    from tmsd.x509.profile import Profile

UNSAFE = "UNSAFE"
"""Begins a line of something that was not allowed before, and is unsafe."""

Said = Mapping[str, str]
"""What a table says: names of its keys in words, and their values in words."""

_TABLES = {
    "callers": "caller",
    "key_sets": "key set",
    "transport_keys": "transport key",
    "cas": "CA",
}
# Told in other words, or of no matter to what is allowed.
_ELSEWHERE = {
    "source",
    "digest",
    "files",
    "approvals",
    "authorities",
    "blocked",
    "kra_certificates",
    *_TABLES,
}
_PLAIN = re.compile(r"[A-Za-z0-9*/][A-Za-z0-9._:/*-]*")
_HEX_BYTES = {"scp_i", "min_security_level", "put_key_des_type"}
_NOT_SET = "not set"


def differences(old: Policy | None, new: Policy) -> Iterator[str]:
    """Yield lines that say all that changes when a policy takes another's place.

    Args:
        old: the policy before; None where there was none.
        new: the policy after.
    """
    yield from _changes(_of_policy(old), _of_policy(new), "")
    for field, kind in _TABLES.items():
        yield from _of_tables(kind, _tables(old, field), _tables(new, field))
    yield from _of_tables("profile", _profiles(old), _profiles(new))
    yield from _of_blocked_keys(old.blocked.hashes if old else frozenset(), new.blocked.hashes)
    for name, before, after in _pairs(old.files if old else {}, new.files):
        yield f"File {_quoted(name)}: SHA-256 {before or _NOT_SET} becomes {after or _NOT_SET}"
    known = set(warnings(old)) if old else set()
    yield from (f"{UNSAFE}: {warning}" for warning in warnings(new) if warning not in known)
    yield f"SHA-256 of all: {old.digest if old else _NOT_SET} becomes {new.digest}"


def _of_tables(kind: str, old: Mapping[str, Said], new: Mapping[str, Said]) -> Iterator[str]:
    for name, said in new.items():
        if name not in old:
            yield f"New {kind} {name}:"
            yield from (f"    {key}: {value}" for key, value in said.items())
        elif changes := list(_changes(old[name], said, "    ")):
            yield f"Changed {kind} {name}:"
            yield from changes
    yield from (f"No {kind} {name} any more" for name in old if name not in new)
    stay = [name for name in old if name in new]
    if stay != (then := [name for name in new if name in old]):
        yield f"The order of each {kind}: {', '.join(stay)} becomes {', '.join(then)}"


def _changes(old: Said, new: Said, indent: str) -> Iterator[str]:
    for key, before, after in _pairs(old, new):
        yield f"{indent}{key}: {before or _NOT_SET} becomes {after or _NOT_SET}"


def _pairs(old: Said, new: Said) -> Iterator[tuple[str, str | None, str | None]]:
    """Yield what differs, and how it was and is."""
    for key in dict.fromkeys((*new, *old)):
        if old.get(key) != new.get(key):
            yield key, old.get(key), new.get(key)


def _of_blocked_keys(old: frozenset[str], new: frozenset[str]) -> Iterator[str]:
    # Those that are blocked can do no harm: no caller and no CA is among them.
    if added := new - old:
        yield f"Blocked public keys: {len(added)} more"
    yield from (f"No longer blocked: public key {gone}" for gone in sorted(old - new))


def _of_policy(policy: Policy | None) -> Said:
    if policy is None:
        return {}
    keys = [key for key in Policy.model_fields if key not in _ELSEWHERE]
    return dict(_said(policy, keys, policy.source.parent))


def _tables(policy: Policy | None, field: str) -> Mapping[str, Said]:
    if policy is None:
        return {}
    tables: Mapping[str, Table] = getattr(policy, field)
    directory = policy.source.parent
    said = {name: dict(_of_table(table, directory)) for name, table in tables.items()}
    if field == "cas":
        for name, authority in policy.authorities.by_name.items():
            said[name] |= _certificates(authority)
    if field == "callers":
        for name, certificate in policy.kra_certificates.items():
            said[name] |= {"dogtag, certificate of the DRM": _certificate(certificate)}
    return said


def _profiles(policy: Policy | None) -> Mapping[str, Said]:
    found: dict[str, Profile] = {}
    for authority in policy.authorities.by_name.values() if policy else ():
        found |= authority.profiles
    return {
        name: {
            _words(field.name): _spelled(field.name, getattr(profile, field.name), Path())
            for field in fields(profile)
        }
        for name, profile in sorted(found.items())
    }


def _certificates(authority: Authority) -> Said:
    said = {
        f"certificate {place}": _certificate(each)
        for place, each in enumerate(authority.chain, start=1)
    }
    if authority.responder is not None:
        said["certificate of the responder"] = _certificate(authority.responder)
    if authority.nonce_responder is not None:
        said["certificate of the key for nonces"] = _certificate(authority.nonce_responder)
    return said


def _certificate(certificate: Certificate) -> str:
    return (
        f"{_quoted(certificate.subject.rfc4514_string())}, "
        f"serial number {certificate.serial_number:032x}, "
        f"until {certificate.not_valid_after_utc:%Y-%m-%d}, "
        f"public key {spki_sha256(certificate.public_key())}"
    )


def _of_table(table: Table, directory: Path) -> Iterator[tuple[str, str]]:
    keys = [key for key in type(table).model_fields if key != "name"]
    return _said(table, keys, directory)


def _said(table: Table, keys: Collection[str], directory: Path) -> Iterator[tuple[str, str]]:
    """Yield what a table says, and its tables below it, key by key."""
    for key in keys:
        value = getattr(table, key)
        if isinstance(value, Table):
            for below, spelled in _of_table(value, directory):
                yield f"{_words(key)}, {below}", spelled
        elif isinstance(value, dict):
            for entry, each in value.items():
                yield f"{_words(key)}, {_quoted(str(entry))}", _spelled(key, each, directory)
        elif value is not None:
            yield _words(key), _spelled(key, value, directory)


def _spelled(key: str, value: object, directory: Path) -> str:
    """Return a value in words; different values of one key have different words."""
    match value:
        case bool():
            return "yes" if value else "no"
        case int() if key in _HEX_BYTES:
            return f"{value:02x}"
        case str() as kind, Template() as template:
            return f"{kind}={_quoted(template.text)}"
        case tuple():
            return ", ".join(_spelled(key, each, directory) for each in value) or "none"
        case Path() if value.is_relative_to(directory):
            return _quoted(str(value.relative_to(directory)))
        case _:
            return _quoted(str(value))


def _quoted(text: str) -> str:
    # In quotes what could be mistaken for something else, or hide what comes after.
    return text if _PLAIN.fullmatch(text) and text != "none" else json.dumps(text)


def _words(key: str) -> str:
    return key.replace("_", " ")
