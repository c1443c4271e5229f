"""policy.toml as it is written for a TKS of Dogtag, and the script of a ceremony for its keys."""

import re
from collections.abc import Iterator, Sequence

from tmsd.config.key_sets import KeyAlgorithm, Scp
from tmsd.dogtag_import.needed_keys import NeededKey, Purpose, check_value
from tmsd.dogtag_import.planned_key_sets import PlannedKeySet, targets
from tmsd.dogtag_import.planned_policy import KRA_FILE, PlannedCaller, PlannedPolicy
from tmsd.globalplatform.diversification import Role
from tmsd.plain_text import plain

_BARE = re.compile(r"[A-Za-z0-9_-]+")  # TOML 1.0, "Keys"
_SHORT_SESSION_KEYS = 10  # the last release that has them
_CUSTODIANS = ("first", "second", "third")
_HEAD = """\
# Written by `tmsctl import dogtag-tks`. docs/dogtag.md tells what is other than it was
# with Dogtag's TKS, and config/policy.toml what each key means.
version = 1
"""
_SCRIPT_HEAD = """\
# Written by `tmsctl import dogtag-tks`: the keys that the policy beside it needs. Put in the
# deployment and the custodians, and the `kcv` of each key that is no factory key, as
# `tkstool -K` shows it (its first three bytes). A key with backup = "quorum" is extractable.
format = 1
"""


def policy_text(policy: PlannedPolicy) -> str:
    """Return policy.toml."""
    parts = [
        _HEAD,
        *("\n".join(_caller(policy, caller)) for caller in policy.callers),
        *("\n".join(_secret(name, key)) for name, key in policy.secrets.items()),
        *("\n".join(_key_set(key_set, policy.key_sets)) for key_set in policy.key_sets),
    ]
    return "\n\n".join(part.rstrip("\n") for part in parts) + "\n"


def script_text(keys: Sequence[NeededKey]) -> str:
    """Return a script of a ceremony that imports these keys by components."""
    title = quoted("Keys of a TKS of Dogtag")
    parts = [f'{_SCRIPT_HEAD}title = {title}\ndeployment = "dogtag"']
    parts += ["\n".join(_step(key)) for key in keys]
    return "\n\n".join(parts) + "\n"


def quoted(text: str) -> str:
    """Return text as a basic string of TOML 1.0."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + "".join(c if c.isprintable() else f"\\U{ord(c):08x}" for c in escaped) + '"'


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else quoted(text)


def _caller(policy: PlannedPolicy, caller: PlannedCaller) -> Iterator[str]:
    yield f"# {plain(caller.user)}, by the public key of its certificate."
    yield f"[callers.{_key(caller.name)}]"
    yield f"public_key_sha256 = {quoted(caller.public_key_sha256)}"
    yield 'roles = ["tps"]'
    yield 'protocol = "dogtag"'
    yield f"key_sets = {_array([key_set.name for key_set in policy.key_sets])}"
    yield f"transport_key = {quoted(caller.transport_key)}"
    yield ""
    yield f"[callers.{_key(caller.name)}.dogtag]"
    if policy.kra_certificate:
        yield f"kra_certificate = {quoted(KRA_FILE)}"
        yield f"kra_oaep = {'true' if policy.kra_oaep else 'false'}"
        yield f"keygen_keys = {_array(policy.keygen_keys)}"
    if any(key_set.scp is Scp.SCP02 for key_set in policy.key_sets):
        yield "# SCP02 proves no card to the TKS. Without this its key sets are not served:"
        yield "#allow_unverified_scp02 = true"
    if policy.kra_certificate and any(key_set.scp is Scp.SCP03 for key_set in policy.key_sets):
        yield "# In SCP03 Dogtag hands out the card's static DEK with them. Here the field is empty"
        yield "# unless the caller above says deliver_static_dek = true."
    if policy.release <= _SHORT_SESSION_KEYS and _has_aes256(policy.key_sets):
        yield "# Dogtag 10 has session keys of AES-128 for cards with AES-256 keys, and no card by"
        yield "# the standard has. Where cards of the site do:"
        yield "#aes128_sessions = true"
    yield ""
    yield "# By the words of the TPS."
    yield f"[callers.{_key(caller.name)}.dogtag.key_sets]"
    for word, names in policy.words.items():
        yield f"{_key(word)} = {_array(names)}"


def _has_aes256(key_sets: Sequence[PlannedKeySet]) -> bool:
    return any(each.scheme.card_algorithm is KeyAlgorithm.AES256 for each in key_sets)


def _secret(name: str, key: NeededKey) -> Iterator[str]:
    yield f"# The secret {plain(str(key.source))} of the TKS."
    yield f"[transport_keys.{_key(name)}]"
    yield f"label = {quoted(key.label)}"
    yield f"version = {key.version}"
    yield f"algorithm = {quoted(key.algorithm)}"


def _key_set(key_set: PlannedKeySet, others: Sequence[PlannedKeySet]) -> Iterator[str]:
    scheme = key_set.scheme
    yield from _described(key_set)
    yield f"[key_sets.{_key(key_set.name)}]"
    yield f"scp = {quoted(key_set.scp)}"
    if len(set(key_set.labels.values())) == 1:
        yield f"master_key = {quoted(key_set.labels[Role.ENC])}"
    else:
        roles = (f"{role.name.lower()} = {quoted(key_set.labels[role])}" for role in Role)
        yield f"master_keys = {{ {', '.join(roles)} }}"
    yield f"algorithm = {quoted(scheme.algorithm)}"
    if scheme.card_algorithm is not scheme.algorithm:
        yield f"card_key_algorithm = {quoted(scheme.card_algorithm)}"
    yield f"diversification = {quoted(scheme.name)}"
    if scheme.undiversified:
        yield "undiversified = true"
    else:
        yield f"diversification_data = {quoted(scheme.data)}"
    if key_set.factory:
        yield "factory = true"
    if scheme.purpose is Purpose.HMAC_MASTER:
        yield "# No token computes this scheme inside."
        yield "allow_key_material_in_worker = true"
    versions = (f'{version} = "active"' for version in key_set.sources)
    yield f"versions = {{ {', '.join(versions)} }}"
    if key_set.scp is Scp.SCP03:
        yield 'scp_i = ["70", "60", "30", "20", "10", "00"]'
    if key_set.scp is Scp.SCP01:
        yield 'put_key_des_type = "81"'
    yield from _changes(key_set, others)


def _described(key_set: PlannedKeySet) -> Iterator[str]:
    yield f"# {plain(key_set.word)}, SCP{key_set.scp}:"
    for version, source in key_set.sources.items():
        whence = "published by card makers" if isinstance(source, bytes) else plain(str(source))
        yield f"#   version {version:02x}: {whence}"


def _changes(key_set: PlannedKeySet, others: Sequence[PlannedKeySet]) -> Iterator[str]:
    on, back = targets(key_set, others)
    if on:
        yield f"change_to = {_array(on)}"
    if back:
        yield "# Keys that everybody knows, that all cards share, or that are weaker. Where cards"
        yield "# are to be given them as Dogtag did (out of service, or without diversification):"
        yield f"#change_back_to = {_array(back)}"


def _step(key: NeededKey) -> Iterator[str]:
    published = key.published
    origin = f"published: {published.hex()}" if published else plain(str(key.source))
    yield f"# {origin}; {key.shape}."
    yield "[[steps]]"
    yield 'do = "import-key"'
    yield f"label = {quoted(key.label)}"
    yield f"version = {key.version}"
    yield f"algorithm = {quoted(key.algorithm)}"
    yield f"purpose = {quoted(key.purpose)}"
    if key.purpose is Purpose.UNDIVERSIFIED:
        yield 'backup = "quorum"  # so that PUT KEY can bring it to a card; else "none"'
    if published:
        yield "factory = true"
        yield f"kcv = {quoted(check_value(published, key.algorithm).hex())}"
    yield f"custodians = {_array(_CUSTODIANS[:1] if published else _CUSTODIANS)}"


def _array(values: Sequence[str]) -> str:
    return f"[{', '.join(map(quoted, values))}]"
