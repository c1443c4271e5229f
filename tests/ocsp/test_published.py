"""What the store is asked, and how CRLs are named."""

import pytest

from tests.ocsp.records import DEMO
from tmsd.ocsp.published import CrlName
from tmsd.store.crls import Scope
from tmsd.x509.distribution import WHOLE


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("demo", CrlName(Scope(DEMO, WHOLE), is_delta=False)),
        ("demo~delta", CrlName(Scope(DEMO, WHOLE), is_delta=True)),
        ("demo~1", CrlName(Scope(DEMO, 1), is_delta=False)),
        ("demo~17~delta", CrlName(Scope(DEMO, 17), is_delta=True)),
        ("demo-delta", CrlName(Scope("demo-delta", WHOLE), is_delta=False)),
    ],
)
def test_a_crl_is_named_by_its_ca_its_partition_and_whether_it_is_a_delta(
    text: str, name: CrlName
) -> None:
    assert CrlName.parse(text) == name


@pytest.mark.parametrize(
    "text",
    [
        "",
        "~delta",
        "demo~",
        "demo~0",
        "demo~x",
        "demo~-1",
        "demo~delta~1",
        "Demo",
        "a" * 65,
        "demo\n",
    ],
)
def test_no_other_text_names_a_crl(text: str) -> None:
    assert CrlName.parse(text) is None
