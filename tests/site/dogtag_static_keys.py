"""The static DEKs of the recorded cards, computed in plain bytes."""

from hmac import digest

from tests.site.dogtag_exchanges import Exchange
from tests.site.dogtag_meaning import des_key
from tests.site.dogtag_policy import FACTORY_KEY, MASTER_KEYS, key_set_for
from tmsd.globalplatform import diversification
from tmsd.globalplatform.diversification import Role, Target, nist_sp800_108_hmac
from tmsd.globalplatform.keys import Algorithm, Use
from tmsd.globalplatform.plain_key import PlainKey, odd_parity


def static_dek(recorded: Exchange) -> PlainKey:
    """Return the static DEK of a recorded card."""
    cuid = recorded.parameter("tokencuid")
    kdd = recorded.parameter("KDD") if "KDD" in recorded.asked else cuid
    key_version = recorded.parameter("KeyInfo")[0]
    key_set = key_set_for(recorded.asked["keySet"], recorded.scp, key_version)
    assert key_set is not None
    is_aes = recorded.scp == 3
    if key_version == 1 and not key_set.startswith("def-03"):
        return PlainKey(Algorithm.AES_128 if is_aes else Algorithm.DES2, FACTORY_KEY)
    if key_set.startswith("sc7"):
        return PlainKey(Algorithm.AES_128, MASTER_KEYS["dogtag-aes"])
    master = FACTORY_KEY if key_version == 1 else MASTER_KEYS["dogtag-master"]
    if key_set.startswith(("def-01", "def-02", "nist")):
        data = cuid if key_set.startswith("nistcuid") else kdd
        (value,) = nist_sp800_108_hmac(
            lambda message: digest(master, message, "sha256"), [Role.DEK], data
        )
        return des_key(odd_parity(value))
    scheme = "visa2" if key_set.startswith("v2") else "emv"
    into = Algorithm.AES_128 if is_aes else Algorithm.DES2
    data = cuid if key_set == "v2-02" else kdd
    target = Target(into, Use.DEK)
    return diversification.card_keys(scheme, {Role.DEK: des_key(master)}, [Role.DEK], data, target)[
        Role.DEK
    ]
