"""Whether what a TPS of Dogtag names in policy.toml fits its protocol, and tells cards apart."""

from collections.abc import Iterator, Mapping, Sequence

from tmsd.config.callers import Caller, Protocol
from tmsd.config.dogtag import DogtagTps
from tmsd.config.key_sets import KeyAlgorithm, KeySet, Scp
from tmsd.config.toml import Complaint, KeyPath
from tmsd.config.transport_keys import TransportKey
from tmsd.globalplatform.diversification import Role
from tmsd.globalplatform.protocols import PROTOCOLS

_CHALLENGE = 8
"""Bytes of every challenge and cryptogram that a TPS of Dogtag sends or takes."""


def dogtag_disagreements(
    callers: Mapping[str, Caller],
    key_sets: Mapping[str, KeySet],
    transport_keys: Mapping[str, TransportKey],
) -> Iterator[Complaint]:
    """Yield what does not fit each TPS of Dogtag, of the tables that are there and right."""
    for caller in callers.values():
        if caller.dogtag is not None:
            yield from _of_key_sets(caller, caller.dogtag, key_sets)
            yield from _of_transport_key(caller, callers, transport_keys)


def named_key_sets(caller: Caller) -> Iterator[tuple[KeyPath, str]]:
    """Yield each key set that a TPS of Dogtag names, after the place where it does so."""
    for word, names in caller.dogtag.key_sets.items() if caller.dogtag else ():
        for index, name in enumerate(names):
            yield ("callers", caller.name, "dogtag", "key_sets", word, index), name


def _of_key_sets(
    caller: Caller, tps: DogtagTps, key_sets: Mapping[str, KeySet]
) -> Iterator[Complaint]:
    for path, name in named_key_sets(caller):
        if name in key_sets:
            yield from (Complaint(path, reason) for reason in _objections(key_sets[name]))
    for word, names in tps.key_sets.items():
        path = ("callers", caller.name, "dogtag", "key_sets", word)
        yield from _of_versions(path, [key_sets[name] for name in names if name in key_sets])


def _objections(key_set: KeySet) -> Iterator[str]:
    """Yield why a TPS of Dogtag cannot serve the cards of a key set."""
    protocol = PROTOCOLS[int(key_set.scp)]
    # It tells the i of SCP03 alone: all other cards are taken to have the first.
    told = key_set.scp_i if key_set.scp is Scp.SCP03 else key_set.scp_i[:1]
    if not any(protocol.challenge_length(i) == _CHALLENGE for i in told):
        yield (
            f"{key_set.name} accepts no i with challenges of {_CHALLENGE} bytes, and Dogtag has "
            "no others"
        )
    if not any(len(protocol.card_roles(i)) == len(Role) for i in told):
        yield (
            f"{key_set.name} is of cards with one base key by its first i, and Dogtag's cards "
            "have three keys"
        )
    if key_set.card_algorithm is KeyAlgorithm.AES192:
        yield f"{key_set.name} is of aes192 keys, which Dogtag does not have"


def _of_versions(path: KeyPath, key_sets: Sequence[KeySet]) -> Iterator[Complaint]:
    """Yield the key sets that a card could have as well as another one of the same word."""
    known: dict[tuple[Scp, int], str] = {}
    for key_set in key_sets:
        for version in key_set.versions:
            other = known.setdefault((key_set.scp, version), key_set.name)
            if other != key_set.name:
                yield Complaint(
                    path,
                    f"{other} and {key_set.name} both have version {version} of scp "
                    f"{key_set.scp}, and nothing else tells which of them a card has",
                )


def _of_transport_key(
    caller: Caller, callers: Mapping[str, Caller], transport_keys: Mapping[str, TransportKey]
) -> Iterator[Complaint]:
    path: KeyPath = ("callers", caller.name, "transport_key")
    key = transport_keys.get(caller.transport_key or "")
    if key is None:
        return
    if key.algorithm is KeyAlgorithm.AES192:
        yield Complaint(path, f"{key.name} is of aes192: Dogtag has aes128, aes256 and des3")
    for other in callers.values():
        if other.transport_key == key.name and other.protocol is not Protocol.DOGTAG:
            yield Complaint(
                path,
                f"{key.name} wraps in another way for {other.name}, which is no TPS of Dogtag: "
                "each of the two needs a key of its own",
            )
