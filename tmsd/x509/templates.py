"""Templates of profiles: text with `{field}`, or `{field?}`, where a request's words go."""

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from tmsd.x509.refusal import CertificateRefused, Rule

Fields = Mapping[str, Sequence[str]]
"""What a request says, by field; most fields have one value."""

MAX_VALUE = 256
"""The longest value, in characters."""

MAX_VALUES = 64
"""The most values that a field has."""

_FIELD = re.compile(r"\{([a-z][a-z0-9_]{0,31})(\?)?\}")
# Unicode's categories of what cannot be seen, reorders text, or means nothing yet.
_UNPRINTABLE = frozenset({"Cc", "Cf", "Cs", "Co", "Cn"})
# Letters, marks and symbols that show as nothing: joiners, fillers, variation selectors.
_INVISIBLE = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


@dataclass(frozen=True, slots=True)
class Template:
    """A template; made by `parse`.

    Attributes:
        text: as the profile has it.
        fields: the names of its fields, in order.
        optional: whether nothing comes of it where a field is not given.
    """

    text: str
    fields: tuple[str, ...]
    optional: bool

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read a template.

        Raises:
            ValueError: it is empty, does not read as it is, has a stray brace, or fields that
                are optional beside others that are not.
        """
        found = list(_FIELD.finditer(text))
        rest = _FIELD.sub("", text)
        if not is_plain(text) or "{" in rest or "}" in rest:
            raise ValueError(f"{text!r} is no template: text with {{field}} or {{field?}}")
        optional = {bool(match[2]) for match in found}
        if len(optional) > 1:
            raise ValueError(f"{text!r} has fields with and without a question mark")
        return cls(text, tuple(match[1] for match in found), optional == {True})

    def filled(self, fields: Fields) -> Iterator[str]:
        """Yield the text for each value of its field; a text of several fields is one.

        Raises:
            CertificateRefused: `field-missing`, or `field-not-single` where several fields
                stand in one text.
        """
        if missing := [name for name in self.fields if not fields.get(name)]:
            if not self.optional:
                raise CertificateRefused(
                    Rule.FIELD_MISSING, f"the profile needs {missing[0]}", missing[0]
                )
            return
        if len(self.fields) == 1:
            (name,) = self.fields
            yield from (self._with({name: value}) for value in fields[name])
        else:
            yield self._with({name: _single(fields, name) for name in self.fields})

    def _with(self, values: Mapping[str, str]) -> str:
        return _FIELD.sub(lambda match: values[match[1]], self.text)


def _single(fields: Fields, name: str) -> str:
    values = fields[name]
    if len(values) != 1:
        raise CertificateRefused(
            Rule.FIELD_NOT_SINGLE, f"{name} has {len(values)} values, and one is needed", name
        )
    return values[0]


def require_plain(fields: Fields) -> None:
    """Refuse values that do not read as they are: unseen, reordering, or not normalised.

    Raises:
        CertificateRefused: `field-too-long` or `field-not-plain-text`.
    """
    for name, values in fields.items():
        if len(values) > MAX_VALUES or any(len(value) > MAX_VALUE for value in values):
            raise CertificateRefused(
                Rule.FIELD_TOO_LONG,
                f"{name} may have {MAX_VALUES} values of {MAX_VALUE} characters",
                name,
            )
        for value in values:
            if not is_plain(value):
                raise CertificateRefused(
                    Rule.FIELD_NOT_PLAIN_TEXT,
                    f"{name} must be text without control, invisible or reordering characters, "
                    "with single spaces, none at its ends, in Unicode's normal form C",
                    name,
                )


def is_plain(value: str) -> bool:
    """Say whether text is there, and reads as it is.

    Names that differ in spaces alone are the same name (RFC 5280, 7.1): there is one of each.
    """
    return (
        value != ""
        and value == " ".join(value.split())
        and unicodedata.is_normalized("NFC", value)
        and not _INVISIBLE.search(value)
        and not any(unicodedata.category(character) in _UNPRINTABLE for character in value)
    )
