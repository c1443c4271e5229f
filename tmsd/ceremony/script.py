"""The script: what happens in a ceremony, in order; reviewed and hashed before the day."""

from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, InstanceOf, ValidationError

from tmsd.ceremony.all_steps import STEPS
from tmsd.ceremony.step import Step
from tmsd.config.table import BY_LOADER, Loaded, Origin, Table
from tmsd.config.toml import Complaint, ConfigError, read, shown
from tmsd.config.values import Name, text
from tmsd.config.wording import explain
from tmsd.quorum.words import rows

MOST_STEPS = 200


class Script(Table):
    """script.toml.

    Attributes:
        sha256: of the file, 64 lower-case hex digits.
        format: of this kind of file.
        title: what the ceremony is for.
        deployment: whose keys they are.
        steps: in order.
    """

    sha256: Annotated[str, BY_LOADER]
    format: Literal[1]
    title: Annotated[str, text(200)]
    deployment: Name
    steps: Annotated[
        tuple[InstanceOf[Step], ...], BY_LOADER, Field(min_length=1, max_length=MOST_STEPS)
    ]

    def said(self) -> Iterator[str]:
        """Yield the whole script in plain words, with its hash to be read aloud."""
        yield self.title
        yield f"Deployment: {self.deployment}"
        for number, step in enumerate(self.steps, start=1):
            first, *others = step.said()
            yield f"{number:3}. {first}"
            yield from (f"     {line}" for line in others)
        yield f"SHA-256: {self.sha256}"
        yield "To be read aloud, row by row:"
        yield from rows(bytes.fromhex(self.sha256))


def load_script(path: Path) -> Script:
    """Read script.toml.

    Raises:
        ConfigError: with everything that is wrong in the file.
    """
    document = read(path)
    tables = dict(document.tables)
    steps = tables.pop("steps", None)
    made: list[Step] = []
    complaints = list(_steps(steps, made, Origin(path.absolute().parent)))
    given = {"sha256": Loaded(sha256(document.content).hexdigest()), "steps": Loaded(tuple(made))}
    try:
        script = Script.model_validate(given | tables, context=Origin(path.absolute().parent))
    except ValidationError as error:
        complaints += [found for found in explain(error, Script) if found.path != ("steps",)]
        raise ConfigError(document.faults(complaints)) from None
    if complaints:
        raise ConfigError(document.faults(complaints))
    return script


def _steps(tables: object, made: list[Step], origin: Origin) -> Iterator[Complaint]:
    """Add the steps that are right to `made`, and yield what is wrong with the others."""
    if not isinstance(tables, list) or not 1 <= len(tables) <= MOST_STEPS:
        yield Complaint(("steps",), f"must be 1 to {MOST_STEPS} tables [[steps]]")
        return
    for index, table in enumerate(tables):
        path = ("steps", index)
        kind = table.get("do") if isinstance(table, dict) else None
        step = STEPS.get(kind) if isinstance(kind, str) else None
        if step is None:
            known = ", ".join(STEPS)
            yield Complaint((*path, "do"), f"{shown(kind)} is no step; there are {known}")
            continue
        try:
            made.append(step.model_validate(table, context=origin))
        except ValidationError as error:
            yield from (
                Complaint(path + found.path, f"step {index + 1}: {found.message}")
                for found in explain(error, step)
            )
