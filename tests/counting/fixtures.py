"""The counting module, compiled once for each test process."""

import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from hsm.module import TokenAddress

SOURCE = Path(__file__).with_name("module.c")


class CountedLogins:
    """Counts the logins to tokens that are reached through `through`."""

    def __init__(self, module: Path, file: Path) -> None:
        self._module = module
        self._file = file

    def through(self, token: TokenAddress) -> TokenAddress:
        """Return where the same token is, with its logins counted."""
        environment = {
            **token.environment,
            "COUNTED_MODULE": str(token.module),
            "COUNTED_LOGINS": str(self._file),
        }
        return replace(token, module=self._module, environment=environment)

    def __len__(self) -> int:
        return self._file.stat().st_size if self._file.exists() else 0


@pytest.fixture(scope="session")
def counting_module(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The compiled module."""
    module = tmp_path_factory.mktemp("counting") / "counting.so"
    flags = ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror"]
    subprocess.run(["gcc", *flags, "-o", module, SOURCE, "-ldl"], check=True)
    return module


@pytest.fixture
def logins(counting_module: Path, tmp_path: Path) -> CountedLogins:
    """The logins of one test."""
    return CountedLogins(counting_module, tmp_path / "logins")
