"""Whether the tables of policy.toml agree: what one names, another one must be."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from tmsd.config.authorities import Authorities
from tmsd.config.callers import ALL_KEY_SETS, APPLIANCE, Caller
from tmsd.config.cas import Ca
from tmsd.config.dogtag_agreement import dogtag_disagreements, named_key_sets
from tmsd.config.key_sets import ChangeTarget, KeySet
from tmsd.config.key_versions import HIGHEST_PUT
from tmsd.config.toml import Complaint, KeyPath, dotted, shown
from tmsd.config.transport_keys import TransportKey
from tmsd.x509.public_keys import spki_sha256


@dataclass(frozen=True, slots=True)
class Tables:
    """The named tables of a policy.

    Attributes:
        callers: those that are right by themselves; so for the next three.
        key_sets: as above.
        transport_keys: as above.
        cas: as above.
        declared_key_sets: the names of all key sets, right or not.
        declared_transport_keys: the names of all transport keys, right or not.
        declared_cas: the names of all CAs, right or not.
    """

    callers: Mapping[str, Caller]
    key_sets: Mapping[str, KeySet]
    transport_keys: Mapping[str, TransportKey]
    cas: Mapping[str, Ca]
    declared_key_sets: Collection[str]
    declared_transport_keys: Collection[str]
    declared_cas: Collection[str]


def disagreements(tables: Tables) -> Iterator[Complaint]:
    """Yield what the tables have against each other."""
    yield from _of_callers(tables)
    yield from dogtag_disagreements(tables.callers, tables.key_sets, tables.transport_keys)
    yield from _of_changeovers(tables)
    yield from _of_transport_keys(tables)
    yield from _of_certificates(tables)
    yield from _of_signing_keys(tables)


def certificate_disagreements(
    callers: Mapping[str, Caller], authorities: Authorities
) -> Iterator[Complaint]:
    """Yield the certificates that callers may have by the policy, and not by the profile."""
    for caller in callers.values():
        for index, (ca, name) in enumerate(caller.certified):
            profile = authorities.by_name[ca].profiles[name]
            if not set(profile.issue_by) & {role.value for role in caller.roles}:
                roles = ", ".join(profile.issue_by) or "nobody"
                yield Complaint(
                    ("callers", caller.name, "certificates", index),
                    f"profile {name} is issued to the roles {roles}",
                )


def blocked_disagreements(
    callers: Mapping[str, Caller], authorities: Authorities, blocked: frozenset[str]
) -> Iterator[Complaint]:
    """Yield the callers and the CAs whose keys are blocked: others are known to have them."""
    words = "is a key that is blocked, as others have it: replace it"
    for caller in callers.values():
        if caller.public_key_sha256 in blocked:
            yield Complaint(("callers", caller.name, "public_key_sha256"), words)
    for name, authority in authorities.by_name.items():
        if spki_sha256(authority.certificate.public_key()) in blocked:
            yield Complaint(("cas", name, "certificate"), words)


def _of_callers(tables: Tables) -> Iterator[Complaint]:
    owners: dict[str, str] = {}
    for name, caller in tables.callers.items():
        path = ("callers", name)
        if name == APPLIANCE:
            yield Complaint(
                path, "is how the appliance names itself in the record: take another name"
            )
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
        for where, key_set in named_key_sets(caller):
            if key_set not in tables.declared_key_sets:
                yield Complaint(where, _unknown("key set", key_set, tables.declared_key_sets))
            elif not caller.may_use(key_set):
                yield Complaint(where, f"{shown(key_set)} is not among key_sets of {name}: add it")
        key = caller.transport_key
        if key is not None and key not in tables.declared_transport_keys:
            yield Complaint(
                (*path, "transport_key"),
                _unknown("transport key", key, tables.declared_transport_keys),
            )


def _of_changeovers(tables: Tables) -> Iterator[Complaint]:
    for key_set in tables.key_sets.values():
        yield from _of_targets(tables, key_set, "change_to", key_set.targets)
        yield from _of_targets(tables, key_set, "change_back_to", key_set.targets_back)


def _of_targets(
    tables: Tables, key_set: KeySet, setting: str, targets: Collection[ChangeTarget]
) -> Iterator[Complaint]:
    for index, (name, version) in enumerate(targets):
        path = ("key_sets", key_set.name, setting, index)
        if name not in tables.declared_key_sets:
            yield Complaint(path, _unknown("key set", name, tables.declared_key_sets))
        elif (target := tables.key_sets.get(name)) is not None:
            reasons = [*_lacking_versions(target, version)]
            if setting == "change_to":
                reasons += _worse_keys(key_set, target)
            for reason in reasons:
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


def _of_certificates(tables: Tables) -> Iterator[Complaint]:
    for caller in tables.callers.values():
        for index, (name, profile) in enumerate(caller.certified):
            path = ("callers", caller.name, "certificates", index)
            if name not in tables.declared_cas:
                yield Complaint(path, _unknown("CA", name, tables.declared_cas))
            elif (ca := tables.cas.get(name)) is not None and profile not in ca.profiles:
                has = ", ".join(ca.profiles) or "none"
                yield Complaint(path, f"{name} issues by no profile {shown(profile)}; it has {has}")


def _of_signing_keys(tables: Tables) -> Iterator[Complaint]:
    """Yield the CAs and responders whose key is another's, too (NIST SP 800-57 part 1, 5.2)."""
    known: dict[tuple[str, int], str] = {}
    for name, ca in tables.cas.items():
        keys: dict[KeyPath, tuple[str, int]] = {("cas", name, "label"): (ca.label, ca.version)}
        if ca.ocsp is not None:
            keys["cas", name, "ocsp", "label"] = (ca.ocsp.label, ca.ocsp.version)
            if (nonces := ca.ocsp.nonces) is not None:
                keys["cas", name, "ocsp", "nonces", "label"] = (nonces.label, nonces.version)
        for path, key in keys.items():
            owner = known.setdefault(key, dotted(path[:-1]))
            if owner != dotted(path[:-1]):
                yield Complaint(path, f"{shown(key[0])} version {key[1]} is the key of {owner}")


def _unknown(kind: str, name: str, declared: Collection[str]) -> str:
    held = [dotted((known,)) for known in declared]
    some = ", ".join(held[:8] + ["…"] * (len(held) > 8)) or "none"
    return f"{shown(name)} is not a {kind} of this file, which has {some}"


def _lacking_versions(target: KeySet, version: int | None) -> Iterator[str]:
    """Yield why cards cannot be changed over to a version of `target`."""
    active = [number for number, held in target.versions.items() if not held.retired]
    if version is None and not any(number <= HIGHEST_PUT for number in active):
        yield f"{target.name} has no active version from 1 to {HIGHEST_PUT}"
    if version is not None and version not in active:
        known = ", ".join(map(str, active)) or "none"
        yield f"{target.name} has no active version {version}; active: {known}"


def _worse_keys(key_set: KeySet, target: KeySet) -> Iterator[str]:
    """Yield why cards of `key_set` must not be changed over to `target`, unless it is back."""
    if target.undiversified:
        yield f"{target.name} is undiversified: cards are changed over to keys of their own"
    if target.factory:
        yield f"{target.name} holds factory keys, which everybody knows"
    before, after = key_set.card_algorithm, target.card_algorithm
    if after.strength < before.strength:
        yield f"{target.name} is weaker: {after} after {before}"
