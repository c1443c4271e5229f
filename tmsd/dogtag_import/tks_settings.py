"""What CS.cfg says of a TKS: its key sets, its master keys, and the TPS that it serves."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tmsd.config.dogtag import LONGEST_KEY_SET_NAME
from tmsd.config.toml import ConfigError, Fault
from tmsd.dogtag_import.cs_cfg import CsCfg
from tmsd.dogtag_import.remarks import Kind, Remark, Remarks
from tmsd.globalplatform.diversification import Role

MOST_KEY_SETS = 64
MOST_MAPPINGS = 2000
MOST_CONNECTORS = 64

INTERNAL = "internal"
"""The token of NSS's own database."""

_INTERNAL_NAMES = ("", "internal", "internal key storage token")
_FACTORY_KEYS = {"auth_key": Role.ENC, "mac_key": Role.MAC, "kek_key": Role.DEK}
_NIST_FROM = "nistSP800-108KdfOnKeyVersion"
_NIST_BY_CUID = "nistSP800-108KdfUseCuidAsKdd"
_SCP03_WORDS = {
    "prot3.divers": ("emv", "emv visa2 none gpkmc"),
    "prot3.diversVer1Keys": ("emv", "emv visa2 none gpkmc"),
    "prot3.devKeyType": ("DES3", "DES3 AES"),
    "prot3.masterKeyType": ("DES3", "DES3 AES"),
}
_OF_KEY_SETS = {*_FACTORY_KEYS, _NIST_FROM, _NIST_BY_CUID, *_SCP03_WORDS}
_MAPPINGS = "mk_mappings."
_OF_ALL = (
    *("debug", "debugKeyRollover", "defaultSlot", "useDefaultSlot", "useSoftToken"),
    *("master_key_prefix", "tksSharedSymKeyName", "useNewSharedSecretNames"),
    *("drm_transport_cert_nickname", "EncryptData.isRandom"),
)
# The subsystem's own certificates.
_CERTIFICATES = ("cert", "subsystem", "sslserver", "audit_signing", "signing")
_OF_CONNECTORS = ("host", "port", "userid", "nickname")

_COMMENT = re.compile(r"(.*\.)?_[0-9]{3}")
_KEY_INFO = re.compile(r"#([0-9A-F]{2})#([0-9A-F]{2})")
_BYTES = re.compile(r"(#[0-9A-Fa-f]{2})+")
_ONE_BYTE = re.compile(r"[0-9A-Fa-f]{1,2}")


@dataclass(frozen=True, slots=True)
class Nickname:
    """A key of the TKS: its token, `internal` for NSS's own database, and its name there."""

    token: str
    name: str

    def __str__(self) -> str:
        """Return it as CS.cfg does."""
        return f"{self.token}:{self.name}"


KeyInfo = tuple[int, int]
"""The version of keys, and 1, 2 or 3: which protocol asks."""


@dataclass(frozen=True, slots=True)
class KeySetSettings:
    """A `keySet` of the TKS.

    Attributes:
        word: what a TPS calls it.
        factory: the keys that card makers publish, 16 or 32 bytes; those that are right.
        masters: the mappings of its own.
        nist_from: the lowest version with keys by NIST SP 800-108; None where Dogtag refuses the
            value.
        nist_by_cuid: whether these go by the CUID.
        scp03: `prot3.` settings by the rest of their name; None where Dogtag has no such word.
    """

    word: str
    factory: Mapping[Role, bytes]
    masters: Mapping[KeyInfo, Nickname]
    nist_from: int | None
    nist_by_cuid: bool
    scp03: Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Connector:
    """A TPS that the TKS serves: its number in `tps.list`, its user, its secret's nickname."""

    number: str
    user: str
    nickname: str


@dataclass(frozen=True, slots=True)
class TksSettings:
    """What a CS.cfg says.

    Attributes:
        file: the CS.cfg.
        release: the first number of Dogtag's version; None where the file does not tell.
        key_sets: in the order of the file.
        new_masters: the mappings `tks.mk_mappings`, which Dogtag 10 takes new keys from.
        connectors: in the order of `tps.list`.
        shared_secret: the nickname of the one secret of all TPS; None where each has its own.
        kra_nickname: of the DRM's transport certificate; empty where there is none.
        kra_oaep: whether keys for the DRM are encrypted with OAEP.
        remarks: on what the file says, in its order.
    """

    file: Path
    release: int | None
    key_sets: tuple[KeySetSettings, ...]
    new_masters: Mapping[KeyInfo, Nickname]
    connectors: tuple[Connector, ...]
    shared_secret: str | None
    kra_nickname: str
    kra_oaep: bool
    remarks: tuple[Remark, ...]


def tks_settings(config: CsCfg) -> TksSettings:
    """Return what a CS.cfg says of its TKS.

    Raises:
        ConfigError: it is of another subsystem, or names more than any TKS has.
    """
    reading = _Reading(config)
    reading.require_tks()
    key_sets = tuple(reading.key_set(word) for word in reading.words())
    per_tps = reading.is_true("tks.useNewSharedSecretNames")
    reading.remark_on_all()
    return TksSettings(
        file=config.file,
        release=reading.release(),
        key_sets=key_sets,
        new_masters=reading.mappings("tks."),
        connectors=tuple(reading.connectors()),
        shared_secret=None if per_tps else reading.get("tks.tksSharedSymKeyName", "sharedSecret"),
        kra_nickname=reading.get("tks.drm_transport_cert_nickname", ""),
        kra_oaep=reading.is_true("keyWrap.useOAEP"),
        remarks=tuple(reading.remarks.said),  # once all else is read
    )


@dataclass(slots=True)
class _Reading:
    """The reading of one file, with what is remarked on the way."""

    config: CsCfg
    remarks: Remarks = field(default_factory=Remarks)
    mapped: int = 0

    def get(self, key: str, default: str) -> str:
        return self.config.values.get(key, default)

    def is_true(self, key: str) -> bool:
        return self.get(key, "false").lower() == "true"

    def require_tks(self) -> None:
        of = self.get("cs.type", "TKS")
        if of != "TKS" or not any(key.startswith("tks.") for key in self.config.values):
            message = "holds no setting of a TKS, which begin with tks."
            if of != "TKS":
                message = "is of another subsystem by its cs.type: CS.cfg of the TKS is wanted"
            raise ConfigError([Fault(self.config.file, None, "", message)])

    def release(self) -> int | None:
        for key in ("cms.product.version", "cms.version"):
            first = self.get(key, "").partition(".")[0]
            if first.isascii() and first.isdecimal() and len(first) <= 3:
                return int(first)
        return None

    def words(self) -> list[str]:
        """Return the names of key sets: what has a setting of one below it."""
        words: dict[str, None] = {}
        for key in self.config.values:
            below, _, rest = key.removeprefix("tks.").partition(".")
            is_one = rest in _OF_KEY_SETS or rest.startswith(_MAPPINGS)
            if key.startswith("tks.") and is_one:
                words[below] = None
        if len(words) > MOST_KEY_SETS:
            raise _too_many(self.config, "tks", len(words), MOST_KEY_SETS)
        return [word for word in words if self._is_word(word)]

    def _is_word(self, word: str) -> bool:
        if word and len(word.encode()) <= LONGEST_KEY_SET_NAME and word.isprintable():
            return True
        reason = f"a key set's name has 1 to {LONGEST_KEY_SET_NAME} bytes that can be printed"
        self.remarks.say(Kind.NOT_MAPPED, f"tks.{word}", reason)
        return False

    def key_set(self, word: str) -> KeySetSettings:
        prefix = f"tks.{word}."
        return KeySetSettings(
            word=word,
            factory=dict(self._factory_keys(prefix)),
            masters=self.mappings(prefix),
            nist_from=self._nist_from(prefix),
            nist_by_cuid=self.is_true(prefix + _NIST_BY_CUID),
            scp03={name.removeprefix("prot3."): self._word(prefix, name) for name in _SCP03_WORDS},
        )

    def _factory_keys(self, prefix: str) -> Iterator[tuple[Role, bytes]]:
        for name, role in _FACTORY_KEYS.items():
            spelled = self.get(prefix + name, "")
            value = bytes.fromhex(spelled.replace("#", "")) if _BYTES.fullmatch(spelled) else b""
            if len(value) in (16, 32):
                yield role, value
            else:
                reason = "must be 16 or 32 bytes as #40#41…: no key set for factory keys is made"
                self.remarks.say(Kind.NOT_MAPPED, prefix + name, reason)

    def _nist_from(self, prefix: str) -> int | None:
        value = self.get(prefix + _NIST_FROM, "00")
        if _ONE_BYTE.fullmatch(value):
            return int(value, 16)
        reason = "is no byte in hexadecimal: Dogtag refuses SCP01 and SCP02, and so none is written"
        self.remarks.say(Kind.NOT_MAPPED, prefix + _NIST_FROM, reason)
        return None

    def _word(self, prefix: str, name: str) -> str | None:
        default, known = _SCP03_WORDS[name]
        value = self.get(prefix + name, default)
        if value in known.split():
            return value
        reason = f"is none of {', '.join(known.split())}: no key set of SCP03 is made of it"
        self.remarks.say(Kind.NOT_MAPPED, prefix + name, reason)
        return None

    def mappings(self, prefix: str) -> dict[KeyInfo, Nickname]:
        """Return the mappings below a prefix, of versions and protocols that there are."""
        found: dict[KeyInfo, Nickname] = {}
        for key, value in self.config.values.items():
            if not key.startswith(prefix + _MAPPINGS):
                continue
            self.mapped += 1
            if self.mapped > MOST_MAPPINGS:
                raise _too_many(self.config, "mk_mappings", self.mapped, MOST_MAPPINGS)
            matched = _KEY_INFO.fullmatch(key.removeprefix(prefix + _MAPPINGS))
            version, protocol = (int(each, 16) for each in matched.groups()) if matched else (0, 0)
            token, colon, name = (part.strip() for part in value.partition(":"))
            if not version or protocol not in (1, 2, 3):
                reason = "asked for by no TPS: #02#01, #02#02 or #02#03 in upper case would be"
                self.remarks.say(Kind.NOT_MAPPED, key, reason)
            elif not colon or not name:
                reason = "must be a token and a key's nickname, as internal:new_master"
                self.remarks.say(Kind.NOT_MAPPED, key, reason)
            else:
                inside = token.lower() in _INTERNAL_NAMES
                found[version, protocol] = Nickname(INTERNAL if inside else token, name)
        return found

    def connectors(self) -> Iterator[Connector]:
        numbers = [part.strip() for part in self.get("tps.list", "").split(",") if part.strip()]
        if len(numbers) > MOST_CONNECTORS:
            raise _too_many(self.config, "tps.list", len(numbers), MOST_CONNECTORS)
        for number in dict.fromkeys(numbers):
            user = self.get(f"tps.{number}.userid", "")
            nickname = self.get(f"tps.{number}.nickname", "")
            if user:
                yield Connector(number, user, nickname or f"{user} sharedSecret")
            else:
                reason = f"tps.{number}.userid is missing: nobody is known by it"
                self.remarks.say(Kind.NOT_MAPPED, "tps.list", reason)

    def remark_on_all(self) -> None:
        """Remark on settings of no key set, and on what is not known."""
        if self.get("cardcryptogram.validate.enable", "true").lower() != "true":
            reason = "is not honoured: cards of SCP01 and SCP03 always prove their keys"
            self.remarks.say(Kind.NOT_MAPPED, "cardcryptogram.validate.enable", reason)
        if self.get("tks.EncryptData.isRandom", "true").lower() != "true":
            reason = "is not honoured: no data of a TPS is encrypted, only a challenge made here"
            self.remarks.say(Kind.NOT_MAPPED, "tks.EncryptData.isRandom", reason)
        if self.get("tks.master_key_prefix", ""):
            reason = "did nothing in Dogtag, and does nothing here"
            self.remarks.say(Kind.NOT_MAPPED, "tks.master_key_prefix", reason)
        for key in self.config.repeated:
            if key.startswith(("tks.", "tps.", "keyWrap.", "cardcryptogram.")):
                reason = "is there more than once: the last holds, as in Dogtag"
                self.remarks.say(Kind.ASSUMED, key, reason)
        for number in self.config.unread:
            self.remarks.say(Kind.UNKNOWN, f"line {number}", "is neither key=value nor a comment")
        for key in self.config.values:
            if key.startswith(("tks.", "tps.", "keyWrap.", "cardcryptogram.")) and not _is_known(
                key
            ):
                self.remarks.say(Kind.UNKNOWN, key, "is no setting that is known of a TKS")


def _is_known(key: str) -> bool:
    if _COMMENT.fullmatch(key):
        return True
    family, _, rest = key.partition(".")
    below, _, last = rest.partition(".")
    match family:
        case "tks":
            return (
                rest in _OF_ALL
                or below in (*_CERTIFICATES, "mk_mappings")
                or last in _OF_KEY_SETS
                or last.startswith(_MAPPINGS)
            )
        case "tps":
            return rest == "list" or last in _OF_CONNECTORS
        case "keyWrap":
            return rest == "useOAEP"
        case _:
            return rest == "validate.enable"


def _too_many(config: CsCfg, key: str, count: int, most: int) -> ConfigError:
    message = f"names {count}, and no more than {most} are taken"
    return ConfigError([Fault(config.file, None, key, message)])
