"""What a worker for callers, or for the appliance, answers: every request of the boundary.

One function answers each, and each answer goes with a receipt.
"""

from collections.abc import Callable
from typing import Any

from tmsd.vault import card_messages, certificate_messages, dogtag_messages, messages
from tmsd.vault.message import NamedCard
from tmsd.vault.messages import Question, Reply
from tmsd.worker import (
    certifying,
    describing,
    dogtag_key_sets,
    dogtag_sessions,
    key_changeover,
    messaging,
    opening,
    possession,
    publishing,
)
from tmsd.worker.context import Context
from tmsd.worker.receipts import Receipts
from tmsd.worker.service import Service

# Every request and the function that answers it; a test holds this to messages.AnyRequest.
ANSWERS: dict[type[messages.AnyRequest], Callable[[Context, Any], messages.AnyAnswer]] = {
    card_messages.IssueChallenge: opening.issue_challenge,
    card_messages.OpenChannel: opening.open_channel,
    card_messages.DeliverKeys: opening.deliver_keys,
    card_messages.VerifyCryptogram: opening.verify_cryptogram,
    card_messages.WrapCommands: messaging.wrap_commands,
    card_messages.UnwrapResponses: messaging.unwrap_responses,
    card_messages.EncryptData: messaging.encrypt_data,
    card_messages.PutKey: key_changeover.put_key,
    card_messages.ConfirmPutKey: key_changeover.confirm_put_key,
    card_messages.MakeRandom: describing.make_random,
    card_messages.DescribeKeySet: describing.describe_key_set,
    dogtag_messages.MakeSessionKeys: dogtag_sessions.make_session_keys,
    dogtag_messages.MakeScp02Key: dogtag_sessions.make_scp02_key,
    dogtag_messages.MakeKeySetData: dogtag_key_sets.make_key_set_data,
    dogtag_messages.EncryptChallenge: dogtag_key_sets.encrypt_challenge,
    certificate_messages.DraftCertificate: certifying.draft_certificate,
    certificate_messages.PrepareCertificate: certifying.prepare_certificate,
    certificate_messages.SignCertificate: certifying.sign_certificate,
    certificate_messages.SignCrl: publishing.sign_crl,
    certificate_messages.SignStatuses: publishing.sign_statuses,
}


def service(receipts: Receipts) -> Service[Context]:
    """Return what the daemon's workers are there for.

    Args:
        receipts: counts what this process answers.
    """
    return Service(Question, Reply, ANSWERS, receipts.make, _card)


def _card(context: Context, request: messages.AnyRequest) -> NamedCard | None:
    """Return whose session or ticket a request named; without one the front knows by itself."""
    if isinstance(request, certificate_messages.PrepareCertificate):
        return possession.card_of(context, request)
    sealed = getattr(request, "session", None)
    return None if sealed is None else messaging.card_of(context, sealed, request.caller)
