"""`tmsctl ca revoke`, `hold`, `release` and `crl`: what relying parties are told."""

from pathlib import Path

import pytest

from tests.cli.ca.commands import ca, document, issued, refusal, told, tool, verified
from tests.site.authority import have_crls


def crl(site: Path, out: Path, *arguments: str, name: str = "demo") -> Path:
    told(site, "crl", *arguments, "--out", out, name=name)
    return out


def test_a_revoked_certificate_is_on_the_crl_and_refused_by_others(
    site: Path, tmp_path: Path
) -> None:
    revoked, serial_number = issued(site, tmp_path)
    good, _ = issued(site, tmp_path, "Bob")

    reason = ("--reason", "keyCompromise", "--yes")
    said = told(site, "revoke", "--serial", serial_number, *reason)

    assert said == f"revoked: {serial_number} (keyCompromise)\n"
    listed = crl(site, tmp_path / "demo.crl")
    check = ("-crl_check", "-CRLfile", listed)
    assert verified(site, good, *check).returncode == 0
    refused = verified(site, revoked, *check)
    assert refused.returncode != 0
    assert "certificate revoked" in refused.stderr
    issuer = ("--load-ca-certificate", site / "cas" / "demo.pem")
    assert tool("certtool", "--verify-crl", *issuer, "--infile", listed).returncode == 0
    again = told(site, "revoke", "--serial", serial_number, "--reason", "superseded", "--yes")
    assert again == "it was revoked before (keyCompromise), and stays as it was\n"


def test_the_whole_chain_has_crls(site: Path, tmp_path: Path) -> None:
    certificate, _ = issued(site, tmp_path)
    both = tmp_path / "both.crl"
    both.write_bytes(
        crl(site, tmp_path / "demo.crl").read_bytes()
        + crl(site, tmp_path / "root.crl", name="demo-root").read_bytes()
    )

    assert verified(site, certificate, "-crl_check_all", "-CRLfile", both).returncode == 0


def test_a_hold_is_on_the_next_delta_of_its_partition_and_its_release_as_well(
    site: Path, tmp_path: Path
) -> None:
    have_crls(site / "policy.toml", "crl_partitions = 2\ncrl_delta_minutes = 60\n")
    certificate, serial_number = issued(site, tmp_path)
    partition = str(document(site, "show", "--serial", serial_number)["crl_partition"])
    assert partition in {"1", "2"}
    base = tmp_path / "base.crl"

    said = told(site, "crl", "--partition", partition, "--out", base)
    told(site, "hold", "--serial", serial_number)
    held = crl(site, tmp_path / "held.crl", "--partition", partition, "--delta")
    told(site, "release", "--serial", serial_number)
    released = crl(site, tmp_path / "released.crl", "--partition", partition, "--delta")

    assert said == f"CRL 1 of partition {partition} of demo with 0 entries is in {base}\n"
    check = ("-crl_check", "-use_deltas", "-CRLfile", base, "-CRLfile")
    refused = verified(site, certificate, *check, held)
    assert "certificate revoked" in refused.stderr
    assert verified(site, certificate, *check, released).returncode == 0
    said = refusal(ca(site, "crl", "--partition", "3", "--out", tmp_path / "none.crl"))
    assert said == "crl-unknown: demo has the partitions 1 to 2, and no 3"


def test_whose_it_is_is_shown_and_the_reason_asked_before_it_is_revoked(
    site: Path, tmp_path: Path
) -> None:
    _, serial_number = issued(site, tmp_path)

    refused = ca(site, "revoke", "--serial", serial_number, stdin="superseded\nn\n")
    assert refused.returncode == 1
    assert refused.stdout.startswith("CN=Alice, valid until 20")
    assert "Reason (unspecified, keyCompromise, " in refused.stdout
    assert "Revoke it for good (superseded)? [y/N]: " in refused.stdout
    assert "Aborted!" in refused.stderr
    assert document(site, "show", "--serial", serial_number)["status"] == "good"

    done = ca(site, "revoke", "--serial", serial_number, stdin="superseded\ny\n")
    assert (done.returncode, done.stderr) == (0, "")
    shown = document(site, "show", "--serial", serial_number)
    assert (shown["status"], shown["reason"]) == ("revoked", "superseded")


def test_nobody_there_to_answer_revokes_nothing(site: Path, tmp_path: Path) -> None:
    _, serial_number = issued(site, tmp_path)

    for answered in (("--yes",), ("--reason", "superseded")):
        done = ca(site, "revoke", "--serial", serial_number, *answered)
        assert done.returncode == 1
        assert "Aborted!" in done.stderr
    assert document(site, "show", "--serial", serial_number)["status"] == "good"


def test_what_is_revoked_for_good_is_not_held_or_released(site: Path, tmp_path: Path) -> None:
    _, serial_number = issued(site, tmp_path)
    since = ("--invalid-since", "2026-01-01")
    told(site, "revoke", "--serial", serial_number, "--reason", "keyCompromise", "--yes", *since)

    shown = document(site, "show", "--serial", serial_number)
    assert shown["invalid_since"] == "2026-01-01T00:00:00Z"
    for command in ("hold", "release"):
        said = refusal(ca(site, command, "--serial", serial_number))
        words = "the certificate is revoked for good: keyCompromise, and stays so"
        assert said == f"status-conflict: {words}"


@pytest.mark.parametrize("time", ["9999-01-01", "0001-01-01"])
def test_a_time_that_no_crl_could_tell_of_is_refused(site: Path, tmp_path: Path, time: str) -> None:
    _, serial_number = issued(site, tmp_path)
    since = ("--reason", "keyCompromise", "--yes", "--invalid-since", time)

    said = refusal(ca(site, "revoke", "--serial", serial_number, *since))

    assert said == "request-invalid: it must be a time between 2000 and the present"
    assert document(site, "show", "--serial", serial_number)["status"] == "good"


@pytest.mark.parametrize("command", ["revoke", "hold", "release"])
def test_a_certificate_that_was_never_issued_is_refused(site: Path, command: str) -> None:
    said = refusal(ca(site, command, "--serial", "1"))

    assert "has issued no certificate of" in said


@pytest.mark.parametrize("reason", ["certificateHold", "removeFromCRL", "because"])
def test_a_reason_that_is_none_for_good_exits_2(quickstart_site: Path, reason: str) -> None:
    done = ca(quickstart_site, "revoke", "--serial", "1", "--reason", reason, "--yes")

    assert (done.returncode, done.stdout) == (2, "")


def test_a_crl_of_a_ca_that_is_not_there_is_refused(site: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.crl"

    assert "there is no CA 'absent'" in refusal(ca(site, "crl", "--out", out, name="absent"))
    assert "there is no CA 'absent'" in refusal(ca(site, "chain", "--out", out, name="absent"))
    assert not out.exists()


def test_a_delta_needs_a_complete_crl_before_it(site: Path, tmp_path: Path) -> None:
    said = refusal(ca(site, "crl", "--delta", "--out", tmp_path / "out.crl"))

    assert said == "crl-unknown: there is no complete CRL of demo that a delta could start from"
