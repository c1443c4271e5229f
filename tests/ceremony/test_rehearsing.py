"""A script is rehearsed on a token that is thrown away, also one that goes on from another."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.ceremony.backups import BACK_UP, BY_SHARES, KEYS, MAKE, RESTORE, VERIFY
from tests.ceremony.rooms import ENROL, script
from tests.ceremony.test_import_certificate import IMPORT as IMPORT_CERTIFICATE
from tests.ceremony.test_key_pair_steps import PAIR
from tmsd.ceremony.minutes import Event, events
from tmsd.ceremony.reviewing import review

INITIALISE = '\n[[steps]]\ndo = "initialise-token"\n'
SERVICE_KEYS = '\n[[steps]]\ndo = "generate-service-keys"\n'
IMPORT = """
[[steps]]
do = "import-key"
label = "imported"
version = 1
algorithm = "des3"
custodians = ["karl", "lena", "mia"]
"""
CERTIFICATE = IMPORT_CERTIFICATE.format(issuer_sha256="ab" * 32)
DESTROY_PAIR = """
[[steps]]
do = "destroy-key-pair"
label = "issuer"
version = 1
"""
NEXT = BACK_UP.replace("pilot", "next") + "version = 2\n"
ZONE = """
[[steps]]
do = "import-key"
label = "zone"
version = 1
algorithm = "aes256"
purpose = "{purpose}"
custodians = ["karl", "lena", "mia"]
"""
ZONE_PAIR = """
[[steps]]
do = "generate-zone-key-pair"
label = "makers"
version = 1
algorithm = "rsa2048"
file = "makers.pem"
"""
WRAPPED = """
[[steps]]
do = "import-wrapped-key"
label = "{label}"
version = 1
algorithm = "aes128"
form = "{form}"
file = "{label}.key"
kcv = "0a1b2c"
zone_key = "{zone}"
"""
BLOCK = """
[[steps]]
do = "import-key-block"
label = "blocked"
version = 1
algorithm = "des3"
file = "maker.block"
kcv = "0a1b2c"
zone_key = "{zone}"
"""
BY_KEY = WRAPPED.format(label="sent", form="aes-kw", zone="zone")
FOR_PAIR = WRAPPED.format(label="under", form="rsa-oaep-sha256", zone="makers") + (
    f'file_sha256 = "{"0" * 64}"\n'
)
SCRIPTS = {
    "from an empty token to a backup": (
        *(INITIALISE, ENROL, SERVICE_KEYS, KEYS[0], IMPORT, MAKE),
        *(BACK_UP, VERIFY, VERIFY + BY_SHARES, RESTORE),
    ),
    "a restoration": (INITIALISE, ENROL, RESTORE + BY_SHARES, SERVICE_KEYS),
    "what goes on from others": (VERIFY, NEXT, VERIFY + BY_SHARES),
    "new shares": (MAKE + "version = 2\n", NEXT),
    "a CA below another": (
        CERTIFICATE,
        DESTROY_PAIR,
        PAIR.format(label="issuer", algorithm="p256"),
    ),
    "keys from card makers": (
        *(INITIALISE, ENROL, ZONE.format(purpose="zone-master"), BY_KEY, ZONE_PAIR),
        FOR_PAIR + 'purpose = "zone-master"\n',
        *(WRAPPED.format(label="last", form="aes-kwp", zone="under"),),
        *(ZONE.replace("zone", "blocks", 1).format(purpose="key-block-protection"),),
        BLOCK.format(zone="blocks"),
    ),
    "keys from card makers, under others that are there": (
        *(BY_KEY, FOR_PAIR, BLOCK.format(zone="other")),
    ),
}


@pytest.mark.parametrize("name", SCRIPTS)
def test_each_step_can_be_rehearsed(tmp_path: Path, name: str) -> None:
    minutes = tmp_path / "minutes.jsonl"

    rehearsed = subprocess.run(
        [
            Path(sys.executable).with_name("tmsctl"),
            *("ceremony", "rehearse", script(tmp_path, *SCRIPTS[name]), "--minutes", minutes),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert rehearsed.returncode == 0, rehearsed.stderr
    assert review(minutes).faults == ()
    done = [e.decision for e in events(minutes) if e.decision.operation == Event.DONE]
    assert len(done) == len(SCRIPTS[name])
