"""What is handed out: a source archive, and a wheel that is built from it."""

import subprocess
import sys
from pathlib import Path
from zipfile import ZipFile

ROOT = Path(__file__).parents[1]
PROFILES = ROOT / "config" / "profiles"


def build(target: str, source: Path, out: Path) -> Path:
    """Build a target by hatchling; return its file."""
    command = [sys.executable, "-m", "hatchling", "build", "-t", target, "-d", str(out)]
    subprocess.run(command, cwd=source, check=True, capture_output=True, timeout=100)
    [built] = out.iterdir()
    return built


def test_a_wheel_from_the_source_archive_has_the_profiles(tmp_path: Path) -> None:
    archive = build("sdist", ROOT, tmp_path / "sdist")
    (tmp_path / "source").mkdir()
    subprocess.run(["tar", "-xf", archive, "-C", tmp_path / "source"], check=True)
    [source] = (tmp_path / "source").iterdir()

    with ZipFile(build("wheel", source, tmp_path / "wheel")) as wheel:
        folder = "tmsd/quickstart/profiles/"
        packed = {name for name in wheel.namelist() if name.startswith(folder)}
        assert packed == {f"{folder}{profile.name}" for profile in PROFILES.iterdir()}
        for profile in PROFILES.iterdir():
            assert wheel.read(f"{folder}{profile.name}") == profile.read_bytes()
