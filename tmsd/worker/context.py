"""What every function of the worker works with."""

from dataclasses import dataclass
from typing import Protocol

from hsm.token import Token
from tmsd.config.policy import Policy
from tmsd.worker.keyring import Keyring
from tmsd.worker.policy_in_force import Governed


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
        channel_key_version: the version that seals sessions.
        challenge_key_version: the version that MACs tickets.
        receipt_key_version: the version that MACs receipts.
        certificate_key_version: the version that MACs prepared certificates; None where the
            policy has no CA.
        for_appliance: whether the appliance itself asks, and not callers.
        session_seconds: how long a channel may live.
        challenge_seconds: how long a ticket may be used.
        governed: by which quorum, and what it has put in force; None where there is none.
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
    governed: Governed | None = None
