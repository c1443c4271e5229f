"""A token that no quorum governs: its keys are made, imported and destroyed by who has the PIN."""

from collections.abc import Iterator
from contextlib import contextmanager

from hsm.token import Token
from tmsd.ceremony.configured_token import configured_token
from tmsd.ceremony.steps.enrol_quorum import pinned_quorum
from tmsd.config.hsm import HsmConfig
from tmsd.quorum.refusal import ApprovalRefused, Rule


@contextmanager
def ungoverned_token(hsm: HsmConfig) -> Iterator[Token]:
    """Log in, writable, where no security officers are enrolled; log out at the end.

    Args:
        hsm: the table [hsm] of tmsd.toml.

    Raises:
        ApprovalRefused: `ceremony-required`: there are some, and what is done to keys is theirs.
        HsmError: as configured_token does.
    """
    with configured_token(hsm, writable=True) as token:
        quorum = pinned_quorum(token)
        if quorum is not None:
            raise ApprovalRefused(
                Rule.CEREMONY_REQUIRED,
                f"the keys of this token are under the quorum of {quorum.deployment}, "
                f"{quorum.approvals} of {len(quorum.officers)} officers: "
                "tmsctl ceremony run does it by a script that they approve",
            )
        yield token
