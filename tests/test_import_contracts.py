"""Imports point one way: the contracts of pyproject.toml hold, and can fail."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
LINT_IMPORTS = Path(sys.executable).with_name("lint-imports")
REACHES_THE_TOKEN = {"ceremony", "cli", "quickstart", "worker"}


def lint_imports(directory: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [LINT_IMPORTS, "--no-cache"],
        cwd=directory,
        env={"PYTHONPATH": str(directory), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )


def copy_of_the_code(directory: Path) -> Path:
    for folder in ("hsm", "tmsd", "tests"):
        shutil.copytree(
            ROOT / folder,
            directory / folder,
            ignore=shutil.ignore_patterns("__pycache__", "*.json"),
        )
    shutil.copy(ROOT / "pyproject.toml", directory)
    return directory


def test_every_contract_holds() -> None:
    result = lint_imports(ROOT)

    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "smuggled", "broken"),
    [
        ("tmsd/tks/random.py", "import pkcs11", "The front cannot reach PKCS#11 by any path"),
        ("tmsd/errors.py", "import hsm.token", "The front cannot reach PKCS#11 by any path"),
        (
            "tmsd/config/values.py",
            "def late() -> None:\n    import tmsd.worker.start",
            "The front cannot reach PKCS#11 by any path",
        ),
        ("hsm/keys.py", "import tmsd.errors", "hsm speaks PKCS#11 and imports nothing of tmsd"),
        (
            "tmsd/worker/tks.py",
            "import tmsd.globalplatform.plain_key",
            "Keys in plain bytes are for tests",
        ),
        ("tmsd/vault/pool.py", "import aiohttp", "Services know no HTTP"),
        (
            "tmsd/x509/building.py",
            "import tmsd.clock",
            "Certificates are pure: no clock, no configuration, no storage",
        ),
        (
            "tmsd/responder/main.py",
            "import tmsd.vault.nonce_messages",
            "The responder writes no record, and asks a worker for nonces alone",
        ),
        (
            "tmsd/ocsp/answering.py",
            "import tmsd.store.store",
            "The responder writes no record, and asks a worker for nonces alone",
        ),
        (
            "tmsd/responder/nonces.py",
            "import tmsd.vault.certificate_messages",
            "The responder knows no message to workers but that for nonces",
        ),
    ],
)
def test_a_smuggled_import_breaks_its_contract(
    module: str, smuggled: str, broken: str, tmp_path: Path
) -> None:
    copy = copy_of_the_code(tmp_path)
    with (copy / module).open("a") as source:
        source.write(f"\n\n{smuggled}\n")

    result = lint_imports(copy)

    assert result.returncode == 1
    assert f"{broken} BROKEN" in result.stdout


def test_every_package_of_the_front_is_under_the_contract() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())
    contracts = {c["id"]: c for c in settings["tool"]["importlinter"]["contracts"]}
    covered = {
        name.removeprefix("tmsd.") for name in contracts["front-without-pkcs11"]["source_modules"]
    }

    packages = {path.parent.name for path in (ROOT / "tmsd").glob("*/__init__.py")}

    assert packages == covered | REACHES_THE_TOKEN
