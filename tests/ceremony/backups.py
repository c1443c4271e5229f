"""Scripts of tests that make backups, and what is left of them."""

from collections.abc import Mapping

from tests.ceremony.conducting import begin, minutes_of
from tests.ceremony.rooms import GENERATE, script
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script

QUORUM = 'backup = "quorum"\n'
KEYS = (
    GENERATE.format(label="master") + QUORUM,
    GENERATE.format(label="card").replace("aes256", "aes128")
    + 'purpose = "undiversified"\n'
    + QUORUM,
    GENERATE.format(label="des").replace("aes256", "des3") + QUORUM,
    GENERATE.format(label="hmac") + 'purpose = "hmac-master"\n' + QUORUM,
    GENERATE.format(label="tps").replace("aes256", "aes192") + 'purpose = "transport"\n' + QUORUM,
    GENERATE.format(label="stays"),
)
BACKED_UP = ("card", "des", "hmac", "master", "tps")
PAIR = """
[[steps]]
do = "generate-key-pair"
label = "{label}"
version = 1
algorithm = "{algorithm}"
for = "ca"
"""
PAIRS = (
    PAIR.format(label="root", algorithm="p384") + QUORUM,
    PAIR.format(label="issuer", algorithm="rsa2048") + QUORUM,
    PAIR.format(label="stays", algorithm="ed25519"),
)
MAKE = """
[[steps]]
do = "make-backup-key"
shares_needed = 2
custodians = ["karl", "lena", "mia"]
"""
BACK_UP = """
[[steps]]
do = "back-up"
file = "pilot.backup"
"""
VERIFY = BACK_UP.replace("back-up", "verify-backup")
RESTORE = BACK_UP.replace("back-up", "restore")
BY_SHARES = 'custodians = ["mia", "karl"]\n'


def conduct(where: Room, *steps: str) -> Room:
    """Conduct a ceremony of its own in a room; the last one's minutes are put aside."""
    minutes = minutes_of(where)
    if minutes.exists():
        minutes.rename(minutes.with_name(f"minutes-{len(list(where.folder.iterdir()))}.jsonl"))
    begin(load_script(script(where.folder, *steps)), where)
    return where


def facts(where: Room) -> Mapping[str, object]:
    """Return what the minutes say of the last step that was done."""
    done = [e.decision for e in events(minutes_of(where)) if e.decision.operation == Event.DONE]
    return done[-1].details


def keys_of(where: Room) -> list[str]:
    """Return the labels of the secret keys in a token."""
    with where.token() as token:
        return [reference.label for reference, _ in token.list_keys()]
