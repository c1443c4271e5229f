"""What must hold of every answer, whatever was asked: schema, listed refusals, audit record."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

from openapi_schema_validator import OAS31Validator

from tests.site.audit_trail import AuditTrail
from tmsd.api.all_routes import ROUTES
from tmsd.api.problems import KINDS, TYPE_PREFIX
from tmsd.api.routes import BODY_REFUSALS, Route
from tmsd.audit.record import Decision, Outcome, Record
from tmsd.errors import Code

JSON = "application/json"
PROBLEM_JSON = "application/problem+json"

_BEFORE_ANY_INTENT = frozenset(
    {*BODY_REFUSALS, Code.CERTIFICATE_REFUSED, Code.CALLER_UNKNOWN, Code.ROLE_MISSING}
    - {Code.REQUEST_INVALID}
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it was sent."""

    method: str
    path: str
    content: bytes | None

    @property
    def route(self) -> Route | None:
        """The route that serves it, if any does."""
        for route in ROUTES:
            path = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(route.path))
            if route.method == self.method and re.fullmatch(path, self.path):
                return route
        return None


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer as it came."""

    status: int
    headers: Mapping[str, str]
    content: bytes
    document: Any

    @property
    def code(self) -> str | None:
        """The problem's code; None where there is no problem."""
        if self.headers.get("content-type") != PROBLEM_JSON:
            return None
        return str(self.document["type"]).removeprefix(TYPE_PREFIX)

    @property
    def pointer(self) -> str | None:
        """The problem's pointer, where it has one."""
        pointer: str | None = self.document.get("pointer")
        return pointer

    @property
    def detail(self) -> str:
        """What the problem says of this request."""
        return str(self.document["detail"])

    @property
    def request_id(self) -> str:
        """By which the audit record is found."""
        return self.headers["x-request-id"]


class Contract:
    """The rules for answers of one running site."""

    def __init__(self, openapi: Mapping[str, Any], trail: AuditTrail) -> None:
        self._openapi = openapi
        self._trail = trail

    def hold(self, asked: Asked, answer: Answer) -> None:
        """Fail unless the answer is one that its route may give, and stands in the audit log."""
        if answer.code is None:
            assert answer.headers["content-type"].partition(";")[0] == JSON
        else:
            self._hold_problem(answer)
        if (route := asked.route) is not None:
            self._hold_route(route, answer)
            if answer.code not in (Code.AUDIT_UNAVAILABLE, Code.CLOCK_UNRELIABLE):
                self._hold_record(route, asked, answer)

    def _hold_problem(self, answer: Answer) -> None:
        self._hold_schema("Problem", answer.document)
        kind = KINDS[Code(answer.code or "")]
        assert answer.status == answer.document["status"] == kind.status
        assert answer.document["title"] == kind.title
        assert answer.document["next"] == kind.next
        assert answer.document["request_id"] == answer.request_id
        assert ("retry-after" in answer.headers) == (answer.status in (429, 503))

    def _hold_route(self, route: Route, answer: Answer) -> None:
        if answer.code is None:
            assert answer.status == 200
            self._hold_schema(route.answer.__name__, answer.document)
        else:
            assert answer.code in route.all_refusals, answer.document

    def _hold_schema(self, name: str, document: object) -> None:
        schema = {"$ref": f"#/components/schemas/{name}", "components": self._openapi["components"]}
        OAS31Validator(schema).validate(document)

    def _hold_record(self, route: Route, asked: Asked, answer: Answer) -> None:
        *intents, outcome = self._trail.of_request(answer.request_id)
        decision = outcome.decision
        assert decision.operation == route.operation
        assert decision.code == answer.code
        assert (decision.outcome is Outcome.ALLOWED) == (answer.status == 200)
        if answer.status == 200:
            assert decision.answer_digest == sha256(answer.content).hexdigest()
            assert asked.content is None or decision.request_digest == _digest(asked.content)
        else:
            assert decision.answer_digest is None
            assert decision.request_digest in (None, _digest(asked.content or b""))
        self._hold_intents(route, intents, decision)

    def _hold_intents(self, route: Route, intents: list[Record], outcome: Decision) -> None:
        """What changes a card is on record before the HSM is asked; nothing else is."""
        operations = [intent.decision.operation for intent in intents]
        if route.intends:
            assert operations in ([], [f"{route.operation}.intent"])
        elif route.intent is None or outcome.code in _BEFORE_ANY_INTENT:
            assert not operations
        elif outcome.code == Code.REQUEST_INVALID:  # of the edge, or of the worker
            assert operations in ([], [f"{route.operation}.intent"])
        else:
            assert operations == [f"{route.operation}.intent"]
        for intent in intents:
            assert intent.decision.caller == outcome.caller
            assert intent.decision.request_digest == outcome.request_digest
            assert intent.decision.answer_digest is None
            named = {"ca", "serial_number"} if route.intends else {"new_key_version", "mode"}
            assert named <= intent.decision.details.keys()


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()
