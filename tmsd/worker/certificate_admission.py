"""What the policy says to a request for a certificate: which CA, by which profile, for whom."""

from tmsd.config.authorities import Authority
from tmsd.config.callers import APPLIANCE, Caller
from tmsd.config.policy import Policy
from tmsd.errors import Code, ServiceError
from tmsd.worker.context import Context
from tmsd.x509.profile import Profile
from tmsd.x509.reservations import Reserved


def admitted(context: Context, caller: str, ca: str, profile: str) -> tuple[Authority, Profile]:
    """Return a CA and one of its profiles that this caller may be issued by.

    The appliance itself may have what no caller can, from a worker that serves it alone.

    Raises:
        ServiceError: `caller-unknown`, `ca-unknown`, `profile-unknown`, `profile-not-allowed`.
    """
    authority = authority_of(context, ca)
    found = authority.profiles.get(profile)
    if found is None:
        names = ", ".join(authority.profiles) or "none"
        raise ServiceError(
            Code.PROFILE_UNKNOWN,
            f"{ca} has no profile {profile!r}; it has {names}",
            pointer="/profile",
        )
    if caller == APPLIANCE:
        if not context.for_appliance:
            raise ServiceError(Code.CALLER_UNKNOWN, "this worker serves callers alone")
        return authority, found
    known = context.policy.callers.get(caller)
    if known is None:
        raise ServiceError(Code.CALLER_UNKNOWN, f"the policy has no caller {caller!r}")
    if not (_may_have(known, found) and known.may_be_issued(ca, profile)):
        raise ServiceError(
            Code.PROFILE_NOT_ALLOWED,
            f"{caller} may have no certificate of {ca} by {profile}",
            pointer="/profile",
        )
    return authority, found


def authority_of(context: Context, ca: str) -> Authority:
    """Return a CA of the policy.

    Raises:
        ServiceError: `ca-unknown`.
    """
    authority = context.policy.authorities.by_name.get(ca)
    if authority is None:
        raise ServiceError(Code.CA_UNKNOWN, f"there is no CA {ca!r}")
    return authority


def reserved(policy: Policy) -> Reserved:
    """Return the keys that are blocked, and the keys and names that are those of callers."""
    return Reserved(
        blocked_keys=policy.blocked.hashes,
        caller_keys=frozenset(each.public_key_sha256 for each in policy.callers.values()),
        caller_names=frozenset(policy.callers),
    )


def _may_have(caller: Caller, profile: Profile) -> bool:
    """Say whether a profile is for callers at all, and for a role of this one."""
    return profile.holder.from_api and any(role.value in profile.issue_by for role in caller.roles)
