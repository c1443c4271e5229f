"""Messages for property tests: every request and answer, anywhere within its bounds."""

from hypothesis import strategies as st

from tmsd.errors import Code
from tmsd.vault import messages
from tmsd.vault.messages import Question, Reply

BYTE = st.integers(0, 255)
NAMES = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,63}", fullmatch=True)
TEXTS = st.text(st.characters(codec="utf-8"), max_size=1024)


def between(least: int, most: int) -> st.SearchStrategy[bytes]:
    return st.binary(min_size=least, max_size=most)


SESSIONS = between(1, messages.MAX_SESSION)
APDUS = st.lists(between(1, messages.MAX_APDU), min_size=1, max_size=messages.MAX_APDUS)

CARDS = st.builds(
    messages.Card,
    initialize_update=between(12, 50),
    ticket=st.none() | between(1, messages.MAX_TICKET),
    host_challenge=st.none() | between(8, 16),
    scp_i=st.none() | BYTE,
    cuid=st.none() | between(10, 10),
)
KEY_VERSIONS = st.builds(
    messages.KeyVersion,
    version=BYTE,
    state=st.sampled_from(["active", "retired"]),
    key_check_value=st.none() | between(3, 3),
)

REQUESTS = {
    messages.IssueChallenge: st.builds(
        messages.IssueChallenge, caller=NAMES, length=st.sampled_from([8, 16])
    ),
    messages.OpenChannel: st.builds(
        messages.OpenChannel, caller=NAMES, key_set=NAMES, card=CARDS, security_level=BYTE
    ),
    messages.VerifyCryptogram: st.builds(
        messages.VerifyCryptogram, caller=NAMES, key_set=NAMES, card=CARDS
    ),
    messages.WrapCommands: st.builds(
        messages.WrapCommands, caller=NAMES, session=SESSIONS, apdus=APDUS
    ),
    messages.MakeRandom: st.builds(
        messages.MakeRandom, caller=NAMES, length=st.integers(1, messages.MAX_RANDOM)
    ),
    messages.DescribeKeySet: st.builds(messages.DescribeKeySet, caller=NAMES, key_set=NAMES),
}

ANSWERS = {
    messages.ChallengeIssued: st.builds(
        messages.ChallengeIssued,
        host_challenge=between(8, 16),
        ticket=between(1, messages.MAX_TICKET),
    ),
    messages.ChannelOpened: st.builds(
        messages.ChannelOpened,
        scp=BYTE,
        i=BYTE,
        key_set=NAMES,
        key_version=BYTE,
        host_cryptogram=between(8, 8),
        external_authenticate=between(1, messages.MAX_APDU),
        session=SESSIONS,
    ),
    messages.CryptogramVerified: st.builds(messages.CryptogramVerified, valid=st.booleans()),
    messages.CommandsWrapped: st.builds(
        messages.CommandsWrapped,
        session=SESSIONS,
        apdus=APDUS,
        key_set=NAMES,
        key_version=BYTE,
        diversification_data=between(10, 10),
    ),
    messages.RandomMade: st.builds(messages.RandomMade, random=between(1, messages.MAX_RANDOM)),
    messages.KeySetDescribed: st.builds(
        messages.KeySetDescribed, versions=st.lists(KEY_VERSIONS, max_size=255)
    ),
    messages.Refused: st.builds(
        messages.Refused, code=st.sampled_from(Code), detail=TEXTS, pointer=st.none() | TEXTS
    ),
    messages.Started: st.builds(
        messages.Started, token=TEXTS, policy_digest=st.from_regex(r"[0-9a-f]{64}", fullmatch=True)
    ),
    messages.StartFailed: st.builds(messages.StartFailed, reason=TEXTS, final=st.booleans()),
}

QUESTIONS = st.builds(
    Question,
    number=st.integers(1, 2**53 - 1),
    deadline=st.floats(allow_nan=False),
    request=st.one_of(*REQUESTS.values()),
)
REPLIES = st.builds(Reply, number=st.integers(0, 2**53 - 1), answer=st.one_of(*ANSWERS.values()))
