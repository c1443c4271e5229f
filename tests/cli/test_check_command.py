"""`tmsctl check config DIR`, on real files."""

from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.site.kra import kra_certificate_pem
from tmsd.cli.check import check

DAEMON = """\
[api]
certificate = "tmsd.pem"
private_key = "tmsd.key"
caller_trust = "tmsd.pem"
[hsm]
module = "p11.so"
token_label = "vault"
pin_file = "pin"
[audit]
file = "audit.jsonl"
"""
POLICY = f"""\
version = 4
[callers.desk]
public_key_sha256 = "{"0a" * 32}"
roles = ["tps", "ra"]
key_sets = ["pilot"]
[callers.eye]
public_key_sha256 = "{"0b" * 32}"
roles = ["auditor"]
[callers.all]
public_key_sha256 = "{"0c" * 32}"
roles = ["tps"]
key_sets = ["*"]
[key_sets.pilot]
scp = "03"
algorithm = "aes256"
diversification = "kdf3"
versions = {{ 1 = "retired", 2 = "active" }}
change_to = ["pilot:2"]
"""
MORE = """\
[callers.front]
public_key_sha256 = "0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d0d"
roles = ["tps"]
deliveries = ["sealed", "transport"]
transport_key = "front"
encrypt_purposes = ["proof-of-presence", "pin"]
card_commands = ["20", "e2"]
[key_sets.three]
scp = "03"
master_keys = { enc = "e", mac = "m", dek = "d" }
algorithm = "des3"
card_key_algorithm = "aes128"
diversification = "emv"
versions = { 1 = "active" }
[key_sets.old]
scp = "01"
algorithm = "des3"
diversification = "visa1"
versions = { 1 = "active" }
put_key_des_type = "81"
[transport_keys.front]
label = "Front 1"
algorithm = "aes128"
version = 2
[transport_keys.spare]
algorithm = "des3"
"""
EXPOSING = """\
[callers.dogtag]
public_key_sha256 = "0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e0e"
roles = ["tps"]
deliveries = ["transport"]
transport_key = "shared"
deliver_static_dek = true
card_commands = []
[key_sets.dogtag]
scp = "01"
algorithm = "des3"
diversification = "nist-sp800-108-hmac"
allow_key_material_in_worker = true
versions = { 1 = "active" }
[transport_keys.shared]
algorithm = "des3"
allow_key_material_in_worker = true
"""
DOGTAG = """\
[callers.dogtag]
public_key_sha256 = "0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f0f"
roles = ["tps"]
protocol = "dogtag"
key_sets = ["pilot"]
transport_key = "shared"
[callers.dogtag.dogtag]
key_sets = { defKeySet = ["pilot"], "sc 7" = ["pilot"] }
%s
[transport_keys.shared]
algorithm = "aes256"
"""
UNSAFE = """\
[key_sets.fresh]
scp = "02"
algorithm = "des3"
diversification = "none"
undiversified = true
factory = true
require_issued_challenge = false
versions = { 255 = "active" }
"""


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "tmsd")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
        .not_valid_before(now)
        .not_valid_after(now + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    (tmp_path / "tmsd.pem").write_bytes(certificate.public_bytes(Encoding.PEM))
    (tmp_path / "tmsd.key").write_bytes(
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    )
    (tmp_path / "tmsd.key").chmod(0o400)
    (tmp_path / "p11.so").touch()
    (tmp_path / "pin").touch(0o400)
    (tmp_path / "tmsd.toml").write_text(DAEMON)
    (tmp_path / "policy.toml").write_text(POLICY)
    return tmp_path


def run(directory: Path) -> Result:
    return CliRunner().invoke(check, ["config", str(directory)])


def test_a_right_configuration_is_told_in_plain_words(directory: Path) -> None:
    result = run(directory)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"{directory}/tmsd.toml: right\n"
        "  listens on 127.0.0.1:8443\n"
        f"  token 'vault', through {directory}/p11.so, PIN from {directory}/pin\n"
        f"  audit log {directory}/audit.jsonl\n"
        f"{directory}/policy.toml: right\n"
        f"  version 4, SHA-256 {sha256(POLICY.encode()).hexdigest()}\n"
        "Callers\n"
        "  desk: tps, ra; key sets pilot; deliveries sealed; any card command but PUT KEY\n"
        "  eye: auditor; no key sets; deliveries sealed\n"
        "  all: tps; all key sets; deliveries sealed; any card command but PUT KEY\n"
        "Key sets\n"
        "  pilot: SCP03, i = 70, 00; aes256 keys 'pilot'; diversification kdf3 over kdd; "
        "versions 1 retired, 2 active; security level at least 01; cards change to pilot:2\n"
    )


def test_all_that_a_policy_can_say_is_told(directory: Path) -> None:
    (directory / "policy.toml").write_text(POLICY + MORE)
    result = run(directory)
    assert (result.exit_code, result.stderr) == (0, "")
    told = result.stdout.splitlines()
    assert (
        "  front: tps; no key sets; deliveries sealed, transport; transport key front; "
        "encrypts proof-of-presence, pin; card commands 20, e2"
    ) in told
    assert (
        "  three: SCP03, i = 70, 00; des3 keys ENC 'e', MAC 'm', DEK 'd' for aes128 keys of cards; "
        "diversification emv over kdd; versions 1 active; security level at least 01"
    ) in told
    assert (
        "  old: SCP01, i = 05; des3 keys 'old'; diversification visa1 over kdd; "
        "versions 1 active; security level at least 01; PUT KEY with key type 81"
    ) in told
    assert told[-3:] == [
        "Transport keys",
        "  front: aes128 key 'Front 1' version 2; callers front",
        "  spare: des3 key 'spare' version 1; callers none",
    ]


def test_what_takes_keys_out_of_the_hsm_is_warned_about_loudly(directory: Path) -> None:
    (directory / "policy.toml").write_text(POLICY + EXPOSING)
    result = run(directory)
    assert result.exit_code == 0
    assert "; transport key shared; static DEKs; card commands none\n" in result.stdout
    memory = (
        "into the worker's memory: "
        "whoever reads that memory reads them, and the HSM does not protect them there"
    )
    assert result.stdout.splitlines()[-3:] == [
        (
            "WARNING: caller dogtag is given static data encryption keys of cards (SCP01, SCP03): "
            "whoever has one reads every key that is ever put to its card under it"
        ),
        f"WARNING: key set dogtag allows its cards' keys {memory}",
        f"WARNING: transport key shared allows session keys {memory}",
    ]


def test_unsafe_key_sets_are_warned_about_loudly(directory: Path) -> None:
    (directory / "policy.toml").write_text(POLICY + UNSAFE)
    result = run(directory)
    assert result.exit_code == 0
    assert "  fresh: SCP02, i = 15; des3 keys 'fresh'; " in result.stdout
    assert "; any host challenge; " in result.stdout
    assert [line[:50] for line in result.stdout.splitlines()[-2:]] == [
        "WARNING: key set fresh is undiversified: all its c",
        "WARNING: key set fresh holds factory keys, which e",
    ]


def test_a_tps_of_dogtag_is_told_by_its_words(directory: Path) -> None:
    (directory / "tmsd.toml").write_text(f"{DAEMON}[dogtag]\n")
    (directory / "policy.toml").write_text(POLICY + DOGTAG % "")
    result = run(directory)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        "  dogtag: tps; key sets pilot; transport key shared; a TPS of Dogtag, which holds session "
        "keys; keySet defKeySet (also without keySet) is pilot; keySet sc 7 is pilot; "
        "no server-side key generation; no SCP02\n"
    ) in result.stdout
    assert "WARNING" not in result.stdout


def test_what_a_tps_of_dogtag_may_beyond_that_is_told_and_warned_about(directory: Path) -> None:
    (directory / "kra.pem").write_bytes(kra_certificate_pem())
    more = (
        'kra_certificate = "kra.pem"\nkra_oaep = true\nkeygen_keys = ["des"]\n'
        "allow_unverified_scp02 = true\nunverified_keys_per_minute = 9\n"
        "require_recent_session = false"
    )
    (directory / "policy.toml").write_text(
        (POLICY + DOGTAG % more).replace(
            'shared]\nalgorithm = "aes256"', 'shared]\nalgorithm = "des3"'
        )
    )
    result = run(directory)
    assert (result.exit_code, result.stderr) == (0, "")
    assert (
        f"; des keys for {directory}/kra.pem by OAEP; SCP02 unverified, 9 keys a minute for one "
        "card; keys changed without a recent session\n"
    ) in result.stdout
    assert [line.split(":")[0] for line in result.stdout.splitlines()[-3:]] == ["WARNING"] * 3


def test_an_empty_policy_is_said_to_refuse_everything(directory: Path) -> None:
    (directory / "policy.toml").write_text("")
    result = run(directory)
    assert result.exit_code == 0
    assert "No callers: every request is refused\nNo key sets: no card can be served\n" in (
        result.stdout
    )


def test_faults_of_both_files_and_of_what_they_name_are_printed_with_their_lines(
    directory: Path,
) -> None:
    (directory / "policy.toml").write_text(POLICY.replace("aes256", "aes64"))
    (directory / "tmsd.key").chmod(0o444)
    (directory / "pin").chmod(0o600)
    result = run(directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        (
            f"{directory}/tmsd.toml:3: api.private_key: "
            f"{directory}/tmsd.key: is open to others (mode 0444): chmod 0400"
        ),
        f"{directory}/tmsd.toml:8: hsm.pin_file: {directory}/pin: must have mode 0400, not 0600",
        (
            f"{directory}/policy.toml:15: key_sets.pilot.algorithm: "
            "'aes64' is not one of aes128, aes192, aes256, des3"
        ),
    ]


def test_the_policy_is_checked_even_where_tmsd_toml_is_wrong(directory: Path) -> None:
    (directory / "tmsd.toml").write_text(DAEMON + "colour = 1\n")
    (directory / "policy.toml").write_text("version = 0\n")
    result = run(directory)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"{directory}/tmsd.toml:11: audit.colour: is not a key of this table, which has file",
        f"{directory}/policy.toml:1: version: must be at least 1, not 0",
    ]


def test_a_directory_without_the_files_is_refused(tmp_path: Path) -> None:
    result = run(tmp_path)
    assert (result.exit_code, result.stdout) == (1, "")
    assert result.stderr.splitlines() == [
        f"{tmp_path}/tmsd.toml: cannot be read: No such file or directory",
        f"{tmp_path}/policy.toml: cannot be read: No such file or directory",
    ]


def test_the_policy_is_where_tmsd_toml_says(directory: Path) -> None:
    (directory / "tmsd.toml").write_text(DAEMON + '[policy]\nfile = "allowed.toml"\n')
    (directory / "policy.toml").rename(directory / "allowed.toml")
    result = run(directory)
    assert result.exit_code == 0
    assert f"{directory}/allowed.toml: right\n" in result.stdout


def test_where_tps_of_dogtag_are_listened_to_is_told_and_where_they_are_not_warned_about(
    directory: Path,
) -> None:
    (directory / "policy.toml").write_text(POLICY + DOGTAG % "")
    unheard = "WARNING: caller dogtag is a TPS of Dogtag, and tmsd.toml has no table [dogtag]"
    assert unheard in run(directory).stdout

    (directory / "tmsd.toml").write_text(f"{DAEMON}[dogtag]\n")

    told = run(directory).stdout
    assert "  listens to TPSs of Dogtag on 127.0.0.1:8444\n" in told
    assert unheard not in told
