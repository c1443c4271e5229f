"""The binding says who is there: each person once, with one part."""

from pathlib import Path

import pytest

from tmsd.ceremony.binding import load_binding
from tmsd.ceremony.refusal import Refused
from tmsd.config.toml import ConfigError

# Of a curve (secp112r1) that no library of today has.
SHORT_CURVE = """\
-----BEGIN PUBLIC KEY-----
MDIwEAYHKoZIzj0CAQYFK4EEAAYDHgAEfA8ECjztmAP822z0NxYnlbOQhy0dZOIN
By2teg==
-----END PUBLIC KEY-----
"""
BINDING = """
operator = "olaf"

[hsm]
module = "/usr/lib/softhsm/libsofthsm2.so"
token_label = "pilot"
pin_file = "pin"

[officers.anna]
person = "Anna Example"
public_key = "anna.pub"
private_key = "anna.key"

[officers.anna-2]
person = "Anna Example"
public_key = "anna-2.pub"
private_key = "anna-2.key"

[custodians]
"""


def written(folder: Path, custodians: str, operator: str = "olaf") -> Path:
    """Write a binding."""
    file = folder / "binding.toml"
    file.write_text(BINDING.replace("olaf", operator) + custodians)
    return file


def test_an_officer_may_have_two_keys_and_custodians_are_others(tmp_path: Path) -> None:
    found = load_binding(written(tmp_path, 'karl = "Karl Example"\nlena = "Lena Example"\n'))

    assert list(found.officers) == ["anna", "anna-2"]
    assert list(found.custodians) == ["karl", "lena"]


@pytest.mark.parametrize(
    ("operator", "custodians", "told"),
    [
        ("anna", "", "anna: is the operator as well"),
        ("olaf", 'anna = "Karl Example"', "anna: is one of the officers as well"),
        ("olaf", 'karl = "Anna Example"', "karl: is Anna Example, as anna-2 is"),
        ("olaf", 'karl = "K. Example"\nlena = "K. Example"', "lena: is K. Example, as karl is"),
    ],
)
def test_nobody_has_two_parts(tmp_path: Path, operator: str, custodians: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        load_binding(written(tmp_path, custodians, operator))


@pytest.mark.parametrize("content", [SHORT_CURVE, SHORT_CURVE[:60], ""])
def test_what_is_no_key_that_can_be_read_is_told_by_its_file(tmp_path: Path, content: str) -> None:
    officer = load_binding(written(tmp_path, "")).officers["anna"]
    officer.public_key.write_text(content)

    with pytest.raises(Refused, match=r"anna\.pub: there is no public key in PEM"):
        _ = officer.officer
