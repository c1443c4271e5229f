"""systemd-python, where it is installed; where it is not, a clear word to whoever needs it."""

import importlib
from typing import Any


class SystemdLibraryMissing(Exception):
    """systemd started this process and expects what only systemd-python can do."""

    def __init__(self, wanted_by: str) -> None:
        super().__init__(
            f"systemd started this with {wanted_by}, which takes the package systemd-python:"
            " install tmsd with its extra, as tmsd[systemd]"
        )


def imported(module: str) -> Any | None:  # noqa: ANN401  systemd-python has no types
    """Return a module of systemd-python, as `systemd.daemon`; None if it is not installed."""
    try:
        return importlib.import_module(module)
    except ImportError:
        return None


def required(module: str, wanted_by: str) -> Any:  # noqa: ANN401  as above
    """Return a module of systemd-python.

    Args:
        module: its name, as `systemd.daemon`.
        wanted_by: the variable of the environment that says that it is needed.

    Raises:
        SystemdLibraryMissing: it is not installed.
    """
    found = imported(module)
    if found is None:
        raise SystemdLibraryMissing(wanted_by)
    return found
