"""Session keys of given values, in each protocol's own form."""

from tests.globalplatform.key_stores import KeyStore
from tmsd.globalplatform import scp01, scp02, scp03
from tmsd.globalplatform.keys import Algorithm, Key, Use
from tmsd.globalplatform.triple_des_mac import MacKeys

MAC, ENC, RMAC = bytes(range(1, 17)), bytes(range(17, 33)), bytes(range(33, 49))


def of_scp01(store: KeyStore, *, enc: bool = True) -> scp01.SessionKeys[Key]:
    """Return SCP01's."""
    return scp01.SessionKeys(
        store.key(Algorithm.DES2, MAC, Use.SESSION_ENC),
        store.key(Algorithm.DES2, ENC, Use.SESSION_ENC) if enc else None,
    )


def of_scp02(store: KeyStore, *, enc: bool = True, rmac: bool = True) -> scp02.SessionKeys[Key]:
    """Return SCP02's."""
    return scp02.SessionKeys(
        triple_des_mac_keys(store, MAC),
        store.key(Algorithm.DES2, ENC, Use.SESSION_ENC) if enc else None,
        triple_des_mac_keys(store, RMAC) if rmac else None,
    )


def of_scp03(store: KeyStore, *, enc: bool = True, rmac: bool = True) -> scp03.SessionKeys[Key]:
    """Return SCP03's."""
    return scp03.SessionKeys(
        store.key(Algorithm.AES_128, MAC, Use.SESSION_MAC),
        store.key(Algorithm.AES_128, ENC, Use.SESSION_ENC) if enc else None,
        store.key(Algorithm.AES_128, RMAC, Use.SESSION_MAC) if rmac else None,
    )


def triple_des_mac_keys(store: KeyStore, value: bytes) -> MacKeys[Key]:
    """Return the two forms of a retail MAC's key."""
    return MacKeys(
        store.key(Algorithm.DES2, value, Use.SESSION_MAC),
        store.key(Algorithm.DES2, value[:8] * 2, Use.SESSION_MAC),
    )
