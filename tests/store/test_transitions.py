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
from tmsd.store import crl_entries, crls, ocsp_answers
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
from tmsd.store.crls import Base, Begun, Extent, NoBase, Scope
from tmsd.store.ocsp_answers import Signed
from tmsd.store.revocation import AlreadyRevoked, hold, release, revoke
from tmsd.x509.distribution import WHOLE

HOUR_MS = 3_600_000
FINAL = [reason for reason in Reason if reason is not Reason.CERTIFICATE_HOLD]
SCOPES = st.sampled_from([Scope(DEMO), Scope(DEMO, 1)])
Entries = dict[bytes, Revocation | None]
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


@dataclass(frozen=True)
class Complete:
    """A complete CRL that was published."""

    number: int
    next_update_ms: int
    entries: Entries


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
        self.complete: dict[Scope, list[Complete]] = {}
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
    @rule(target=prepared, hours=st.integers(0, 4), partition=st.integers(0, 2))
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

    @rule(scope=SCOPES, hours=st.integers(1, 5), is_scheduled=st.booleans())
    def a_complete_crl_is_published(self, scope: Scope, hours: int, is_scheduled: bool) -> None:
        until = self.now + hours * HOUR_MS
        begun = crls.begin(self.connection, scope, self.now, until, is_scheduled=is_scheduled)
        found = self.published(begun)
        assert found == self.expected(scope)
        self.complete.setdefault(scope, []).append(Complete(begun.number, until, found))
        for it in self.within(scope):
            if is_scheduled and it.revocation is not None and it.request.not_after_ms < self.now:
                it.off.add(scope)

    @rule(scope=SCOPES)
    def a_delta_crl_is_published(self, scope: Scope) -> None:
        if scope not in self.complete:
            with pytest.raises(NoBase):
                crls.begin_delta(self.connection, scope, self.now, self.now + 1)
            return
        begun = crls.begin_delta(self.connection, scope, self.now, self.now + HOUR_MS)
        delta = self.published(begun)
        assert begun.base is not None
        good = [crl for crl in self.complete[scope] if crl.next_update_ms > self.now]
        assert begun.base.number == (good or self.complete[scope][-1:])[0].number
        for crl in self.complete[scope]:
            if crl.number >= begun.base.number:  # section 5.2.4, (c)
                assert together(crl.entries, delta) == self.expected(scope)

    @rule(hours=st.integers(-6, 6), since=st.integers(0, 9), is_delta=st.booleans())
    def partitions_together_are_the_whole(self, hours: int, since: int, is_delta: bool) -> None:
        extent = Extent(self.now + hours * HOUR_MS, since)
        base = Base(1, since, Extent(0, 0)) if is_delta else None
        whole, one, other = (
            self.listed(Begun(Scope(DEMO, partition), 2, self.now, self.now + 1, 0, extent, base))
            for partition in (WHOLE, 1, 2)
        )
        named = {it.request.serial for it in self.all if it.request.partition != WHOLE}
        assert one | other == {serial: whole[serial] for serial in whole.keys() & named}
        assert not one.keys() & other.keys()

    def published(self, begun: Begun) -> Entries:
        assert begun.number == self.numbers.get(begun.scope, 0) + 1
        self.numbers[begun.scope] = begun.number
        found = self.listed(begun)
        crls.publish(self.connection, begun.scope, begun.number, b"crl", self.now)
        return found

    def listed(self, begun: Begun) -> Entries:
        every = [entry for chunk in crl_entries.entries(self.connection, begun) for entry in chunk]
        found = {entry.serial: entry.revocation for entry in every}
        assert len(found) == len(every)
        return found

    def expected(self, scope: Scope) -> Entries:
        """Return what a complete CRL has."""
        return {
            it.request.serial: it.revocation
            for it in self.within(scope)
            if it.revocation is not None and scope not in it.off
        }

    def within(self, scope: Scope) -> list[Modelled]:
        return [it for it in self.all if scope.partition in (WHOLE, it.request.partition)]

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


def together(complete: Entries, delta: Entries) -> Entries:
    """Return what a relying party makes of a complete CRL and a delta."""
    return {serial: revoked for serial, revoked in (complete | delta).items() if revoked}


def test_the_database_and_a_plain_model_agree(engine: Engine) -> None:
    class Here(Transitions):
        database = engine

    run_state_machine_as_test(Here, settings=settings(max_examples=40, stateful_step_count=40))
