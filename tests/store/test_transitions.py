"""Whatever happens to certificates, in whatever order: the database and a plain model agree."""

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field, replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from sqlalchemy import Engine

from tests.store.certificates import DEMO, NOW_MS, request
from tmsd.store import crls, ocsp_answers
from tmsd.store.certificates import (
    Abandoned,
    IdempotencyConflict,
    Reason,
    Refusal,
    Request,
    Revocation,
    SerialTaken,
    State,
    UnknownCertificate,
    abandon_before,
    find,
    issue,
    open_authority,
    prepare,
)
from tmsd.store.crls import NoBase, Scope
from tmsd.store.ocsp_answers import Signed
from tmsd.store.revocation import AlreadyRevoked, hold, release, revoke

HOUR_MS = 3_600_000
FINAL = [reason for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]
SCOPES = st.sampled_from([Scope(DEMO), Scope(DEMO, 0)])
# More would meet each other too seldom.
MOST = 4


@dataclass
class Modelled:
    """A certificate as it should be.

    Attributes:
        answer: what its OCSP answer says of it, once there is one.
        off: the scopes whose CRLs need not have it any longer.
    """

    request: Request
    prepared_ms: int
    state: State = State.PREPARED
    certificate: bytes | None = None
    revocation: Revocation | None = None
    answer: list[Revocation | None] = field(default_factory=list)
    off: set[Scope] = field(default_factory=set)

    @property
    def is_final(self) -> bool:
        return self.revocation is not None and self.revocation.reason in FINAL

    def change(self, revocation: Revocation | None) -> None:
        self.revocation = revocation
        self.answer.clear()
        self.off.clear()


def outcome(ask: Callable[[], object]) -> object:
    """Return what is returned, or the kind of refusal."""
    try:
        return ask()
    except Refusal as refusal:
        return type(refusal)


class Transitions(RuleBasedStateMachine):
    """Certificates of one CA, for which hours pass."""

    database: Engine
    prepared = Bundle("prepared")

    def __init__(self) -> None:
        super().__init__()
        self.opened = ExitStack()
        self.connection = self.opened.enter_context(self.database.connect())
        self.transaction = self.connection.begin()
        open_authority(self.connection, DEMO)
        self.now = NOW_MS
        self.all: list[Modelled] = []
        self.complete: dict[Scope, dict[bytes, Revocation | None]] = {}
        self.numbers: dict[Scope, int] = {}

    def teardown(self) -> None:
        self.transaction.rollback()
        self.opened.close()

    @rule()
    def an_hour_passes(self) -> None:
        self.now += HOUR_MS

    @initialize(target=prepared)
    def one_is_there_already(self) -> Modelled:
        it = self.it_is_prepared(hours=6, partition=0)
        self.it_is_issued(it, b"the first")
        return it

    @precondition(lambda self: len(self.all) < MOST)
    @rule(target=prepared, hours=st.integers(0, 4), partition=st.integers(0, 1))
    def another_is_prepared(self, hours: int, partition: int) -> Modelled:
        return self.it_is_prepared(hours, partition)

    def it_is_prepared(self, hours: int, partition: int) -> Modelled:
        wanted = request(
            not_before_ms=self.now,
            not_after_ms=self.now + hours * HOUR_MS,
            partition=partition,
        )
        self.all.append(Modelled(wanted, self.now))
        assert prepare(self.connection, wanted, self.now).state is State.PREPARED
        return self.all[-1]

    @rule(it=prepared)
    def it_is_prepared_again(self, it: Modelled) -> None:
        again = replace(it.request, serial=request().serial, prepared=b"sealed anew")
        assert prepare(self.connection, again, self.now).serial == it.request.serial

    @rule(it=prepared)
    def another_takes_its_key_or_its_serial_number(self, it: Modelled) -> None:
        same_key = request(idempotency_key=it.request.idempotency_key)
        with pytest.raises(IdempotencyConflict):
            prepare(self.connection, same_key, self.now)
        with pytest.raises(SerialTaken):
            prepare(self.connection, request(serial=it.request.serial), self.now)

    @rule(it=prepared, der=st.binary(min_size=1, max_size=4))
    def one_is_issued(self, it: Modelled, der: bytes) -> None:
        self.it_is_issued(it, der)

    def it_is_issued(self, it: Modelled, der: bytes) -> None:
        serial = it.request.serial
        got = outcome(lambda: issue(self.connection, DEMO, serial, der, self.now))
        if it.state is State.ABANDONED:
            assert got is Abandoned
            return
        it.certificate = it.certificate or der
        it.state = State.ISSUED
        assert got == it.certificate

    @rule(hours=st.integers(0, 2))
    def old_ones_are_given_up(self, hours: int) -> None:
        before = self.now - hours * HOUR_MS
        old = [it for it in self.all if it.state is State.PREPARED and it.prepared_ms < before]
        assert abandon_before(self.connection, before) == len(old)
        for it in old:
            it.state = State.ABANDONED

    @rule(it=prepared, reason=st.sampled_from(FINAL), invalidity=st.booleans())
    def it_is_revoked(self, it: Modelled, reason: Reason, invalidity: bool) -> None:
        new = Revocation(self.now, reason, self.now - 1 if invalidity else None)
        got = outcome(lambda: revoke(self.connection, DEMO, it.request.serial, new))
        assert got == (it.revocation if it.state is State.ISSUED else UnknownCertificate)
        if it.state is State.ISSUED and not it.is_final:
            it.change(new)

    @rule(it=prepared)
    def it_is_held(self, it: Modelled) -> None:
        got = outcome(lambda: hold(self.connection, DEMO, it.request.serial, self.now))
        assert got == self.told_of(it)
        if it.state is State.ISSUED and it.revocation is None:
            it.change(Revocation(self.now, Reason.CERTIFICATE_HOLD))

    @rule(it=prepared)
    def it_is_released(self, it: Modelled) -> None:
        got = outcome(lambda: release(self.connection, DEMO, it.request.serial))
        assert got == self.told_of(it)
        if it.revocation is not None and not it.is_final:
            it.change(None)

    @staticmethod
    def told_of(it: Modelled) -> object:
        """Return what a hold or a release says: how it was before, or a refusal."""
        if it.state is not State.ISSUED:
            return UnknownCertificate
        return AlreadyRevoked if it.is_final else it.revocation

    @rule(scope=SCOPES, is_scheduled=st.booleans())
    def a_complete_crl_is_published(self, scope: Scope, is_scheduled: bool) -> None:
        begun = crls.begin(
            self.connection, scope, self.now, self.now + 1, is_scheduled=is_scheduled
        )
        found = self.published(begun)
        assert found == {
            it.request.serial: it.revocation
            for it in self.within(scope)
            if it.revocation is not None and scope not in it.off
        }
        self.complete[scope] = found
        for it in self.within(scope):
            if is_scheduled and it.revocation is not None and it.request.not_after_ms < self.now:
                it.off.add(scope)

    @rule(scope=SCOPES)
    def a_delta_crl_is_published(self, scope: Scope) -> None:
        if scope not in self.complete:
            with pytest.raises(NoBase):
                crls.begin_delta(self.connection, scope, self.now, self.now + 1)
            return
        begun = crls.begin_delta(self.connection, scope, self.now, self.now + 1)
        together = self.complete[scope] | self.published(begun)
        for it in self.within(scope):
            if it.request.not_after_ms >= self.now:
                assert together.get(it.request.serial) == it.revocation

    def published(self, begun: crls.Begun) -> dict[bytes, Revocation | None]:
        assert begun.number == self.numbers.get(begun.scope, 0) + 1
        self.numbers[begun.scope] = begun.number
        every = [entry for chunk in crls.entries(self.connection, begun) for entry in chunk]
        found = {entry.serial: entry.revocation for entry in every}
        assert len(found) == len(every)
        crls.publish(self.connection, begun.scope, begun.number, b"crl")
        return found

    def within(self, scope: Scope) -> list[Modelled]:
        return [it for it in self.all if scope.partition in (crls.WHOLE, it.request.partition)]

    @rule(most=st.integers(1, 3))
    def answers_are_signed(self, most: int) -> None:
        due = ocsp_answers.due(self.connection, DEMO, self.now, most)
        by_serial = {it.request.serial: it for it in self.all}
        stale = [it for it in self.all if it.state is State.ISSUED and it.answer != [it.revocation]]
        assert len(due) == min(most, len(stale))
        for each in due:
            it = by_serial[each.serial]
            assert it in stale
            assert each.revocation == it.revocation
            it.answer = [it.revocation]
        signed = [
            Signed(each.serial, each.changed, self.now, self.now + 1, b"answer", None)
            for each in due
        ]
        assert ocsp_answers.record(self.connection, DEMO, signed) == len(due)

    @invariant()
    def the_database_has_what_the_model_has(self) -> None:
        for it in self.all:
            record = find(self.connection, DEMO, it.request.serial)
            assert record is not None
            assert (record.state, record.certificate) == (it.state, it.certificate)
            assert record.revocation == it.revocation
            assert (record.prepared is None) == (it.state is State.ISSUED)


def test_the_database_and_a_plain_model_agree(engine: Engine) -> None:
    class Here(Transitions):
        database = engine

    run_state_machine_as_test(Here, settings=settings(max_examples=40, stateful_step_count=40))
