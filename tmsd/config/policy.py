"""policy.toml as a whole: who may ask for what. What it does not name is refused."""

from collections.abc import Collection, Iterator, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import Field, ValidationError

from tmsd.config.callers import ALL_KEY_SETS, Caller
from tmsd.config.key_sets import KeySet, VersionState
from tmsd.config.table import BY_LOADER, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, dotted, read, shown
from tmsd.config.wording import explain

T = TypeVar("T", bound=Table)


class Policy(Table):
    """policy.toml.

    Attributes:
        source: the file itself, absolute.
        digest: SHA-256 of the file's bytes, in lower-case hex.
        version: rises with every change of the policy.
        callers: by name, in the order of the file.
        key_sets: by name, in the order of the file.
    """

    source: Annotated[Path, BY_LOADER]
    digest: Annotated[str, BY_LOADER]
    version: Annotated[int, Field(ge=1)] = 1
    callers: dict[str, Caller] = Field(default_factory=dict)
    key_sets: dict[str, KeySet] = Field(default_factory=dict)

    def complaints(self) -> Iterator[Complaint]:
        """Yield what callers and key sets have against each other."""
        return _complaints(self.callers, self.key_sets, self.key_sets)

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
    """Read policy.toml.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    document = read(path)
    tables = document.tables | {
        name: _with_names(document.tables[name])
        for name in ("callers", "key_sets")
        if name in document.tables
    }
    source = path.absolute()
    given = {"source": Loaded(source), "digest": Loaded(sha256(document.content).hexdigest())}
    origin = Origin(source.parent)
    try:
        return Policy.model_validate(given | tables, context=origin)
    except ValidationError as error:
        complaints = list(explain(error, Policy))
    declared = tables.get("key_sets")
    callers = _sound(Caller, tables.get("callers"), origin)
    key_sets = _sound(KeySet, declared, origin)
    known = declared if isinstance(declared, dict) else {}
    # The tables that are right are compared even so, and no fault is told twice.
    complaints += [
        complaint
        for complaint in _complaints(callers, key_sets, known)
        if complaint not in complaints
    ]
    raise ConfigError(document.faults(complaints))


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


def _complaints(
    callers: Mapping[str, Caller], key_sets: Mapping[str, KeySet], declared: Collection[str]
) -> Iterator[Complaint]:
    """Compare the tables with each other.

    Args:
        callers: the callers that are right by themselves.
        key_sets: the key sets that are right by themselves.
        declared: the names of all key sets, right or not.
    """
    owners: dict[str, str] = {}
    for name, caller in callers.items():
        owner = owners.setdefault(caller.public_key_sha256, name)
        if owner != name:
            yield Complaint(
                ("callers", name, "public_key_sha256"),
                f"is the public key of {owner} as well: each caller needs a key of its own",
            )
        for index, key_set_name in enumerate(caller.key_sets):
            if key_set_name != ALL_KEY_SETS and key_set_name not in declared:
                yield Complaint(
                    ("callers", name, "key_sets", index), _unknown(key_set_name, declared)
                )
    for name, key_set in key_sets.items():
        for index, target in enumerate(key_set.targets):
            path = ("key_sets", name, "change_to", index)
            if target.key_set not in declared:
                yield Complaint(path, _unknown(target.key_set, declared))
            elif target.key_set in key_sets:
                for reason in _objections(key_set, key_sets[target.key_set], target.version):
                    yield Complaint(path, reason)


def _unknown(name: str, declared: Collection[str]) -> str:
    held = [dotted((known,)) for known in declared]
    some = ", ".join(held[:8] + ["…"] * (len(held) > 8)) or "none"
    return f"{shown(name)} is not a key set of this file, which has {some}"


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
    if target.algorithm.strength < key_set.algorithm.strength:
        yield f"{target.name} is weaker: {target.algorithm} after {key_set.algorithm}"
