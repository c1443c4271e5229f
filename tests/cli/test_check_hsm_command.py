"""`tmsctl check hsm`, on the token of a real site."""

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
    assert rows(done) == [
        ["MECHANISM", "TOKEN", "WAY", "NEEDED FOR"],
        [
            "derive with CKM_AES_ECB_ENCRYPT_DATA",
            "yes",
            "token",
            "card keys of demo; sessions of demo",
        ],
        ["derive with CKM_DES3_ECB_ENCRYPT_DATA", "yes", "-", "-"],
        ["derive with CKM_DES3_CBC_ENCRYPT_DATA", "yes", "-", "-"],
        ["sign with CKM_AES_CMAC", "yes", "token", "sessions of demo"],
        ["sign with CKM_SHA256_HMAC", "yes", "-", "-"],
        ["wrap with CKM_AES_CBC", "yes", "-", "-"],
        ["wrap with CKM_DES3_ECB", "no", "-", "-"],
        ["wrap with CKM_AES_KEY_WRAP", "yes", "-", "-"],
    ]
    assert done.stdout.endswith(f"The HSM can do all that {site}/policy.toml allows.\n")


def test_what_cannot_be_done_is_told_with_the_setting_that_would_help(site: Path) -> None:
    allow(site, TRIPLE_DES + DES_TRANSPORT_KEY + EXCEPTION)

    done = check(site)

    assert done.returncode == 1
    needs = "none; needs allow_key_material_in_worker = true in"
    wrapping = next(n for n, row in enumerate(rows(done)) if row[0] == "wrap with CKM_DES3_ECB")
    assert rows(done)[wrapping : wrapping + 3] == [
        ["wrap with CKM_DES3_ECB", "no", f"{needs} [key_sets.demo]", "PUT KEY to demo"],
        [f"{needs} [key_sets.old]", "PUT KEY to old"],
        ["worker memory (exception)", "transport key tps"],
    ]
    would = "would let the worker do it in its memory"
    assert done.stderr.splitlines() == [
        f"PUT KEY to {name}: the HSM does not wrap with CKM_DES3_ECB; "
        f"allow_key_material_in_worker = true in [key_sets.{name}] {would}"
        for name in ("demo", "old")
    ]
    assert "can do all" not in done.stdout


def test_an_exception_is_a_way_and_no_fault(site: Path) -> None:
    allow(site, TRIPLE_DES.replace('"old:1", "demo:1"', '"old:1"') + EXCEPTION)

    done = check(site)

    assert (done.returncode, done.stderr) == (0, "")
    assert [
        "wrap with CKM_DES3_ECB",
        "no",
        "worker memory (exception)",
        "PUT KEY to old",
    ] in rows(done)


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
        "sessions of fresh, old",
    ] in rows(done)


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
