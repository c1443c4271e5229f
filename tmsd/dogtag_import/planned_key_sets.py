"""Which key sets of a policy stand for a `keySet` of Dogtag's TKS.

A `keySet` is of no protocol: which master key a card's keys come from, and how, is told by the
protocol that is asked for and the version of the keys. So each becomes several key sets, one for
each protocol and way of deriving keys.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from tmsd.config.key_sets import Scp
from tmsd.config.key_versions import HIGHEST_PUT
from tmsd.dogtag_import.needed_keys import KeyRegister, Purpose, Source, check_value
from tmsd.dogtag_import.remarks import Kind, Remarks
from tmsd.dogtag_import.schemes import Choices, Scheme, factory_scheme, master_scheme
from tmsd.dogtag_import.tks_settings import KeyInfo, KeySetSettings, Nickname
from tmsd.globalplatform.diversification import Role

FACTORY_VERSIONS = (0x01, 0xFF)
"""The versions that stand for factory keys, unless a mapping says otherwise."""

_LONGEST_SLUG = 30
_UNUSUAL = re.compile(r"[^a-z0-9._-]+")
_KINDS = {"nist-sp800-108-hmac": "nist", "gp-kmc": "kmc", "gp-kmc-dogtag-10": "kmc", "none": "same"}


@dataclass(frozen=True, slots=True)
class PlannedKeySet:
    """A key set of the policy to be.

    Attributes:
        name: in the policy.
        word: the `keySet` that it is of.
        scp: the protocol.
        scheme: how cards' keys are made.
        labels: of the master keys in the token, by role.
        sources: by version, whence the master key comes; of factory keys the ENC key.
        factory: whether the keys are published.
    """

    name: str
    word: str
    scp: Scp
    scheme: Scheme
    labels: Mapping[Role, str]
    sources: Mapping[int, Source]
    factory: bool = False

    @property
    def put_versions(self) -> list[int]:
        """The versions that PUT KEY can make."""
        return [version for version in self.sources if version <= HIGHEST_PUT]


@dataclass(slots=True)
class Planning:
    """The planning of all key sets of a TKS.

    Attributes:
        choices: what the file does not say.
        new_masters: the mappings `tks.mk_mappings`.
        register: of the keys that are needed.
        remarks: on what cannot be had.
        names: of the key sets so far.
    """

    choices: Choices
    new_masters: Mapping[KeyInfo, Nickname]
    register: KeyRegister = field(default_factory=KeyRegister)
    remarks: Remarks = field(default_factory=Remarks)
    names: set[str] = field(default_factory=set)

    def key_sets(self, settings: KeySetSettings) -> list[PlannedKeySet]:
        """Return the key sets that stand for one of Dogtag's."""
        self._compare_new_masters(settings)
        made: list[PlannedKeySet] = []
        for scp in Scp:
            if scp not in self.choices.protocols:
                continue
            of_scp = self._of_protocol(settings, scp)
            factory = [version for version in FACTORY_VERSIONS if _is_factory(scp, version, of_scp)]
            if factory:
                made += self._factory_key_set(settings, scp, factory)
            own = {version: name for version, name in of_scp.items() if version not in factory}
            made += self._master_key_sets(settings, scp, own)
        return made

    def free_name(self, wanted: str) -> str:
        """Return a name that no key set and no caller has yet, and take it."""
        name, number = wanted, 1
        while name in self.names:
            number += 1
            name = f"{wanted}-{number}"
        self.names.add(name)
        return name

    def _compare_new_masters(self, settings: KeySetSettings) -> None:
        """Remark on new keys that Dogtag 10 took from other master keys than it opened them by."""
        for info, nickname in settings.masters.items():
            other = self.new_masters.get(info, nickname)
            if other != nickname:
                self.remarks.say(
                    Kind.NOT_MAPPED,
                    f"tks.mk_mappings.{spelled(info)}",
                    f"Dogtag 10 took new keys of {settings.word} from {other}, and opened "
                    f"channels by {nickname}: this one is taken for both",
                )

    def _of_protocol(self, settings: KeySetSettings, scp: Scp) -> dict[int, Nickname]:
        """Return the keys of one protocol by version; a TPS asks for SCP02 as for SCP01."""
        found = {
            version: name for (version, of), name in settings.masters.items() if of == int(scp)
        }
        if scp is Scp.SCP02:
            for (version, of), name in settings.masters.items():
                if of != int(Scp.SCP01):
                    continue
                if found.get(version, name) != name:
                    self.remarks.say(
                        Kind.NOT_MAPPED,
                        f"tks.{settings.word}.mk_mappings.{spelled((version, 2))}",
                        f"a TPS asks for SCP02 by {spelled((version, 1))}: {name} is taken, and "
                        f"not {found[version]}",
                    )
                found[version] = name
        return dict(sorted(found.items()))

    def _factory_key_set(
        self, settings: KeySetSettings, scp: Scp, versions: Sequence[int]
    ) -> Iterator[PlannedKeySet]:
        values = dict(settings.factory)
        if len(values) < len(Role):
            return  # each that is not right has its remark
        if scp is Scp.SCP02:  # Dogtag takes mac_key for each of them
            values = dict.fromkeys(Role, values[Role.MAC])
        scheme = factory_scheme(settings, scp, values, self.choices, self.remarks)
        if scheme is None:
            return
        labels = {
            role: self.register.label_for(
                f"factory-{scheme.algorithm}{'' if scheme.undiversified else '-master'}-"
                f"{check_value(value, scheme.algorithm).hex()}",
                scheme.algorithm,
                scheme.purpose,
                dict.fromkeys(versions, value),
            )
            for role, value in values.items()
        }
        yield PlannedKeySet(
            name=self.free_name(f"{slug(settings.word)}-scp{scp}-factory"),
            word=settings.word,
            scp=scp,
            scheme=scheme,
            labels=labels,
            sources=dict.fromkeys(versions, values[Role.ENC]),
            factory=True,
        )

    def _master_key_sets(
        self, settings: KeySetSettings, scp: Scp, masters: Mapping[int, Nickname]
    ) -> Iterator[PlannedKeySet]:
        by_scheme: dict[Scheme, dict[int, Nickname]] = {}
        for version, nickname in masters.items():
            key = (version, nickname)
            scheme = master_scheme(settings, scp, key, self.choices, self.remarks)
            if scheme is not None:
                by_scheme.setdefault(scheme, {})[version] = nickname
        for scheme, sources in by_scheme.items():
            begin = slug(settings.word)
            nicknames = {nickname.name for nickname in sources.values()}
            called = nicknames.pop() if len(nicknames) == 1 else begin
            kind = "hmac" if scheme.purpose is Purpose.HMAC_MASTER else str(scheme.algorithm)
            label = self.register.label_for(
                f"{called}-{kind}{'-undiversified' if scheme.undiversified else ''}",
                scheme.algorithm,
                scheme.purpose,
                sources,
            )
            yield PlannedKeySet(
                name=self.free_name(f"{begin}-scp{scp}-{_KINDS.get(scheme.name, scheme.name)}"),
                word=settings.word,
                scp=scp,
                scheme=scheme,
                labels=dict.fromkeys(Role, label),
                sources=sources,
            )


def targets(planned: PlannedKeySet, others: Sequence[PlannedKeySet]) -> tuple[list[str], list[str]]:
    """Return where Dogtag changes cards of a key set to: on, and back to keys that are not better.

    All are of the same word and the same protocol, as `name:version`.
    """
    on: list[str] = []
    back: list[str] = []
    for other in others:
        if (other.word, other.scp) != (planned.word, planned.scp):
            continue
        if other is planned and (other.factory or len(other.sources) == 1):
            continue  # to what they have already
        names = [f"{other.name}:{version}" for version in other.put_versions]
        worse = other.factory or other.scheme.undiversified
        weaker = other.scheme.card_algorithm.strength < planned.scheme.card_algorithm.strength
        if worse or weaker:
            back += names
        else:
            on += names
    return on, back


def _is_factory(scp: Scp, version: int, masters: Mapping[int, Nickname]) -> bool:
    """Say whether a version stands for factory keys: in SCP02 always, else by the key's name."""
    name = masters[version].name if version in masters else None
    if scp is Scp.SCP02 or name is None:
        return True
    if version == 0xFF:
        return "#FF" in name
    return name == "#01#01" if scp is Scp.SCP01 else "#01#" in name


def slug(word: str) -> str:
    """Return what of a word may begin the name of a key set or a caller."""
    cut = _UNUSUAL.sub("-", word.lower())[:_LONGEST_SLUG].strip("._-")
    return cut or "set"


def spelled(info: KeyInfo) -> str:
    """Return a KeyInfo as mappings have it: `#02#01`."""
    return "".join(f"#{each:02X}" for each in info)
