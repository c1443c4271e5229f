"""Step: generate a transport key, and hand it over in components, of which custodians get one each.

The components are random, and the key is what they combine to: it is nowhere as a whole but in the
token, and for a moment in this process's memory.
"""

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from hsm.importing import require_absent
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.key_step import KeyPurpose, KeyStep
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.steps.import_key import component_check_value, import_key
from tmsd.config.table import TOML
from tmsd.config.values import DISTINCT, Name

_LEAST_COMPONENTS, _MOST_COMPONENTS = 2, 5


class GenerateTransportKey(KeyStep):
    """`generate-transport-key`.

    Attributes:
        custodians: who write a component down each, in this order.
    """

    do: Literal["generate-transport-key"]
    purpose: Literal[KeyPurpose.TRANSPORT] = KeyPurpose.TRANSPORT
    factory: Literal[False] = False
    custodians: Annotated[
        tuple[Name, ...],
        TOML,
        DISTINCT,
        Field(min_length=_LEAST_COMPONENTS, max_length=_MOST_COMPONENTS),
    ]

    def said(self) -> Iterator[str]:
        """Yield what is generated, and who gets what of it."""
        yield f"Generate {self.described}, from {len(self.custodians)} random components (XOR)."
        yield f"{', '.join(self.custodians)} write one down each, alone at the screen, and bring"
        yield "them to the caller's side. While they are combined, the key is in the clear in this"
        yield "program's memory."
        yield from self.said_of_backup()

    def perform(self, room: Room) -> Facts:
        """Show each custodian a component, and then import what they combine to."""
        room.require_custodians(self.custodians)
        components: list[Secret] = []
        try:
            with room.token() as token:
                require_absent(token, self.key.reference)
                check_values = list(self._random(token, components))
            self._hand_over(room, components, check_values)
            with room.token() as token:
                made = import_key(token, self.key, components)
        finally:
            for component in components:
                component.wipe()
        return self.facts_of_combined(self.facts(made), self.custodians, check_values)

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there: it is imported once all components were shown."""
        facts = self.found_in_token(room)
        return None if facts is None else self.facts_of_combined(facts, self.custodians)

    def _random(self, token: Token, components: list[Secret]) -> Iterator[str]:
        """Add a component for each custodian, and yield its check value in hex."""
        for _ in self.custodians:
            components.append(Secret(token.random(self.key.component_shapes[0].length)))
            yield component_check_value(token, self.key, components).hex()

    def _hand_over(
        self, room: Room, components: Sequence[Secret], check_values: Sequence[str]
    ) -> None:
        of = f"{len(components)} of {self.key.reference}"
        for number, custodian in enumerate(self.custodians, start=1):
            what = f"component {number} of {of}, for {custodian}, KCV {check_values[number - 1]}"
            # As it is typed again at the caller's side.
            written = Secret(components[number - 1].reveal().hex(" ", 2).encode("ascii"))
            with written:
                room.hand_over(custodian, what, written)
