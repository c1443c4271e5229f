"""`tmsctl` that is killed behind one step of an activation: `python -m … MODULE.FUNCTION ARGS`."""

import importlib
import os
import signal
import sys
from typing import Any

from tmsd.cli.main import tmsctl


def main() -> None:
    """Do the step, and end there."""
    name, _, function = sys.argv[1].rpartition(".")
    module = importlib.import_module(name)
    step = getattr(module, function)

    def last(*arguments: Any, **named: Any) -> None:  # noqa: ANN401  any function's
        step(*arguments, **named)
        os.kill(os.getpid(), signal.SIGKILL)

    setattr(module, function, last)
    tmsctl(sys.argv[2:])


if __name__ == "__main__":
    main()
