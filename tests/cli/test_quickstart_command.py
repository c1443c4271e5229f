"""`tmsctl quickstart`: a site that is right, or nothing."""

import os
import re
import resource
import shlex
import signal
import ssl
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from ipaddress import ip_address
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from click.testing import CliRunner
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID

from tests.cli.sites import make_site, tmsctl, tree
from tests.site.authority import PROFILES
from tests.site.certificates import csr
from tests.terminal import PATIENCE, TMSCTL
from tmsd.ceremony.refusal import Refused
from tmsd.cli.main import tmsctl as commands
from tmsd.config.daemon import load_daemon_config
from tmsd.config.key_sets import DiversificationData, KeyAlgorithm, Scp
from tmsd.config.key_versions import MasterKeyVersion
from tmsd.config.policy import load_policy
from tmsd.quickstart.softhsm import softhsm_module

PRIVATE_FILES = {
    *("credentials/hsm-pin", "credentials/hsm-so-pin"),
    *("tls/ca.key", "tls/server.key", "tls/tps-demo.key", "tls/ra-demo.key"),
}
PUBLIC_FILES = {
    *("tmsd.toml", "policy.toml", "softhsm2.conf"),
    *("tls/ca.pem", "tls/server.pem", "tls/tps-demo.pem", "tls/ra-demo.pem"),
    *("cas/demo-root.pem", "cas/demo.pem", "cas/demo-ocsp.pem"),
    *(f"profiles/{profile.name}" for profile in PROFILES.iterdir()),
}
FOLDERS = {"audit", "cas", "credentials", "profiles", "softhsm", "softhsm/tokens", "tls"}
# What programs make as they run: its owner's alone as well.
MADE_BY_RUNNING = {"hsm-pin.latch", "tmsd.db", "audit/tmsd.tmsctl.jsonl"}


def certificate(site: Path, name: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate((site / "tls" / f"{name}.pem").read_bytes())


def spki(key: object) -> bytes:
    assert isinstance(key, ec.EllipticCurvePublicKey)
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def assert_whole(site: Path) -> None:
    checked = tmsctl("check", "config", site)
    assert (checked.returncode, checked.stderr) == (0, "")
    keys = tmsctl("key", "list", "--config", site / "tmsd.toml")
    assert (keys.returncode, keys.stderr) == (0, "")
    secret, pairs = (table.splitlines() for table in keys.stdout.split("\n\n"))
    assert [line.split()[-1] for line in secret] == ["STATE"] + ["right"] * 5
    assert [line.split()[-1] for line in pairs] == ["STATE"] + ["right"] * 3


def run_limited(site: Path, before: Callable[[], None]) -> subprocess.CompletedProcess[str]:
    """Run quickstart in a process that was prepared by `before`."""
    return subprocess.run(
        [TMSCTL, "quickstart", site],
        preexec_fn=before,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )


@pytest.mark.parametrize("umask", [0o000, 0o022, 0o777])
def test_what_is_secret_is_its_owners_alone_whatever_the_umask(tmp_path: Path, umask: int) -> None:
    site = tmp_path / "site"
    done = subprocess.run(
        [TMSCTL, "quickstart", site], umask=umask, capture_output=True, timeout=PATIENCE, check=True
    )
    modes = {path: mode for path, (mode, _) in tree(site).items()}
    assert {path for path, mode in modes.items() if mode == 0o400} == PRIVATE_FILES
    assert {path for path, mode in modes.items() if mode == 0o644} == PUBLIC_FILES
    assert site.stat().st_mode & 0o7777 == 0o700
    assert {path for path in FOLDERS if modes[path] == 0o700} == FOLDERS
    others = modes.keys() - PRIVATE_FILES - PUBLIC_FILES - FOLDERS
    assert others
    assert {modes[path] for path in MADE_BY_RUNNING} == {0o600}
    assert all(path.startswith("softhsm/tokens/") for path in others - MADE_BY_RUNNING)
    for path in PRIVATE_FILES:
        assert (site / path).read_bytes() not in done.stdout + done.stderr


def test_the_configuration_allows_what_the_demonstration_needs_and_no_more(
    quickstart_site: Path,
) -> None:
    site = quickstart_site
    config = load_daemon_config(site / "tmsd.toml")
    assert (config.api.host, config.api.port) == ("127.0.0.1", 8443)
    assert config.audit.file == site / "audit" / "tmsd.jsonl"
    assert config.hsm.environment == {"SOFTHSM2_CONF": str(site / "softhsm2.conf")}
    policy = load_policy(config.policy.file)
    tps, ra = policy.callers.values()
    assert (tps.name, tps.roles, tps.key_sets) == ("tps-demo", ("tps",), ("*",))
    assert (ra.name, ra.roles, ra.key_sets) == ("ra-demo", ("ra",), ())
    for caller in (tps, ra):
        presented = certificate(site, caller.name)
        assert caller.public_key_sha256 == sha256(spki(presented.public_key())).hexdigest()
    assert set(tps.certificates) < set(ra.certificates)
    assert not any(name.endswith((":officer", ":ocsp-signing")) for name in ra.certificates)
    [key_set] = policy.key_sets.values()
    assert (key_set.name, key_set.scp, key_set.algorithm) == (
        "demo",
        Scp.SCP03,
        KeyAlgorithm.AES256,
    )
    assert key_set.diversification == "kdf3"
    assert key_set.diversification_data is DiversificationData.KDD
    assert key_set.versions == {1: MasterKeyVersion()}
    assert key_set.scp_i == (0x70, 0x00)
    assert key_set.require_issued_challenge
    assert not key_set.factory
    assert not key_set.undiversified
    assert_whole(site)


def test_the_port_is_chosen(tmp_path: Path) -> None:
    done = tmsctl("quickstart", tmp_path / "site", "--port", "18443")
    assert "https://127.0.0.1:18443/v1/tks/random" in done.stdout
    assert load_daemon_config(tmp_path / "site" / "tmsd.toml").api.port == 18443


def test_the_responders_port_is_chosen_and_what_certificates_name(tmp_path: Path) -> None:
    site = tmp_path / "site"
    done = tmsctl("quickstart", site, "--ocsp-port", "18480")
    assert (done.returncode, done.stderr) == (0, "")
    ocsp = load_daemon_config(site / "tmsd.toml").ocsp
    assert ocsp.listen == "127.0.0.1:18480"
    cas = load_policy(site / "policy.toml").cas
    assert list(cas) == ["demo-root", "demo"]
    named = cas["demo"]
    assert named.crl_url == "http://127.0.0.1:18480/crl/demo.crl"
    assert named.certificate_url == "http://127.0.0.1:18480/ca/demo.cer"
    assert named.ocsp is not None
    assert named.ocsp.url == "http://127.0.0.1:18480/ocsp"


@pytest.mark.parametrize("is_too_long", [False, True])
def test_there_is_an_operations_socket_unless_its_path_were_too_long(is_too_long: bool) -> None:
    with TemporaryDirectory(dir="/tmp") as folder:
        site = make_site(Path(folder) / ("s" * 100 if is_too_long else "s"))
        path = load_daemon_config(site / "tmsd.toml").operations.socket

    assert path == (None if is_too_long else site / "operations.sock")


def test_certificates_say_what_they_are_for(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site")
    authority, server, caller = (certificate(site, name) for name in ("ca", "server", "tps-demo"))
    identifier = authority.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    serials = {one.serial_number.bit_length() > 100 for one in (authority, server, caller)}
    assert serials == {True}
    for one, days in ((authority, 3652), (server, 365), (caller, 365)):
        assert one.not_valid_after_utc - one.not_valid_before_utc == timedelta(days=days)
        assert abs(datetime.now(UTC) - one.not_valid_before_utc) < timedelta(minutes=1)
        assert isinstance(one.public_key(), ec.EllipticCurvePublicKey)
        one.verify_directly_issued_by(authority)
        issued_by = one.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value
        assert issued_by.key_identifier == identifier.digest
    basic = authority.extensions.get_extension_for_class(x509.BasicConstraints)
    assert (basic.critical, basic.value.ca, basic.value.path_length) == (True, True, 0)
    usage = authority.extensions.get_extension_for_class(x509.KeyUsage)
    assert usage.critical
    assert usage.value.key_cert_sign
    assert not usage.value.digital_signature
    for leaf, purpose in (
        (server, ExtendedKeyUsageOID.SERVER_AUTH),
        (caller, ExtendedKeyUsageOID.CLIENT_AUTH),
    ):
        assert list(leaf.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value) == [
            purpose
        ]
        assert not leaf.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
        usage = leaf.extensions.get_extension_for_class(x509.KeyUsage)
        assert usage.value.digital_signature
        assert not usage.value.key_cert_sign
    names = server.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["localhost"]
    assert names.get_values_for_type(x509.IPAddress) == [
        ip_address("127.0.0.1"),
        ip_address("::1"),
    ]


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "::1"])
def test_caller_and_daemon_agree_on_tls_1_3_under_strict_rules(
    quickstart_site: Path, host: str
) -> None:
    tls = quickstart_site / "tls"
    accepting = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=tls / "ca.pem")
    accepting.verify_mode = ssl.CERT_REQUIRED
    accepting.load_cert_chain(tls / "server.pem", tls / "server.key")
    calling = ssl.create_default_context(cafile=tls / "ca.pem")
    calling.load_cert_chain(tls / "tps-demo.pem", tls / "tps-demo.key")
    for context in (accepting, calling):
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.verify_flags |= ssl.VERIFY_X509_STRICT
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    server = accepting.wrap_bio(to_server, to_client, server_side=True)
    client = calling.wrap_bio(to_client, to_server, server_hostname=host)
    for _ in range(3):
        for side in (client, server):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    assert client.version() == server.version() == "TLSv1.3"
    presented = server.getpeercert(binary_form=True)
    assert presented == certificate(tls.parent, "tps-demo").public_bytes(Encoding.DER)


def test_the_cas_key_is_kept_so_that_further_callers_can_be_certified(tmp_path: Path) -> None:
    done = tmsctl("quickstart", tmp_path / "site")
    key = load_pem_private_key((tmp_path / "site/tls/ca.key").read_bytes(), password=None)
    assert spki(key.public_key()) == spki(certificate(tmp_path / "site", "ca").public_key())
    assert f"{tmp_path}/site/tls/ca.key is the CA's private key, kept so that you can" in (
        done.stdout
    )


def test_no_two_sites_share_a_secret(tmp_path: Path) -> None:
    sites = [make_site(tmp_path / name) for name in ("one", "two")]
    secrets = [(site / path).read_bytes() for site in sites for path in sorted(PRIVATE_FILES)]
    assert len(set(secrets)) == len(secrets)
    lists = [tmsctl("key", "list", "--config", site / "tmsd.toml").stdout for site in sites]
    assert lists[0] != lists[1]


@pytest.mark.parametrize(
    "name",
    [
        "a site with spaces",
        'it\'s "quoted" \\ 100%',
        "-dash",
        "größer-站",
        "/".join(["long" * 50] * 2),
    ],
)
def test_the_command_at_the_end_works_from_where_it_was_printed(tmp_path: Path, name: str) -> None:
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    done = tmsctl("quickstart", "--", name, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    start, respond, ask, issue, revoke = (
        shlex.split(line) for line in done.stdout.splitlines() if line.startswith("    ")
    )
    assert Path(start[0]).name == "tmsd"
    assert start[1:] == ["--config", f"{name}/tmsd.toml"]
    assert respond == [start[0], "ocsp", *start[1:]]
    assert ask[:3] == ["curl", "--cacert", f"{name}/tls/ca.pem"]
    assert ask[3:7] == ["--cert", f"{name}/tls/tps-demo.pem", "--key", f"{name}/tls/tps-demo.key"]
    keys = tmsctl("key", "list", *start[1:], cwd=tmp_path)
    assert keys.stdout.count("right") == 8
    (tmp_path / "FILE.csr").write_text(csr())
    issued = tmsctl(*issue[1:], cwd=tmp_path)
    assert (issued.returncode, issued.stderr) == (0, "")
    serial_number = issued.stdout.splitlines()[0].split()[-1]
    revoke[revoke.index("HEX")] = serial_number
    revoked = tmsctl(*revoke[1:], stdin="y\n", cwd=tmp_path)
    assert (revoked.returncode, revoked.stderr) == (0, "")


def test_the_daemon_is_called_by_name_only_where_the_shell_finds_the_same(tmp_path: Path) -> None:
    beside = Path(sys.executable).with_name("tmsd")
    names = []
    for number, path in enumerate((f"{beside.parent}:{os.environ['PATH']}", "/usr/bin:/bin")):
        done = subprocess.run(
            [TMSCTL, "quickstart", tmp_path / str(number)],
            env=os.environ | {"PATH": path},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=True,
        )
        start, *_ = re.findall(r"(?m)^    (.+) --config", done.stdout)
        names += shlex.split(start)
    assert names == ["tmsd", str(beside)]


def test_an_empty_directory_is_filled(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    assert_whole(make_site(tmp_path))
    assert tmp_path.stat().st_mode & 0o7777 == 0o755


def test_a_directory_that_is_not_empty_is_not_touched(site: Path) -> None:
    before = tree(site)
    done = tmsctl("quickstart", site)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"Error: {site} is not empty, and nothing in it is touched: "
        "choose a directory that is empty or not there yet\n"
    )
    assert tree(site) == before


@pytest.mark.parametrize(
    ("name", "refusal"),
    [
        ("file", "file is there and is no directory: choose another"),
        ("file/site", "file/site: Not a directory"),
        ("absent/site", "absent/site: No such file or directory"),
        ("dangling", "dangling is there and is no directory: choose another"),
        ("has#mark", "choose a directory without '#', '=' and unprintable characters"),
        ("has=mark", "choose a directory without '#', '=' and unprintable characters"),
        ("has\nline", "choose a directory without '#', '=' and unprintable characters"),
        (os.fsdecode(b"not-\xff-utf8"), "without '#', '=' and unprintable characters"),
        ("/".join(["l" * 150] * 4), "tmsd.db: unable to open database file"),
        ("/".join(["l" * 250] * 4), "choose a directory with a shorter one"),
        ("l" * 300, "File name too long"),
    ],
)
def test_a_place_that_cannot_be_used_is_refused_in_one_line(
    tmp_path: Path, name: str, refusal: str
) -> None:
    (tmp_path / "file").write_text("mine")
    (tmp_path / "dangling").symlink_to("nowhere")
    if name.startswith("l" * 150) and "/" in name:
        (tmp_path / name).parent.mkdir(parents=True)
    before = tree(tmp_path)
    done = CliRunner().invoke(commands, ["quickstart", str(tmp_path / name)])
    assert done.exit_code == 1
    assert refusal in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert tree(tmp_path) == before


@pytest.mark.parametrize("port", ["0", "65536", "https"])
def test_a_wrong_port_exits_2(tmp_path: Path, port: str) -> None:
    done = CliRunner().invoke(commands, ["quickstart", str(tmp_path / "site"), "--port", port])
    assert done.exit_code == 2
    assert not (tmp_path / "site").exists()


@pytest.mark.parametrize("is_there", [False, True])
@pytest.mark.parametrize("limit", [0, 300, 700, 1000, 3000, 50_000, 500_000])
def test_a_disk_that_fills_up_leaves_nothing(tmp_path: Path, limit: int, is_there: bool) -> None:
    site = tmp_path / "site"
    if is_there:
        site.mkdir()

    def limit_files() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = run_limited(site, limit_files)
    if done.returncode == 0:
        assert_whole(site)
        assert limit == 500_000
    else:
        assert done.returncode == 1
        assert re.fullmatch(r"Error: .+: (File too large|disk I/O error)\n", done.stderr)
        assert site.exists() == is_there
        assert tree(tmp_path) == ({"site": tree(tmp_path)["site"]} if is_there else {})


def test_an_output_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [TMSCTL, "quickstart", tmp_path / "site"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
    assert (done.returncode, done.stderr) == (1, "Error: No space left on device\n")
    assert tree(tmp_path) == {}


def test_a_signal_that_is_there_from_the_start_leaves_nothing(tmp_path: Path) -> None:
    def interrupt() -> None:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
        os.kill(os.getpid(), signal.SIGTERM)

    done = run_limited(tmp_path / "site", interrupt)
    assert done.returncode == 1
    assert done.stderr.strip() == "Aborted!"
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("ending", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("lines", [0, 1, 2, 3])
def test_an_interrupted_quickstart_leaves_a_whole_site_or_nothing(
    tmp_path: Path, ending: signal.Signals, lines: int
) -> None:
    site = tmp_path / "site"
    with subprocess.Popen(
        [TMSCTL, "quickstart", site],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        bufsize=1,
    ) as process:
        assert process.stdout
        for _ in range(lines):
            process.stdout.readline()
        process.send_signal(ending)
        _, errors = process.communicate(timeout=PATIENCE)
    if site.exists():
        assert_whole(site)
    else:
        assert process.returncode in (1, -ending)
    if lines:  # before, the interpreter itself is starting
        assert "Traceback" not in errors


def test_softhsm_is_found_where_debian_puts_it(tmp_path: Path) -> None:
    foreign = tmp_path / "riscv64-linux-gnu" / "softhsm" / "libsofthsm2.so"
    plain = tmp_path / "softhsm" / "libsofthsm2.so"
    for module in (foreign, plain):  # each is preferred to the one before
        module.parent.mkdir(parents=True)
        module.touch()
        assert softhsm_module(tmp_path) == module


def test_a_missing_softhsm_is_said_with_the_name_of_its_package(tmp_path: Path) -> None:
    with pytest.raises(Refused, match="apt-get install softhsm2") as caught:
        softhsm_module(tmp_path)
    assert "\n" not in str(caught.value)
