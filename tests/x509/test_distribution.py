"""Where CRLs are, and which partition a certificate is in."""

import secrets

import pytest

from tmsd.x509.distribution import WHOLE, crl_url, partition_of

URL = "http://pki.example/crl/demo.crl"


def test_partitions_are_told_from_serial_numbers_alone_and_evenly() -> None:
    serials = [secrets.token_bytes(16) for _ in range(2000)]
    for partitions in (3, 16):
        filled = [partition_of(serial, partitions) for serial in serials]
        assert filled == [partition_of(serial, partitions) for serial in serials]
        assert set(filled) == set(range(1, partitions + 1))
        assert max(map(filled.count, filled)) < 2 * len(serials) / partitions


def test_one_partition_is_none() -> None:
    assert partition_of(secrets.token_bytes(16), 1) == WHOLE


@pytest.mark.parametrize(
    ("partition", "is_delta", "url"),
    [
        (WHOLE, False, URL),
        (WHOLE, True, "http://pki.example/crl/demo~delta.crl"),
        (7, False, "http://pki.example/crl/demo~7.crl"),
        (7, True, "http://pki.example/crl/demo~7~delta.crl"),
    ],
)
def test_every_crl_is_beside_the_whole_one_as_the_responder_names_it(
    partition: int, url: str, *, is_delta: bool
) -> None:
    assert crl_url(URL, partition, is_delta=is_delta) == url


def test_a_whole_crl_may_be_anywhere() -> None:
    assert crl_url("http://pki.example/revoked") == "http://pki.example/revoked"
