"""The only words in which a target may refuse an input."""

from tmsd.errors import Code, ServiceError


def require(refusal: ServiceError, *codes: Code) -> None:
    """Let a refusal pass that has one of the codes.

    Raises:
        AssertionError: it has another one.
    """
    if refusal.code not in codes:
        raise AssertionError(f"refused as {refusal.code}, not {', '.join(codes)}") from refusal
