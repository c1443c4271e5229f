"""What a policy allows although it is unsafe, in sentences for people who can change it."""

from collections.abc import Iterator

from tmsd.config.callers import Caller, Protocol
from tmsd.config.dogtag import DogtagTps
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.config.policy import Policy
from tmsd.config.transport_keys import TransportKey


def warnings(policy: Policy) -> Iterator[str]:
    """Yield a sentence for each thing that the policy allows although it is unsafe."""
    for caller in policy.callers.values():
        if caller.deliver_static_dek:
            yield (
                f"caller {caller.name} is given static data encryption keys of cards (SCP01, "
                "SCP03): whoever has one reads every key that is ever put to its card under it"
            )
        if caller.dogtag is not None:
            yield from _of_dogtag_tps(caller, caller.dogtag)
    for key_set in policy.key_sets.values():
        yield from _of_key_set(key_set)
    for key in policy.transport_keys.values():
        if key.allow_key_material_in_worker:
            yield (
                f"transport key {key.name} allows session keys into the worker's memory: "
                "whoever reads that memory reads them, and the HSM does not protect them there"
            )
        yield from _of_dogtag_secret(policy, key)


def _of_dogtag_tps(caller: Caller, tps: DogtagTps) -> Iterator[str]:
    if tps.allow_unverified_scp02:
        yield (
            f"caller {caller.name} is given session keys of SCP02 cards without a proof of the "
            f"card, {tps.unverified_keys_per_minute} a minute for one card: whoever speaks in its "
            "name has keys for each card that it can name"
        )
    if not tps.require_recent_session:
        yield (
            f"caller {caller.name} has keys changed and challenges encrypted for cards that showed "
            "nothing: whoever speaks in its name has new keys for each card that it can name"
        )


def _of_dogtag_secret(policy: Policy, key: TransportKey) -> Iterator[str]:
    sharers = [
        caller.name
        for caller in policy.callers.values()
        if caller.protocol is Protocol.DOGTAG and caller.transport_key == key.name
    ]
    if sharers and key.algorithm is KeyAlgorithm.DES3:
        yield (
            f"transport key {key.name}, by which {', '.join(sharers)} gets session keys, is of "
            "triple DES, which NIST SP 800-131A disallows since 2024: take AES where the TPS has it"
        )


def _of_key_set(key_set: KeySet) -> Iterator[str]:
    if key_set.allow_key_material_in_worker:
        yield (
            f"key set {key_set.name} allows its cards' keys into the worker's memory: "
            "whoever reads that memory reads them, and the HSM does not protect them there"
        )
    if key_set.undiversified:
        yield (
            f"key set {key_set.name} is undiversified: all its cards hold the same keys, "
            "and whoever opens one card has opened them all"
        )
    if key_set.factory:
        yield (
            f"key set {key_set.name} holds factory keys, which everybody knows: use it "
            "only to take fresh cards over into keys of their own"
        )
    if key_set.change_back_to:
        yield (
            f"cards of key set {key_set.name} may be changed back to "
            f"{', '.join(key_set.change_back_to)}: after that, whoever knows those keys opens them"
        )
