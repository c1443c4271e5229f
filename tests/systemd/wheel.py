"""tmsd as it is installed: its wheel, and beside it what it needs, from this environment.

Nothing is downloaded: the libraries are those that these tests run with.
"""

import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import Distribution, distribution
from pathlib import Path

from packaging.requirements import Requirement

_SOURCE = Path(__file__).parents[2]
# pip is what installs the wheel; tmsd does not need it.
_WANTED = "tmsd[systemd]", "pip"


def build_wheel(directory: Path) -> Path:
    """Build tmsd's wheel into an empty directory, and return its file."""
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    done = subprocess.run(
        [*build, "--directory", str(directory)],
        cwd=_SOURCE,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (wheel,) = directory.glob("*.whl")
    return wheel


def copy_libraries(site_packages: Path) -> None:
    """Copy all that tmsd needs, and nothing of tmsd, to an empty directory."""
    needed = {found.name: found for wanted in _WANTED for found in _needed(Requirement(wanted))}
    del needed["tmsd"]
    for found in needed.values():
        for file in found.files or []:
            if ".." in file.parts or "__pycache__" in file.parts:  # programs, and byte code
                continue
            copy = site_packages / file
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_bytes(Path(str(found.locate_file(file))).read_bytes())


def _needed(wanted: Requirement) -> Iterator[Distribution]:
    """Yield a distribution and those that it needs here, some of them more than once."""
    found = distribution(wanted.name)
    yield found
    for text in found.requires or []:
        requirement = Requirement(text)
        extras = wanted.extras or {""}
        if requirement.marker is None or any(
            requirement.marker.evaluate({"extra": extra}) for extra in extras
        ):
            yield from _needed(requirement)
