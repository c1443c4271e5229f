"""Conducting a ceremony: before each step the quorum is asked, and everything is on record first.

It can be interrupted anywhere. What has begun and is not known to be done is looked for in the
token when it is resumed.
"""

from collections.abc import Iterator
from dataclasses import replace
from importlib.metadata import version

from hsm.errors import HsmError, TokenNotFound
from tmsd.ceremony.approving import CLOSE, PlannedStep, quorum_of, request, require_approval
from tmsd.ceremony.attesting import attestation, audit_keys
from tmsd.ceremony.minutes import Event, Minutes
from tmsd.ceremony.people import Stage
from tmsd.ceremony.progress import Progress
from tmsd.ceremony.refusal import Refused
from tmsd.ceremony.reviewing import review
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import Script
from tmsd.ceremony.step import Facts, Step
from tmsd.plain_text import plain
from tmsd.quorum.quorum import Quorum
from tmsd.quorum.refusal import ApprovalRefused

_END = (
    "Every step is done. The officers sign the minutes, as they are now.",
    "After that nothing can be added to them, and nothing changed.",
)


def open_ceremony(script: Script, room: Room, minutes: Minutes) -> None:
    """Put on record what will happen, where, and who is there.

    Raises:
        Refused, ApprovalRefused: there is no quorum that could approve.
        HsmError: the token refuses.
    """
    quorum = quorum_of(script, room)
    hsm, binding = room.binding.hsm, room.binding
    minutes.note(
        Event.OPENED,
        {
            "title": script.title,
            "deployment": script.deployment,
            "script_sha256": script.sha256,
            "steps": len(script.steps),
            "module": str(hsm.module),
            "token": hsm.token_label,
            "serial": _token_serial(room),
            "operator": binding.operator,
            "auditor": binding.auditor or "",
            "rehearsal": room.rehearsal,
            "software": f"tmsd {version('tmsd')}",
        },
    )
    _note_quorum(quorum, minutes)


def resume_ceremony(script: Script, room: Room, minutes: Minutes, before: Progress) -> None:
    """Put on record that a ceremony goes on, and conduct the rest of it.

    Minutes that anybody has changed, or another token than before, are nothing to go on from.

    Raises:
        Ended, Refused, ApprovalRefused, HsmError, AuditFileError, OSError: as conduct does.
    """
    if before.signed:
        raise Refused("the ceremony is over, and its minutes are signed")
    if wrong := review(minutes.chain.path).disorder:
        raise Refused(f"the minutes are not in order, and nothing goes on from them: {wrong}")
    _require_same_token(room, before)
    minutes.note(Event.RESUMED, {"done": before.done, "begun": before.begun, "shown": before.shown})
    _note_quorum(quorum_of(script, room), minutes)  # it may have been cut off while it was told
    conduct(script, room, minutes, before)


def _token_serial(room: Room) -> str:
    """Return the serial number of the token; nothing where it is yet to be initialised."""
    try:
        with room.token() as token:
            return token.serial
    except TokenNotFound:
        return ""


def _require_same_token(room: Room, before: Progress) -> None:
    if before.token_serial:
        with room.token() as token:
            if token.serial != before.token_serial:
                raise Refused(
                    f"the ceremony began with the token of serial number {before.token_serial}, "
                    f"and this is {token.serial}"
                )


def conduct(script: Script, room: Room, minutes: Minutes, before: Progress) -> None:
    """Go on from where the minutes end, to the close.

    Raises:
        Ended: somebody wants to stop here.
        Refused, ApprovalRefused, HsmError: a step was refused; it may be tried again.
        AuditFileError, OSError: the minutes cannot be written.
    """
    if before.script_sha256 != script.sha256:
        raise Refused("the minutes are of another script, or it has been changed since")
    room = replace(room, minutes=minutes)
    interrupted = before
    for number in range(before.done + 1, len(script.steps) + 1):
        _conduct_step(script, number, room, minutes, interrupted)
        interrupted = replace(before, begun=False, shown=0)
    _close(script, room, minutes, before)


def _conduct_step(
    script: Script, number: int, room: Room, minutes: Minutes, interrupted: Progress
) -> None:
    step, steps = script.steps[number - 1], len(script.steps)
    room.people.begin(
        Stage(f"Step {number} of {steps}", tuple(step.said()), done=number - 1, steps=steps)
    )
    if interrupted.shown:
        room.people.tell(*_of_shown(interrupted.shown))
    before = replace(room, approved=interrupted.approved)
    if interrupted.begun and (facts := step.found(before)) is not None:
        room.people.tell("It was done before the interruption.")
        _note_done(number, step, facts, room, minutes)
        return
    quorum = quorum_of(script, room)
    planned = PlannedStep(script, minutes.ceremony, number, minutes.operator)
    try:
        facts = _approved_and_done(planned, quorum, room, minutes)
    except (HsmError, Refused, ApprovalRefused) as refusal:
        minutes.note(Event.FAILED, {"step": number, "do": step.do, "reason": plain(str(refusal))})
        raise
    _note_done(number, step, facts, room, minutes)
    if (now := quorum_of(script, room)) != quorum:
        _note_quorum(now, minutes)


def _approved_and_done(planned: PlannedStep, quorum: Quorum, room: Room, minutes: Minutes) -> Facts:
    """Ask the quorum for a step, and do it."""
    step = planned.step
    after = step.quorum_after(room, quorum)
    if after != quorum:
        _have_joined(planned, quorum, after, room, minutes)
    asked = planned.request(quorum, after, step.also_asked(room))
    require_approval(asked, quorum, room, minutes, everybody=step.needs_everybody)
    minutes.note(Event.BEGUN, {"step": planned.number, "do": step.do, "request": asked.request_id})
    return step.perform(replace(room, approved=asked.parameters))


def _of_shown(secrets: int) -> Iterator[str]:
    """Yield what becomes of secrets that were shown in a step that was interrupted."""
    yield f"In the step that comes, {secrets} secrets were shown before it was interrupted."
    yield "Unless it is found to be done, they are void, and others will be shown: destroy them."


def _note_done(number: int, step: Step, facts: Facts, room: Room, minutes: Minutes) -> None:
    minutes.note(Event.DONE, {"step": number, "do": step.do, **facts})
    room.people.finish(facts)


def _have_joined(
    planned: PlannedStep, quorum: Quorum, after: Quorum, room: Room, minutes: Minutes
) -> None:
    """Have each officer of a quorum to come show that they have their key."""
    _note_quorum(after, minutes, Event.PROPOSED)
    room.people.tell("First each officer to come shows their key; then the quorum of now approves.")
    asked = planned.request_to_join(quorum, after)
    require_approval(asked, after, room, minutes, everybody=True)


def _note_quorum(quorum: Quorum, minutes: Minutes, event: Event = Event.QUORUM) -> None:
    minutes.note(
        event,
        {
            "quorum": quorum.number,
            "quorum_sha256": quorum.digest,
            "approvals": quorum.approvals,
            "officers": len(quorum.officers),
        },
    )
    for officer in quorum.officers:
        minutes.note(
            Event.OFFICER,
            {
                "officer": officer.name,
                "person": officer.person,
                "public_key": officer.public_key_base64,
                "public_key_sha256": officer.public_key_sha256,
            },
        )


def _close(script: Script, room: Room, minutes: Minutes, before: Progress) -> None:
    """Close the minutes, once, and have them signed: by the token, and by officers.

    As many officers sign as approve a step; the token signs where it has an audit key.
    """
    closed, audit_key = before.closed, before.audit_key
    if closed is None:
        audit_key = _newest_audit_key(room)
        named = {} if audit_key is None else {"audit_key": audit_key}
        closed = minutes.note(Event.CLOSED, {"steps": len(script.steps), **named}).hash
    if audit_key is not None and not before.attested:
        with room.token() as token:
            signed = attestation(token, audit_key, closed)
        minutes.note(Event.ATTESTED, signed)
    quorum, steps = quorum_of(script, room), len(script.steps)
    room.people.begin(Stage("The end", _END, done=steps, steps=steps))
    parameters = {
        "ceremony": minutes.ceremony,
        "script_sha256": script.sha256,
        "minutes_sha256": closed,
    }
    asked = request(CLOSE, parameters, quorum, minutes.operator)
    require_approval(asked, quorum, room, minutes)
    minutes.note(Event.SIGNED, {"request": asked.request_id, "minutes_sha256": closed})


def _newest_audit_key(room: Room) -> str | None:
    """Return the SHA-256 of the public key of the token's audit key, if it has one."""
    with room.token() as token:
        return next(reversed(audit_keys(token)), None)
