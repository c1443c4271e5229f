"""A token is lost with all its keys; another, restored from shares, serves the same cards."""

import secrets
from pathlib import Path

from hsm.importing import destroy_key
from hsm.keys import KeyReference
from hsm.secret import Secret
from hsm.token import open_token
from tests.ceremony.backups import BACK_UP, BY_SHARES, MAKE, RESTORE
from tests.ceremony.conducting import begin
from tests.ceremony.keys import exclusive_or
from tests.ceremony.rooms import Present, room, script
from tests.site.batches import AES128
from tests.site.channels import open_channel
from tests.site.daemon import Daemon
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.site.policies import activated, enrol_officers
from tests.softhsm.tokens import USER_PIN, SoftHsm
from tests.virtual_token.card import Card
from tmsd.ceremony.script import load_script

IMPORT = f"""
[[steps]]
do = "import-key"
label = "{AES128.key_set}"
version = 1
algorithm = "aes128"
backup = "quorum"
custodians = ["karl", "lena"]
"""
SERVICE_KEYS = """
[[steps]]
do = "generate-service-keys"
"""


def opens_a_channel(site: Site, card: Card) -> bool:
    """Have a daemon open a channel with a card, which agrees to it."""
    with Daemon(site) as daemon, RunningSite(site, daemon.wait_until_ready()).caller() as caller:
        return bool(open_channel(caller, AES128, card))


def test_a_daemon_on_a_restored_token_serves_the_same_card(
    make_site: MakeSite, softhsm: SoftHsm, tmp_path: Path
) -> None:
    site, card, people = make_site(), AES128.card(), Present()
    with open_token(site.token, Secret(USER_PIN), writable=True) as token:
        destroy_key(token, KeyReference(AES128.key_set, 1))
    component = secrets.token_bytes(len(AES128.master))
    other = exclusive_or(component, AES128.master)
    for number, value in enumerate((component, other), start=1):
        what = f"component {number} of 2 of key '{AES128.key_set}' version 1"
        people.typed[what] = [value.hex().encode()]
    enrol_officers(site)
    activated(site, site.policy)
    first = room(tmp_path, site.token, people)
    begin(load_script(script(tmp_path, IMPORT, MAKE, BACK_UP)), first)
    assert opens_a_channel(site, card)

    site.initialise_again()
    site.token, folder = softhsm.make_token(), tmp_path / "second"
    folder.mkdir()
    (tmp_path / "pilot.backup").rename(folder / "pilot.backup")
    enrol_officers(site)
    restored = room(folder, site.token, people)
    begin(load_script(script(folder, RESTORE + BY_SHARES, SERVICE_KEYS)), restored)
    site.write_configuration(site.token)
    activated(site, site.policy)

    assert opens_a_channel(site, card)
