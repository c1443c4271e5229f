"""`python -m tests.cycles`: see tests/cycles/__init__.py."""

import argparse
import secrets
import tempfile
from pathlib import Path

import click

from tests.cycles.cycling import run
from tests.softhsm.faulty_module import build
from tests.softhsm.tokens import SoftHsm


def main() -> None:
    """Run cycles on a new site, and print what came of them."""
    parser = argparse.ArgumentParser(prog="tests.cycles")
    parser.add_argument("--cycles", type=int, default=200, help="how many")
    parser.add_argument("--seed", type=int, help="another one each time by default")
    parser.add_argument("--workers", type=int, help="how many; as the daemon has them by default")
    arguments = parser.parse_args()
    seed = secrets.randbits(32) if arguments.seed is None else arguments.seed
    click.echo(f"{arguments.cycles} cycles with seed {seed}")
    with tempfile.TemporaryDirectory(prefix="cycles-") as scratch:
        directory, softhsm = Path(scratch, "site"), Path(scratch, "softhsm")
        for folder in (directory, softhsm):
            folder.mkdir()
        report = run(
            directory,
            SoftHsm(softhsm),
            build(Path(scratch)),
            cycles=arguments.cycles,
            seed=seed,
            workers=arguments.workers,
        )
        click.echo(str(report))


if __name__ == "__main__":
    main()
