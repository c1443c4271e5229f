"""A table of the configuration: strict, frozen, no unknown keys, checked as a whole.

Each table of the two files is a subclass in a module of its own. A table is made from a
file (its values then come as TOML has them, and relative paths start at the file's
directory) or directly in Python from values that are of the right type already.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from tmsd.config.toml import Complaint

TOML = Field(strict=False)
"""Marks tuples and enumerations, which TOML spells as arrays and as text."""


@dataclass(frozen=True, slots=True)
class Origin:
    """The validation context of values that come from a file; without it they do not."""

    directory: Path


@dataclass(frozen=True, slots=True)
class Loaded:
    """A value that the loader adds to a table, as against one that the file says."""

    value: object


def _only_loaded(value: object, info: ValidationInfo) -> object:
    if isinstance(value, Loaded):
        return value.value
    if info.context is not None:
        raise PydanticCustomError("extra_forbidden", "not a key of the file")
    return value


BY_LOADER = BeforeValidator(_only_loaded)
"""Marks a field that is no key of the file; a file that sets it is refused."""


class Table(BaseModel):
    """What all tables have in common."""

    model_config = ConfigDict(
        strict=True,
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
    )

    def complaints(self) -> Iterator[Complaint]:
        """Yield what is wrong between this table's keys; paths start at this table.

        Asked only where each key is right by itself.
        """
        yield from ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if found := tuple(self.complaints()):
            words = "; ".join(complaint.message for complaint in found)
            context = {"words": words, "complaints": found}
            raise PydanticCustomError("complaints", "{words}", context)
        return self
