"""Cards that are changed over to other keys: where their key sets lead, and where they do not.

fresh-scp03 ──► by-cuid-old:1, rotating:1
rotating    ──► rotating:2, longer:1, absent:1            (absent: not in the HSM)
fresh-scp02 ──► des-open:1, des-closed:1, upgraded:1      (des-closed: without the exception)
fresh-scp01 ──► scp01-open:1
hmac        ──► des-open:1, hmac:2
by-cuid-old ──► by-cuid-old:2, rotating:1
dated       ──► dated                                     (its newest active version)
"""

from dataclasses import replace

from tests.site.batches import FACTORY_KEY, Batch, aes_batch, des_batch

_EXCEPTION = "allow_key_material_in_worker = true"
_OTHER_MASTER = bytes(range(0xE0, 0xF0))


def _in_two_versions(batch: Batch, settings: str) -> Batch:
    """Return a batch whose key set has a second version, of another master key."""
    return replace(
        batch,
        settings=settings,
        versions='{1 = "active", 2 = "active"}',
        imported=(1, 2),
        other_masters={2: _OTHER_MASTER},
    )


def _fresh(scp: int, i: int, algorithm: str, settings: str) -> Batch:
    """Return cards of a protocol as their maker sends them."""
    return Batch(
        f"fresh-scp{scp:02x}",
        scp,
        i,
        algorithm,
        "none",
        FACTORY_KEY,
        key_version=0xFF,
        versions='{255 = "active"}',
        settings=f"factory = true\n{settings}",
        imported=(255,),
    )


ROTATING = replace(
    aes_batch("rotating", 128, 0x70, "kdf3", 0x90),
    versions='{1 = "active", 2 = "active", 3 = "retired"}',
    settings='change_to = ["rotating:2", "longer:1", "absent:1"]',
    imported=(1, 2, 3),
    other_masters={2: _OTHER_MASTER},
    upgrade_i=0x70,
)
"""Cards in the field: on to the next version, or to longer keys, if they take them."""

LONGER = replace(aes_batch("longer", 192, 0x70, "kdf3", 0x91), upgrade_i=0x70)
"""AES-192 keys, which are no whole blocks."""

FRESH_SCP03 = _fresh(0x03, 0x70, "aes128", 'change_to = ["rotating:1", "by-cuid-old:1"]')

DES_OPEN = _in_two_versions(
    des_batch("des-open", "visa2", 0x92),
    f'{_EXCEPTION}\nchange_to = ["des-open:2"]',
)
DES_CLOSED = des_batch("des-closed", "emv", 0x93)
"""Like the one before, without the exception that SoftHSM would need."""

UPGRADED = replace(aes_batch("upgraded", 128, 0x70, "kdf3", 0x94), settings=_EXCEPTION)
"""AES keys for cards that had 3DES keys before."""

FRESH_SCP02 = replace(
    _fresh(0x02, 0x15, "des3", 'change_to = ["des-open:1", "des-closed:1", "upgraded:1"]'),
    upgrade_i=0x70,
)

SCP01_OPEN = replace(
    des_batch("scp01-open", "visa1", 0x95, scp=0x01),
    settings=f'{_EXCEPTION}\nput_key_des_type = "81"',
)
FRESH_SCP01 = _fresh(0x01, 0x15, "des3", 'put_key_des_type = "81"\nchange_to = ["scp01-open:1"]')

HMAC = _in_two_versions(
    des_batch("hmac", "nist-sp800-108-hmac", 0x96),
    f'{_EXCEPTION}\nchange_to = ["hmac:2", "des-open:1"]',
)
"""Keys as Dogtag makes them, which no token derives inside."""

BY_CUID_OLD = _in_two_versions(
    aes_batch("by-cuid-old", 128, 0x70, "kdf3", 0x97),
    'diversification_data = "cuid"\nchange_to = ["by-cuid-old:2", "rotating:1"]',
)
"""Keys by CUID, now and later."""

DATED = replace(
    aes_batch("dated", 128, 0x70, "kdf3", 0x98),
    versions=(
        '{1 = "active", 2 = {active_from = 2026-01-01T00:00:00Z}, '
        "3 = {active_from = 2999-01-01T00:00:00Z}}"
    ),
    settings='change_to = ["dated"]',
    imported=(1, 2, 3),
    other_masters={2: _OTHER_MASTER},
)
"""Cards that go to whichever version is the newest: the second, for some centuries."""

CHANGING = (
    ROTATING,
    LONGER,
    FRESH_SCP03,
    DES_OPEN,
    DES_CLOSED,
    UPGRADED,
    FRESH_SCP02,
    SCP01_OPEN,
    FRESH_SCP01,
    HMAC,
    BY_CUID_OLD,
    DATED,
)
