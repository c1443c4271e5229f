"""policy.toml as a whole: who may ask for what. What it does not name is refused."""

import os
from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, NamedTuple, TypeVar

from cryptography.x509 import Certificate
from pydantic import Field, InstanceOf, ValidationError

from tmsd.config.agreement import (
    Tables,
    blocked_disagreements,
    certificate_disagreements,
    disagreements,
)
from tmsd.config.authorities import Authorities, load_authorities, named_from
from tmsd.config.blocked_keys import BlockedKeys, load_blocked_keys
from tmsd.config.callers import Caller
from tmsd.config.cas import Ca
from tmsd.config.key_sets import KeySet
from tmsd.config.kra_certificates import load_kra_certificates
from tmsd.config.table import BY_LOADER, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, Document, Fault, read
from tmsd.config.transport_keys import TransportKey
from tmsd.config.values import Place
from tmsd.config.wording import explain

T = TypeVar("T", bound=Table)

# What is longer is no file of approvals (tmsd/quorum/canonical.py), and refused as that.
_LARGEST_APPROVALS = 64 * 1024

_NAMED_TABLES = ("callers", "key_sets", "transport_keys", "cas")


class UsedKey(NamedTuple):
    """A secret key of the token that the policy lets workers use: its label and its version."""

    label: str
    version: int


class Policy(Table):
    """policy.toml.

    Attributes:
        source: the file itself, absolute; where the path was a link, what it leads to.
        digest: SHA-256 of the file's bytes and those of the files that it names, in
            lower-case hex.
        files: the files that it names, as they are named from its directory, and the SHA-256 of
            each.
        approvals: what lies beside it as `policy.approvals.json`: the approvals of a quorum, if
            there is one. The digest does not cover it.
        version: rises with every change of the policy.
        blocked_keys: a file of public keys that are refused; None where there is none.
        callers: by name, in the order of the file.
        key_sets: by name, in the order of the file.
        transport_keys: by name, in the order of the file.
        cas: by name, in the order of the file.
        authorities: the same with their certificates and profiles.
        blocked: what is in the file `blocked_keys`.
        kra_certificates: by the names of the callers whose `dogtag` names one.
    """

    source: Annotated[Path, BY_LOADER]
    digest: Annotated[str, BY_LOADER]
    files: Annotated[dict[str, str], BY_LOADER] = Field(default_factory=dict)
    approvals: Annotated[bytes | None, BY_LOADER] = None
    version: Annotated[int, Field(ge=1, lt=2**31)] = 1
    blocked_keys: Place | None = None
    callers: dict[str, Caller] = Field(default_factory=dict)
    key_sets: dict[str, KeySet] = Field(default_factory=dict)
    transport_keys: dict[str, TransportKey] = Field(default_factory=dict)
    cas: dict[str, Ca] = Field(default_factory=dict)
    authorities: Annotated[InstanceOf[Authorities], BY_LOADER] = Field(default_factory=Authorities)
    blocked: Annotated[InstanceOf[BlockedKeys], BY_LOADER] = Field(default_factory=BlockedKeys)
    kra_certificates: Annotated[dict[str, InstanceOf[Certificate]], BY_LOADER] = Field(
        default_factory=dict
    )

    def complaints(self) -> Iterator[Complaint]:
        """Yield what callers, key sets and transport keys have against each other."""
        return disagreements(
            Tables(
                self.callers,
                self.key_sets,
                self.transport_keys,
                self.cas,
                self.key_sets,
                self.transport_keys,
                self.cas,
            )
        )

    def used_keys(self) -> Iterator[UsedKey]:
        """Yield the master keys of versions that are not retired, and the transport keys."""
        for key_set in self.key_sets.values():
            for label in dict.fromkeys(key_set.labels.values()):
                for number, version in key_set.versions.items():
                    if not version.retired:
                        yield UsedKey(label, number)
        for key in self.transport_keys.values():
            yield UsedKey(key.label, key.version)

    def key_sets_of(self, caller: Caller) -> list[KeySet]:
        """Return the key sets that a caller may use, in the order of the file."""
        return [key_set for name, key_set in self.key_sets.items() if caller.may_use(name)]

    def caller_by_public_key(self, public_key_sha256: str) -> Caller | None:
        """Return the caller with this public-key hash (64 lower-case hex digits), if any."""
        for caller in self.callers.values():
            if caller.public_key_sha256 == public_key_sha256:
                return caller
        return None


def load_policy(path: Path) -> Policy:
    """Read policy.toml. Relative paths in it start at its own directory.

    Args:
        path: of the file; a link is followed once, so that all that is read is of one version.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    source = Path(os.path.realpath(path))
    document = read(source)
    tables = document.tables | {
        name: _with_names(document.tables[name])
        for name in _NAMED_TABLES
        if name in document.tables
    }
    given = {"source": Loaded(source), "digest": Loaded(sha256(document.content).hexdigest())}
    origin = Origin(source.parent)
    try:
        policy = Policy.model_validate(given | tables, context=origin)
    except ValidationError as error:
        complaints = list(explain(error, Policy))
    else:
        return _with_files(policy, document)
    callers, key_sets, transport_keys, cas = (tables.get(name) for name in _NAMED_TABLES)
    sound = Tables(
        _sound(Caller, callers, origin),
        _sound(KeySet, key_sets, origin),
        _sound(TransportKey, transport_keys, origin),
        _sound(Ca, cas, origin),
        *(_names(declared) for declared in (key_sets, transport_keys, cas)),
    )
    # The tables that are right are compared even so, and no fault is told twice.
    complaints += [found for found in disagreements(sound) if found not in complaints]
    raise ConfigError(document.faults(complaints))


def declared_cas(path: Path) -> Mapping[str, Ca]:
    """Return the CAs of a policy whose tables are right, whatever is wrong with all the rest.

    The files that they name need not be there: keys are made before their certificates.

    Raises:
        ConfigError: the file cannot be read, or is not TOML.
    """
    tables = _with_names(read(path).tables.get("cas"))
    return _sound(Ca, tables, Origin(path.absolute().parent))


def _with_files(policy: Policy, document: Document) -> Policy:
    """Add the files that a policy names, and have its digest cover them."""
    blocked = load_blocked_keys(policy.blocked_keys) if policy.blocked_keys else BlockedKeys()
    authorities = load_authorities(policy.cas, policy.source.parent)
    kra_certificates, unfit = load_kra_certificates(policy.callers)
    complaints = [
        *unfit,
        *certificate_disagreements(policy.callers, authorities),
        *blocked_disagreements(policy.callers, authorities, blocked.hashes),
    ]
    if complaints:
        raise ConfigError(document.faults(complaints))
    files = dict(authorities.digests)
    if policy.blocked_keys is not None and blocked.digest is not None:
        files[named_from(policy.source.parent, policy.blocked_keys)] = blocked.digest
    files |= {
        named_from(policy.source.parent, file): digest
        for file, digest in kra_certificates.digests.items()
    }
    lines = [policy.digest, *(f"{digest} {name}" for name, digest in files.items())]
    return policy.model_copy(
        update={
            "authorities": authorities,
            "blocked": blocked,
            "kra_certificates": dict(kra_certificates.by_caller),
            "files": files,
            "approvals": _approvals_beside(policy.source),
            "digest": sha256("\n".join(lines).encode()).hexdigest() if files else policy.digest,
        }
    )


def approvals_file(policy_file: Path) -> Path:
    """Return where the approvals of a policy are."""
    return policy_file.with_name(f"{policy_file.stem}.approvals.json")


def _approvals_beside(policy_file: Path) -> bytes | None:
    file = approvals_file(policy_file)
    try:
        with file.open("rb") as opened:
            return opened.read(_LARGEST_APPROVALS + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise ConfigError([Fault(file, None, "", f"cannot be read: {error.strerror}")]) from None


def _names(tables: object) -> Collection[str]:
    return tables if isinstance(tables, dict) else ()


def _with_names(tables: object) -> object:
    """Give each table its own name as a key, unless the file (wrongly) has such a key."""
    if not isinstance(tables, dict):
        return tables
    return {
        name: {"name": Loaded(name)} | table if isinstance(table, dict) else table
        for name, table in tables.items()
    }


def _sound(model: type[T], tables: object, origin: Origin) -> dict[str, T]:
    """Return those of the tables that are right by themselves."""
    sound: dict[str, T] = {}
    for name, table in tables.items() if isinstance(tables, dict) else ():
        try:
            sound[name] = model.model_validate(table, context=origin)
        except ValidationError:
            continue
    return sound
