"""[cas.NAME] of policy.toml, and the files that it names: certificates and profiles."""

import shutil
from base64 import encodebytes
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import Encoding
from cryptography.x509 import Certificate

from tests.x509.issuing import issuing, root, root_of
from tests.x509.test_constraints import constrained, named
from tmsd.config.policy import load_policy
from tmsd.config.toml import ConfigError
from tmsd.quickstart.certificates import (
    Identity,
    certificate_authority,
    client_identity,
    responder_identity,
)

PROFILES = Path(__file__).parents[2] / "config" / "profiles"
CA = """\
[cas.demo]
certificate = "demo.pem"
profiles = ["token-authentication", "tls-server"]
"""
DESK = """\
[callers.desk]
public_key_sha256 = "0000000000000000000000000000000000000000000000000000000000000000"
roles = ["tps"]
"""


class Directory:
    """A directory with a policy, its profiles, and a CA's certificate."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.authority = certificate_authority("demo")
        shutil.copytree(PROFILES, path / "profiles")
        self.write("demo.pem", self.authority)

    def write(self, name: str, *identities: Identity) -> None:
        (self.path / name).write_bytes(b"".join(each.certificate_pem for each in identities))

    def faults(self, policy: str) -> list[str]:
        """Return what is wrong, without the directory."""
        (self.path / "policy.toml").write_text(policy)
        with pytest.raises(ConfigError) as refused:
            load_policy(self.path / "policy.toml")
        return [str(fault).removeprefix(f"{self.path}/") for fault in refused.value.faults]


@pytest.fixture
def directory(tmp_path: Path) -> Directory:
    return Directory(tmp_path)


def test_a_ca_is_read_with_its_certificate_and_its_profiles(directory: Directory) -> None:
    file = directory.path / "policy.toml"
    file.write_text(CA + DESK + 'certificates = ["demo:token-authentication"]\n')
    policy = load_policy(file)
    authority = policy.authorities.by_name["demo"]

    assert authority.certificate == directory.authority.certificate
    assert list(authority.profiles) == ["token-authentication", "tls-server"]
    assert (authority.table.label, authority.table.version, authority.table.pss) == (
        "demo",
        1,
        False,
    )
    desk = policy.callers["desk"]
    assert desk.may_be_issued("demo", "token-authentication")
    assert not desk.may_be_issued("demo", "tls-server")


@pytest.mark.parametrize("file", ["policy.toml", "demo.pem", "profiles/tls-server.toml"])
def test_the_digest_covers_every_file_that_the_policy_stands_on(
    directory: Directory, file: str
) -> None:
    policy = directory.path / "policy.toml"
    policy.write_text(CA)
    before = load_policy(policy).digest
    assert load_policy(policy).digest == before
    with (directory.path / file).open("ab") as appended:
        appended.write(b"\n")

    assert load_policy(policy).digest != before


def test_the_digest_is_the_same_wherever_the_policy_lies(directory: Directory) -> None:
    (directory.path / "policy.toml").write_text(CA)
    copy = shutil.copytree(directory.path, directory.path / "copy")

    here, there = (load_policy(each / "policy.toml") for each in (directory.path, copy))

    assert here.digest == there.digest
    assert list(here.files) == [
        "demo.pem",
        "profiles/token-authentication.toml",
        "profiles/tls-server.toml",
    ]


def test_a_link_leads_to_a_policy_with_the_files_that_lie_beside_it(directory: Directory) -> None:
    (directory.path / "policy.toml").write_text(CA)
    elsewhere = directory.path / "elsewhere"
    elsewhere.mkdir()
    link = elsewhere / "policy.toml"
    link.symlink_to(directory.path / "policy.toml")

    assert load_policy(link).source == directory.path / "policy.toml"
    assert load_policy(link).authorities.by_name["demo"].certificate


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        (
            CA + DESK + 'certificates = ["demo"]\n',
            (
                "policy.toml:7: callers.desk.certificates[0]: must be a CA and a profile,"
                """ as "demo:token-signing", not 'demo'"""
            ),
        ),
        (
            CA + DESK + 'certificates = ["other:tls-server"]\n',
            (
                "policy.toml:7: callers.desk.certificates[0]: 'other' is not a CA of this file,"
                " which has demo"
            ),
        ),
        (
            CA + DESK + 'certificates = ["demo:device"]\n',
            (
                "policy.toml:7: callers.desk.certificates[0]: demo issues by no profile 'device';"
                " it has token-authentication, tls-server"
            ),
        ),
        (
            CA + DESK + 'certificates = ["demo:tls-server"]\n',
            (
                "policy.toml:7: callers.desk.certificates[0]: profile tls-server is issued to the"
                " roles ra"
            ),
        ),
        (
            CA + DESK.replace("desk", "appliance"),
            (
                "policy.toml:4: callers.appliance: is how the appliance names itself in the record:"
                " take another name"
            ),
        ),
        (
            CA + CA.replace(".demo", ".second") + 'label = "demo"\n',
            "policy.toml:7: cas.second.label: 'demo' version 1 is the key of cas.demo",
        ),
        (
            CA + 'crl_url = "https://pki.example/crl"\n',
            (
                "policy.toml:4: cas.demo.crl_url: must be an http URL without a query,"
                " not 'https://pki.example/crl'"
            ),
        ),
        (
            CA + "crl_partitions = 4\n",
            (
                "policy.toml:4: cas.demo.crl_partitions: needs a crl_url that ends in .crl,"
                " beside which the further CRLs are"
            ),
        ),
        (
            CA + 'crl_url = "http://pki.example/crl"\ncrl_delta_minutes = 60\n',
            (
                "policy.toml:5: cas.demo.crl_delta_minutes: needs a crl_url that ends in .crl,"
                " beside which the further CRLs are"
            ),
        ),
        (
            CA + 'crl_url = "http://pki.example/a.crl"\ncrl_hours = 1\ncrl_delta_minutes = 60\n',
            (
                "policy.toml:6: cas.demo.crl_delta_minutes: must be less than the 1 hours of"
                " crl_hours: a delta that is good for as long as a CRL saves nobody from"
                " fetching that"
            ),
        ),
        (
            CA + "crl_whole = false\n",
            (
                "policy.toml:4: cas.demo.crl_whole: must be true without partitions:"
                " there would be no CRL at all"
            ),
        ),
        (
            CA + "crl_partitions = 1001\n",
            "policy.toml:4: cas.demo.crl_partitions: must be at most 1000, not 1001",
        ),
        (
            CA.replace("tls-server", "no-such"),
            "profiles/no-such.toml: cannot be read: No such file or directory",
        ),
        (CA.replace("demo.pem", "none.pem"), "none.pem: cannot be read: No such file or directory"),
        (
            CA.replace("demo.pem", "policy.toml"),
            "policy.toml: must hold certificates in PEM",
        ),
    ],
)
def test_what_does_not_agree_is_refused(directory: Directory, text: str, fault: str) -> None:
    assert fault in directory.faults(text)


def test_a_certificate_that_is_no_ca_is_refused(directory: Directory) -> None:
    directory.write("demo.pem", client_identity(directory.authority, "somebody"))
    assert directory.faults(CA) == [
        "demo.pem: the first certificate must be a CA's, with key usages keyCertSign and cRLSign"
    ]


def test_a_chain_that_does_not_lead_up_is_refused(directory: Directory) -> None:
    directory.write("demo.pem", directory.authority, certificate_authority("another"))
    assert directory.faults(CA) == ["demo.pem: each certificate must be followed by its issuer's"]


@pytest.mark.parametrize(
    ("above", "fault"),
    [
        (
            constrained(root(), excluded=[named("CN=Example Issuing CA")]),
            (
                "a certificate has a name that those above do not allow: "
                "'CN=Example Issuing CA' is within 'CN=Example Issuing CA', "
                "excluded by CN=Example Root,C=IS"
            ),
        ),
        (
            root_of(root().key, path_length=0).certificate,
            "there are more CAs in a row than one of them allows (RFC 5280, 4.2.1.9)",
        ),
    ],
    ids=["name", "path length"],
)
def test_a_chain_that_nobody_would_accept_is_refused(
    directory: Directory, above: Certificate, fault: str
) -> None:
    chain = (issuing().certificate, above)
    pem = b"".join(each.public_bytes(Encoding.PEM) for each in chain)
    (directory.path / "demo.pem").write_bytes(pem)
    assert directory.faults(CA) == [f"demo.pem: {fault}"]


def test_the_key_for_nonces_is_a_responder_of_the_ca_too_and_no_other_key(
    directory: Directory,
) -> None:
    responder = '[cas.demo.ocsp]\ncertificate = "ocsp.pem"\nlabel = "demo-ocsp"\n'
    nonces = '[cas.demo.ocsp.nonces]\ncertificate = "nonces.pem"\nlabel = "demo-nonces"\n'
    identity = responder_identity(directory.authority, "responder")
    directory.write("ocsp.pem", identity)
    directory.write("nonces.pem", client_identity(certificate_authority("another"), "somebody"))
    assert directory.faults(CA + responder + nonces) == [
        "demo.pem: the nonce responder's certificate must be issued by the CA itself",
        "demo.pem: the nonce responder's certificate must be by the profile ocsp-signing",
    ]
    directory.write("nonces.pem", identity)
    assert directory.faults(CA + responder + nonces) == [
        "demo.pem: the nonce responder must have a key of its own"
    ]
    (same,) = directory.faults(CA + responder + nonces.replace("demo-nonces", "demo-ocsp"))
    assert "cas.demo.ocsp.nonces.label: 'demo-ocsp' version 1 is the key of cas.demo.ocsp" in same

    directory.write("nonces.pem", responder_identity(directory.authority, "nonces"))
    (directory.path / "policy.toml").write_text(CA + responder + nonces)
    before = load_policy(directory.path / "policy.toml")
    assert before.authorities.by_name["demo"].nonce_responder is not None
    directory.write("nonces.pem", responder_identity(directory.authority, "nonces"))
    assert load_policy(directory.path / "policy.toml").digest != before.digest


@pytest.mark.parametrize(
    ("part", "spoilt", "fault"),
    [
        (b"\xa0\x03\x02\x01\x02", b"\xa0\x03\x02\x01\x03", "must hold certificates in PEM"),
        (b"\x55\x1d\x13\x01\x01\xff\x04", b"\x55\x1d\x0e\x01\x01\xff\x04", "has extensions that"),
    ],
    ids=["version 4", "an extension twice"],
)
def test_a_certificate_with_parts_that_nobody_reads_is_refused(
    directory: Directory, part: bytes, spoilt: bytes, fault: str
) -> None:
    content = issuing().certificate.public_bytes(Encoding.DER)
    assert part in content
    body = encodebytes(content.replace(part, spoilt)).decode()
    armoured = f"-----BEGIN CERTIFICATE-----\n{body}-----END CERTIFICATE-----\n"
    (directory.path / "demo.pem").write_text(armoured)
    (found,) = directory.faults(CA)
    assert found.startswith(f"demo.pem: {fault}")


def test_a_responder_is_of_the_ca_and_has_its_purpose(directory: Directory) -> None:
    responder = '[cas.demo.ocsp]\ncertificate = "ocsp.pem"\nlabel = "demo-ocsp"\n'
    directory.write("ocsp.pem", client_identity(certificate_authority("another"), "responder"))

    assert directory.faults(CA + responder) == [
        "demo.pem: the responder's certificate must be issued by the CA itself",
        "demo.pem: the responder's certificate must be by the profile ocsp-signing",
    ]
