"""`python -m tests.fuzz.engine TARGET FOLDER… -OPTION=VALUE…`: atheris at work on one target.

The engine ends its process, by itself when the time is over or when an input breaks the target;
`tests/fuzz/__main__.py` starts it and clears up. Folders and options are libFuzzer's.
"""

import io
import sys
from collections.abc import Callable
from contextlib import redirect_stderr

import atheris
import click

# What is imported here is watched: which lines an input reaches tells whether it is worth keeping.
with redirect_stderr(io.StringIO()), atheris.instrument_imports(include=["tmsd", "tests"]):
    from tests.fuzz.targets import TARGETS


def showing_input(run: Callable[[bytes], None]) -> Callable[[bytes], None]:
    """Return the same target, which prints the input that breaks it, in hex."""

    def shown(data: bytes) -> None:
        try:
            run(data)
        except BaseException:
            click.echo(f"broken by --input {data.hex()}")
            raise

    return shown


if __name__ == "__main__":
    arguments = [sys.argv[0], *sys.argv[2:]]
    atheris.Setup(arguments, showing_input(TARGETS[sys.argv[1]].run))
    atheris.Fuzz()
