"""`tmsctl ca list`, `search` and `show`: looking, without logging in."""

import json
from pathlib import Path

import pytest
from cryptography import x509

from tests.cli.ca.commands import ca, document, found, issued, looked, refusal, told
from tests.cli.sites import copy_site, tmsctl

JSON_FIELDS = [
    *("ca", "serial_number", "subject", "profile", "caller", "not_before", "not_after"),
    *("public_key_sha256", "status", "revoked_at", "reason", "invalid_since", "crl_partition"),
]


@pytest.fixture(scope="module")
def filled(quickstart_site: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site with three certificates more, and no token. No test may change it."""
    site = copy_site(quickstart_site, tmp_path_factory.mktemp("f") / "site")
    folder = tmp_path_factory.mktemp("issued")
    _, alicia, bob = (issued(site, folder, name)[1] for name in ("Alice", "Alicia", "Bob"))
    told(site, "hold", "--serial", alicia)
    told(site, "revoke", "--serial", bob, "--reason", "superseded", "--yes")
    (site / "softhsm2.conf").unlink()
    (site / "credentials" / "hsm-pin").unlink()
    return site


def subjects(found: object) -> list[str]:
    assert isinstance(found, list)
    return [each["subject"] for each in found]


def test_the_cas_of_the_policy_are_listed(filled: Path) -> None:
    heading, *rows = told(filled, "list", name=None).splitlines()

    assert heading.split() == ["NAME", "SUBJECT", "VALID", "UNTIL", "KEY", "PROFILES"]
    root, issuing = rows
    assert root.startswith("demo-root  CN=tmsd development root CA  20")
    assert root.endswith("  demo-root:1 p256  subordinate-ca")
    assert issuing.startswith("demo       CN=tmsd development CA       20")
    assert "  demo:1 p256       token-authentication, " in issuing


def test_the_list_is_one_document_as_well(filled: Path) -> None:
    cas = document(filled, "list", name=None)["cas"]

    assert isinstance(cas, list)
    root, issuing = cas
    assert (root["name"], root["profiles"]) == ("demo-root", ["subordinate-ca"])
    read = x509.load_pem_x509_certificates((filled / "cas" / "demo.pem").read_bytes())[0]
    assert issuing["serial_number"] == f"{read.serial_number:032x}"
    assert issuing["issuer"] == root["subject"]
    assert issuing["key"]["label"] == "demo"
    assert issuing["ocsp_url"] == "http://127.0.0.1:8480/ocsp"


def test_the_check_of_a_configuration_tells_of_cas_and_who_may_be_certified(
    quickstart_site: Path,
) -> None:
    done = tmsctl("check", "config", quickstart_site)

    assert (done.returncode, done.stderr) == (0, "")
    _, _, cas = done.stdout.partition("CAs\n")
    root, issuing = cas.splitlines()
    assert root.startswith("  demo-root: CN=tmsd development root CA, until 20")
    assert "; key 'demo-root' version 1; profiles subordinate-ca; CRLs for 24 hours" in root
    assert root.endswith("; no OCSP responder")
    assert issuing.endswith("; CRLs for 24 hours; OCSP answers for 24 hours")
    [ra] = [line for line in done.stdout.splitlines() if line.startswith("  ra-demo: ")]
    assert "; certificates demo:token-authentication, demo:token-signing, " in ra


def test_a_search_is_a_table_with_aligned_columns(filled: Path) -> None:
    heading, *rows = told(filled, "search", "--caller", "appliance").splitlines()

    assert heading.split("  ")[0] == "SERIAL NUMBER"
    # Those that end in one second stand in no order of their own.
    statuses = {
        row[heading.index("SUBJECT") :].split("  ")[0]: row[heading.index("STATUS") :]
        for row in rows
    }
    assert statuses == {
        "CN=tmsd development OCSP responder": "good",
        "CN=Alice": "good",
        "CN=Alicia": "hold",
        "CN=Bob": "revoked (superseded)",
    }


def test_all_that_is_said_must_fit(filled: Path) -> None:
    for arguments, names in {
        ("--subject", "ALIC"): ["CN=Alice", "CN=Alicia"],
        ("--subject", "alic", "--profile", "officer"): [],
        ("--profile", "ocsp-signing"): ["CN=tmsd development OCSP responder"],
        ("--caller", "ra-demo"): [],
        ("--status", "good", "--profile", "token-authentication"): ["CN=Alice"],
        ("--status", "hold"): ["CN=Alicia"],
        ("--status", "revoked"): ["CN=Bob"],
        ("--status", "revoked", "--subject", "alic"): [],
        ("--status", "prepared"): [],
        ("--ends-before", "2000-01-01"): [],
        ("--ends-from", "2000-01-01", "--subject", "Bob"): ["CN=Bob"],
    }.items():
        assert sorted(subjects(found(filled, *arguments)["certificates"])) == names


def test_pages_follow_each_other_by_the_token_of_the_last(filled: Path) -> None:
    seen, token, pages = [], None, 0
    while pages == 0 or token is not None:
        after = ("--after", str(token)) if token else ()
        page = found(filled, "--page-size", "3", *after)
        seen += subjects(page["certificates"])
        token, pages = page["next"], pages + 1

    assert pages == 2
    assert sorted(seen) == sorted(subjects(found(filled)["certificates"]))
    table = told(filled, "search", "--page-size", "3")
    first = found(filled, "--page-size", "3")
    assert table.endswith(f"\n\nThere may be more: --after {first['next']}\n")


def test_one_certificate_is_shown_and_written(filled: Path, tmp_path: Path) -> None:
    [bob] = json.loads(told(filled, "search", "--subject", "Bob", "--json"))["certificates"]
    assert list(bob) == JSON_FIELDS
    out = tmp_path / "bob.pem"

    colons = bytes.fromhex(bob["serial_number"]).hex(":").upper()
    shown = told(filled, "show", "--serial", colons, "--out", out)

    assert "subject           CN=Bob\n" in shown
    assert "status            revoked\n" in shown
    assert "reason            superseded\n" in shown
    read = x509.load_pem_x509_certificate(out.read_bytes())
    assert f"{read.serial_number:032x}" == bob["serial_number"]
    described = document(filled, "show", "--serial", bob["serial_number"])
    assert described == {**bob, "certificate": out.read_text()}


def test_what_is_not_there_is_refused(filled: Path) -> None:
    serial_number = "00" * 15 + "01"
    assert refusal(ca(filled, "show", "--serial", "1")) == (
        f"certificate-unknown: demo has issued no certificate of serial number {serial_number}"
    )
    for command, arguments in {"show": ("--serial", "1"), "search": ()}.items():
        assert refusal(ca(filled, command, *arguments, name="absent")) == (
            "there is no CA 'absent'; the policy has demo-root, demo"
        )


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", "--serial", "xyz"),
        ("show", "--serial", "00" * 17),
        ("show",),
        ("search", "--page-size", "0"),
        ("search", "--page-size", "1001"),
        ("search", "--after", "1-2"),
        ("search", "--status", "issued"),
        ("search", "--ends-before", "soon"),
        ("issue",),
    ],
)
def test_a_wrong_command_line_exits_2(filled: Path, arguments: tuple[str, ...]) -> None:
    done = looked(filled, *arguments)

    assert (done.exit_code, done.stdout) == (2, "")
    assert "Error: " in done.stderr


def test_a_store_that_is_not_there_is_refused_and_not_made(site: Path) -> None:
    (site / "tmsd.db").unlink()

    said = refusal(ca(site, "search"))

    assert said.startswith(f"database {site}/tmsd.db: ")
    assert not (site / "tmsd.db").exists()
