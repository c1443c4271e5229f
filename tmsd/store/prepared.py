"""Statements that are run for each channel: SQLAlchemy puts their words together once.

It does so anew for each run otherwise, or looks up that it has, and either takes longer than SQLite
needs for the statement.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, CursorResult, Dialect
from sqlalchemy.sql.elements import CompilerElement


class Prepared:
    """A statement in the words of each kind of database that it was run on.

    Args:
        statement: whose parameters all have names.
    """

    def __init__(self, statement: CompilerElement) -> None:
        self._statement = statement
        self._words: dict[str, tuple[str, Sequence[str] | None]] = {}

    def run(self, connection: Connection, values: Mapping[str, object]) -> CursorResult[Any]:
        """Run it with a value for each of its parameters, as the driver takes it."""
        dialect = connection.dialect
        words, order = self._words.get(dialect.name) or self._put_together(dialect)
        if order is None:
            return connection.exec_driver_sql(words, dict(values))
        return connection.exec_driver_sql(words, tuple(values[name] for name in order))

    def _put_together(self, dialect: Dialect) -> tuple[str, Sequence[str] | None]:
        compiled = self._statement.compile(dialect=dialect)
        self._words[dialect.name] = made = (str(compiled), getattr(compiled, "positiontup", None))
        return made
