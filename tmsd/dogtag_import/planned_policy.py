"""The policy that stands for a TKS of Dogtag, before it is written."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tmsd.config.key_sets import KeyAlgorithm
from tmsd.config.toml import ConfigError, Fault
from tmsd.dogtag_import.needed_keys import NeededKey, Purpose
from tmsd.dogtag_import.planned_key_sets import PlannedKeySet, Planning, slug, spelled
from tmsd.dogtag_import.remarks import Kind, Remark, Remarks
from tmsd.dogtag_import.schemes import Choices
from tmsd.dogtag_import.tks_settings import INTERNAL, Connector, Nickname, TksSettings
from tmsd.plain_text import plain

KRA_FILE = "kra-transport.pem"
"""The DRM's transport certificate, beside the policy."""

SECRET_ALGORITHMS = (KeyAlgorithm.DES3, KeyAlgorithm.AES128, KeyAlgorithm.AES256)
"""What a secret that a TPS of Dogtag shares may be."""

_AES_KEYGEN_SINCE = 11


@dataclass(frozen=True, slots=True)
class Given:
    """What those say who have the file imported.

    Attributes:
        choices: what CS.cfg does not say of key sets.
        secret_algorithm: of the secrets that the TPS share with the TKS; None where it is guessed.
        public_keys: SHA-256 of the public keys of TPS, by their users, numbers or names.
        has_kra_certificate: whether the DRM's transport certificate is at hand.
    """

    choices: Choices
    secret_algorithm: KeyAlgorithm | None = None
    public_keys: Mapping[str, str] = field(default_factory=dict)
    has_kra_certificate: bool = False


@dataclass(frozen=True, slots=True)
class PlannedCaller:
    """A TPS: its name in the policy, its user at the TKS, its key, and its secret's name."""

    name: str
    user: str
    public_key_sha256: str
    transport_key: str


@dataclass(frozen=True, slots=True)
class PlannedPolicy:
    """All that is written.

    Attributes:
        release: the first number of Dogtag's version.
        callers: the TPS.
        secrets: the transport keys, by their names in the policy.
        key_sets: of all `keySet`s, in their order.
        kra_certificate: whether keys for server-side key generation are made.
        kra_oaep: how these are encrypted.
        keys: what the token has to have.
        remarks: what could not be mapped, was guessed, or is to be done.
    """

    release: int
    callers: Sequence[PlannedCaller]
    secrets: Mapping[str, NeededKey]
    key_sets: Sequence[PlannedKeySet]
    kra_certificate: bool
    kra_oaep: bool
    keys: Sequence[NeededKey]
    remarks: Sequence[Remark]

    @property
    def words(self) -> Mapping[str, Sequence[str]]:
        """The names of key sets by the `keySet` that they are of."""
        found: dict[str, list[str]] = {}
        for key_set in self.key_sets:
            found.setdefault(key_set.word, []).append(key_set.name)
        return found

    @property
    def keygen_keys(self) -> Sequence[str]:
        """Which keys for server-side key generation this release has."""
        return ("des", "aes") if self.release >= _AES_KEYGEN_SINCE else ("des",)


def planned_policy(settings: TksSettings, given: Given) -> PlannedPolicy:
    """Return the policy that stands for a TKS.

    Raises:
        ConfigError: no key set is left of it, or a name of a TPS is none of its.
    """
    planning = Planning(given.choices, settings.new_masters)
    for remark in settings.remarks:
        planning.remarks.say(remark.kind, remark.setting, remark.reason)
    key_sets = [one for each in settings.key_sets for one in planning.key_sets(each)]
    if not key_sets:
        faults = [Fault(settings.file, None, "", str(remark)) for remark in planning.remarks.said]
        none = Fault(settings.file, None, "", "no key set of it can be served")
        raise ConfigError([none, *faults])
    callers, secrets = _callers(settings, given, planning)
    _remark_on_kra(settings, given, planning.remarks)
    _remark_on_keys_without_mapping(settings, planning.remarks)
    return PlannedPolicy(
        release=given.choices.release,
        callers=callers,
        secrets=secrets,
        key_sets=key_sets,
        kra_certificate=given.has_kra_certificate,
        kra_oaep=settings.kra_oaep,
        keys=tuple(planning.register.keys.values()),
        remarks=tuple(planning.remarks.said),
    )


def _callers(
    settings: TksSettings, given: Given, planning: Planning
) -> tuple[list[PlannedCaller], dict[str, NeededKey]]:
    callers: list[PlannedCaller] = []
    secrets: dict[str, NeededKey] = {}
    unused = dict(given.public_keys)
    for connector in settings.connectors or _connectors_given(given):
        name = planning.free_name(slug(connector.user))
        nickname = settings.shared_secret or connector.nickname
        secret = _secret(secrets, name, nickname, given, planning)
        public_key = _taken(unused, connector.user, connector.number, name)
        if public_key is None:
            public_key = f"{len(callers) + 1:064x}"
            reason = (
                f"no key has this one: put that of {connector.user}'s certificate there, or say "
                f"--tps-certificate {connector.user}=FILE"
            )
            planning.remarks.say(Kind.TO_DO, f"callers.{name}.public_key_sha256", reason)
        callers.append(PlannedCaller(name, connector.user, public_key, secret))
    if unused:
        known = ", ".join(connector.user for connector in settings.connectors)
        message = plain(f"has no TPS {', '.join(unused)}, only {known}")
        raise ConfigError([Fault(settings.file, None, "tps.list", message)])
    if not callers:
        reason = "names no TPS: say --tps-certificate NAME=FILE for each"
        planning.remarks.say(Kind.TO_DO, "tps.list", reason)
    return callers, secrets


def _connectors_given(given: Given) -> list[Connector]:
    return [Connector("", name, f"{name} sharedSecret") for name in given.public_keys]


def _taken(public_keys: dict[str, str], *names: str) -> str | None:
    """Take the public key out that is given under one of these names, whatever their case."""
    wanted = {name.lower() for name in names if name}
    for name in public_keys:
        if name.lower() in wanted:
            return public_keys.pop(name)
    return None


def _secret(
    secrets: dict[str, NeededKey], caller: str, nickname: str, given: Given, planning: Planning
) -> str:
    """Return the name of the transport key that is the secret of this nickname."""
    source = Nickname(INTERNAL, nickname)
    for name, key in secrets.items():
        if key.source == source:
            return name
    algorithm = given.secret_algorithm
    if algorithm is None:
        algorithm = KeyAlgorithm.AES128 if given.choices.release > 10 else KeyAlgorithm.DES3
        reason = f"its algorithm is not told: {algorithm} is written; see --shared-secret-algorithm"
        planning.remarks.say(Kind.ASSUMED, nickname, reason)
    label = planning.register.label_for(nickname, algorithm, Purpose.TRANSPORT, {1: source})
    secrets[caller] = planning.register.keys[label, 1]
    return caller


def _remark_on_kra(settings: TksSettings, given: Given, remarks: Remarks) -> None:
    if settings.kra_nickname and not given.has_kra_certificate:
        reason = (
            "no keys for server-side key generation are made without the certificate: say "
            "--kra-certificate FILE, with what certutil -L -n NICKNAME -a writes"
        )
        remarks.say(Kind.TO_DO, "tks.drm_transport_cert_nickname", reason)
    if given.has_kra_certificate:
        reason = (
            "the version does not tell whether the TPS takes AES keys: Dogtag has them since 11.4, "
            'and in later versions of 10.13, where keygen_keys must be ["des", "aes"]'
        )
        remarks.say(Kind.ASSUMED, "callers.*.dogtag.keygen_keys", reason)


def _remark_on_keys_without_mapping(settings: TksSettings, remarks: Remarks) -> None:
    """Say which keys no key set opens channels by: those of new keys alone, or of no mapping.

    Without a mapping Dogtag takes a key that is named as the KeyInfo is.
    """
    mapped = {info for key_set in settings.key_sets for info in key_set.masters}
    for info in settings.new_masters:
        if info not in mapped:
            reason = (
                "new keys came from it, and no keySet opens channels by it: where cards have such "
                f"keys, add tks.KEYSET.mk_mappings.{spelled(info)}, and import again"
            )
            remarks.say(Kind.NOT_MAPPED, f"tks.mk_mappings.{spelled(info)}", reason)
    for key_set in settings.key_sets:
        if not key_set.masters:
            reason = (
                "has none: if tkstool -L shows master keys that are named #02#01 or so, add the "
                f"mapping tks.{key_set.word}.mk_mappings.#02#01=internal:#02#01, and import again"
            )
            remarks.say(Kind.ASSUMED, f"tks.{key_set.word}.mk_mappings", reason)
