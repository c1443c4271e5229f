"""`tmsctl check hsm`, on the token of a real site."""

import json
from pathlib import Path
from subprocess import CompletedProcess

from tests.cli.sites import allow, deny, tmsctl

TRIPLE_DES = """
[key_sets.fresh]
scp = "02"
algorithm = "des3"
diversification = "none"
undiversified = true
factory = true
versions = { 255 = "active" }
change_to = ["old:1", "demo:1"]

[key_sets.old]
scp = "02"
algorithm = "des3"
diversification = "visa2"
versions = { 1 = "active" }
"""
EXCEPTION = "allow_key_material_in_worker = true\n"
DES_TRANSPORT_KEY = """
[transport_keys.tps]
label = "for the TPS"
algorithm = "des3"
"""

RSA_ROOT = """
[cas.rsa-root]
certificate = "cas/rsa-root.pem"
pss = true
profiles = ["subordinate-ca"]
"""


def check(site: Path) -> CompletedProcess[str]:
    return tmsctl("check", "hsm", "--config", site / "tmsd.toml")


def rows(done: CompletedProcess[str]) -> list[list[str]]:
    """Return the table, cut into cells; a cell that is empty is left out."""
    return [
        [cell.strip() for cell in line.split("  ") if cell.strip()]
        for line in done.stdout.splitlines()
        if "  " in line
    ]


def test_a_new_site_can_do_all_that_it_allows(site: Path) -> None:
    done = check(site)

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("token 'tmsd-development' of /")
    served = "card keys of demo; sessions of demo"
    assert rows(done) == [
        ["THE TOKEN SHOULD", "DOES", "WAY", "NEEDED FOR"],
        ["derive with CKM_AES_ECB_ENCRYPT_DATA", "yes", "token", served],
        ["derive with CKM_DES3_ECB_ENCRYPT_DATA", "yes", "-", "-"],
        ["derive with CKM_DES3_CBC_ENCRYPT_DATA", "yes", "-", "-"],
        ["sign with CKM_AES_CMAC", "yes", "token", "sessions of demo"],
        ["sign with CKM_SHA256_HMAC", "yes", "-", "-"],
        ["wrap with CKM_AES_CBC", "yes", "-", "-"],
        ["wrap with CKM_DES3_ECB", "no", "-", "-"],
        ["wrap with CKM_AES_KEY_WRAP", "yes", "-", "-"],
        ["make service keys (aes256)", "yes", "token", "the daemon's own keys"],
        ["make master keys (aes256)", "yes", "token", "key set demo"],
        ["make card keys (aes256)", "yes", "token", "key set demo"],
        ["make session ENC keys (aes256)", "yes", "token", "key set demo"],
        ["make session MAC keys (aes256)", "yes", "token", "key set demo"],
        ["make DEKs (aes256)", "yes", "token", "key set demo"],
        ["sign with p256", "yes", "token", "CA demo-root; CA demo; responder of demo"],
        ["make random bytes", "yes", "token", "host challenges, random bytes"],
        ["wrap and unwrap for a backup", "yes", "-", "-"],
        ["keep unextractable keys inside", "yes", "-", "-"],
    ]
    assert done.stdout.endswith(f"The HSM can do all that {site}/policy.toml allows.\n")


def test_what_cannot_be_done_is_told_with_its_cost_and_the_setting_that_would_help(
    site: Path,
) -> None:
    allow(site, TRIPLE_DES + DES_TRANSPORT_KEY + EXCEPTION)

    done = check(site)

    assert done.returncode == 1
    wrapping = next(n for n, row in enumerate(rows(done)) if row[0] == "wrap with CKM_DES3_ECB")
    assert rows(done)[wrapping : wrapping + 10] == [
        ["wrap with CKM_DES3_ECB", "no", "none", "PUT KEY to demo"],
        ["not done, for callers tps-demo"],
        ["way round: allow_key_material_in_worker = true"],
        ["in [key_sets.demo]"],
        ["none", "PUT KEY to old"],
        ["not done, for callers tps-demo"],
        ["way round: allow_key_material_in_worker = true"],
        ["in [key_sets.old]"],
        ["worker", "transport key tps"],
        ["key material passes through the worker's memory"],
    ]
    assert done.stderr.splitlines() == [
        f"PUT KEY to {name}: the HSM does not wrap with CKM_DES3_ECB; "
        f"allow_key_material_in_worker = true in [key_sets.{name}] would be a way round"
        for name in ("demo", "old")
    ]
    assert "can do all" not in done.stdout
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_the_same_is_told_as_json(site: Path) -> None:
    allow(site, TRIPLE_DES)

    done = tmsctl("check", "hsm", "--json", "--config", site / "tmsd.toml")

    told = json.loads(done.stdout)
    assert (done.returncode, told["complete"]) == (1, False)
    assert [one for one in told["findings"] if one["way"] == "none"] == [
        {
            "asked": "wrap with CKM_DES3_ECB",
            "fault": "refused",
            "way": "none",
            "needed_for": [f"PUT KEY to {name}"],
            "cost": "not done, for callers tps-demo",
            "setting": f"allow_key_material_in_worker = true in [key_sets.{name}]",
        }
        for name in ("demo", "old")
    ]


def test_an_exception_is_a_way_and_no_fault(site: Path) -> None:
    allow(site, TRIPLE_DES.replace('"old:1", "demo:1"', '"old:1"') + EXCEPTION)

    done = check(site)

    assert (done.returncode, done.stderr) == (0, "")
    assert ["wrap with CKM_DES3_ECB", "no", "worker", "PUT KEY to old"] in rows(done)


def test_what_no_setting_helps_with_is_told_as_that(site: Path) -> None:
    allow(site, TRIPLE_DES.replace('"old:1", "demo:1"', "").replace('change_to = [""]', ""))
    deny(site, "CKM_DES3_CBC_ENCRYPT_DATA")

    done = check(site)

    assert done.returncode == 1
    assert done.stderr.splitlines() == [
        f"sessions of {name}: the HSM does not derive with CKM_DES3_CBC_ENCRYPT_DATA, "
        "and no setting helps"
        for name in ("fresh", "old")
    ]
    assert [
        "derive with CKM_DES3_CBC_ENCRYPT_DATA",
        "no",
        "none",
        "sessions of fresh; sessions of old",
    ] in rows(done)


def test_a_ca_whose_signatures_a_token_does_not_make_is_told_of_those_that_it_makes(
    site: Path,
) -> None:
    named = ("--config", site / "tmsd.toml", "--ca", "rsa-root")
    tmsctl("key", "generate", *named, "--algorithm", "rsa2048")
    root = ("--label", "rsa-root", "--subject", "CN=Root", "--out", site / "cas" / "rsa-root.pem")
    tmsctl("ca", "make-root", "--config", site / "tmsd.toml", "--pss", *root)
    allow(site, RSA_ROOT)
    assert ["sign with rsa2048 and PSS", "yes", "token", "CA rsa-root"] in rows(check(site))
    deny(site, "CKM_RSA_PKCS_PSS")

    done = check(site)

    assert done.returncode == 1
    assert done.stderr == (
        "CA rsa-root: the HSM does not sign with rsa2048 and PSS; "
        "pss = false in [cas.rsa-root] would be a way round\n"
    )


def test_nothing_is_left_in_the_token(site: Path) -> None:
    listed = tmsctl("key", "list", "--config", site / "tmsd.toml").stdout

    check(site)

    assert tmsctl("key", "list", "--config", site / "tmsd.toml").stdout == listed


def test_a_pin_that_is_refused_is_one_line_and_is_not_shown(site: Path) -> None:
    pin = site / "credentials" / "hsm-pin"
    pin.chmod(0o600)
    pin.write_text("a-wrong-pin-2718")
    pin.chmod(0o400)

    done = check(site)

    assert (done.returncode, done.stdout) == (1, "")
    assert "refused the PIN" in done.stderr
    assert "2718" not in done.stderr


def test_a_mistake_in_the_policy_is_told_with_its_line(site: Path) -> None:
    allow(site, "[broken]\n")

    done = check(site)

    assert (done.returncode, done.stdout) == (1, "")
    assert "policy.toml:" in done.stderr
