"""The card: the PIV card application, which takes command APDUs and gives responses.

SP73 part 2, chapter 3. Commands may be chained and responses fetched in parts (ISO/IEC 7816-4,
5.1.1.1 and 7.6.1), as certificates and RSA do not fit short APDUs.
"""

from collections.abc import Callable
from dataclasses import replace
from functools import reduce
from operator import xor

from tests.pcsc import tlv
from tests.pcsc.apdu import Command, Refusal, StatusWord, response
from tests.piv_card.data_objects import AID, application_property_template
from tests.piv_card.keys import ACCESS, Access, KeyReference
from tests.piv_card.personalisation import Personalisation

SELECT = 0xA4
GET_DATA = 0xCB
GET_RESPONSE = 0xC0
VERIFY = 0x20
GENERAL_AUTHENTICATE = 0x87

PIN_REFERENCE = 0x80
_ISO, _CHAINED = 0x00, 0x10
_SHORTEST_AID = 9  # without the version: SP73 part 2, 3.1.1
_TEMPLATE, _CHALLENGE, _RESPONSE = 0x7C, 0x81, 0x82  # SP73 part 2, table 7
_MORE = 0x6100  # with the number of bytes that wait in its low byte, 00 for 256 and more


def answer_to_reset() -> bytes:
    """Return the ATR: T=1, and the AID among the historical bytes (ISO/IEC 7816-4, 8.1.1.2)."""
    historical = b"\x80\xf9" + AID[:_SHORTEST_AID]
    checked = bytes([0x80 | len(historical), 0x01]) + historical
    return b"\x3b" + checked + bytes([reduce(xor, checked)])


class PivCard:
    """A card that is in nobody's reader yet.

    Args:
        personal: what personalisation made of it.

    Attributes:
        signatures: how many it has made.
    """

    atr = answer_to_reset()

    def __init__(self, personal: Personalisation) -> None:
        self.signatures = 0
        self._personal = personal
        self._selected = False
        self._verified = False
        self._just_verified = False  # by the command before: SP73 part 1, table 4b, "PIN Always"
        self._chain: Command | None = None
        self._waiting = b""

    @property
    def tries_left(self) -> int:
        """How many wrong PINs the card takes before it blocks."""
        return self._personal.pin.tries_left

    def reset(self) -> None:
        """Forget all that does not survive a reset or a loss of power."""
        self._selected = self._verified = self._just_verified = False
        self._chain, self._waiting = None, b""

    def transmit(self, apdu: bytes) -> bytes:
        """Take a command APDU, give the response APDU: data field and status word."""
        try:
            command = Command.parse(apdu)
            if (command.cla, command.ins) == (_ISO, GET_RESPONSE):
                return self._part(command.expected or 256)
            self._waiting = b""
            whole = self._unchained(command)
            if whole is None:
                return response(b"", StatusWord.OK)
            self._waiting = self._process(whole)
            return self._part(command.expected or 256)
        except Refusal as refusal:
            self._chain = None
            return response(b"", refusal.status_word)

    def _part(self, expected: int) -> bytes:
        part, self._waiting = self._waiting[:expected], self._waiting[expected:]
        left = len(self._waiting)
        return response(part, _MORE | (left if left < 256 else 0) if left else StatusWord.OK)

    def _unchained(self, command: Command) -> Command | None:
        """Return a command with the data of all its links; None before the last."""
        chain, self._chain = self._chain, None
        if command.cla not in (_ISO, _CHAINED):
            raise Refusal(StatusWord.INVALID_CLASS)
        if chain is not None:
            if (chain.ins, chain.p1, chain.p2) != (command.ins, command.p1, command.p2):
                raise Refusal(StatusWord.LAST_COMMAND_OF_CHAIN_EXPECTED)
            command = replace(command, data=chain.data + command.data)
        elif command.cla == _CHAINED and command.ins != GENERAL_AUTHENTICATE:
            raise Refusal(StatusWord.CHAINING_NOT_SUPPORTED)
        if command.cla == _CHAINED:
            self._chain = command
            return None
        return command

    def _process(self, command: Command) -> bytes:
        just_verified, self._just_verified = self._just_verified, False
        if command.ins == SELECT:
            return self._select(command)
        if not self._selected:
            raise Refusal(StatusWord.INVALID_INSTRUCTION)
        if command.ins == GENERAL_AUTHENTICATE:
            return self._general_authenticate(command, just_verified=just_verified)
        run = _INSTRUCTIONS.get(command.ins)
        if run is None:
            raise Refusal(StatusWord.INVALID_INSTRUCTION)
        return run(self, command)

    def _select(self, command: Command) -> bytes:
        """SP73 part 2, 3.1.1. Who selects it again keeps what was verified."""
        if (command.p1, command.p2) != (0x04, 0x00):
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        if len(command.data) < _SHORTEST_AID or not AID.startswith(command.data):
            raise Refusal(StatusWord.APPLICATION_NOT_FOUND)
        self._selected = True
        return application_property_template()

    def _get_data(self, command: Command) -> bytes:
        """SP73 part 2, 3.1.2."""
        if (command.p1, command.p2) != (0x3F, 0xFF):
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        found = self._personal.objects.get(_only(command.data, 0x5C))
        if found is None:
            raise Refusal(StatusWord.DATA_OBJECT_NOT_FOUND)
        if found.needs_pin and not self._verified:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return found.encoded

    def _verify(self, command: Command) -> bytes:
        """SP73 part 2, 3.2.1: without data it says whether the PIN is needed, or takes it back."""
        if command.p2 != PIN_REFERENCE:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        pin = self._personal.pin
        if command.p1 == 0xFF and not command.data:
            self._verified = False
        elif command.p1 != 0x00:
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        elif command.data:
            self._verified = False
            pin.verify(command.data)
            self._verified = self._just_verified = True
        elif not self._verified:
            pin.require_unblocked()
            raise pin.wanted()
        return b""

    def _general_authenticate(self, command: Command, *, just_verified: bool) -> bytes:
        """SP73 part 2, 3.2.4: a signature of the challenge, which asks for an empty response."""
        key = self._personal.keys.get(KeyReference(command.p2)) if command.p2 in ACCESS else None
        if key is None or command.p1 != key.algorithm:
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        access = ACCESS[KeyReference(command.p2)]
        if (access >= Access.PIN and not self._verified) or (
            access is Access.PIN_ALWAYS and not just_verified
        ):
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        asked = {found.tag: found.value for found in _parse(_only(command.data, _TEMPLATE))}
        if set(asked) != {_CHALLENGE, _RESPONSE} or asked[_RESPONSE]:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
        signature = key.sign(asked[_CHALLENGE])
        self.signatures += 1
        return tlv.encode(_TEMPLATE, tlv.encode(_RESPONSE, signature))


def _only(data: bytes, tag: int) -> bytes:
    """Return the value of the one data object in a command's data; 6A80 where it is another."""
    found = _parse(data)
    if len(found) != 1 or found[0].tag != tag:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
    return found[0].value


def _parse(data: bytes) -> list[tlv.DataObject]:
    try:
        return tlv.parse(data)
    except ValueError as error:
        raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA) from error


_INSTRUCTIONS: dict[int, Callable[[PivCard, Command], bytes]] = {
    GET_DATA: PivCard._get_data,
    VERIFY: PivCard._verify,
}
