"""One audit record: a decision, its place in the chain, and the one form it is written in.

A record is a line of JSON in canonical form: sorted keys, no white space, ASCII, every
field present. Its hash is SHA-256 over "tmsd-audit-v2" followed by the same JSON without
the field `hash`. docs/audit.md describes the fields.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from enum import StrEnum
from hashlib import sha256
from types import MappingProxyType
from typing import Any, NoReturn, Self

import msgspec

from tmsd.audit.receipt import Receipt

DOMAIN_TAG = b"tmsd-audit-v2"
GENESIS = "00" * 32
"""The previous hash of the first record of a chain."""

RECORDS_DISCARDED = "records-discarded"
"""The operation by which the log accounts for decisions that went unrecorded."""

MAX_LINE = 16 * 1024
"""Length of the longest line, in bytes, with its newline."""

_MAX_DECISION = MAX_LINE - 1024  # leaves room for place, time and both hashes (under 300 bytes)
_MAX_DETAILS = 32
LONGEST_DETAIL = 1024
"""Length of the longest text among the details, in characters."""
MAX_RECEIPTS = 32
_MAX_INTEGER = 2**53 - 1  # what every JSON reader keeps exactly (RFC 7493, 2.2)

_NAME = re.compile(r"[a-z][a-z0-9._/-]{0,63}")
_DETAIL_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}")
_HASH = re.compile(r"[0-9a-f]{64}")
_HEX = re.compile(r"(?:[0-9a-f]{2}){1,64}")
_TEXT = re.compile(r"[^\x00-\x1f\x7f-\x9f\ud800-\udfff]*")
_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")


class RecordError(ValueError):
    """A decision or a line that is no audit record: names the field and what would be right."""


class Outcome(StrEnum):
    """How a decision ended."""

    ALLOWED = "allowed"
    REFUSED = "refused"  # by a rule: the caller, the policy, the card's answer
    FAILED = "failed"  # by the appliance: the HSM, the database, the log itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What is to be recorded: who asked for what, and what came of it. Holds no secret.

    Every decision that can be made can be written: limits are checked here, not later.

    Args:
        operation: what was asked; 1 to 64 of a-z, 0-9 and ._/- after a letter.
        outcome: how it ended.
        request_id: the id that the caller was told, at most 128 characters; None for
            what no request caused.
        caller: the caller's name in the policy, at most 256 characters; None where
            nobody was recognised.
        code: the problem code of a refusal or failure (tmsd.errors.Code).
        key_set: the key set's name, at most 64 characters.
        key_version: the key set's version, 0 to 255.
        diversification_data: the card's, in lower-case hex, 1 to 64 bytes.
        request_digest: SHA-256 of the request, 32 bytes in lower-case hex.
        answer_digest: SHA-256 of the answer, likewise.
        details: up to 32 further facts: text of at most 1024 characters, integers within
            ±(2^53 - 1), or true and false. The whole decision encodes to at most 15 KiB.
        receipts: of the workers that were asked for it, up to 32.

    Raises:
        RecordError: a field breaks its limit.
    """

    operation: str
    outcome: Outcome
    request_id: str | None = None
    caller: str | None = None
    code: str | None = None
    key_set: str | None = None
    key_version: int | None = None
    diversification_data: str | None = None
    request_digest: str | None = None
    answer_digest: str | None = None
    details: Mapping[str, str | int | bool] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()

    def __post_init__(self) -> None:
        _expect_match("operation", self.operation, _NAME, "a name of a-z, 0-9 and ._/-")
        if not isinstance(self.outcome, Outcome):
            _refuse("outcome", "one of " + ", ".join(Outcome))
        if self.code is not None:
            _expect_match("code", self.code, _NAME, "a problem code or null")
        for name, limit in (("request_id", 128), ("caller", 256), ("key_set", 64)):
            if (text := getattr(self, name)) is not None:
                _expect_text(name, text, limit)
        self._check_card()
        for name in ("request_digest", "answer_digest"):
            if (digest := getattr(self, name)) is not None:
                _expect_match(name, digest, _HASH, "32 bytes of hex or null")
        if len(self.receipts) > MAX_RECEIPTS:
            _refuse("receipts", f"at most {MAX_RECEIPTS}")
        # A copy, so that what was checked is what will be written.
        object.__setattr__(self, "details", MappingProxyType(_checked_details(self.details)))
        if len(_canonical(self.as_fields())) > _MAX_DECISION:
            _refuse("details", f"short enough for a decision of {_MAX_DECISION} bytes")

    def _check_card(self) -> None:
        if self.key_version is not None:
            _expect_integer("key_version", self.key_version, 0, 255)
        if self.diversification_data is not None:
            _expect_match(
                "diversification_data", self.diversification_data, _HEX, "1 to 64 bytes of hex"
            )

    def as_fields(self) -> dict[str, Any]:
        """Return the decision's part of the record's JSON object."""
        return {name: getattr(self, name) for name in _DECISION_FIELDS} | {
            "details": dict(self.details),
            "receipts": [str(receipt) for receipt in self.receipts],
        }


_DECISION_FIELDS = tuple(entry.name for entry in fields(Decision))
_PLACE_FIELDS = ("sequence", "time", "previous_hash", "hash")
_RECORD_FIELDS = frozenset((*_PLACE_FIELDS, *_DECISION_FIELDS))


@dataclass(frozen=True, slots=True)
class Record:
    """A decision in its place: the `sequence`-th of its chain, after `previous_hash`."""

    sequence: int
    time: datetime
    previous_hash: str
    decision: Decision
    hash: str

    @classmethod
    def following(cls, previous: Self | None, time: datetime, decision: Decision) -> Self:
        """Return the record of `decision` that comes after `previous` (None: the first)."""
        sequence = previous.sequence + 1 if previous else 1
        previous_hash = previous.hash if previous else GENESIS
        unsealed = cls(sequence, time.astimezone(UTC), previous_hash, decision, GENESIS)
        return replace(unsealed, hash=unsealed.computed_hash())

    @classmethod
    def parse(cls, line: bytes) -> Self:
        """Read one line, with its newline, that is exactly what `encode` writes.

        Whether hash, sequence and previous hash are *true* is not looked at.

        Raises:
            RecordError: the line is too long, is not JSON, is not canonical, lacks a
                field, has an unknown one, or a field breaks its limit.
        """
        if len(line) > MAX_LINE:
            raise RecordError(f"the line is longer than {MAX_LINE} bytes")
        try:
            parsed = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise RecordError("the line is not JSON") from error
        if not isinstance(parsed, dict):
            raise RecordError("the line should be a JSON object")
        if unknown := sorted(parsed.keys() - _RECORD_FIELDS):
            _refuse(unknown[0], "absent: it is no field of a record")
        if missing := sorted(_RECORD_FIELDS - parsed.keys()):
            _refuse(missing[0], "present")
        record = cls._from_fields(parsed)
        if record.encode() != line:
            raise RecordError(
                "the line is not canonical: it should have sorted keys, each once, "
                "no white space, ASCII, and a newline at its end"
            )
        return record

    @classmethod
    def _from_fields(cls, parsed: dict[str, Any]) -> Self:
        _expect_integer("sequence", parsed["sequence"], 1, _MAX_INTEGER)
        for name in ("previous_hash", "hash"):
            _expect_match(name, parsed[name], _HASH, "32 bytes of hex")
        decision = {name: parsed[name] for name in _DECISION_FIELDS}
        decision["receipts"] = _parsed_receipts(decision["receipts"])
        if decision["outcome"] not in list(Outcome):
            _refuse("outcome", "one of " + ", ".join(Outcome))
        return cls(
            sequence=parsed["sequence"],
            time=_parsed_time(parsed["time"]),
            previous_hash=parsed["previous_hash"],
            decision=Decision(**decision | {"outcome": Outcome(decision["outcome"])}),
            hash=parsed["hash"],
        )

    def computed_hash(self) -> str:
        """Return what `hash` should be: 32 bytes in lower-case hex."""
        return sha256(DOMAIN_TAG + _canonical(self._hashed_fields())).hexdigest()

    def encode(self) -> bytes:
        """Return the record's line: at most `MAX_LINE` bytes, newline included."""
        return _canonical(self._hashed_fields() | {"hash": self.hash}) + b"\n"

    def _hashed_fields(self) -> dict[str, Any]:
        return self.decision.as_fields() | {
            "sequence": self.sequence,
            "time": self.time.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z",
            "previous_hash": self.previous_hash,
        }


# Its output is that of `json` wherever all of it is ASCII, and takes a tenth of the time.
_ENCODER = msgspec.json.Encoder(order="deterministic")


def _canonical(value: dict[str, Any]) -> bytes:
    encoded = _ENCODER.encode(value)
    if encoded.isascii():
        return encoded
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode("ascii")


def _parsed_time(text: object) -> datetime:
    expected = "UTC as YYYY-MM-DDThh:mm:ss.ffffffZ (RFC 3339)"
    if not isinstance(text, str) or not _TIME.fullmatch(text):
        _refuse("time", expected)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        _refuse("time", expected)


def _parsed_receipts(receipts: object) -> tuple[Receipt, ...]:
    expected = (
        f"at most {MAX_RECEIPTS} receipts, "
        "as worker:generation:sequence:operation:digest:key-version:mac"
    )
    if not isinstance(receipts, list):
        _refuse("receipts", expected)
    try:
        return tuple(Receipt.parse(receipt) for receipt in receipts)
    except (TypeError, ValueError):
        _refuse("receipts", expected)


def _checked_details(details: object) -> dict[str, str | int | bool]:
    if not isinstance(details, Mapping) or len(details) > _MAX_DETAILS:
        _refuse("details", f"an object of at most {_MAX_DETAILS} entries")
    for name, value in details.items():
        _expect_match("details", name, _DETAIL_NAME, "named in a-z, 0-9 and _")
        if isinstance(value, str):
            _expect_text(f"details.{name}", value, LONGEST_DETAIL)
        elif not isinstance(value, bool):
            _expect_integer(f"details.{name}", value, -_MAX_INTEGER, _MAX_INTEGER)
    return dict(details)


def _expect_match(name: str, value: object, pattern: re.Pattern[str], expected: str) -> None:
    if not isinstance(value, str) or not pattern.fullmatch(value):
        _refuse(name, expected)


def _expect_text(name: str, value: object, limit: int) -> None:
    expected = f"text of at most {limit} characters, none of them a control character"
    if not isinstance(value, str) or len(value) > limit or not _TEXT.fullmatch(value):
        _refuse(name, expected)


def _expect_integer(name: str, value: object, lowest: int, highest: int) -> None:
    # bool is a subclass of int, and `true` is not a number in JSON.
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        _refuse(name, f"an integer from {lowest} to {highest}")


def _refuse(name: str, expected: str) -> NoReturn:
    # The value stays out of the text: whoever broke the limit may have put anything there.
    raise RecordError(f"{name[:64]!a} should be {expected}")
