"""Step: import a key from components, which custodians hold one each.

The components are combined by XOR in this process's memory, and only there. What comes
out must be a key to use (weak_key.py).
"""

import hmac
import secrets
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

from pydantic import Field

from hsm import importing
from hsm.errors import ComponentInvalid
from hsm.hmac import filled_up
from hsm.keys import SECRET_32, KeyShape
from hsm.secret import Secret
from hsm.token import Token
from tmsd.ceremony.component_refusal import ComponentRefused, ComponentRule
from tmsd.ceremony.described_key import DescribedKey, Kcv, describe
from tmsd.ceremony.key_step import KeyStep
from tmsd.ceremony.people import Entry
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.room import Room
from tmsd.ceremony.step import Facts
from tmsd.ceremony.wanted_key import Purpose, WantedKey
from tmsd.ceremony.weak_key import Weakness, weakness
from tmsd.config.table import TOML
from tmsd.config.toml import Complaint
from tmsd.config.values import DISTINCT, Name

_MOST_COMPONENTS = 5


class ImportKey(KeyStep):
    """`import-key`.

    Attributes:
        custodians: who type a component each, in this order.
        component_kcvs: of their components, in the same order; empty if nobody said.
        kcv: of the key that they combine to; None if nobody said.
    """

    do: Literal["import-key"]
    custodians: Annotated[
        tuple[Name, ...], TOML, DISTINCT, Field(min_length=1, max_length=_MOST_COMPONENTS)
    ]
    component_kcvs: Annotated[tuple[Kcv, ...], TOML] = ()
    kcv: Kcv | None = None

    def complaints(self) -> Iterator[Complaint]:
        """Yield a complaint where the check values are not one for each custodian."""
        yield from super().complaints()
        if self.component_kcvs and len(self.component_kcvs) != len(self.custodians):
            yield Complaint(
                ("component_kcvs",),
                f"must be as many as there are custodians: {len(self.custodians)}",
            )

    def said(self) -> Iterator[str]:
        """Yield what is imported, and who types it."""
        yield f"Import {self.described}, from {len(self.custodians)} components (XOR)."
        yield f"{', '.join(self.custodians)} type one each, alone at the screen one after another."
        if self.component_kcvs:
            yield f"The KCVs of the components must be {', '.join(self.component_kcvs)}."
        if self.kcv is not None:
            yield f"The KCV of the key must be {self.kcv}; a key with another one is not taken."
        yield "While they are combined, the key is in the clear in this program's memory."
        if self.factory:
            yield "It may be a factory key, which everybody knows."
        yield from self.said_of_backup()

    def perform(self, room: Room) -> Facts:
        """Have the components typed, and put what they combine to into the token."""
        room.require_custodians(self.custodians)
        components: list[Secret] = []
        check_values: list[str] = []
        try:
            with room.token() as token:
                importing.require_absent(token, self.key.reference)
            for custodian in self.custodians:
                component, check_value = self._entered(room, custodian, components)
                components.append(component)
                check_values.append(check_value)
            with room.token() as token:
                made = import_key(token, self.key, components, self._expected(room))
        finally:
            for component in components:
                component.wipe()
        return self.facts_of_combined(self.facts(made), self.custodians, check_values)

    def found(self, room: Room) -> Facts | None:
        """Return the key that is there.

        Raises:
            ComponentRefused: `combined-key-wrong`: another one is in its place.
            Refused, HsmError: as found_in_token does.
        """
        facts = self.found_in_token(room)
        if facts is None:
            return None
        if "kcv" in facts:
            _require_expected(bytes.fromhex(str(facts["kcv"])), self._expected(room))
        return self.facts_of_combined(facts, self.custodians)

    def what(self, number: int) -> str:
        """Return what a component is called, at the screen."""
        return f"component {number} of {len(self.custodians)} of {self.key.reference}"

    def _entered(self, room: Room, custodian: str, before: Sequence[Secret]) -> tuple[Secret, str]:
        """Return the next component, and its check value in hex."""
        number = len(before) + 1
        check_values: list[str] = []

        def check(typed: Secret) -> str:
            try:
                component = parse_component(typed.reveal(), number)
                with component, room.token() as token:
                    found = component_check_value(token, self.key, [*before, component])
                    _require_another(component, before)
            except ComponentInvalid as invalid:
                raise ComponentRefused(ComponentRule.MALFORMED, str(invalid)) from None
            # Components of a rehearsal are made up.
            if self.component_kcvs and not room.rehearsal:
                _require_own(found.hex(), self.component_kcvs[number - 1], number)
            check_values.append(found.hex())
            return f"KCV {found.hex()}"

        def sample() -> Secret:
            length = len(before[0]) if before else self.key.component_shapes[0].length
            return Secret(secrets.token_hex(length).encode("ascii"))

        typed = room.people.entered(Entry(custodian, self.what(number), check, sample))
        with typed:
            return parse_component(typed.reveal(), number), check_values[-1]

    def _expected(self, room: Room) -> bytes | None:
        """Return the key's check value, if it is known; that of a rehearsal is made up."""
        return None if self.kcv is None or room.rehearsal else bytes.fromhex(self.kcv)


def parse_component(text: bytes | bytearray, number: int) -> Secret:
    """Read a component from hexadecimal digits, with white space wherever it helps.

    Args:
        text: what was typed, in ASCII.
        number: the component's, from 1, for the error.

    Raises:
        ComponentInvalid: it is not hexadecimal; the message does not repeat it.
    """
    try:
        return Secret(bytearray.fromhex("".join(text.decode("ascii").split())))
    except ValueError:
        # Without the cause, which would say where the wrong character stands.
        raise ComponentInvalid(
            f"component {number} must be hexadecimal digits, two for each byte"
        ) from None


def shape_of(key: WantedKey, components: Sequence[Secret]) -> KeyShape:
    """Return the shape that at least one component, and those after it, give the key.

    Raises:
        ComponentInvalid: the number of the first that has the wrong length, and the right one.
    """
    lengths = {shape.length: shape for shape in key.component_shapes}
    right = " or ".join(str(length) for length in sorted(lengths))
    for number, component in enumerate(components, start=1):
        if len(component) not in lengths:
            raise ComponentInvalid(
                f"component {number} has {len(component)} bytes; one of {key.algorithm} has {right}"
            )
        if len(component) != len(components[0]):
            raise ComponentInvalid(
                f"component {number} has {len(component)} bytes, "
                f"and those before it have {len(components[0])}"
            )
    if not components:
        raise ComponentInvalid("a key needs at least one component")
    return lengths[len(components[0])]


def component_check_value(token: Token, key: WantedKey, components: Sequence[Secret]) -> bytes:
    """Return the check value (3 bytes) of the last of the components that there are so far.

    Raises:
        ComponentInvalid: one has the wrong length.
        HsmError: the token refuses.
    """
    shape = shape_of(key, components)
    return importing.check_value_of_component(token, components[-1], shape)


def import_key(
    token: Token,
    key: WantedKey,
    components: Sequence[Secret],
    expected: bytes | None = None,
) -> DescribedKey:
    """Combine the components and put the key into the token; they are wiped in any case.

    Args:
        token: opened writable.
        key: what it shall be.
        components: at least one, all of the key's length.
        expected: the check value (3 bytes) of what they combine to, if it is known.

    Raises:
        ComponentInvalid: there is none, or one has the wrong length.
        ComponentRefused: `combined-key-wrong`.
        Refused: what they combine to is no key to use.
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    try:
        shape = shape_of(key, components)
        with (combined := importing.combine(components, shape)) as value:
            if weak := weakness(value, key, shape):
                hint = ": is one of them typed twice?" if weak is Weakness.ZEROS else ""
                raise Refused(f"the components combine to {weak}{hint}")
            if expected is not None:
                found = importing.check_value_of_component(token, combined, shape)
                _require_expected(found, expected)
            return import_value(token, key, combined, shape)
    finally:
        for component in components:
            component.wipe()


def import_value(token: Token, key: WantedKey, value: Secret, shape: KeyShape) -> DescribedKey:
    """Put a key into the token whose value is here.

    Args:
        token: opened writable.
        key: what it shall be.
        value: of a key of its algorithm, that is one to use.
        shape: of the value.

    Raises:
        KeyExists: the label and version are taken.
        HsmError: the token refuses.
    """
    if key.purpose not in (Purpose.HMAC_MASTER, Purpose.ZONE_MASTER):
        made = importing.import_key(token, key.reference, value, shape, key.template)
        return describe(key.reference, made)
    # Later the token cannot compute the check value: what it will have does not encrypt.
    check_value = importing.check_value_of_component(token, value, shape)
    if key.purpose is Purpose.ZONE_MASTER:
        importing.import_key(token, key.reference, value, shape, key.template)
        return DescribedKey(key.reference, shape, check_value)
    with (filled := filled_up(value)):
        importing.import_key(token, key.reference, filled, SECRET_32, key.template)
    return DescribedKey(key.reference, SECRET_32, check_value)


def _require_another(component: Secret, before: Sequence[Secret]) -> None:
    for number, other in enumerate(before, start=1):
        if hmac.compare_digest(component.reveal(), other.reveal()):
            raise ComponentRefused(ComponentRule.TWICE, f"it is component {number} once more")


def _require_own(found: str, expected: str, number: int) -> None:
    if found != expected:
        raise ComponentRefused(
            ComponentRule.FOREIGN,
            f"component {number} has the KCV {found}, and the script expects {expected}",
        )


def _require_expected(found: bytes, expected: bytes | None) -> None:
    if expected is not None and found != expected:
        raise ComponentRefused(
            ComponentRule.COMBINED_WRONG,
            f"the key has the KCV {found.hex()}, and the script expects {expected.hex()}",
        )
