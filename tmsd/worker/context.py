"""What every function of the worker works with."""

from dataclasses import dataclass
from typing import Protocol

from hsm.token import Token
from tmsd.config.policy import Policy
from tmsd.quorum.policy_in_force import PolicyInForce
from tmsd.worker.keyring import Keyring


class LoggedIn(Protocol):
    """What any worker has of one login."""

    @property
    def token(self) -> Token:
        """The token."""

    @property
    def keyring(self) -> Keyring:
        """Its keys."""


@dataclass(frozen=True, slots=True)
class Context:
    """The token and policy of a worker for callers, or for the appliance.

    Attributes:
        token: logged in.
        keyring: its keys.
        policy: what is allowed, as this process read it.
        policy_in_force: what the token remembers of it; None where no quorum approves policies.
        channel_key_version: the version that seals sessions.
        challenge_key_version: the version that MACs tickets.
        receipt_key_version: the version that MACs receipts.
        certificate_key_version: the version that MACs prepared certificates; None where the
            policy has no CA.
        for_appliance: whether the appliance itself asks, and not callers.
        session_seconds: how long a channel may live.
        challenge_seconds: how long a ticket may be used.
    """

    token: Token
    keyring: Keyring
    policy: Policy
    channel_key_version: int
    challenge_key_version: int
    receipt_key_version: int
    session_seconds: int
    challenge_seconds: int
    certificate_key_version: int | None = None
    for_appliance: bool = False
    policy_in_force: PolicyInForce | None = None
