"""`tmsctl import dogtag-tks`, on real files."""

import json
from hashlib import sha256
from pathlib import Path

import pytest
from cryptography.x509 import load_pem_x509_certificate

from tests.dogtag_import.sites import SITES, run
from tmsd.config.policy import load_policy
from tmsd.x509.public_keys import spki_sha256

RECORDED, SMARTCARDS, LEGACY = (
    SITES / f"{name}.cfg" for name in ("recorded", "smartcards", "legacy")
)


def test_what_was_written_and_what_could_not_be_is_told(tmp_path: Path) -> None:
    result = run(SMARTCARDS, tmp_path / "made", "--scp", "01", "--scp", "03")
    assert (result.exit_code, result.stderr) == (0, "")
    told = result.stdout.splitlines()
    assert told[:3] == [
        f"{tmp_path}/made/import-keys.toml: written",
        f"{tmp_path}/made/policy.toml: written",
        "Dogtag 11",
    ]
    for heading in (
        "Not mapped, or otherwise than it was",
        "Assumed, as CS.cfg does not say it",
        "To be done before the policy is whole",
        "Not known",
        "Keys that the token needs, by a ceremony of import-keys.toml or `tmsctl key import`",
    ):
        assert heading in told
    assert (
        "  'sc7-aes128-undiversified' version 2: aes128, undiversified, extractable; 16 bytes; "
        "safe:sc7"
    ) in told
    assert (
        "  'factory-des3-8baf47' version 255: des3, undiversified, extractable; 16 bytes, "
        "KCV 8baf47; published, 404142434445464748494a4b4c4d4e4f"
    ) in told


def test_certificates_give_the_tps_its_key_and_the_drm_its_own(tmp_path: Path) -> None:
    given = ("--tps-certificate", "0=KRA", "--kra-certificate", "KRA")
    result = run(RECORDED, tmp_path / "made", *given)
    assert result.exit_code == 0, result.output
    policy = load_policy(tmp_path / "made" / "policy.toml")
    (caller,) = policy.callers.values()
    certificate = load_pem_x509_certificate((tmp_path / "certificate.pem").read_bytes())
    assert caller.public_key_sha256 == spki_sha256(certificate.public_key())
    assert policy.kra_certificates[caller.name] == certificate
    assert "public_key_sha256" not in result.stdout


def test_one_secret_of_all_tps_is_one_transport_key(tmp_path: Path) -> None:
    names = ("--tps-certificate", "one=KRA")
    result = run(LEGACY, tmp_path / "made", "--release", "10", *names)
    assert result.exit_code == 0, result.output
    policy = load_policy(tmp_path / "made" / "policy.toml")
    assert policy.callers["one"].transport_key == "one"
    assert policy.transport_keys["one"].label == "oldSecret"
    assert policy.transport_keys["one"].algorithm == "des3"


def test_files_that_are_there_stay_as_they_are(tmp_path: Path) -> None:
    (tmp_path / "made").mkdir()
    (tmp_path / "made" / "policy.toml").write_text("mine")
    result = run(RECORDED, tmp_path / "made")
    assert result.exit_code == 1
    assert f"{tmp_path}/made/policy.toml is there already, and is not replaced" in result.stderr
    assert (tmp_path / "made" / "policy.toml").read_text() == "mine"
    assert [file.name for file in (tmp_path / "made").iterdir()] == ["policy.toml"]


def test_everybody_may_read_what_is_written(tmp_path: Path) -> None:
    run(RECORDED, tmp_path / "made")
    assert {file.stat().st_mode & 0o777 for file in (tmp_path / "made").iterdir()} == {0o644}


def test_json_is_one_document_with_each_remark(tmp_path: Path) -> None:
    result = run(SMARTCARDS, tmp_path / "made", "--json")
    told = json.loads(result.stdout)
    assert told["dogtag"] == 11
    assert told["written"] == [
        f"{tmp_path}/made/{name}" for name in ("import-keys.toml", "policy.toml")
    ]
    assert {remark["kind"] for remark in told["remarks"]} == {
        *("not-mapped", "assumed", "to-do", "unknown")
    }


@pytest.mark.parametrize(
    ("given", "code", "reason"),
    [
        (
            ("--tps-certificate", "two=KRA"),
            1,
            "tps.list: has no TPS two, only TPS-tps.example-",
        ),
        (("--tps-certificate", "KRA"), 2, "must be NAME=FILE"),
        (("--tps-certificate", "0=/nowhere"), 1, "/nowhere cannot be looked at: No such file"),
        (("--master-key", "aes_master=des3"), 2, "--master-key takes aes128 or aes256, not des3"),
        (("--release", "9"), 2, "9 is not in the range"),
        (("--shared-secret-algorithm", "aes192"), 2, "'aes192' is not one of"),
    ],
)
def test_what_is_said_wrongly_is_refused_and_nothing_written(
    tmp_path: Path, given: tuple[str, ...], code: int, reason: str
) -> None:
    result = run(RECORDED, tmp_path / "made", *given)
    assert result.exit_code == code
    assert reason in result.stderr
    assert not (tmp_path / "made").exists()


def test_a_file_that_does_not_tell_its_release_is_asked_about(tmp_path: Path) -> None:
    result = run(LEGACY, tmp_path / "made")
    assert result.exit_code == 2
    assert "say --release 10 or 11" in result.stderr


def test_a_certificate_that_no_key_can_be_encrypted_for_is_refused(tmp_path: Path) -> None:
    (tmp_path / "none.pem").write_text("none")
    result = run(RECORDED, tmp_path / "made", "--kra-certificate", str(tmp_path / "none.pem"))
    assert result.exit_code == 1
    assert "kra-transport.pem must hold certificates in PEM" in result.stderr
    assert not (tmp_path / "made").exists()


def test_a_tks_of_which_nothing_is_left_is_refused_with_the_reasons(tmp_path: Path) -> None:
    cs_cfg = tmp_path / "CS.cfg"
    cs_cfg.write_text("cms.version=11.0\ntks.a.auth_key=#40\n")
    result = run(cs_cfg, tmp_path / "made")
    assert result.exit_code == 1
    assert "no key set of it can be served" in result.stderr
    assert "tks.a.mac_key: must be 16 or 32 bytes" in result.stderr


def test_text_of_a_stranger_says_nothing_to_a_terminal(tmp_path: Path) -> None:
    cs_cfg = tmp_path / "CS.cfg"
    text = RECORDED.read_text() + "tks.d\u202eef.colour=1\ntks.a\u202eb.auth_key=#40\n"
    cs_cfg.write_text(text.replace("internal:new_master", "internal:new\u202emaster"))
    result = run(cs_cfg, tmp_path / "made")
    assert result.exit_code == 0, result.output
    assert "\u202e" not in result.stdout
    assert "\u202e" not in (tmp_path / "made" / "policy.toml").read_text()


def test_many_unknown_settings_are_counted(tmp_path: Path) -> None:
    cs_cfg = tmp_path / "CS.cfg"
    cs_cfg.write_text(RECORDED.read_text() + "".join(f"tks.x{n}=1\n" for n in range(70)))
    assert "  and 20 more: see --json" in run(cs_cfg, tmp_path / "made").stdout


def test_the_certificate_beside_the_policy_is_the_one_that_was_given(tmp_path: Path) -> None:
    run(RECORDED, tmp_path / "made", "--kra-certificate", "KRA")
    given, written = (
        sha256((tmp_path / name).read_bytes()).hexdigest()
        for name in ("certificate.pem", "made/kra-transport.pem")
    )
    assert given == written
