"""Which way each key set and transport key is served: in the token, in the worker, or not at all.

The token does what it can. What it cannot do, the worker does in its memory where a setting
of policy.toml makes an exception; without one, or where none helps, it is not done.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from tmsd.config.callers import Protocol
from tmsd.config.key_sets import UNDIVERSIFIED, KeyAlgorithm, KeySet, Scp
from tmsd.config.policy import Policy
from tmsd.config.transport_keys import TransportKey
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES
from tmsd.globalplatform.protocols import PROTOCOLS

EXCEPTION = "allow_key_material_in_worker"
IN_TOKEN = "token"  # noqa: S105  where the work is done, no secret
IN_WORKER = "worker memory (exception)"


class Capability(StrEnum):
    """What a token may do: in lower case a field of hsm's Capabilities; in PKCS#11's words."""

    DERIVES_AES_ECB = "derive with CKM_AES_ECB_ENCRYPT_DATA"
    DERIVES_DES3_ECB = "derive with CKM_DES3_ECB_ENCRYPT_DATA"
    DERIVES_DES3_CBC = "derive with CKM_DES3_CBC_ENCRYPT_DATA"
    SIGNS_AES_CMAC = "sign with CKM_AES_CMAC"
    SIGNS_HMAC_SHA256 = "sign with CKM_SHA256_HMAC"
    WRAPS_AES_CBC = "wrap with CKM_AES_CBC"
    WRAPS_DES3_ECB = "wrap with CKM_DES3_ECB"
    WRAPS_AES_KEY_WRAP = "wrap with CKM_AES_KEY_WRAP"


def capabilities_of(found: object) -> frozenset[Capability]:
    """Return what the probe of a token found, or a worker's announcement of it."""
    return frozenset(one for one in Capability if getattr(found, one.name.lower()))


@dataclass(frozen=True, slots=True)
class Way:
    """How one thing is done with a token, or why it is not; `str` says it in a line.

    Attributes:
        needs: what it takes of the token if the token is to do it.
        missing: what of that the token lacks, with nothing in its place.
        in_worker: key material passes through the worker's memory, as a setting allows.
        remedy: the table of policy.toml where the exception would help; None where none would.
    """

    needs: tuple[Capability, ...]
    missing: tuple[Capability, ...] = ()
    in_worker: bool = False
    remedy: str | None = None

    def __str__(self) -> str:
        """Return where it is done, or what is missing."""
        if self.missing:
            lacks = f"unavailable: token does not {' or '.join(self.missing)}"
            return f"{lacks}; needs {EXCEPTION}" if self.remedy else lacks
        return IN_WORKER if self.in_worker else IN_TOKEN


@dataclass(frozen=True, slots=True)
class KeySetWays:
    """The ways of one key set.

    Attributes:
        card_keys: cards' keys from master keys.
        sessions: session keys, cryptograms and secure messaging.
        put_key: changing cards over to keys of this key set; None where no `change_to` leads.
    """

    card_keys: Way
    sessions: Way
    put_key: Way | None


@dataclass(frozen=True, slots=True)
class Ways:
    """The ways of a whole policy, by name and in its order.

    Attributes:
        key_sets: by name.
        transport_keys: session keys under it, by the transport key's name.
        static_deks: deliveries with static DEKs among the keys, by the names of transport key
            and key set.
    """

    key_sets: Mapping[str, KeySetWays]
    transport_keys: Mapping[str, Way]
    static_deks: Mapping[str, Mapping[str, Way]]

    def __iter__(self) -> Iterator[tuple[str, str, Way]]:
        """Yield each way with what it is for and whose it is: `PUT KEY to`, `pilot`, …."""
        for name, key_set in self.key_sets.items():
            yield "card keys of", name, key_set.card_keys
            yield "sessions of", name, key_set.sessions
            if key_set.put_key is not None:
                yield "PUT KEY to", name, key_set.put_key
        for name, way in self.transport_keys.items():
            yield "transport key", name, way
            for key_set_name, with_dek in self.static_deks[name].items():
                yield "static DEKs of", f"{key_set_name} under {name}", with_dek


def ways(policy: Policy, held: Collection[Capability]) -> Ways:
    """Say which way everything that a policy allows is done with a token.

    Args:
        policy: what is allowed.
        held: what the token does.
    """
    return Ways(
        key_sets={
            name: KeySetWays(
                card_keys=_card_keys(key_set, held),
                sessions=_in_token(_OF_PROTOCOL[key_set.scp], held),
                put_key=_put_key(policy, key_set, held),
            )
            for name, key_set in policy.key_sets.items()
        },
        transport_keys={
            name: _transport(policy, key, held) for name, key in policy.transport_keys.items()
        },
        static_deks={
            name: {
                key_set.name: _static_dek(policy, key, key_set, held)
                for key_set in _static_deks_under(policy, key)
            }
            for name, key in policy.transport_keys.items()
        },
    )


_Needs = tuple[Capability, ...]

_OF_SCHEME: Mapping[str, _Needs] = {
    UNDIVERSIFIED: (),
    "visa1": (Capability.DERIVES_DES3_ECB,),
    "visa2": (Capability.DERIVES_DES3_ECB,),
    "emv": (Capability.DERIVES_DES3_ECB,),
    "kdf3": (Capability.DERIVES_AES_ECB,),
    "gp-kmc": (Capability.DERIVES_AES_ECB,),
    "gp-kmc-dogtag-10": (Capability.DERIVES_AES_ECB,),
    "nist-sp800-108-hmac": (Capability.SIGNS_HMAC_SHA256,),
}
# Every protocol needs AES-CMAC, which seals the sessions (docs/sealed-sessions.md).
_OF_PROTOCOL: Mapping[Scp, _Needs] = {
    Scp.SCP01: (Capability.DERIVES_DES3_ECB, Capability.SIGNS_AES_CMAC),
    Scp.SCP02: (Capability.DERIVES_DES3_CBC, Capability.SIGNS_AES_CMAC),
    Scp.SCP03: (Capability.DERIVES_AES_ECB, Capability.SIGNS_AES_CMAC),
}


def _card_keys(key_set: KeySet, held: Collection[Capability]) -> Way:
    exposed = key_set.diversification in EXPOSED_SCHEMES
    return _in_token(_OF_SCHEME[key_set.diversification], held, in_worker=exposed)


def _put_key(policy: Policy, target: KeySet, held: Collection[Capability]) -> Way | None:
    """Return the way of wrapping new keys under the DEKs that the cards have before."""
    leading = [
        key_set
        for key_set in policy.key_sets.values()
        if any(name == target.name for name, _ in key_set.ways)
    ]
    if not leading:
        return None
    deks_are_3des = {key_set.card_algorithm is KeyAlgorithm.DES3 for key_set in leading}
    exposed = target.diversification in EXPOSED_SCHEMES
    kinds = []
    if False in deks_are_3des:
        kinds.append(_in_token((Capability.WRAPS_AES_CBC,), held, in_worker=exposed))
    if True in deks_are_3des:
        allowed = target.allow_key_material_in_worker
        kinds.append(
            _under_3des(f"key_sets.{target.name}", held, allowed=allowed, in_worker=exposed)
        )
    return Way(
        needs=tuple(need for way in kinds for need in way.needs),
        missing=tuple(lack for way in kinds for lack in way.missing),
        in_worker=any(way.in_worker for way in kinds),
        # The exception helps only if it helps with all that is missing.
        remedy=_same(way.remedy for way in kinds if way.missing),
    )


def _transport(policy: Policy, key: TransportKey, held: Collection[Capability]) -> Way:
    if key.algorithm is not KeyAlgorithm.DES3:
        dogtag = any(
            caller.protocol is Protocol.DOGTAG
            for caller in policy.callers.values()
            if caller.transport_key == key.name
        )
        wraps = Capability.WRAPS_AES_CBC if dogtag else Capability.WRAPS_AES_KEY_WRAP
        return _in_token((wraps,), held)
    allowed = key.allow_key_material_in_worker
    return _under_3des(f"transport_keys.{key.name}", held, allowed=allowed)


def _static_deks_under(policy: Policy, key: TransportKey) -> list[KeySet]:
    """Return the key sets whose cards' static DEKs some caller may have under a transport key."""
    callers = [
        caller
        for caller in policy.callers.values()
        if caller.transport_key == key.name and caller.deliver_static_dek
    ]
    return [
        key_set
        for key_set in policy.key_sets.values()
        if PROTOCOLS[int(key_set.scp)].DEK_IS_STATIC
        and not key_set.undiversified
        and any(caller.may_use(key_set.name) for caller in callers)
    ]


def _static_dek(
    policy: Policy, key: TransportKey, key_set: KeySet, held: Collection[Capability]
) -> Way:
    """Return the way of a delivery whose DEK is a card's: 3DES takes the exception of both."""
    if key.algorithm is not KeyAlgorithm.DES3 or not key.allow_key_material_in_worker:
        return _transport(policy, key, held)
    allowed = key_set.allow_key_material_in_worker
    return _under_3des(f"key_sets.{key_set.name}", held, allowed=allowed)


def _in_token(needs: _Needs, held: Collection[Capability], *, in_worker: bool = False) -> Way:
    missing = tuple(need for need in needs if need not in held)
    return Way(needs, missing, in_worker and not missing)


def _under_3des(
    table: str, held: Collection[Capability], *, allowed: bool, in_worker: bool = False
) -> Way:
    """Return the way of encrypting keys under 3DES, the one thing that has a way round."""
    needs = (Capability.WRAPS_DES3_ECB,)
    if Capability.WRAPS_DES3_ECB in held or allowed:
        return Way(needs, in_worker=in_worker or Capability.WRAPS_DES3_ECB not in held)
    return Way(needs, missing=needs, remedy=table)


def _same(remedies: Iterator[str | None]) -> str | None:
    told = set(remedies)
    return told.pop() if len(told) == 1 else None
