"""Traces of secure channels, and the cards that would have answered so.

tests/vectors/card_scp01_traces.json, card_scp02_traces.json and card_scp03_traces.json are
published; each entry says by whom. For what nobody has published (ICV encryption in SCP01,
R-MAC in SCP02, S16 in SCP03) card_generated_traces.json has what this project computed apart
from the card; that shows agreement, and no more.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.virtual_token.card import Card
from tests.virtual_token.channel import Initiation
from tests.virtual_token.keys import KeySet, diversify
from tests.virtual_token.memory import NonVolatileMemory, SequenceCounter
from tests.virtual_token.personalisation import ISSUER_SECURITY_DOMAIN, CardProfile
from tests.virtual_token.protocols import PROTOCOLS

VECTORS = Path(__file__).parents[1] / "vectors"


@dataclass(frozen=True, slots=True)
class Step:
    """One exchange after EXTERNAL AUTHENTICATE; the response where the source has it."""

    plain: bytes
    protected: bytes
    response_plain: bytes | None
    response_protected: bytes | None


@dataclass(frozen=True, slots=True)
class Trace:
    """A session: both sides' messages and the keys they were made with."""

    name: str
    scp: int
    i: int
    enc: bytes
    mac: bytes
    dek: bytes
    aid: bytes
    host_challenge: bytes
    answer: bytes  # to INITIALIZE UPDATE, without the status word
    external_authenticate: bytes
    steps: tuple[Step, ...]

    @property
    def keys(self) -> KeySet:
        """The static keys, under the version that the answer names."""
        return KeySet(self.answer[10], self.enc, self.mac, self.dek)

    @property
    def initialize_update(self) -> bytes:
        """The command that the answer answers."""
        length = bytes([len(self.host_challenge)])
        return bytes.fromhex("80500000") + length + self.host_challenge + b"\x00"

    @property
    def level(self) -> int:
        """The security level of the session."""
        return self.external_authenticate[2]

    def memory(self) -> NonVolatileMemory:
        """Return the memory as it was before INITIALIZE UPDATE."""
        memory = NonVolatileMemory()
        if PROTOCOLS[self.scp].counts_sessions(self.i):
            # SCP02 answers with the counter as it stands; SCP03 increments first.
            counter = self.answer[12:14] if self.scp == 2 else self.answer[-3:]
            memory.set_counter(self.answer[10], int.from_bytes(counter) - (self.scp == 3))
        return memory

    def random(self, length: int) -> bytes:
        """Return the card challenge: what the card's random number generator gave."""
        begin = {1: 12, 2: 14, 3: 13}[self.scp]
        assert length == (6 if self.scp == 2 else len(self.host_challenge))
        return self.answer[begin : begin + length]

    def initiation(self) -> Initiation:
        """Return what the protocol got to see at INITIALIZE UPDATE."""
        length = PROTOCOLS[self.scp].COUNTER_LENGTH
        return Initiation(
            host_challenge=self.host_challenge,
            keys=self.keys,
            i=self.i,
            kdd=self.answer[:10],
            aid=self.aid,
            counter=SequenceCounter(self.memory(), self.answer[10], length),
            random=self.random,
            minimum_level=0x00,
            encrypted_empty_accepted=False,
        )

    def card(self) -> Card:
        """Return a card that answers this trace's host as the trace's card did."""
        profile = CardProfile(
            scp=self.scp,
            i=self.i,
            key_version=self.answer[10],
            enc=self.enc,
            mac=self.mac,
            dek=self.dek,
            kdd=self.answer[:10],
            aid=self.aid,
        )
        return Card(profile, self.memory(), self.random)

    def opened(self) -> Card:
        """Return that card after EXTERNAL AUTHENTICATE, its session open."""
        card = self.card()
        assert card.transmit(self.initialize_update) == self.answer + b"\x90\x00"
        assert card.transmit(self.external_authenticate) == b"\x90\x00"
        return card


def read_traces(file: str) -> dict[str, Trace]:
    """Read tests/vectors/`file`; return its traces by name."""
    entries = json.loads((VECTORS / file).read_text())["vectors"]
    return {entry["id"]: _read_trace(entry) for entry in entries}


def _read_trace(entry: dict[str, Any]) -> Trace:
    keys = _read_keys(entry)
    return Trace(
        name=entry["id"],
        scp=int(entry["scp"], 16),
        i=int(entry["i"], 16),
        enc=keys.enc,
        mac=keys.mac,
        dek=keys.dek,
        aid=bytes.fromhex(entry["aid"]) if "aid" in entry else ISSUER_SECURITY_DOMAIN,
        host_challenge=bytes.fromhex(entry["host_challenge"]),
        answer=bytes.fromhex(entry["initialize_update"]),
        external_authenticate=bytes.fromhex(entry["external_authenticate"]),
        steps=tuple(_read_step(step) for step in entry["steps"]),
    )


def _read_keys(entry: dict[str, Any]) -> KeySet:
    """Return the static keys, which some entries have as a master key and a scheme."""
    version = int(entry["initialize_update"][20:22], 16)
    if "scheme" in entry:
        kdd = bytes.fromhex(entry["initialize_update"])[:10]
        return diversify(entry["scheme"], bytes.fromhex(entry["master"]), kdd, version)
    return KeySet(version, *(bytes.fromhex(entry[role]) for role in ("enc", "mac", "dek")))


def _read_step(step: dict[str, str]) -> Step:
    def optional(name: str) -> bytes | None:
        return bytes.fromhex(step[name]) if name in step else None

    return Step(
        plain=bytes.fromhex(step["plain"]),
        protected=bytes.fromhex(step["protected"]),
        response_plain=optional("response_plain"),
        response_protected=optional("response_protected"),
    )


SCP01 = read_traces("card_scp01_traces.json")
SCP02 = read_traces("card_scp02_traces.json")
SCP03 = read_traces("card_scp03_traces.json")
GENERATED = read_traces("card_generated_traces.json")
