"""A daemon whose token has an inventory serves with no key that is not as it says."""

from hsm.attributes import SERVICE_MAC_KEY
from hsm.held_keys import held_keys
from hsm.importing import destroy_key, generate_key
from hsm.keys import AES_256, KeyReference
from hsm.secret import Secret
from hsm.token import Token, open_token
from tests.daemon.test_generations import serves, token_changed
from tests.site.batches import AES128
from tests.site.daemon import Daemon, refuses_to_start, wait_until
from tests.site.directory import Site
from tests.site.fixtures import MakeSite, RunningSite
from tests.softhsm.tokens import USER_PIN
from tmsd.config.reserved_keys import CHANNEL_KEY
from tmsd.quorum import canonical
from tmsd.quorum.inventory import inventory_of, keys_of


def take_inventory(site: Site) -> None:
    """Write down what the site's token holds, and have its workers go by that."""
    with open_token(site.token, Secret(USER_PIN)) as token:
        taken = inventory_of(token.label, token.serial, keys_of(held_keys(token)))
    (site.directory / "inventory.json").write_bytes(canonical.encode(taken))
    table = site.configuration.read_text()
    site.configuration.write_text(table.replace("[hsm]\n", '[hsm]\ninventory = "inventory.json"\n'))


def add_channel_key(token: Token) -> None:
    generate_key(token, KeyReference(CHANNEL_KEY, 2), AES_256, SERVICE_MAC_KEY)


def test_a_key_that_is_missing_ends_it_and_is_named(make_site: MakeSite) -> None:
    site = make_site(batches=[AES128])
    take_inventory(site)
    with open_token(site.token, Secret(USER_PIN), writable=True) as token:
        destroy_key(token, KeyReference(AES128.key_set, 1))

    assert refuses_to_start(site) == (
        f"inventory-drift: secret key '{AES128.key_set}' version 1: missing"
        f" (by {site.directory / 'inventory.json'})"
    )


def test_a_token_that_comes_back_with_drift_serves_nobody(make_site: MakeSite) -> None:
    site = make_site(batches=[AES128])
    take_inventory(site)
    with Daemon(site) as daemon:
        running = RunningSite(site, daemon.wait_until_ready())
        with running.caller() as caller:
            with token_changed(running, add_channel_key):
                daemon.wait_until_told(
                    "the token is not back: inventory-drift: secret key 'tmsd-channel' version 2:"
                    " not in the inventory"
                )
                assert not serves(caller)

            wait_until(lambda: serves(caller))
