"""How a TKS of Dogtag makes cards' keys, as its settings say, in the words of a policy."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from tmsd.config.key_sets import KeyAlgorithm, Scp
from tmsd.dogtag_import.needed_keys import Purpose
from tmsd.dogtag_import.remarks import Kind, Remarks
from tmsd.dogtag_import.tks_settings import KeySetSettings, Nickname
from tmsd.globalplatform.diversification import Role

_DES3 = KeyAlgorithm.DES3


class Scheme(NamedTuple):
    """How cards' keys come from master keys.

    Attributes:
        name: as the policy has it.
        algorithm: of the master keys.
        card_algorithm: of the cards' keys.
        data: what the scheme goes by: kdd, cuid, or both as Dogtag has it.
    """

    name: str
    algorithm: KeyAlgorithm
    card_algorithm: KeyAlgorithm
    data: str = "kdd"

    @property
    def undiversified(self) -> bool:
        """Whether every card has the master key itself."""
        return self.name == "none"

    @property
    def purpose(self) -> Purpose:
        """What the master keys are for."""
        if self.name == "nist-sp800-108-hmac":
            return Purpose.HMAC_MASTER
        return Purpose.UNDIVERSIFIED if self.undiversified else Purpose.MASTER


@dataclass(frozen=True, slots=True)
class Choices:
    """What CS.cfg does not say.

    Attributes:
        release: the first number of Dogtag's version.
        protocols: those that the site's cards speak.
        algorithms: of master keys that are AES keys, by their nicknames.
    """

    release: int
    protocols: Collection[Scp] = tuple(Scp)
    algorithms: Mapping[str, KeyAlgorithm] = field(default_factory=dict)


def factory_scheme(
    settings: KeySetSettings,
    scp: Scp,
    values: Mapping[Role, bytes],
    choices: Choices,
    remarks: Remarks,
) -> Scheme | None:
    """Return how cards have factory keys of these values; None, with a remark, where none can."""
    keys = f"tks.{settings.word}.auth_key, mac_key and kek_key"
    lengths = {len(value) for value in values.values()}
    if scp is not Scp.SCP03 and lengths == {16}:
        return Scheme("none", _DES3, _DES3)
    if len(lengths) > 1 or scp is not Scp.SCP03:
        reason = f"no factory keys of scp {scp} are of these: equally long, and 32 in SCP03 alone"
        remarks.say(Kind.NOT_MAPPED, keys, reason)
        return None
    aes = KeyAlgorithm.AES128 if lengths == {16} else KeyAlgorithm.AES256
    kind, how = settings.scp03["devKeyType"], settings.scp03["diversVer1Keys"]
    match kind, how:
        case "DES3", "emv" | "visa2" if lengths == {16}:
            return Scheme(str(how), _DES3, KeyAlgorithm.AES128)
        case "AES", "gpkmc":
            return _gp_kmc(settings, aes, choices, remarks)
        case "AES", "none":
            return Scheme("none", aes, aes)
    if kind and how:  # what is no word of Dogtag's has its remark
        setting = f"tks.{settings.word}.prot3.diversVer1Keys"
        reason = f"Dogtag opens no card with {how} of {kind} factory keys of this length"
        remarks.say(Kind.NOT_MAPPED, setting, reason)
    return None


def master_scheme(
    settings: KeySetSettings,
    scp: Scp,
    key: tuple[int, Nickname],
    choices: Choices,
    remarks: Remarks,
) -> Scheme | None:
    """Return how cards get keys of a version of a master key; None, with a remark, if not at all.

    Args:
        settings: of the `keySet`.
        scp: the protocol.
        key: the version and the master key.
        choices: what the file does not say.
        remarks: gets what is to be said.
    """
    version, nickname = key
    if scp is Scp.SCP03:
        return _scp03_scheme(settings, nickname, choices, remarks)
    if settings.nist_from is None:
        return None  # has its remark
    if version >= settings.nist_from:
        data = "cuid" if settings.nist_by_cuid else "kdd"
        return Scheme("nist-sp800-108-hmac", _DES3, _DES3, data)
    return Scheme("visa2", _DES3, _DES3, "cuid-kdd" if scp is Scp.SCP02 else "kdd")


def _scp03_scheme(
    settings: KeySetSettings, nickname: Nickname, choices: Choices, remarks: Remarks
) -> Scheme | None:
    kind, how = settings.scp03["masterKeyType"], settings.scp03["divers"]
    setting = f"tks.{settings.word}.prot3.divers"
    match kind, how:
        case (None, _) | (_, None):
            return None  # has its remark
        case "DES3", "emv" | "visa2":
            return Scheme(str(how), _DES3, KeyAlgorithm.AES128)
        case "AES", "gpkmc":
            aes = _aes(settings, nickname, choices, remarks)
            return _gp_kmc(settings, aes, choices, remarks)
        case "AES", _:
            if how != "none":
                reason = (
                    f"Dogtag ignores {how} with AES master keys: every card has the master key "
                    "itself, and so it is written here"
                )
                remarks.say(Kind.NOT_MAPPED, setting, reason)
            aes = _aes(settings, nickname, choices, remarks)
            return Scheme("none", aes, aes)
    remarks.say(Kind.NOT_MAPPED, setting, f"Dogtag opens no card with {how} of {kind} keys")
    return None


def _gp_kmc(
    settings: KeySetSettings, aes: KeyAlgorithm, choices: Choices, remarks: Remarks
) -> Scheme:
    """Return the scheme that Dogtag calls gpkmc; 10.10 has a peculiar one."""
    name = "gp-kmc" if choices.release > 10 else "gp-kmc-dogtag-10"
    reason = (
        f"gpkmc is {name} for Dogtag {choices.release}: 10.10 makes MAC keys as ENC keys, and a "
        "card tells which one it has"
    )
    remarks.say(Kind.ASSUMED, f"tks.{settings.word}.prot3", reason)
    return Scheme(name, aes, aes, "cuid")


def _aes(
    settings: KeySetSettings, nickname: Nickname, choices: Choices, remarks: Remarks
) -> KeyAlgorithm:
    known = choices.algorithms.get(nickname.name)
    if known is not None:
        return known
    is_long = any(len(value) == 32 for value in settings.factory.values())
    guessed = KeyAlgorithm.AES256 if is_long else KeyAlgorithm.AES128
    remarks.say(
        Kind.ASSUMED,
        f"tks.{settings.word}.mk_mappings",
        f"how long the AES key {nickname} is, is not told: {guessed} is written; otherwise say "
        f"--master-key {nickname.name}=aes128 or =aes256",
    )
    return guessed
