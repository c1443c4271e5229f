"""Which keys of the token are the policy's transport keys."""

from collections.abc import Iterator

from hsm.keys import KeyReference
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.config.policy import Policy
from tmsd.config.transport_keys import TransportKey


def transport_key(policy: Policy, name: str, version: int | None = None) -> WantedKey:
    """Return a transport key: in its version of the policy, or in another, yet to come.

    Raises:
        Refused: the policy has no such transport key.
    """
    key = policy.transport_keys.get(name)
    if key is None:
        known = ", ".join(policy.transport_keys) or "none"
        raise Refused(
            f"{policy.source} has no transport key {name!r}, only {known}: add it there first"
        )
    return _wanted(key, version or key.version)


def transport_keys(policy: Policy) -> Iterator[tuple[WantedKey, str]]:
    """Yield each transport key of the policy, and what it is there: `transport key tps`."""
    for name, key in policy.transport_keys.items():
        yield _wanted(key, key.version), f"transport key {name}"


def _wanted(key: TransportKey, version: int) -> WantedKey:
    return WantedKey(KeyReference(key.label, version), key.algorithm, Purpose.TRANSPORT)
