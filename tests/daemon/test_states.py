"""Every call for every role in every state of the daemon, as the OpenAPI document has them."""

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.site.channels import RANDOM
from tests.site.daemon import Watched, wait_until
from tests.site.fixtures import Run, RunningSite
from tests.site.identities import AUDITOR, DRM_AGENT, METRICS, RA, TPS, UNKNOWN
from tests.site.well_formed import BODIES, ask
from tests.softhsm.tokens import USER_PIN
from tmsd.config.callers import Role

OPERATIONS: dict[str, dict[str, Any]] = {
    f"{method} {path}": operation
    for path, methods in json.loads(
        (Path(__file__).parents[2] / "docs" / "openapi.json").read_text()
    )["paths"].items()
    for method, operation in methods.items()
}
ROLES = {
    TPS: Role.TPS,
    RA: Role.RA,
    DRM_AGENT: Role.DRM_AGENT,
    AUDITOR: Role.AUDITOR,
    METRICS: Role.METRICS,
    UNKNOWN: None,
}
CODES_OF_THE_APPLIANCE = {"hsm-unavailable", "audit-unavailable", "overloaded", "internal-error"}

State = Callable[[RunningSite], Iterator[str | None]]


def operational(_site: RunningSite) -> Iterator[None]:
    yield None


def lost(site: RunningSite) -> Iterator[str]:
    """The token's folder is gone, and comes back."""
    with site.site.token_taken_away():
        await_refusal(site, "hsm-unavailable")
        yield "hsm"
    await_service(site)


def latched(site: RunningSite) -> Iterator[str]:
    """The token refused the PIN, and no other is tried."""
    site.site.write_pin(b"not the PIN")
    assert site.daemon.worker is not None
    with Watched(site.daemon.worker) as worker:
        worker.send(signal.SIGKILL)
        assert worker.ends_within()
    await_refusal(site, "hsm-unavailable")
    site.daemon.wait_until_told("refused the PIN")
    yield "hsm"
    site.site.write_pin(USER_PIN)
    await_service(site)


def audit_down(site: RunningSite) -> Iterator[str]:
    """The audit file is gone, and comes back."""
    elsewhere = site.site.audit_file.rename(site.site.directory / "elsewhere.jsonl")
    try:
        yield "audit"
    finally:
        elsewhere.rename(site.site.audit_file)
    await_service(site)


def await_refusal(site: RunningSite, code: str) -> None:
    with site.caller() as caller:
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).code == code)


def await_service(site: RunningSite) -> None:
    with site.caller() as caller:
        wait_until(lambda: caller.post(RANDOM, {"length": 1}).status == 200)


@contextmanager
def brought_into(state: State, site: RunningSite) -> Iterator[str | None]:
    """Bring a site into a state; say what is lacking there. Afterwards the site serves again."""
    steps = state(site)
    yield next(steps)
    assert next(steps, "over") == "over"


@pytest.mark.parametrize("state", [operational, lost, latched, audit_down])
def test_each_call_answers_each_role_as_the_state_has_it(run: Run, state: State) -> None:
    site = run(ca=True)
    site.caller().close()  # the rules that answers are held to are read while the site serves
    with brought_into(state, site) as lacking:
        for name, role in ROLES.items():
            with site.caller(name) as caller:
                for operation, described in OPERATIONS.items():
                    answer = ask(caller, *operation.split())

                    expected = expected_code(described, role, lacking)
                    if expected is None:
                        assert answer.code not in CODES_OF_THE_APPLIANCE, (operation, name)
                    else:
                        assert answer.code == expected, (operation, name)


def expected_code(described: dict[str, Any], role: Role | None, lacking: str | None) -> str | None:
    """Return the refusal that the document promises; None where only the request's sense counts."""
    if lacking == "audit":
        return str(described["x-needs"]["audit"])  # not even a refusal goes unrecorded
    if role is None:
        return "caller-unknown"
    if role not in described["x-roles"]:
        return "role-missing"
    needs: dict[str, str] = described["x-needs"]
    return needs.get(lacking or "")


def test_each_operation_of_the_document_has_a_well_formed_request() -> None:
    assert set(OPERATIONS) == {f"{method} {path}" for method, path in BODIES}


def test_each_role_has_somebody() -> None:
    assert {role for role in ROLES.values() if role} == set(Role)
