"""Cards of SCP01 with factory keys, and how a TPS asks about them."""

from dataclasses import dataclass

from tests.site.batches import FACTORY_KEY, Batch
from tests.site.channels import initialize_update
from tests.site.dogtag_site import Answered, Tps
from tests.virtual_token.card import Card

SESSION = "/tks/agent/tks/computeSessionKey"
KEY_SET_DATA = "/tks/agent/tks/createKeySetData"
ENCRYPT = "/tks/agent/tks/encryptData"
RANDOM = "/tks/agent/tks/computeRandomData"

_FACTORY = Batch("factory", 0x01, 0x05, "des3", "none", FACTORY_KEY)


def special(value: bytes) -> str:
    """Return bytes as a TPS sends them."""
    return "".join(f"#{byte:02X}" for byte in value)


@dataclass(frozen=True, slots=True)
class PresentedCard:
    """What a card answered to a challenge, and how a TPS tells of it."""

    answer: bytes
    host_challenge: bytes
    key_set: str = "defKeySet"

    @property
    def identity(self) -> str:
        """The parameters that name the card."""
        kdd = special(self.answer[:10])
        return f"KDD={kdd}&tokencuid={kdd}&KeyInfo=#01#01&keySet={self.key_set}"

    @property
    def session(self) -> str:
        """The request for session keys."""
        return (
            f"serversideKeygen=false&{self.identity}&card_challenge={special(self.answer[12:20])}"
            f"&host_challenge={special(self.host_challenge)}"
            f"&card_cryptogram={special(self.answer[20:28])}"
        )

    @property
    def forged(self) -> str:
        """The same with a wrong cryptogram."""
        wrong = bytes([self.answer[20] ^ 1]) + self.answer[21:28]
        return self.session.replace(special(self.answer[20:28]), special(wrong))

    @property
    def new_keys(self) -> str:
        """The request for keys of version 2."""
        return f"newKeyInfo=#02#01&{self.identity}&protocol=1"

    @property
    def challenge(self) -> str:
        """The request for an encrypted challenge."""
        return f"data={special(bytes(16))}&{self.identity}&protocol=1"


def factory_card() -> Card:
    """Return a card that there was not before."""
    return _FACTORY.card()


def presented(card: Card, host_challenge: bytes) -> PresentedCard:
    """Have a card answer a challenge."""
    return PresentedCard(initialize_update(card, host_challenge), host_challenge)


def issued_challenge(tps: Tps) -> bytes:
    """Ask for a challenge as a TPS does."""
    return tps.ask(RANDOM, "dataNumBytes=8").fields["randomData"]


def session_with(tps: Tps, card: Card) -> tuple[PresentedCard, Answered]:
    """Have session keys made for a card, which answers an issued challenge."""
    shown = presented(card, issued_challenge(tps))
    return shown, tps.ask(SESSION, shown.session)
