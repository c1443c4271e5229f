"""A worker for nonces: a token of its own, and the keys that are alone in it."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path

from hsm.errors import KeyNotFound
from hsm.keys import KeyReference
from hsm.token import Token
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import Policy, load_policy
from tmsd.config.toml import ConfigError, Fault
from tmsd.worker.inventory import require_inventory
from tmsd.worker.keyring import Identities, KeyName, Keyring, PairName
from tmsd.worker.nonces import SERVICE, NonceContext, Repeating
from tmsd.worker.start import Begun, Opening, begin
from tmsd.x509.ocsp import CertIdDigest, IssuerId, delegated, issuer_id


def begin_for_nonces(config_file: Path) -> Begun[NonceContext]:
    """Read configuration and policy, log in, and find the keys.

    Args:
        config_file: tmsd.toml.

    Raises:
        ConfigError: configuration or policy are not right, or there are no nonces in them.
        HsmError: the token is not there, or has none of the keys.
        ApprovalRefused: its keys are not as the inventory has them.
    """
    config = load_daemon_config(config_file)
    nonces = config.ocsp.nonces
    if nonces is None:
        raise ConfigError([Fault(config.source, None, "ocsp.nonces", "must name a token")])
    policy = load_policy(config.policy.file)
    worker, tested = config.worker, _Testing(_repeating(policy), nonces.hsm.inventory).tested
    opening = Opening(nonces.hsm, worker.start_seconds, worker.call_seconds, tested)
    return begin(opening, policy, lambda _name: SERVICE)


@dataclass(frozen=True, slots=True)
class _Testing:
    """What a login has to show before anybody is served.

    Attributes:
        repeating: the CAs whose answers are repeated.
        inventory: what the token should hold; None where nobody wrote it down.
    """

    repeating: Mapping[IssuerId, Repeating]
    inventory: Path | None

    def tested(self, token: Token, before: Identities, gone: Collection[KeyName]) -> NonceContext:
        keyring = Keyring(token)
        keys = [each.key for each in self.repeating.values()]
        names = [PairName(KeyReference(key.label, key.version)) for key in keys]
        keyring.look_for(names)
        keyring.require(before, gone)
        if not keyring.identities:
            raise KeyNotFound("no key that [cas.NAME.ocsp.nonces] names is in the token")
        require_inventory(token, keyring, self.inventory, names)
        return NonceContext(token, keyring, self.repeating)


def _repeating(policy: Policy) -> Mapping[IssuerId, Repeating]:
    """Return the CAs whose answers are repeated.

    Raises:
        ConfigError: there is none.
    """
    found = {
        issuer_id(authority.certificate, digest): Repeating(
            signer=delegated(authority.responder, authority.certificate),
            repeater=delegated(authority.nonce_responder, authority.certificate),
            key=authority.table.ocsp.nonces,
        )
        for authority in policy.authorities.by_name.values()
        if authority.table.ocsp is not None
        if authority.table.ocsp.nonces is not None
        if authority.responder is not None
        if authority.nonce_responder is not None
        for digest in CertIdDigest
    }
    if not found:
        words = "no CA has a table ocsp.nonces, which names a key"
        raise ConfigError([Fault(policy.source, None, "cas", words)])
    return found
