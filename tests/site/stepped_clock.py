"""A clock on the wall that a test steps while processes run: libfaketime, preloaded into them.

Whatever they ask for real time comes to it; the monotonic clock is left alone.
"""

import sysconfig
from collections.abc import Mapping
from pathlib import Path

_LIBRARY = Path("/usr/lib", sysconfig.get_config_var("MULTIARCH"), "faketime/libfaketimeMT.so.1")


class SteppedClock:
    """The clock of all processes that have its environment; at first it is right."""

    def __init__(self, directory: Path) -> None:
        self._offset = directory / "clock"
        self.set_off(0)

    @property
    def environment(self) -> Mapping[str, str]:
        """What lets a process, and all that it starts, have this clock."""
        assert _LIBRARY.exists(), "install libfaketime; make prepare does"
        return {
            "LD_PRELOAD": str(_LIBRARY),
            "FAKETIME_TIMESTAMP_FILE": str(self._offset),
            "FAKETIME_NO_CACHE": "1",
            "FAKETIME_DONT_FAKE_MONOTONIC": "1",
            "NO_FAKE_STAT": "1",
        }

    def set_off(self, seconds: float) -> None:
        """Step it to so many seconds after what the clock of this machine says."""
        written = self._offset.with_suffix(".new")
        written.write_text(f"{seconds:+}\n")
        written.replace(self._offset)  # whoever reads has the one or the other
