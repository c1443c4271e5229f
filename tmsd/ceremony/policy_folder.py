"""Where policies are kept: each version whole in a folder of its own, and a link to one of them.

    policy.toml -> policies/7/policy.toml
    policies/7/policy.toml, policies/7/policy.approvals.json, policies/7/profiles/…

So all files of a policy change in one moment, whenever the power fails.
"""

import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tmsd.ceremony.refusal import Refused
from tmsd.config.policy import Policy, approvals_file, load_policy
from tmsd.config.toml import ConfigError

VERSIONS = "policies"
UNSIGNED = "unsigned.toml"
_FILE, _FOLDER = 0o644, 0o755


def keep_version(policy: Policy, approvals: bytes, place: Path) -> Path:
    """Keep a policy, the files that it names and its approvals; it is all on the disk afterwards.

    Args:
        policy: as it was loaded, from anywhere.
        approvals: the file of its approvals.
        place: where the policy in force is looked for; nothing there changes.

    Returns:
        The policy's file.

    Raises:
        Refused: it names files outside its folder, or is another by now.
        OSError: the disk refuses.
    """
    if outside := [name for name in policy.files if ".." in Path(name).parts]:
        raise Refused(
            f"{policy.source} names {', '.join(outside)}: it may name files in its own folder, "
            "which are kept with it, or by their absolute paths"
        )
    versions = place.parent / VERSIONS
    versions.mkdir(exist_ok=True)
    versions.chmod(_FOLDER)
    for left in versions.glob(".*"):  # by whoever was interrupted
        shutil.rmtree(left)
    kept = versions / str(policy.version)
    if not _has(kept / place.name, policy, approvals):
        _replace(kept, _made(versions, policy, approvals, place.name))
    return kept / place.name


@contextmanager
def ready_to_lead(place: Path, kept: Path) -> Iterator[Path]:
    """Make a link to a kept policy beside the place of the policy in force.

    Raises:
        OSError: the disk refuses, before anything has changed.
    """
    for left in place.parent.glob(f".{place.name}.*"):
        left.unlink()
    link = place.with_name(f".{place.name}.{secrets.token_hex(4)}")
    link.symlink_to(kept.relative_to(place.parent))
    try:
        yield link
    finally:
        link.unlink(missing_ok=True)


def lead(place: Path, link: Path) -> None:
    """Put a link in the place of the policy in force; a file that was there is kept.

    Raises:
        OSError: the disk refuses; what was there still is.
    """
    unsigned = place.parent / VERSIONS / UNSIGNED
    if place.is_file() and not place.is_symlink() and not unsigned.exists():
        os.link(place, unsigned)
    link.replace(place)
    _sync(place.parent)


def _has(file: Path, policy: Policy, approvals: bytes) -> bool:
    try:
        found = load_policy(file)
    except ConfigError:
        return False
    return (found.digest, found.approvals) == (policy.digest, approvals)


def _made(versions: Path, policy: Policy, approvals: bytes, name: str) -> Path:
    """Make a folder under a name that nobody looks for."""
    made = versions / f".{policy.version}.{secrets.token_hex(4)}"
    made.mkdir()
    try:
        _write(made / name, policy.source.read_bytes())
        _write(approvals_file(made / name), approvals)
        for named in policy.files:
            if not Path(named).is_absolute():
                _write(made / named, (policy.source.parent / named).read_bytes())
        for folder in (*(each for each in made.rglob("*") if each.is_dir()), made):
            folder.chmod(_FOLDER)
            _sync(folder)
        _require_same(made / name, policy)
    except BaseException:
        shutil.rmtree(made)
        raise
    return made


def _require_same(file: Path, policy: Policy) -> None:
    if load_policy(file).digest != policy.digest:
        raise Refused(
            f"{policy.source} is not what it was when it was read, or names a file of its own "
            "folder by its absolute path"
        )


def _replace(kept: Path, made: Path) -> None:
    """Give a folder its name; one that was left by halves goes."""
    aside = made.with_name(f"{made.name}.aside")
    if kept.exists():
        kept.rename(aside)
    made.rename(kept)
    _sync(kept.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _write(file: Path, content: bytes) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("wb") as opened:
        opened.write(content)
        opened.flush()
        os.fchmod(opened.fileno(), _FILE)
        os.fsync(opened.fileno())


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
