"""Distribution points (RFC 5280, 4.2.1.13): partitions of a CA's certificates, and where CRLs are.

All CRLs of a CA are beside its whole one, by the names that the responder has for them: beside
`demo.crl` its deltas, `demo~delta.crl`, the CRL of partition 7, `demo~7.crl`, and the deltas of
that, `demo~7~delta.crl`.
"""

WHOLE = 0
"""In place of a partition's number: of the whole CRL, and of a certificate that names it."""

MOST_PARTITIONS = 1000
CRL_SUFFIX = ".crl"


def partition_of(serial_number: bytes, partitions: int) -> int:
    """Return in which of so many partitions a certificate is: from 1 on, or `WHOLE` if it is one.

    It follows from the random serial number (16 bytes), so that partitions fill evenly. It is
    decided once, when a certificate is prepared: the certificate names its CRL for good.
    """
    return WHOLE if partitions == 1 else 1 + int.from_bytes(serial_number[:8]) % partitions


def crl_url(whole: str, partition: int = WHOLE, *, is_delta: bool = False) -> str:
    """Return where a CRL is.

    Args:
        whole: where the whole CRL is; ends in `CRL_SUFFIX`, unless this is asked for itself.
        partition: of which partition; `WHOLE` for none.
        is_delta: whether deltas are meant.
    """
    if partition == WHOLE and not is_delta:
        return whole
    numbered = "" if partition == WHOLE else f"~{partition}"
    return f"{whole.removesuffix(CRL_SUFFIX)}{numbered}{'~delta' * is_delta}{CRL_SUFFIX}"
