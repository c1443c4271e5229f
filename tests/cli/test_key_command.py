"""`tmsctl key`, on the token of a real site."""

import os
import re
from pathlib import Path
from subprocess import CompletedProcess

import pytest
from click.testing import CliRunner

from tests.ceremony.keys import (
    FACTORY_16,
    FACTORY_24,
    FACTORY_32,
    check_value,
    exclusive_or,
)
from tests.cli.sites import Terminal, make_site, tmsctl
from tmsd.cli import main
from tmsd.config.key_sets import KeyAlgorithm

MORE_KEY_SETS = """
[key_sets.old]
scp = "02"
algorithm = "des3"
diversification = "visa2"
versions = { 1 = "active", 2 = "retired" }

[key_sets.fresh]
scp = "03"
algorithm = "aes128"
diversification = "none"
undiversified = true
factory = true
versions = { 255 = "active" }
"""

THREE_MASTER_KEYS = """
[key_sets.three]
scp = "03"
master_keys = { enc = "three-enc", mac = "three-mac", dek = "three-dek" }
algorithm = "aes128"
diversification = "gp-kmc"
versions = { 1 = "active" }
"""

DOGTAG = """
[key_sets.dogtag]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active" }
"""

TRANSPORT_KEY = """
[transport_keys.tps]
label = "for the TPS"
algorithm = "des3"
version = 2
"""

FACTORY_TRIPLE_DES = """
[key_sets.fresh-old]
scp = "02"
master_key = "blank"
algorithm = "des3"
diversification = "visa2"
factory = true
versions = { 1 = "active", 2 = "active" }
"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    directory = make_site(tmp_path / "site")
    allow(directory, MORE_KEY_SETS)
    return directory


def allow(site: Path, *tables: str) -> None:
    with (site / "policy.toml").open("a") as policy:
        policy.write("".join(tables))


def key(site: Path, command: str, *arguments: str, stdin: str = "") -> CompletedProcess[str]:
    """Run `tmsctl key COMMAND`; no PIN is ever shown."""
    done = tmsctl("key", command, "--config", site / "tmsd.toml", *arguments, stdin=stdin)
    for pin in (site / "credentials").iterdir():
        assert pin.read_text() not in done.stdout + done.stderr
    return done


def import_key(
    site: Path, key_set: str, version: int, algorithm: str, stdin: str
) -> CompletedProcess[str]:
    arguments = ["--key-set", key_set, "--version", str(version), "--algorithm", algorithm]
    return key(site, "import", *arguments, stdin=stdin)


def typed_import(site: Path) -> Terminal:
    """Begin to import version 2 of the demonstration key, on a terminal."""
    config = str(site / "tmsd.toml")
    return Terminal(
        *("key", "import", "--config", config),
        *("--key-set", "demo", "--version", "2", "--algorithm", "aes256"),
    )


def listed(site: Path) -> list[list[str]]:
    """Return the lines of `tmsctl key list`, cut into cells."""
    done = key(site, "list")
    assert (done.returncode, done.stderr) == (0, "")
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in done.stdout.splitlines()
    ]


def kcv(value: bytes, algorithm: str) -> str:
    return check_value(value, KeyAlgorithm(algorithm)).hex()


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


def test_a_master_key_is_generated_with_the_key_sets_algorithm(site: Path) -> None:
    done = key(site, "generate", "--key-set", "old", "--version", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Generated key 'old' version 1: des3 (3-key), KCV ")
    shown = done.stdout.split()[-1]
    assert ["old", "1", "des3 (3-key)", shown, "key set old (active)", "right"] in listed(site)
    again = key(site, "generate", "--key-set", "old", "--version", "1", "--algorithm", "des3")
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: key 'old' version 1 is in the token already\n"
    other = key(site, "generate", "--key-set", "old", "--version", "2", "--algorithm", "aes128")
    assert other.returncode == 1
    assert "is des3 in the policy, not aes128" in other.stderr


def test_a_key_of_the_daemon_gets_its_next_version(site: Path) -> None:
    done = key(site, "generate", "--service", "channel")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "Generated key 'tmsd-channel' version 2: aes256"
    assert ["tmsd-channel", "2", "aes256", "-", "the daemon", "right"] in listed(site)


def test_the_list_shows_what_is_there_and_what_is_missing(site: Path) -> None:
    table = listed(site)
    assert table[0] == ["LABEL", "VERSION", "ALGORITHM", "KCV", "USED BY", "STATE"]
    assert [row[:3] + row[4:] for row in table[1:]] == [
        ["demo", "1", "aes256", "key set demo (active)", "right"],
        ["fresh", "255", "-", "key set fresh (active)", "missing"],
        ["old", "1", "-", "key set old (active)", "missing"],
        ["old", "2", "-", "key set old (retired)", "missing"],
        ["tmsd-challenge", "1", "aes256", "the daemon", "right"],
        ["tmsd-channel", "1", "aes256", "the daemon", "right"],
        ["tmsd-receipt", "1", "aes256", "the daemon", "right"],
    ]


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


def test_a_transport_key_is_generated_in_the_version_to_come(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    done = key(site, "generate", "--transport-key", "tps", "--version", "3")
    assert (done.returncode, done.stderr) == (0, "")
    made, *notes = done.stdout.splitlines()
    assert re.fullmatch(
        r"Generated key 'for the TPS' version 3: des3 \(3-key\), KCV [0-9a-f]{6}", made
    )
    assert notes == [
        (
            "No copy of it leaves the HSM: a caller that does not share this HSM needs a key "
            "of components, which tmsctl key import takes."
        ),
        (
            f"Transport key tps has version 2 in {site}/policy.toml: "
            "say version = 3 there, and that one is used."
        ),
    ]


def test_a_transport_key_is_destroyed_when_its_name_is_typed(site: Path) -> None:
    allow(site, TRANSPORT_KEY)
    assert key(site, "generate", "--transport-key", "tps").returncode == 0
    done = key(site, "destroy", "--transport-key", "tps", stdin="For the TPS:2\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is in use: its callers get no session keys any more." in done.stdout
    assert ["for the TPS", "2", "-", "-", "transport key tps", "missing"] in listed(site)


def test_each_role_has_its_own_master_key_where_the_key_set_says_so(site: Path) -> None:
    allow(site, THREE_MASTER_KEYS)
    value = os.urandom(16)
    named = ["--key-set", "three", "--version", "1"]
    done = key(site, "import", *named, "--role", "enc", "--algorithm", "aes128", stdin=value.hex())
    assert (done.returncode, done.stderr) == (0, "")
    assert f"Imported key 'three-enc' version 1: aes128, KCV {kcv(value, 'aes128')}" in done.stdout
    assert key(site, "generate", *named, "--role", "mac").returncode == 0
    assert [row[0::4] + row[5:] for row in listed(site) if row[0].startswith("three")] == [
        ["three-dek", "key set three dek (active)", "missing"],
        ["three-enc", "key set three enc (active)", "right"],
        ["three-mac", "key set three mac (active)", "right"],
    ]
    done = key(site, "destroy", *named, "--role", "mac", "--yes")
    assert done.stdout.startswith("Destroyed key 'three-mac' version 1: aes128, KCV ")


@pytest.mark.parametrize("command", ["import", "generate", "destroy"])
@pytest.mark.parametrize(
    ("named", "refusal"),
    [
        (
            ["--key-set", "three", "--version", "1"],
            "key set three has a master key for each role: say whether enc, mac or dek is meant",
        ),
        (
            ["--key-set", "demo", "--version", "1", "--role", "dek"],
            "key set demo has one master key for all roles: name no role",
        ),
        (["--transport-key", "demo"], "has no transport key 'demo', only none: add it there first"),
    ],
)
def test_a_key_that_is_not_named_as_the_policy_has_it_is_refused(
    site: Path, command: str, named: list[str], refusal: str
) -> None:
    allow(site, THREE_MASTER_KEYS)
    algorithm = ["--algorithm", "aes128"] if command == "import" else []
    done = key(site, command, *named, *algorithm, stdin="not looked at")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.endswith(f"{refusal}\n")


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


def test_a_master_key_for_hmac_is_generated_without_a_check_value(site: Path) -> None:
    allow(site, DOGTAG)
    done = key(site, "generate", "--key-set", "dogtag", "--version", "1")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == "Generated key 'dogtag' version 1: secret (32 bytes)\n"


@pytest.mark.parametrize("answer", ["KCV", "demo:1"])
def test_a_key_is_destroyed_when_its_check_value_or_its_name_is_typed(
    site: Path, answer: str
) -> None:
    [shown] = [row[3] for row in listed(site) if row[0] == "demo"]
    typed = shown.upper() if answer == "KCV" else answer
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=f"{typed}\n")
    assert (done.returncode, done.stderr) == (0, "")
    assert "It is active: cards that have it cannot be served any more." in done.stdout
    assert f"Destroyed key 'demo' version 1: aes256, KCV {shown}\n" in done.stdout
    assert ["demo", "1", "-", "-", "key set demo (active)", "missing"] in listed(site)


def test_scripts_destroy_without_being_asked(site: Path) -> None:
    arguments = ["--key-set", "demo", "--version", "1", "--yes"]
    done = key(site, "destroy", *arguments)
    assert (done.returncode, done.stderr) == (0, "")
    assert len(done.stdout.splitlines()) == 1
    again = key(site, "destroy", *arguments)
    assert (again.returncode, again.stdout) == (1, "")
    assert again.stderr == "Error: key 'demo' version 1: it is not in the token\n"


@pytest.mark.parametrize("answer", ["yes\n", "demo\n", "000000\n", ""])
def test_any_other_answer_destroys_nothing(site: Path, answer: str) -> None:
    done = key(site, "destroy", "--key-set", "demo", "--version", "1", stdin=answer)
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert [row[-1] for row in listed(site) if row[0] == "demo"] == ["right"]


@pytest.mark.parametrize(
    ("file", "change", "refusal"),
    [
        ("tmsd.toml", ("[hsm]", "[hms]"), "tmsd.toml:15: hms: is not a key of this table"),
        ("policy.toml", ('"aes256"', '"aes64"'), "'aes64' is not one of aes128, aes192"),
        ("tmsd.toml", ("tmsd-development", "another"), "token 'another' of /"),
        ("tmsd.toml", ("credentials/hsm-pin", "nowhere"), "nowhere: No such file or directory"),
        ("tmsd.toml", ("softhsm2.so", "absent.so"), "PKCS#11 module /"),
    ],
)
def test_what_can_go_wrong_is_one_message_and_no_traceback(
    site: Path, file: str, change: tuple[str, str], refusal: str
) -> None:
    text = (site / file).read_text()
    assert change[0] in text
    (site / file).write_text(text.replace(*change))
    done = key(site, "list")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: ")
    assert refusal in done.stderr
    assert "Traceback" not in done.stderr


def test_a_wrong_pin_is_refused_and_not_shown(site: Path) -> None:
    pin_file = site / "credentials" / "hsm-pin"
    pin_file.chmod(0o600)
    pin_file.write_text("a wrong PIN")
    pin_file.chmod(0o400)
    done = key(site, "list")
    assert done.returncode == 1
    assert "refused the PIN; correct it before the next try" in done.stderr


def test_a_missing_configuration_is_said_to_be_missing(tmp_path: Path) -> None:
    done = CliRunner().invoke(main.tmsctl, ["key", "list", "--config", str(tmp_path / "none.toml")])
    assert (done.exit_code, done.stdout) == (1, "")
    assert (
        done.stderr == f"Error: {tmp_path}/none.toml: cannot be read: No such file or directory\n"
    )


@pytest.mark.parametrize(
    "arguments",
    [
        ["list"],
        ["import", "--config", "x", "--key-set", "demo", "--version", "2"],
        ["import", "--config", "x", "--key-set", "a", "--version", "0", "--algorithm", "aes128"],
        ["import", "--config", "x", "--key-set", "a", "--version", "256", "--algorithm", "aes128"],
        ["import", "--config", "x", "--key-set", "a", "--version", "2", "--algorithm", "aes"],
        ["generate", "--config", "x"],
        ["generate", "--config", "x", "--key-set", "demo"],
        ["generate", "--config", "x", "--service", "channel", "--key-set", "demo"],
        ["generate", "--config", "x", "--service", "pilot"],
        ["generate", "--config", "x", "--service", "channel", "--version", "3"],
        ["destroy", "--config", "x", "--key-set", "demo"],
        ["destroy", "--config", "x", "--key-set", "a", "--version", "1", "--transport-key", "b"],
        ["destroy", "--config", "x", "--version", "1"],
        ["destroy", "--config", "x", "--transport-key", "b", "--role", "enc"],
        ["destroy", "--config", "x", "--key-set", "a", "--version", "1", "--role", "kek"],
        ["import", "--config", "x", "--transport-key", "b"],
        ["generate", "--config", "x", "--transport-key", "b", "--service", "channel"],
        ["generate", "--config", "x", "--service", "channel", "--role", "enc"],
    ],
)
def test_a_wrong_command_line_exits_2(arguments: list[str]) -> None:
    done = CliRunner().invoke(main.tmsctl, ["key", *arguments])
    assert done.exit_code == 2
    assert "Usage: " in done.stderr


def test_every_command_is_there_and_explains_itself() -> None:
    for name in ("audit", "check", "key", "quickstart"):
        done = CliRunner().invoke(main.tmsctl, [name, "--help"])
        assert (done.exit_code, done.stderr) == (0, "")
    version = CliRunner().invoke(main.tmsctl, ["--version"])
    assert version.stdout.startswith("tmsctl, version ")
