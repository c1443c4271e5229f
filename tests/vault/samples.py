"""Messages for property tests: every request and answer, anywhere within its bounds."""

from hypothesis import strategies as st

from tmsd.errors import Code
from tmsd.vault import (
    card_messages,
    certificate_messages,
    dogtag_messages,
    worker_messages,
)
from tmsd.vault.message import MAX_TICKET, NamedCard
from tmsd.vault.messages import Question, Reply
from tmsd.x509.distribution import MOST_PARTITIONS
from tmsd.x509.templates import MAX_VALUE

BYTE = st.integers(0, 255)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=1024)


def between(least: int, most: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=least, max_size=most)


SESSIONS = between(1, card_messages.MAX_SESSION)
APDUS = st.lists(between(1, card_messages.MAX_APDU), min_size=1, max_size=card_messages.MAX_APDUS)

CARDS = st.builds(
    card_messages.Card,
    initialize_update=between(12, 50),
    ticket=st.none() | between(1, MAX_TICKET),
    host_challenge=st.none() | between(8, 16),
    scp_i=st.none() | BYTE,
    cuid=st.none() | between(10, 10),
)
RESPONSES = between(2, card_messages.MAX_RESPONSE)
CHECK_VALUES = between(3, 3)
CHANNELS = st.builds(
    card_messages.Channel,
    session=SESSIONS,
    key_set=NAMES,
    key_version=BYTE,
    diversification_data=between(1, 10),
    key_material_in_worker=st.booleans(),
)
WRAPPED_KEYS = between(16, 40)
DELIVERED_KEYS = st.builds(
    card_messages.DeliveredKeys,
    transport_key=NAMES,
    mechanism=st.sampled_from(["aes-key-wrap", "des3-ecb"]),
    enc=st.none() | WRAPPED_KEYS,
    mac=WRAPPED_KEYS,
    rmac=st.none() | WRAPPED_KEYS,
    dek=st.none() | WRAPPED_KEYS,
)
OPENED = {
    "scp": BYTE,
    "i": BYTE,
    "key_set": NAMES,
    "key_version": BYTE,
    "newest_key_version": BYTE,
    "host_cryptogram": between(8, 16),
    "external_authenticate": between(1, card_messages.MAX_APDU),
    "key_material_in_worker": st.booleans(),
}
UNWRAPPED = st.builds(card_messages.UnwrappedResponse, response=RESPONSES, protected=st.booleans())
CAPABILITIES = st.builds(
    worker_messages.Capabilities,
    **dict.fromkeys(worker_messages.Capabilities.__struct_fields__, st.booleans()),
)
NAMED_CARDS = st.builds(
    NamedCard,
    key_set=NAMES,
    key_version=BYTE,
    diversification_data=between(1, 10),
)
POLICY_APPROVALS = st.builds(
    worker_messages.PolicyApproval,
    approved_by=st.lists(NAMES, min_size=1, max_size=32),
    activated=st.integers(0, 2**40 - 1),
)
KEY_VERSIONS = st.builds(
    card_messages.KeyVersion,
    version=BYTE,
    state=st.sampled_from(["pre-active", "active", "retired"]),
    key_check_value=st.none() | CHECK_VALUES,
)

FIELD_NAMES = st.from_regex(r"[a-z][a-z0-9_]{0,31}", fullmatch=True)
SECONDS = st.integers(0, 2**40 - 1)
PARTITIONS = st.integers(0, MOST_PARTITIONS)
STATUSES = st.builds(
    certificate_messages.Status,
    serial_number=between(16, 16),
    revoked_at=st.none() | SECONDS,
    reason=st.none() | st.sampled_from(["superseded", "keyCompromise"]),
)
OCSP_ANSWERS = st.lists(between(1, 1024), max_size=4)


def _cut(text: str) -> str:
    return text[:MAX_VALUE]


PROOFS = st.one_of(
    st.builds(certificate_messages.SignedRequest, csr=between(1, 1024)),
    st.builds(
        certificate_messages.CardProof,
        public_key=between(1, 1024),
        ticket=between(1, MAX_TICKET),
        signature=between(1, 512),
    ),
    st.builds(
        certificate_messages.CrossedCa,
        certificate=between(1, 1024),
        csr=st.none() | between(1, 1024),
    ),
)
WANTED = {
    "caller": NAMES,
    "ca": NAMES,
    "profile": NAMES,
    "proof": PROOFS,
    "fields": st.dictionaries(FIELD_NAMES, st.lists(TEXTS.map(_cut), min_size=1, max_size=3)),
    "days": st.none() | st.integers(-(2**31), 2**31 - 1),
}
APPROVALS = st.none() | st.builds(
    certificate_messages.QuorumApproval,
    request=between(1, 1024),
    approvals=st.lists(between(1, 1024), max_size=certificate_messages.MAX_APPROVALS),
)

DOGTAG = {
    "caller": NAMES,
    "key_set": NAMES,
    "card": st.builds(
        dogtag_messages.DogtagCard, kdd=between(10, 10), cuid=between(10, 10), key_version=BYTE
    ),
}
VOUCHERS = between(1, MAX_TICKET)
KEYGEN_KEYS = st.builds(
    dogtag_messages.KeygenKey,
    under_dek=between(16, 16),
    key_check_value=CHECK_VALUES,
    for_drm=between(128, 1024),
)
KEYGEN = st.none() | st.builds(
    dogtag_messages.KeygenKeys, des=KEYGEN_KEYS, aes=st.none() | KEYGEN_KEYS
)
REQUESTS = {
    dogtag_messages.MakeSessionKeys: st.builds(
        dogtag_messages.MakeSessionKeys,
        **DOGTAG,
        i=st.none() | BYTE,
        card_challenge=between(8, 8),
        host_challenge=between(8, 8),
        card_cryptogram=between(8, 8),
        ticket=st.none() | between(1, MAX_TICKET),
        server_side_keygen=st.booleans(),
    ),
    dogtag_messages.MakeScp02Key: st.builds(
        dogtag_messages.MakeScp02Key,
        **DOGTAG,
        sequence_counter=between(2, 2),
        derivation_constant=between(2, 2),
        server_side_keygen=st.booleans(),
    ),
    dogtag_messages.MakeKeySetData: st.builds(
        dogtag_messages.MakeKeySetData,
        **DOGTAG,
        new_key_set=NAMES,
        new_key_version=BYTE,
        voucher=st.none() | VOUCHERS,
        wrapped_dek=st.none() | between(16, 16),
    ),
    dogtag_messages.EncryptChallenge: st.builds(
        dogtag_messages.EncryptChallenge, **DOGTAG, voucher=st.none() | VOUCHERS
    ),
    card_messages.IssueChallenge: st.builds(
        card_messages.IssueChallenge, caller=NAMES, length=st.sampled_from([8, 16])
    ),
    card_messages.OpenChannel: st.builds(
        card_messages.OpenChannel, caller=NAMES, key_set=NAMES, card=CARDS, security_level=BYTE
    ),
    card_messages.DeliverKeys: st.builds(
        card_messages.DeliverKeys, caller=NAMES, key_set=NAMES, card=CARDS, security_level=BYTE
    ),
    card_messages.VerifyCryptogram: st.builds(
        card_messages.VerifyCryptogram, caller=NAMES, key_set=NAMES, card=CARDS
    ),
    card_messages.WrapCommands: st.builds(
        card_messages.WrapCommands, caller=NAMES, session=SESSIONS, apdus=APDUS
    ),
    card_messages.UnwrapResponses: st.builds(
        card_messages.UnwrapResponses,
        caller=NAMES,
        session=SESSIONS,
        responses=st.lists(RESPONSES, min_size=1, max_size=card_messages.MAX_APDUS),
    ),
    card_messages.PutKey: st.builds(
        card_messages.PutKey,
        caller=NAMES,
        session=SESSIONS,
        new_key_set=st.none() | NAMES,
        new_key_version=st.integers(1, 127),
        mode=st.sampled_from(["add", "replace"]),
    ),
    card_messages.ConfirmPutKey: st.builds(
        card_messages.ConfirmPutKey, caller=NAMES, session=SESSIONS, response=RESPONSES
    ),
    card_messages.EncryptData: st.builds(
        card_messages.EncryptData,
        caller=NAMES,
        session=SESSIONS,
        purpose=st.sampled_from(["proof-of-presence", "proof-of-possession", "pin", "object"]),
        data=st.none() | between(8, card_messages.MAX_ENCRYPTED),
    ),
    card_messages.MakeRandom: st.builds(
        card_messages.MakeRandom, caller=NAMES, length=st.integers(1, card_messages.MAX_RANDOM)
    ),
    card_messages.DescribeKeySet: st.builds(
        card_messages.DescribeKeySet, caller=NAMES, key_set=NAMES
    ),
    certificate_messages.DraftCertificate: st.builds(
        certificate_messages.DraftCertificate, **WANTED
    ),
    certificate_messages.PrepareCertificate: st.builds(
        certificate_messages.PrepareCertificate, **WANTED, approval=APPROVALS
    ),
    certificate_messages.SignCertificate: st.builds(
        certificate_messages.SignCertificate,
        caller=NAMES,
        prepared=between(1, 1024),
        approval=APPROVALS,
    ),
    certificate_messages.SignCrl: st.builds(
        certificate_messages.SignCrl,
        caller=NAMES,
        ca=NAMES,
        partition=PARTITIONS,
        number=st.integers(1, 2**53 - 1),
        base_number=st.none() | st.integers(1, 2**53 - 1),
        entries=between(0, 1024),
    ),
    certificate_messages.SignStatuses: st.builds(
        certificate_messages.SignStatuses,
        caller=NAMES,
        ca=NAMES,
        statuses=st.lists(STATUSES, min_size=1, max_size=certificate_messages.MAX_STATUSES),
    ),
}

ANSWERS = {
    dogtag_messages.SessionKeysMade: st.builds(
        dogtag_messages.SessionKeysMade,
        mac=between(16, 32),
        enc=between(16, 32),
        dek=st.none() | between(16, 32),
        host_cryptogram=between(8, 8),
        keygen=KEYGEN,
        voucher=VOUCHERS,
        key_material_in_worker=st.booleans(),
    ),
    dogtag_messages.Scp02KeyMade: st.builds(
        dogtag_messages.Scp02KeyMade,
        key=between(16, 16),
        keygen=KEYGEN,
        voucher=VOUCHERS,
        key_material_in_worker=st.booleans(),
    ),
    dogtag_messages.KeySetDataMade: st.builds(
        dogtag_messages.KeySetDataMade,
        key_set_data=between(67, 118),
        key_check_values=st.lists(CHECK_VALUES, min_size=3, max_size=3),
        key_material_in_worker=st.booleans(),
    ),
    dogtag_messages.ChallengeEncrypted: st.builds(
        dogtag_messages.ChallengeEncrypted,
        challenge=between(16, 16),
        encrypted=between(16, 16),
        key_material_in_worker=st.booleans(),
    ),
    card_messages.ChallengeIssued: st.builds(
        card_messages.ChallengeIssued,
        host_challenge=between(8, 16),
        ticket=between(1, MAX_TICKET),
    ),
    card_messages.ChannelOpened: st.builds(card_messages.ChannelOpened, session=SESSIONS, **OPENED),
    card_messages.KeysDelivered: st.builds(
        card_messages.KeysDelivered, keys=DELIVERED_KEYS, **OPENED
    ),
    card_messages.CryptogramVerified: st.builds(
        card_messages.CryptogramVerified, valid=st.booleans(), key_material_in_worker=st.booleans()
    ),
    card_messages.CommandsWrapped: st.builds(
        card_messages.CommandsWrapped, channel=CHANNELS, apdus=APDUS
    ),
    card_messages.ResponsesUnwrapped: st.builds(
        card_messages.ResponsesUnwrapped,
        channel=CHANNELS,
        responses=st.lists(UNWRAPPED, min_size=1, max_size=card_messages.MAX_APDUS),
        closed=st.booleans(),
    ),
    card_messages.PutKeyMade: st.builds(
        card_messages.PutKeyMade,
        channel=CHANNELS,
        apdu=between(1, card_messages.MAX_APDU),
        key_check_values=st.lists(CHECK_VALUES, min_size=1, max_size=3),
        key_material_in_worker=st.booleans(),
    ),
    card_messages.PutKeyConfirmed: st.builds(
        card_messages.PutKeyConfirmed, channel=CHANNELS, new_key_version=BYTE
    ),
    card_messages.DataEncrypted: st.builds(
        card_messages.DataEncrypted,
        channel=CHANNELS,
        encrypted=between(8, card_messages.MAX_ENCRYPTED),
        challenge=st.none() | between(16, 16),
    ),
    card_messages.RandomMade: st.builds(
        card_messages.RandomMade, random=between(1, card_messages.MAX_RANDOM)
    ),
    card_messages.KeySetDescribed: st.builds(
        card_messages.KeySetDescribed,
        versions=st.lists(KEY_VERSIONS, max_size=255),
        newest_key_version=st.none() | BYTE,
    ),
    certificate_messages.DraftedCertificate: st.builds(
        certificate_messages.DraftedCertificate,
        certificate=between(1, 1024),
        quorum=between(1, 1024),
        policy_version=st.integers(1, 2**31 - 1),
    ),
    certificate_messages.PreparedCertificate: st.builds(
        certificate_messages.PreparedCertificate,
        prepared=between(1, 1024),
        serial_number=between(16, 16),
        subject=TEXTS,
        public_key_sha256=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        not_before=SECONDS,
        not_after=SECONDS,
        partition=PARTITIONS,
        unique_key=st.booleans(),
        left_out=st.lists(FIELD_NAMES, max_size=certificate_messages.MAX_FIELDS),
        card=st.none() | NAMED_CARDS,
    ),
    certificate_messages.SignedCertificate: st.builds(
        certificate_messages.SignedCertificate, certificate=between(1, 1024)
    ),
    certificate_messages.SignedCrl: st.builds(certificate_messages.SignedCrl, crl=between(1, 1024)),
    certificate_messages.SignedStatuses: st.builds(
        certificate_messages.SignedStatuses,
        this_update=SECONDS,
        next_update=SECONDS,
        by_sha1=OCSP_ANSWERS,
        by_sha256=OCSP_ANSWERS,
    ),
    worker_messages.Refused: st.builds(
        worker_messages.Refused,
        code=st.sampled_from(Code),
        detail=TEXTS,
        pointer=st.none() | TEXTS,
        card=st.none() | NAMED_CARDS,
    ),
    worker_messages.Started: st.builds(
        worker_messages.Started,
        worker=between(8, 8),
        generation=st.integers(1, 2**53 - 1),
        token=TEXTS,
        policy_digest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True),
        capabilities=CAPABILITIES,
        policy_approval=st.none() | POLICY_APPROVALS,
    ),
    worker_messages.StartFailed: st.builds(worker_messages.StartFailed, reason=TEXTS),
    worker_messages.Condition: st.builds(
        worker_messages.Condition,
        state=st.sampled_from(["operational", "lost"]),
        generation=st.integers(1, 2**53 - 1),
        derivations=st.integers(0, 2**53 - 1),
        resident_bytes=st.integers(0, 2**53 - 1),
        reason=st.none() | TEXTS,
    ),
}

QUESTIONS = st.builds(
    Question,
    number=st.integers(1, 2**53 - 1),
    deadline=st.floats(allow_nan=False),
    request=st.one_of(*REQUESTS.values()),
)
RECEIPTS = st.builds(
    worker_messages.Receipt,
    worker=between(8, 8),
    generation=st.integers(1, 2**53 - 1),
    sequence=st.integers(1, 2**53 - 1),
    operation=NAMES,
    digest=between(32, 32),
    key_version=BYTE,
    mac=between(16, 16),
)
REPLIES = st.builds(
    Reply,
    number=st.integers(0, 2**53 - 1),
    answer=st.one_of(*ANSWERS.values()),
    receipt=st.none() | RECEIPTS,
)
