"""What `tmsctl check hsm` asks a token for a policy, and what each answer means for it."""

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import rsa

from hsm import attributes
from hsm.attributes import Template
from hsm.capabilities import keeps_unextractable_keys, probe
from hsm.keys import AES_128, AES_192, AES_256, DES2, SECRET_32, KeyShape
from hsm.public_keys import KeyPairAlgorithm, algorithm_of_public_key
from hsm.token import Token
from hsm.trials import attributes_fault, backup_fault, random_fault, signing_fault
from tmsd.config.authorities import Authority
from tmsd.config.callers import Delivery
from tmsd.config.key_sets import KeyAlgorithm, KeySet
from tmsd.config.policy import Policy
from tmsd.config.ways import EXCEPTION, Capability, Way, Ways, capabilities_of, ways
from tmsd.globalplatform.diversification import EXPOSED_SCHEMES

IN_TOKEN, IN_WORKER, NOT_DONE, NOT_NEEDED = "token", "worker", "none", "-"

_SHAPES = {
    KeyAlgorithm.AES128: AES_128,
    KeyAlgorithm.AES192: AES_192,
    KeyAlgorithm.AES256: AES_256,
    KeyAlgorithm.DES3: DES2,
}
_DAEMON = "the daemon's own keys"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that a token was asked, and what of the policy goes which way for its answer.

    Attributes:
        asked: what it should do, as `wrap with CKM_DES3_ECB`.
        fault: what was wrong; None where it does it.
        way: `token`; `worker`: in the worker's memory, by an exception; `none`: not at all;
            `-`: nothing of the policy needs it.
        needed_for: what goes this way, as `PUT KEY to pilot`.
        cost: what it costs that the token does not do it; None where it costs nothing.
        setting: what in policy.toml would allow a way round; None where there is none.
    """

    asked: str
    fault: str | None
    way: str
    needed_for: tuple[str, ...] = ()
    cost: str | None = None
    setting: str | None = None


def findings(token: Token, policy: Policy) -> list[Finding]:
    """Try on a token all that a policy needs.

    Raises:
        TokenLost: the token is gone.
    """
    held = capabilities_of(probe(token))
    found = ways(policy, held)
    return [
        *_of_mechanisms(policy, held, found),
        *_of_attributes(token, policy, held, found),
        *_of_authorities(token, policy),
        *_of_every_token(token),
    ]


def _of_mechanisms(policy: Policy, held: Collection[Capability], found: Ways) -> Iterator[Finding]:
    for capability in Capability:
        fault = None if capability in held else "refused"
        groups: dict[tuple[str, str | None], list[tuple[str, str]]] = {}
        for what, name, way in found:
            if capability in way.needs:
                key = _served(policy, capability, what, name, way)
                groups.setdefault(key, []).append((what, name))
        if not groups:
            yield Finding(str(capability), fault, NOT_NEEDED)
        for (way_shown, setting), needing in groups.items():
            yield Finding(
                asked=str(capability),
                fault=fault,
                way=way_shown,
                needed_for=tuple(f"{what} {name}" for what, name in needing),
                cost=_cost(policy, way_shown, needing),
                setting=setting,
            )


def _served(
    policy: Policy, capability: Capability, what: str, name: str, way: Way
) -> tuple[str, str | None]:
    """Return which way it goes as far as this mechanism counts, and the setting of a way round."""
    if capability not in way.missing:
        # Another mechanism of the same work may be the one that is missing.
        return (IN_WORKER if way.in_worker else IN_TOKEN), None
    if way.remedy:
        return NOT_DONE, f"{EXCEPTION} = true in [{way.remedy}]"
    if capability is Capability.WRAPS_AES_KEY_WRAP and what == "transport key":
        sealed = f'deliveries = ["{Delivery.SEALED}"]'
        tables = ", ".join(f"[callers.{caller}]" for caller in _delivered(policy, name))
        return NOT_DONE, f"{sealed} in {tables}" if tables else None
    return NOT_DONE, None


def _cost(policy: Policy, way: str, needing: Iterable[tuple[str, str]]) -> str | None:
    if way == IN_WORKER:
        return "key material passes through the worker's memory"
    if way != NOT_DONE:
        return None
    callers = sorted({one for what, name in needing for one in _callers(policy, what, name)})
    return f"not done, for callers {', '.join(callers)}" if callers else "not done"


def _callers(policy: Policy, what: str, name: str) -> Iterator[str]:
    if what == "transport key":
        yield from _delivered(policy, name)
    elif what != "static DEKs of":
        yield from (one for one, caller in policy.callers.items() if caller.may_use(name))
    else:
        yield from _delivered(policy, name.rpartition(" under ")[2])


def _delivered(policy: Policy, transport_key: str) -> Iterator[str]:
    for name, caller in policy.callers.items():
        if caller.transport_key == transport_key and Delivery.TRANSPORT in caller.deliveries:
            yield name


def _of_attributes(
    token: Token, policy: Policy, held: Collection[Capability], found: Ways
) -> Iterator[Finding]:
    needing: dict[tuple[str, KeyShape], tuple[Template, list[str]]] = {}
    for purpose, shape, template, whose in _purposes(policy, held, found):
        _, names = needing.setdefault((purpose, shape), (template, []))
        if whose not in names:
            names.append(whose)
    for (purpose, shape), (template, names) in needing.items():
        fault = attributes_fault(token, shape, template)
        yield Finding(
            asked=f"make {purpose} ({_words(shape)})",
            fault=fault,
            way=NOT_DONE if fault else IN_TOKEN,
            needed_for=tuple(names),
            cost="not done" if fault else None,
        )


def _purposes(
    policy: Policy, held: Collection[Capability], found: Ways
) -> Iterator[tuple[str, KeyShape, Template, str]]:
    signs = Capability.SIGNS_AES_CMAC in held
    own = attributes.SERVICE_MAC_KEY if signs else attributes.SERVICE_MAC_KEY_IN_STEPS
    yield "service keys", AES_256, own, _DAEMON
    for name, key_set in policy.key_sets.items():
        whose = f"key set {name}"
        for purpose, shape, template in _of_key_set(key_set):
            yield purpose, shape, template, whose
        if found.key_sets[name].put_key:
            card = _SHAPES[key_set.card_algorithm]
            yield "new card keys", card, attributes.NEW_CARD_KEY, whose
    for name, transport in policy.transport_keys.items():
        shape, whose = _SHAPES[transport.algorithm], f"transport key {name}"
        yield "transport keys", shape, attributes.TRANSPORT_KEY, whose
        for key_set in policy.key_sets.values():
            card = _SHAPES[key_set.card_algorithm]
            yield "delivered keys", card, attributes.DELIVERED_KEY, whose


def _of_key_set(key_set: KeySet) -> Iterator[tuple[str, KeyShape, Template]]:
    master, card = _SHAPES[key_set.algorithm], _SHAPES[key_set.card_algorithm]
    is_aes = card.is_aes
    if key_set.diversification in EXPOSED_SCHEMES:
        yield "HMAC master keys", SECRET_32, attributes.HMAC_MASTER_KEY
    elif key_set.undiversified:
        yield "undiversified keys", master, attributes.UNDIVERSIFIED_KEY
    else:
        yield "master keys", master, attributes.MASTER_KEY
    yield "card keys", card, attributes.AES_CARD_KEY if is_aes else attributes.DES_CARD_KEY
    yield "session ENC keys", card, attributes.SESSION_ENC_KEY
    of_mac = attributes.AES_SESSION_MAC_KEY if is_aes else attributes.DES_SESSION_MAC_KEY
    yield "session MAC keys", card, of_mac
    yield "DEKs", card, attributes.DATA_ENCRYPTION_KEY


def _of_authorities(token: Token, policy: Policy) -> Iterator[Finding]:
    needing: dict[tuple[KeyPairAlgorithm, bool], list[str]] = {}
    for name, authority in policy.authorities.by_name.items():
        for whose, certificate in _signers(name, authority):
            key = certificate.public_key()
            algorithm = algorithm_of_public_key(key)
            pss = (
                authority.table.pss and isinstance(key, rsa.RSAPublicKey) and whose == f"CA {name}"
            )
            needing.setdefault((algorithm, pss), []).append(whose)
    for (algorithm, pss), names in needing.items():
        fault = signing_fault(token, algorithm, pss=pss)
        yield Finding(
            asked=f"sign with {algorithm}{' and PSS' if pss else ''}",
            fault=fault,
            way=NOT_DONE if fault else IN_TOKEN,
            needed_for=tuple(names),
            cost="nothing is signed" if fault else None,
            setting=_without_pss(token, algorithm, names) if fault and pss else None,
        )


def _signers(name: str, authority: Authority) -> Iterator[tuple[str, x509.Certificate]]:
    yield f"CA {name}", authority.certificate
    if authority.responder is not None:
        yield f"responder of {name}", authority.responder


def _without_pss(token: Token, algorithm: KeyPairAlgorithm, names: Iterable[str]) -> str | None:
    if signing_fault(token, algorithm) is not None:
        return None
    tables = ", ".join(f"[cas.{name.removeprefix('CA ')}]" for name in names)
    return f"pss = false in {tables}"


def _of_every_token(token: Token) -> Iterator[Finding]:
    fault = random_fault(token)
    yield Finding(
        asked="make random bytes",
        fault=fault,
        way=NOT_DONE if fault else IN_TOKEN,
        needed_for=("host challenges, random bytes",),
        cost="neither is given" if fault else None,
    )
    fault = backup_fault(token)
    yield Finding(
        asked="wrap and unwrap for a backup",
        fault=fault,
        way=NOT_NEEDED,
        cost="keys are lost with the token: no ceremony can back them up" if fault else None,
    )
    keeps = keeps_unextractable_keys(token)
    yield Finding(
        asked="keep unextractable keys inside",
        fault=None if keeps else "wrapped",
        way=NOT_NEEDED,
        cost=None if keeps else "who has the PIN can take every key out, wrapped",
    )


def _words(shape: KeyShape) -> str:
    if shape.is_generic:
        return f"{shape.length} bytes"
    return f"aes{shape.length * 8}" if shape.is_aes else "des3"
