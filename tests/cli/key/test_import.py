"""`tmsctl key import`, from components that are piped or typed."""

import os
from pathlib import Path

import pytest

from tests.ceremony.keys import FACTORY_16, FACTORY_24, FACTORY_32, exclusive_or
from tests.cli.key.commands import DOGTAG, TRANSPORT_KEY, import_key, kcv, key, listed
from tests.cli.sites import allow
from tests.terminal import Terminal

FACTORY_TRIPLE_DES = """
[key_sets.fresh-old]
scp = "02"
master_key = "blank"
algorithm = "des3"
diversification = "visa2"
factory = true
versions = { 1 = "active", 2 = "active" }
"""


def typed_import(site: Path) -> Terminal:
    """Begin to import version 2 of the demonstration key, on a terminal."""
    config = str(site / "tmsd.toml")
    return Terminal(
        *("key", "import", "--config", config),
        *("--key-set", "demo", "--version", "2", "--algorithm", "aes256"),
    )


def test_three_components_become_a_published_key(site: Path) -> None:
    parts = [os.urandom(16) for _ in range(2)]
    parts.append(exclusive_or(FACTORY_16, *parts))
    lines = [parts[0].hex(), parts[1].hex(" ").upper(), f"  {parts[2].hex(' ', 4)}\t", ""]
    done = import_key(site, "fresh", 255, "aes128", "\n".join(lines))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [
        *(f"component {n}: KCV {kcv(part, 'aes128')}" for n, part in enumerate(parts, start=1)),
        f"Imported key 'fresh' version 255: aes128, KCV {kcv(FACTORY_16, 'aes128')}",
    ]
    assert not any(part.hex() in done.stdout.lower() for part in parts)


def test_a_published_triple_des_key_has_its_published_check_value(site: Path) -> None:
    allow(site, FACTORY_TRIPLE_DES)
    done = import_key(site, "fresh-old", 1, "des3", FACTORY_16.hex())
    assert (done.returncode, done.stderr) == (0, "")
    assert "Imported key 'blank' version 1: des3 (2-key), KCV 8baf47" in done.stdout
    done = import_key(site, "fresh-old", 2, "des3", FACTORY_24.hex())
    assert f": des3 (3-key), KCV {kcv(FACTORY_24, 'des3')}" in done.stdout


@pytest.mark.parametrize(
    ("lines", "refusal"),
    [
        (["00" * 32, "x" * 64], "component 2 must be hexadecimal digits, two for each byte"),
        (["00" * 31], "component 1 has 31 bytes; one of aes256 has 32"),
        (["00" * 32, "01" * 32, "00" * 16], "component 3 has 16 bytes; one of aes256 has 32"),
        (
            ["5a" * 32, "5a" * 32],
            "the components combine to all zeros: is one of them typed twice?",
        ),
        ([], "a key needs at least one component"),
        (["\0" * 64], "component 1 must be hexadecimal digits, two for each byte"),
    ],
)
def test_bad_components_are_refused_by_number_and_never_shown(
    site: Path, lines: list[str], refusal: str
) -> None:
    done = import_key(site, "demo", 2, "aes256", "\n".join(lines))
    assert (done.returncode, done.stderr) == (1, f"Error: {refusal}\n")
    assert not any(line in done.stdout + done.stderr for line in lines)
    assert ["demo", "2"] not in [row[:2] for row in listed(site)]


def test_a_factory_key_is_refused_in_a_key_set_of_ones_own(site: Path) -> None:
    done = import_key(site, "demo", 2, "aes256", FACTORY_32.hex())
    assert done.returncode == 1
    assert done.stdout == f"component 1: KCV {kcv(FACTORY_32, 'aes256')}\n"
    assert done.stderr.startswith("Error: the components combine to a factory key")
    assert len(done.stderr.splitlines()) == 1


def test_single_des_is_refused(site: Path) -> None:
    done = import_key(site, "old", 1, "des3", os.urandom(8).hex() * 2)
    assert done.returncode == 1
    assert "encrypts as single DES does" in done.stderr


def test_a_version_that_is_there_is_refused_before_anything_is_typed(site: Path) -> None:
    done = import_key(site, "demo", 1, "aes256", "not looked at")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "Error: key 'demo' version 1 is in the token already\n"


@pytest.mark.parametrize(
    ("key_set", "algorithm", "refusal"),
    [
        ("pilot", "aes256", "has no key set 'pilot', only demo, old, fresh: add it there first"),
        ("demo", "aes128", "key 'demo' version 9 is aes256 in the policy, not aes128"),
    ],
)
def test_a_key_is_imported_only_as_the_policy_has_it(
    site: Path, key_set: str, algorithm: str, refusal: str
) -> None:
    done = import_key(site, key_set, 9, algorithm, os.urandom(16).hex())
    assert done.returncode == 1
    assert refusal in done.stderr


def test_a_key_may_come_before_the_policy_names_its_version(site: Path) -> None:
    value = os.urandom(32)
    done = import_key(site, "demo", 2, "aes256", value.hex())
    assert done.returncode == 0
    assert f"Key set demo has no version 2 in {site}/policy.toml yet: add it" in done.stdout
    assert ["demo", "2", "aes256", kcv(value, "aes256"), "-", "not in the policy"] in listed(site)


def test_components_are_typed_without_echo_and_can_be_corrected(site: Path) -> None:
    first, second = os.urandom(32), os.urandom(32)
    with typed_import(site) as terminal:
        terminal.expect("Component 1, or nothing to end: ")
        terminal.type(first.hex())
        terminal.expect(f"component 1: KCV {kcv(first, 'aes256')}")
        terminal.expect("Component 2, or nothing to end: ")
        terminal.type("ab" * 31)
        terminal.expect("component 2 has 31 bytes; one of aes256 has 32; type it again")
        terminal.expect("Component 2, or nothing to end: ")
        terminal.type("oh no")
        terminal.expect("component 2 must be hexadecimal digits, two for each byte; type it again")
        terminal.expect("Component 2, or nothing to end: ")
        terminal.type(second.hex(" "))
        terminal.expect(f"component 2: KCV {kcv(second, 'aes256')}")
        terminal.expect("Component 3, or nothing to end: ")
        terminal.type("")
        combined = kcv(exclusive_or(first, second), "aes256")
        terminal.expect(f"Imported key 'demo' version 2: aes256, KCV {combined}")
        assert terminal.end() == 0
        typed = (first.hex(), second.hex(" "), "ab" * 31, "oh no")
        assert not any(text in terminal.shown for text in typed)


@pytest.mark.parametrize("ending", ["\x03", "\x04"])
def test_a_ceremony_that_is_broken_off_imports_nothing(site: Path, ending: str) -> None:
    with typed_import(site) as terminal:
        terminal.expect("Component 1, or nothing to end: ")
        terminal.type(os.urandom(32).hex())
        terminal.expect("Component 2, or nothing to end: ")
        terminal.press(ending)
        assert terminal.end() == 1
        assert "Aborted!" in terminal.shown
        assert "Traceback" not in terminal.shown
    assert ["demo", "2"] not in [row[:2] for row in listed(site)]


def test_a_transport_key_is_imported_from_components_and_listed(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    first, second = os.urandom(16), os.urandom(16)
    arguments = ["--transport-key", "tps", "--algorithm", "des3"]
    assert ["for the TPS", "2", "-", "-", "transport key tps", "missing"] in listed(site)
    done = key(site, "import", *arguments, stdin=f"{first.hex()}\n{second.hex(' ')}\n")
    assert (done.returncode, done.stderr) == (0, "")
    combined = kcv(exclusive_or(first, second), "des3")
    assert done.stdout.splitlines() == [
        f"component 1: KCV {kcv(first, 'des3')}",
        f"component 2: KCV {kcv(second, 'des3')}",
        f"Imported key 'for the TPS' version 2: des3 (2-key), KCV {combined}",
    ]
    row = ["for the TPS", "2", "des3 (2-key)", combined, "transport key tps", "right"]
    assert row in listed(site)


def test_a_factory_key_is_no_transport_key(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    arguments = ["--transport-key", "tps", "--algorithm", "des3"]
    done = key(site, "import", *arguments, stdin=FACTORY_16.hex())
    assert done.returncode == 1
    assert "Error: the components combine to a factory key" in done.stderr


def test_a_master_key_for_hmac_shows_its_check_value_at_the_import_alone(site: Path) -> None:
    allow(site, DOGTAG)
    value = os.urandom(16)
    done = import_key(site, "dogtag", 1, "des3", value.hex())
    assert (done.returncode, done.stderr) == (0, "")
    shown = kcv(value, "des3")
    assert done.stdout.splitlines() == [
        f"component 1: KCV {shown}",
        f"Imported key 'dogtag' version 1: secret (32 bytes), KCV {shown}",
    ]
    row = ["dogtag", "1", "secret (32 bytes)", "-", "key set dogtag (active)", "right"]
    assert row in listed(site)
