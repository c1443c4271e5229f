"""Audit: one record for each decision, on the disk before the answer; no record, no answer."""

import json
from hashlib import sha256

from tests.site.batches import AES128, BY_CUID, DES_VISA2, SCP01_HMAC
from tests.site.changeovers import DES_OPEN
from tests.site.channels import (
    CHALLENGES,
    ENCRYPT,
    KEY_SETS,
    RANDOM,
    SESSIONS,
    UNWRAP,
    VERIFY,
    WRAP,
    confirm,
    get_data,
    open_channel,
    presented,
    put_key,
    session_request,
    wrap,
)
from tests.site.fixtures import Run, RunningSite
from tmsd.audit.record import Outcome
from tmsd.audit.verification import verify


def test_the_chain_of_a_whole_run_verifies_and_has_one_record_for_each_answer(run: Run) -> None:
    site = run()
    with site.caller() as caller, site.caller("auditor") as auditor:
        answers = [
            caller.post(CHALLENGES, {"length": 8}),
            caller.post(RANDOM, {"length": 0}),
            auditor.post(RANDOM, {"length": 1}),
            caller.get(KEY_SETS),
            caller.post(VERIFY, {"card": presented(caller, AES128, AES128.card())}),
        ]
        session = open_channel(caller, AES128, AES128.card())
        answers.append(caller.post(WRAP, {"session": session, "apdus": ["80d8000000"]}))
    assert site.daemon.stop() == 0

    report = verify(site.site.audit_file)

    assert report.clean
    recorded = [record.decision.request_id for record in site.trail.records]
    assert recorded[0] is None, "audit-opened"
    assert len(set(recorded[1:])) == len(recorded[1:])
    assert {answer.request_id for answer in answers} <= set(recorded)


def test_a_record_says_who_did_what_to_which_card_and_binds_both_bodies(
    site: RunningSite,
) -> None:
    card = AES128.card()
    with site.caller() as tps:
        body = session_request(presented(tps, AES128, card), "01")
        content = json.dumps(body, indent=3).encode()
        opened = tps.send("POST", SESSIONS, content)
        wrap_body = {"session": opened.document["session"], "apdus": [get_data(0x9F7F)] * 2}
        wrapped = tps.post(WRAP, wrap_body)

    opening = site.trail.of_request(opened.request_id)[0].decision
    wrapping = site.trail.of_request(wrapped.request_id)[0].decision
    assert opening.operation == "tks.open-session"
    assert opening.outcome is Outcome.ALLOWED
    assert opening.caller == "tps-demo"
    assert opening.request_digest == sha256(content).hexdigest()
    assert opening.answer_digest == sha256(opened.content).hexdigest()
    assert opening.details == {"security_level": "01", "delivery": "sealed"}
    assert wrapping.operation == "tks.wrap-commands"
    assert wrapping.details == {"commands": 2}
    for decision in (opening, wrapping):
        assert decision.key_set == "aes128"
        assert decision.key_version == 1
        assert decision.diversification_data == card.profile.kdd.hex()


def test_refusals_and_failures_are_told_apart(site: RunningSite) -> None:
    with site.caller() as tps:
        refused = tps.post(RANDOM, {"length": 0})
        card = presented(tps, AES128, AES128.card()) | {"key_set": "absent"}
        failed = tps.post(SESSIONS, session_request(card))

    outcomes = [site.trail.of_request(a.request_id)[0].decision for a in (refused, failed)]
    assert [(decision.outcome, decision.code) for decision in outcomes] == [
        (Outcome.REFUSED, "request-invalid"),
        (Outcome.FAILED, "key-missing"),
    ]


def test_without_its_log_the_daemon_answers_nothing_and_recovers_when_it_is_back(
    run: Run,
) -> None:
    site = run()
    log = site.site.audit_file
    away = log.with_name("away.jsonl")
    with site.caller() as caller:
        card = presented(caller, AES128, AES128.card())
        log.rename(away)

        refused = [
            caller.post(RANDOM, {"length": 16}),
            caller.post(SESSIONS, session_request(card)),
            caller.post(RANDOM, {"length": 0}),
        ]

        for answer in refused:
            assert (answer.status, answer.code) == (503, "audit-unavailable")
            assert not {"random", "session", "host_cryptogram"} & answer.document.keys()
        away.rename(log)
        assert caller.post(RANDOM, {"length": 16}).status == 200
        used = caller.post(SESSIONS, session_request(card))
        assert used.status == 200, "nothing was begun that could not be recorded"
    assert site.daemon.stop() == 0
    accounts = [
        r.decision for r in site.trail.records if r.decision.operation == "records-discarded"
    ]
    assert [account.details["count"] for account in accounts] == [len(refused)]
    assert verify(log).clean


def test_without_its_log_no_put_key_is_made(run: Run) -> None:
    site = run(batches=(AES128, DES_OPEN))
    log = site.site.audit_file
    away = log.with_name("away.jsonl")
    with site.caller() as caller:
        card = DES_OPEN.card()
        session = open_channel(caller, DES_OPEN, card)
        log.rename(away)

        refused = put_key(caller, session, DES_OPEN, 2)

        assert (refused.status, refused.code) == (503, "audit-unavailable")
        assert not {"apdu", "key_check_values", "session"} & refused.document.keys()
        away.rename(log)
        made = put_key(caller, session, DES_OPEN, 2)
        answer = card.transmit(bytes.fromhex(made.document["apdu"]))
        assert confirm(caller, made.document["session"], answer).status == 200
    assert site.daemon.stop() == 0
    assert verify(log).clean


def test_every_use_of_an_exception_is_on_record_and_nothing_else_is(site: RunningSite) -> None:
    with site.caller() as tps:
        for batch, in_worker in ((SCP01_HMAC, True), (AES128, False), (DES_VISA2, False)):
            card = batch.card()
            verified = tps.post(VERIFY, {"card": presented(tps, batch, card)})
            opened = tps.post(SESSIONS, session_request(presented(tps, batch, card), "03"))
            session = opened.document["session"]
            wrapped = tps.post(WRAP, {"session": session, "apdus": [get_data(0x9F7F)]})
            session = wrapped.document["session"]
            unwrapped = tps.post(UNWRAP, {"session": session, "responses": ["9000"]})
            request = {"session": session, "purpose": "proof-of-presence"}
            encrypted = tps.post(ENCRYPT, request)

            for answer in (verified, opened, wrapped, unwrapped, encrypted):
                (record,) = site.trail.of_request(answer.request_id)
                told = record.decision.details.get("key_material_in_worker")
                assert told is (True if in_worker else None), record.decision.operation


def test_what_was_unwrapped_is_counted_and_its_end_told(site: RunningSite) -> None:
    with site.caller() as tps:
        session, _ = wrap(tps, open_channel(tps, AES128, AES128.card()), [get_data(0x9F7F)] * 2)
        body = {"session": session, "responses": ["9000", "6982"]}
        unwrapped = tps.post(UNWRAP, body)

    (record,) = site.trail.of_request(unwrapped.request_id)
    assert record.decision.operation == "tks.unwrap-responses"
    assert record.decision.details == {"responses": 2, "closed": True}


def test_a_log_that_was_replaced_is_not_written_to(run: Run) -> None:
    site = run()
    log = site.site.audit_file
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
        log.rename(log.with_name("taken.jsonl"))
        log.write_bytes(b"")

        assert caller.post(RANDOM, {"length": 1}).code == "audit-unavailable"
        assert log.read_bytes() == b""
        assert site.daemon.stop() == 0


def test_a_log_that_another_hand_wrote_to_is_not_continued(run: Run) -> None:
    site = run()
    with site.caller() as caller:
        assert caller.post(RANDOM, {"length": 1}).status == 200
        with site.site.audit_file.open("ab") as file:
            file.write(b"forged\n")

        assert caller.post(RANDOM, {"length": 1}).code == "audit-unavailable"
        site.daemon.wait_until_told("another hand has written to it")
        assert site.daemon.stop() == 0


def test_the_record_of_a_card_that_goes_by_cuid_names_the_card(site: RunningSite) -> None:
    cuid = bytes(range(0x30, 0x3A))
    card = BY_CUID.card_by_cuid(cuid)
    with site.caller() as tps:
        body = session_request(presented(tps, BY_CUID, card) | {"cuid": cuid.hex()})
        opened = tps.post(SESSIONS, body)
        wrap_body = {"session": opened.document["session"], "apdus": [get_data(0x9F7F)]}
        wrapped = tps.post(WRAP, wrap_body)

    recorded = {
        site.trail.of_request(answer.request_id)[0].decision.diversification_data
        for answer in (opened, wrapped)
    }
    assert recorded == {cuid.hex()}
