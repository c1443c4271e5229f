"""Where Debian puts the PKCS#11 module of SoftHSM 2."""

import sysconfig
from collections.abc import Iterator
from pathlib import Path

from tmsd.ceremony.refusal import Refused

_MODULE = "libsofthsm2.so"


def softhsm_module(libraries: Path = Path("/usr/lib")) -> Path:
    """Return the module's file, which is absolute.

    Args:
        libraries: where the system keeps its libraries.

    Raises:
        Refused: SoftHSM is not installed.
    """
    for place in _places(libraries):
        if (module := place / "softhsm" / _MODULE).is_file():
            return module
    raise Refused(
        f"SoftHSM 2 is not installed: there is no softhsm/{_MODULE} in {libraries} or in a folder "
        "of it. On Debian, as root: apt-get install softhsm2"
    )


def _places(libraries: Path) -> Iterator[Path]:
    """Yield the places in order: this machine's own architecture comes before any other."""
    yield libraries
    if triplet := sysconfig.get_config_var("MULTIARCH"):
        yield libraries / triplet
    yield from sorted(place for place in libraries.glob("*") if (place / "softhsm").is_dir())
