"""Whether the tables of policy.toml agree: what one names, another one must be."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tmsd.config.callers import ALL_KEY_SETS, Caller
from tmsd.config.key_sets import KeySet, VersionState
from tmsd.config.toml import Complaint, dotted, shown
from tmsd.config.transport_keys import TransportKey


@dataclass(frozen=True, slots=True)
class Tables:
    """The named tables of a policy.

    Attributes:
        callers: those that are right by themselves; so for the next two.
        key_sets: as above.
        transport_keys: as above.
        declared_key_sets: the names of all key sets, right or not.
        declared_transport_keys: the names of all transport keys, right or not.
    """

    callers: Mapping[str, Caller]
    key_sets: Mapping[str, KeySet]
    transport_keys: Mapping[str, TransportKey]
    declared_key_sets: Collection[str]
    declared_transport_keys: Collection[str]


def disagreements(tables: Tables) -> Iterator[Complaint]:
    """Yield what the tables have against each other."""
    yield from _of_callers(tables)
    yield from _of_changeovers(tables)
    yield from _of_transport_keys(tables)


def _of_callers(tables: Tables) -> Iterator[Complaint]:
    owners: dict[str, str] = {}
    for name, caller in tables.callers.items():
        path = ("callers", name)
        owner = owners.setdefault(caller.public_key_sha256, name)
        if owner != name:
            yield Complaint(
                (*path, "public_key_sha256"),
                f"is the public key of {owner} as well: each caller needs a key of its own",
            )
        for index, key_set in enumerate(caller.key_sets):
            if key_set != ALL_KEY_SETS and key_set not in tables.declared_key_sets:
                yield Complaint(
                    (*path, "key_sets", index),
                    _unknown("key set", key_set, tables.declared_key_sets),
                )
        key = caller.transport_key
        if key is not None and key not in tables.declared_transport_keys:
            yield Complaint(
                (*path, "transport_key"),
                _unknown("transport key", key, tables.declared_transport_keys),
            )


def _of_changeovers(tables: Tables) -> Iterator[Complaint]:
    for name, key_set in tables.key_sets.items():
        for index, (target, version) in enumerate(key_set.targets):
            path = ("key_sets", name, "change_to", index)
            if target not in tables.declared_key_sets:
                yield Complaint(path, _unknown("key set", target, tables.declared_key_sets))
            elif target in tables.key_sets:
                for reason in _objections(key_set, tables.key_sets[target], version):
                    yield Complaint(path, reason)


def _of_transport_keys(tables: Tables) -> Iterator[Complaint]:
    """Yield the transport keys that are another key, too: one key serves one purpose.

    NIST SP 800-57 part 1 rev. 5, section 5.2.
    """
    master_keys = {
        label: key_set.name
        for key_set in tables.key_sets.values()
        for label in key_set.labels.values()
    }
    known: dict[tuple[str, int], str] = {}
    for name, key in tables.transport_keys.items():
        path = ("transport_keys", name, "label")
        if key.label in master_keys:
            yield Complaint(
                path,
                f"{shown(key.label)} is the label of a master key of key set "
                f"{master_keys[key.label]}: a transport key needs one of its own",
            )
        other = known.setdefault((key.label, key.version), name)
        if other != name:
            yield Complaint(
                path,
                f"{shown(key.label)} version {key.version} is transport key {other} already",
            )


def _unknown(kind: str, name: str, declared: Collection[str]) -> str:
    held = [dotted((known,)) for known in declared]
    some = ", ".join(held[:8] + ["…"] * (len(held) > 8)) or "none"
    return f"{shown(name)} is not a {kind} of this file, which has {some}"


def _objections(key_set: KeySet, target: KeySet, version: int) -> Iterator[str]:
    """Yield why cards of `key_set` must not be changed over to a version of `target`."""
    state = target.versions.get(version)
    if state is not VersionState.ACTIVE:
        active = [str(n) for n, held in target.versions.items() if held is VersionState.ACTIVE]
        yield (
            f"{target.name} has no active version {version}; active: {', '.join(active) or 'none'}"
        )
    if target.undiversified:
        yield f"{target.name} is undiversified: cards are changed over to keys of their own"
    if target.factory:
        yield f"{target.name} holds factory keys, which everybody knows"
    before, after = key_set.card_algorithm, target.card_algorithm
    if after.strength < before.strength:
        yield f"{target.name} is weaker: {after} after {before}"
