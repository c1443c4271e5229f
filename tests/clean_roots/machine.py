"""What a clean root takes over from the machine: where packages come from, and nothing else."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

_VARIABLES = re.compile(
    r"(PIP|UV)_[A-Z_]+|SSL_CERT_(FILE|DIR)|(REQUESTS|CURL)_CA_BUNDLE|[a-z]+_proxy|[A-Z]+_PROXY"
)
_CERTIFICATES = Path("/etc/ssl/certs/ca-certificates.crt")
_FOLDER = re.compile(r"(?:file://)?(/[^\s']+)")


@dataclass(frozen=True, slots=True)
class Sources:
    """Where packages come from.

    Attributes:
        mirror: of Debian, as apt has it.
        environment: variables for pip and whatever downloads.
        pip: the lines of a pip.conf.
        folders: that pip takes packages from; they are shown to a root, to be read.
    """

    mirror: str
    environment: Mapping[str, str]
    pip: str
    folders: tuple[Path, ...]


def sources() -> Sources:
    """Read apt's and pip's settings.

    Raises:
        CalledProcessError: apt or pip cannot say.
        LookupError: apt has no mirror of Debian.
    """
    environment = {name: value for name, value in os.environ.items() if _VARIABLES.fullmatch(name)}
    settings = dict(_pip_settings())
    named = [*settings.values(), environment.get("PIP_FIND_LINKS", "")]
    found = {_whole(Path(path)) for value in named for path in _FOLDER.findall(value)}
    folders = tuple(sorted(_outermost({path for path in found if path.is_dir()})))
    lines = [f"{key} = {value}" for key, value in settings.items() if "constraint" not in key]
    return Sources(_mirror(), environment, "\n".join(["[global]", *lines, ""]), folders)


def certificates() -> bytes:
    """Return the certificates that the machine trusts, in PEM."""
    return _CERTIFICATES.read_bytes()


def _mirror() -> str:
    wanted = [
        "apt-get",
        "indextargets",
        "--format",
        "$(REPO_URI) $(CODENAME)",
        "Created-By: Packages",
    ]
    listed = subprocess.run(wanted, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        uri, _, codename = line.partition(" ")
        if re.fullmatch(r"[a-z]+", codename):
            return uri
    raise LookupError("apt knows no mirror of a release of Debian")


def _pip_settings() -> Iterator[tuple[str, str]]:
    """Yield pip's settings of all files, without those of the environment."""
    wanted = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(wanted, check=True, capture_output=True, text=True).stdout
    for line in listed.splitlines():
        if setting := re.fullmatch(r"(?:global|install)\.([a-z-]+)='(.*)'", line):
            yield setting[1], setting[2].replace("\\n", " ")


def _whole(folder: Path) -> Path:
    """Return an index with its files, which are beside it and not in it (PEP 503)."""
    return folder.parent if folder.name == "simple" else folder


def _outermost(folders: set[Path]) -> set[Path]:
    return {each for each in folders if not folders.intersection(each.parents)}
