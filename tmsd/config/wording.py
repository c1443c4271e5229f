"""What pydantic found wrong, in words that say what would be right."""

import re
from collections.abc import Callable, Iterator, Mapping
from types import UnionType
from typing import Any, Union, get_args, get_origin

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from tmsd.config.table import BY_LOADER, Table
from tmsd.config.toml import Complaint, KeyPath, shown

_Words = Callable[[object, Mapping[str, Any]], str]


def _one_of(value: object, context: Mapping[str, Any]) -> str:
    allowed = ", ".join(re.findall(r"'([^']*)'", context["expected"]))
    in_quotes = "" if isinstance(value, str) else ", in quotes"
    return f"{shown(value)} is not one of {allowed}{in_quotes}"


_WORDS: dict[str, _Words] = {
    "bool_type": lambda value, _: f"must be true or false, not {shown(value)}",
    "datetime_type": lambda value, _: (
        f"must be a date and a time, as 2027-01-01T00:00:00Z, not {shown(value)}"
    ),
    "dict_type": lambda value, _: f"must be a table, not {shown(value)}",
    "enum": _one_of,
    "finite_number": lambda value, _: f"must be a finite number, not {shown(value)}",
    "float_type": lambda value, _: f"must be a number, not {shown(value)}",
    "greater_than_equal": lambda value, at: f"must be at least {at['ge']}, not {shown(value)}",
    "int_type": lambda value, _: f"must be a whole number, not {shown(value)}",
    "less_than_equal": lambda value, at: f"must be at most {at['le']}, not {shown(value)}",
    "model_type": lambda value, _: f"must be a table, not {shown(value)}",
    "string_type": lambda value, _: f"must be text in quotes, not {shown(value)}",
    "tuple_type": lambda value, _: f'must be an array, as ["a", "b"], not {shown(value)}',
    "value_error": lambda _, at: str(at["error"]),
}


def explain(error: ValidationError, root: type[Table]) -> Iterator[Complaint]:
    """Yield one complaint per thing wrong in the tables that `root` was made from."""
    for detail in error.errors(include_url=False):
        yield from _complaints(detail, root)


def _complaints(detail: ErrorDetails, root: type[Table]) -> Iterator[Complaint]:
    path: KeyPath = detail["loc"]
    if path[-1:] == ("[key]",):  # pydantic's mark for the key itself, not its value
        path = path[:-1]
    table, field = _looked_up(root, path)
    match detail["type"]:
        case "complaints":
            for found in detail["ctx"]["complaints"]:
                yield Complaint(path + found.path, found.message)
        case "default_factory_not_called":
            pass  # a consequence of another fault of the same table
        case "extra_forbidden":
            yield Complaint(path, f"is not a key of this table, which has {_keys(table)}")
        case "missing":
            meaning = f": {field.description}" if field and field.description else ""
            yield Complaint(path, f"is missing{meaning}")
        case _:
            if field and BY_LOADER in field.metadata:  # the table's own name is at fault
                path = path[:-1]
            yield Complaint(path, _in_words(detail))


def _in_words(detail: ErrorDetails) -> str:
    words = _WORDS.get(detail["type"])
    return words(detail["input"], detail.get("ctx", {})) if words else detail["msg"]


def _looked_up(root: type[Table], path: KeyPath) -> tuple[type[Table], FieldInfo | None]:
    """Return the innermost table on the way to `path`, and its field there if it has one."""
    table, field = root, None
    inside: object = root
    for part in path:
        if isinstance(inside, type) and issubclass(inside, Table):
            table, field = inside, _fields(inside).get(str(part))
            inside = _required(field.annotation) if field else None
        else:  # into a table of tables: the type of its values
            field, inside = None, (get_args(inside) or (None,))[-1]
    return table, field


def _required(annotation: object) -> object:
    """Return what a field holds when it is not None."""
    if get_origin(annotation) in (Union, UnionType):
        return next(choice for choice in get_args(annotation) if choice is not type(None))
    return annotation


def _keys(table: type[Table]) -> str:
    return ", ".join(
        key for key, field in _fields(table).items() if BY_LOADER not in field.metadata
    )


def _fields(table: type[Table]) -> dict[str, FieldInfo]:
    """Return a table's fields by their keys in the file."""
    return {field.alias or name: field for name, field in table.model_fields.items()}
