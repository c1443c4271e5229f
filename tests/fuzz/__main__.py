"""`python -m tests.fuzz [TARGET]`: see tests/fuzz/__init__.py."""

import argparse
import importlib.util
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import click

from tests.fuzz.targets import TARGETS

NOT_INSTALLED = "atheris is not installed; its wheels are for Python 3.11 to 3.14 on x86-64"

# What one input may take, in seconds, before that counts as a failure.
_PATIENCE = 10


def main() -> int:
    """Run the seeds of each target asked for, and then fuzz it.

    Returns:
        The exit status; 0 when no input broke a target.
    """
    parser = argparse.ArgumentParser(prog="tests.fuzz")
    parser.add_argument("target", nargs="?", choices=TARGETS, help="which; each of them by default")
    parser.add_argument("--seconds", type=int, default=10, help="for each target; 0: seeds alone")
    parser.add_argument("--corpus", type=Path, help="a folder that keeps inputs between runs")
    parser.add_argument("--input", type=bytes.fromhex, help="run this input alone, in hex")
    arguments = parser.parse_args()
    names = list(TARGETS) if arguments.target is None else [arguments.target]
    if arguments.input is not None:
        for name in names:
            TARGETS[name].run(arguments.input)
        return 0
    is_installed = importlib.util.find_spec("atheris") is not None
    if arguments.seconds and not is_installed:
        click.echo(f"{NOT_INSTALLED}: running the seeds alone")
    seeds = {name: list(TARGETS[name].seeds()) for name in names}
    for name in names:
        for seed in seeds[name]:
            TARGETS[name].run(seed)
        click.echo(f"== {name}: {len(seeds[name])} seeds")
    if not (arguments.seconds and is_installed):
        return 0

    def holds(name: str) -> bool:
        return _holds(name, seeds[name], arguments.seconds, arguments.corpus)

    with ThreadPoolExecutor(os.cpu_count()) as threads:
        return 0 if all(list(threads.map(holds, names))) else 1


def _holds(name: str, seeds: list[bytes], seconds: int, corpus: Path | None) -> bool:
    """Fuzz a target in a process and a temporary folder of its own, and show what it says."""
    with tempfile.TemporaryDirectory(prefix="fuzz-") as scratch:
        seed_folder = Path(scratch) / "seeds"
        seed_folder.mkdir()
        for number, seed in enumerate(seeds):
            (seed_folder / str(number)).write_bytes(seed)
        folders = [seed_folder]
        if corpus is not None:
            (corpus / name).mkdir(parents=True, exist_ok=True)
            folders.insert(0, corpus / name)  # the first is the one that grows
        command = [
            *(sys.executable, "-m", "tests.fuzz.engine", name),
            *map(str, folders),
            f"-max_total_time={seconds}",
            f"-seed={os.environ.get('FUZZ_SEED', '0')}",  # 0: another one each time
            f"-timeout={_PATIENCE}",
            f"-artifact_prefix={scratch}/",
            "-print_final_stats=1",
            "-verbosity=0",
        ]
        environment = {**os.environ, "TMPDIR": scratch}
        ended = subprocess.run(command, env=environment, check=False, capture_output=True)
    click.echo(ended.stdout, nl=False)
    click.echo(f"== {name}".encode() + b"\n" + ended.stderr, err=True, nl=False)
    return ended.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
