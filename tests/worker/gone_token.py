"""A program that loses a token with a quorum under a login, which would spoil later tests.

`python -m tests.worker.gone_token FOLDER` prints how many documents it finds then, and what becomes
of a policy that nobody approved, and of the comparison with an inventory.
"""

import json
import shutil
import sys
from pathlib import Path

from hsm.attributes import SERVICE_MAC_KEY
from hsm.data_objects import read_documents, replace_documents
from hsm.held_keys import held_keys
from hsm.importing import generate_key
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.hsm.other_process import met
from tests.quorum.policies import QUORUM
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tmsd.config.policy import load_policy
from tmsd.config.reserved_keys import CHANNEL_KEY, QUORUM_DOCUMENT
from tmsd.quorum import canonical
from tmsd.quorum.inventory import inventory_of, keys_of
from tmsd.worker.inventory import require_inventory
from tmsd.worker.keyring import Keyring
from tmsd.worker.policy_in_force import require_policy


def main(folder: Path) -> None:
    """Lose the token, and look for its quorum."""
    softhsm = SoftHsm(folder)
    policy = folder / "policy.toml"
    policy.write_text("version = 3\n")
    with open_token(softhsm.make_token(), Secret(USER_PIN), writable=True) as token:
        generate_key(token, KeyReference(CHANNEL_KEY, 1), AES_256, SERVICE_MAC_KEY)
        keyring = Keyring(token)
        keyring.service_mac(CHANNEL_KEY, 1, b"")
        replace_documents(token, QUORUM_DOCUMENT, canonical.encode(QUORUM))
        before = len(read_documents(token, QUORUM_DOCUMENT))
        inventory = folder / "inventory.json"
        taken = inventory_of(token.label, token.serial, keys_of(held_keys(token)))
        inventory.write_bytes(canonical.encode(taken))
        shutil.rmtree(softhsm.token_directory)
        after = len(read_documents(token, QUORUM_DOCUMENT))
        unsigned = load_policy(policy)
        became = met(lambda: require_policy(token, keyring, unsigned, had_quorum=False))
        compared = met(lambda: require_inventory(token, keyring, inventory, []))
        token.abandoned = True
    told = {"before": before, "after": after, "unsigned": became, "inventory": compared}
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
