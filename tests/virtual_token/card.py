"""The card: an issuer security domain that takes command APDUs and gives responses.

CS231 chapters 10 and 11. Two rules govern a session and are kept to the letter (CS231 E.1.6,
AmdD 5.6): a command with less protection than the security level, or with wrong protection,
is refused and *aborts* the session; an aborted session refuses everything until INITIALIZE
UPDATE, SELECT or a reset *terminates* it.

PROVE PRESENCE is nobody's standard: a server encrypts 16 bytes that it alone knows under the
card's data encryption key, and the card that can say what they are is the one that holds that
key. What makes key pairs is in enrollment.py; no applet need be selected for it.
"""

import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce
from operator import xor

from tests.pcsc import tlv
from tests.pcsc.apdu import Command, Refusal, StatusWord, response
from tests.virtual_token import data_objects, enrollment, put_key
from tests.virtual_token.channel import C_MAC, R_MAC, Channel, Handshake, Initiation
from tests.virtual_token.enrollment import READ_OBJECT, START_EC_ENROLLMENT, START_ENROLLMENT
from tests.virtual_token.keyring import KeyGroup, Keyring
from tests.virtual_token.memory import NonVolatileMemory, SequenceCounter
from tests.virtual_token.personalisation import CardProfile
from tests.virtual_token.protocols import PROTOCOLS, is_complete

SELECT = 0xA4
INITIALIZE_UPDATE = 0x50
EXTERNAL_AUTHENTICATE = 0x82
GET_DATA = 0xCA
STORE_DATA = 0xE2
GET_STATUS = 0xF2
PUT_KEY = 0xD8
PROVE_PRESENCE = 0x0E  # 80 or 84, P1 and P2 00, 16 bytes; answers with the 16 bytes decrypted

ISO, GLOBALPLATFORM, SECURE_MESSAGING = 0x00, 0x80, 0x04  # CS231 table 11-11
PROTECTED = GLOBALPLATFORM | SECURE_MESSAGING
CLASSES = frozenset({ISO, ISO | SECURE_MESSAGING, GLOBALPLATFORM, PROTECTED})

# The largest stored data object, so that it fits a response with R-MAC and R-ENCRYPTION.
LARGEST_OBJECT = 224

_HISTORICAL = b"tmsd virtual"


def answer_to_reset() -> bytes:
    """Return the ATR: direct convention, T=1, historical bytes, check byte (ISO 7816-3, 8.2)."""
    checked = bytes([0x80 | len(_HISTORICAL), 0x01]) + _HISTORICAL
    return b"\x3b" + checked + bytes([reduce(xor, checked)])


def _names_supplementary_channel(cla: int) -> bool:
    """CS231 tables 11-11 and 11-12: channels 1 to 3, and 4 to 19."""
    if cla & 0x40:
        return not cla & 0x10
    return not cla & 0x30 and bool(cla & 0x03)


@dataclass(frozen=True, slots=True)
class Instruction:
    """An instruction's handler, the classes it exists in, and whether it needs a session."""

    run: Callable[["Card", Command], bytes]
    classes: frozenset[int]
    needs_session: bool


class Card:
    """A card that is in nobody's reader yet.

    Args:
        profile: what personalisation made of it.
        memory: its non-volatile memory; a fresh one by default.
        random: its random number generator, length to bytes.
    """

    atr = answer_to_reset()

    def __init__(
        self,
        profile: CardProfile,
        memory: NonVolatileMemory | None = None,
        random: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        self.profile = profile
        self._memory = memory or NonVolatileMemory()
        self._random = random
        self._handshake: Handshake | None = None
        self._channel: Channel | None = None
        self._session_keys: KeyGroup | None = None  # of the handshake, then of the channel
        self._aborted = False
        self._blocks: list[bytes] = []
        self._buffer = b""

    @property
    def keyring(self) -> Keyring:
        """The keys on the card: those of its personalisation until PUT KEY changes them."""
        return self._memory.keyring or self.profile.keyring

    def reset(self) -> None:
        """Forget all that does not survive a reset or a loss of power."""
        self._terminate_session()

    def transmit(self, apdu: bytes) -> bytes:
        """Take a command APDU, give the response APDU: data field and status word."""
        try:
            command = Command.parse(apdu)
            answer = self._process(command)
        except Refusal as refusal:
            return response(b"", refusal.status_word)
        if command.expected is not None and len(answer) - 2 > command.expected:
            return response(b"", 0x6C00 | (len(answer) - 2) % 256)
        return answer

    def _process(self, command: Command) -> bytes:
        if _names_supplementary_channel(command.cla):
            raise Refusal(StatusWord.LOGICAL_CHANNEL_NOT_SUPPORTED)
        if command.cla not in CLASSES:
            raise Refusal(StatusWord.INVALID_CLASS)
        # SELECT is OPEN's and INITIALIZE UPDATE begins anew: no session stands in their way.
        if (command.cla, command.ins) == (ISO, SELECT):
            return response(self._select(command), StatusWord.OK)
        if (command.cla, command.ins) == (GLOBALPLATFORM, INITIALIZE_UPDATE):
            return response(self._initialize_update(command), StatusWord.OK)
        self._require_protection(command)
        if (command.cla, command.ins) == (PROTECTED, EXTERNAL_AUTHENTICATE) and not self._channel:
            return response(self._external_authenticate(command), StatusWord.OK)
        if command.cla & SECURE_MESSAGING:
            return self._secured(command)
        return response(self._execute(command), StatusWord.OK)

    def _require_protection(self, command: Command) -> None:
        if self._aborted:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        if self._channel is None:
            return
        secured = bool(command.cla & SECURE_MESSAGING)
        if secured != bool(self._channel.level & C_MAC):
            self._abort_session()
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)

    def _secured(self, command: Command) -> bytes:
        channel = self._channel
        if channel is None:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        try:
            plain = channel.unwrap(command)
        except Refusal:
            self._abort_session()
            raise
        try:
            data = self._execute(plain)
        except Refusal as refusal:
            return channel.wrap(b"", refusal.status_word)
        return channel.wrap(data, StatusWord.OK)

    def _execute(self, command: Command) -> bytes:
        instruction = INSTRUCTIONS.get(command.ins)
        if instruction is None:
            raise Refusal(StatusWord.INVALID_INSTRUCTION)
        if command.cla not in instruction.classes:
            raise Refusal(StatusWord.INVALID_CLASS)
        if instruction.needs_session and self._channel is None:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return instruction.run(self, command)

    def _terminate_session(self) -> None:
        self._handshake = None
        self._channel = None
        self._session_keys = None
        self._aborted = False
        self._blocks = []
        self._buffer = b""

    def _abort_session(self) -> None:
        self._terminate_session()
        self._aborted = True

    def _select(self, command: Command) -> bytes:
        """CS231 11.9; a partial AID selects too (6.4.2.1.2), from the RID's 5 bytes on."""
        if (command.p1, command.p2) != (0x04, 0x00):
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        wanted = command.data or self.profile.aid
        if len(wanted) < 5 or not self.profile.aid.startswith(wanted):
            raise Refusal(StatusWord.APPLICATION_NOT_FOUND)
        self._terminate_session()
        return data_objects.file_control_information(self.profile.aid)

    def _initialize_update(self, command: Command) -> bytes:
        """CS211 D.4.1, CS231 E.5.1, AmdD 7.1.1. The attempt alone terminates a session."""
        self._terminate_session()
        if command.p2 != 0x00:
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        keys = next(
            (
                group
                for group in self.keyring.groups
                if command.p1 in (0x00, group.version) and is_complete(group)
            ),
            None,
        )
        if keys is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        protocol = PROTOCOLS[keys.scp]
        if len(command.data) != protocol.challenge_length(keys.i):
            raise Refusal(StatusWord.WRONG_LENGTH)
        self._session_keys = keys
        self._handshake = protocol.initialize_update(
            Initiation(
                host_challenge=command.data,
                keys=keys.key_set(),
                i=keys.i,
                kdd=self.profile.kdd,
                aid=self.profile.aid,
                counter=self._counter(keys),
                random=self._random,
                minimum_level=self.profile.minimum_level,
                encrypted_empty_accepted=self.profile.encrypted_empty_accepted,
            )
        )
        return self._handshake.answer

    def _counter(self, keys: KeyGroup) -> SequenceCounter:
        return SequenceCounter(self._memory, keys.version, PROTOCOLS[keys.scp].COUNTER_LENGTH)

    def _external_authenticate(self, command: Command) -> bytes:
        """CS231 E.5.2, AmdD 7.1.2. After a failure only INITIALIZE UPDATE helps."""
        handshake, self._handshake = self._handshake, None
        if handshake is None:
            raise Refusal(StatusWord.CONDITIONS_OF_USE_NOT_SATISFIED)
        self._channel = handshake.external_authenticate(command)
        return b""

    def _get_data(self, command: Command) -> bytes:
        """CS231 11.3: the whole data object under class 80, its value alone under class 00."""
        if command.data:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
        tag = command.p1 << 8 | command.p2
        if tag in data_objects.COMPUTED:
            keyring = self.keyring
            value = data_objects.computed(
                tag, self.profile.production_data, keyring, self._counter(keyring.groups[0])
            )
        else:
            value = self._memory.data_object(tag)
        if value is None:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return value if command.cla == ISO else tlv.encode(tag, value)

    def _get_status(self, command: Command) -> bytes:
        """CS231 11.4: there is nothing on the card but the issuer security domain."""
        if command.p1 not in (0x80, 0x40, 0x20, 0x10) or command.p2 != 0x02:
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        try:
            criteria = tlv.parse(command.data)
        except ValueError as error:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA) from error
        if not criteria or criteria[0].tag != 0x4F:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
        if command.p1 != 0x80:
            raise Refusal(StatusWord.REFERENCED_DATA_NOT_FOUND)
        return data_objects.issuer_security_domain_status(self.profile.aid)

    def _store_data(self, command: Command) -> bytes:
        """CS231 11.11: BER-TLV data objects, not encrypted, in numbered blocks."""
        blocks, self._blocks = self._blocks, []
        is_last = bool(command.p1 & 0x80)
        if command.p1 & 0x7F != 0x10 or command.p2 != len(blocks):
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        protects_responses = self._channel is not None and self._channel.level & R_MAC
        if not command.data or (command.expected is not None and not protects_responses):
            raise Refusal(StatusWord.WRONG_LENGTH)
        blocks.append(command.data)
        if is_last:
            self._store(b"".join(blocks))
        else:
            self._blocks = blocks
        return b""

    def _store(self, data: bytes) -> None:
        try:
            objects = tlv.parse(data)
        except ValueError as error:
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA) from error
        if any(stored.tag in data_objects.COMPUTED for stored in objects):
            raise Refusal(StatusWord.INCORRECT_VALUES_IN_DATA)
        if any(len(stored.encode()) > LARGEST_OBJECT for stored in objects):
            raise Refusal(StatusWord.NOT_ENOUGH_MEMORY)
        self._memory.store({stored.tag: stored.value for stored in objects})

    def _put_key(self, command: Command) -> bytes:
        """CS231 11.8; over a channel with C-MAC, which is more than table 11-2 asks for."""
        channel, session = self._require_c_mac()
        if command.expected not in (None, 256):
            raise Refusal(StatusWord.WRONG_LENGTH)
        new = put_key.read(command, channel.dek)
        before = self.keyring
        after = put_key.put(
            before, command.p1, new, session=session, upgrade_i=self.profile.upgrade_i
        )
        restarts = put_key.restarts_counter(before, new, after)
        self._memory.store_keys(after, restarted=new.version if restarts else None)
        return new.confirmation

    def _prove_presence(self, command: Command) -> bytes:
        """Decrypt 16 bytes under the data encryption key: see the head of this module."""
        channel, _ = self._require_c_mac()
        if (command.p1, command.p2) != (0x00, 0x00):
            raise Refusal(StatusWord.INCORRECT_P1_P2)
        if len(command.data) != 16:
            raise Refusal(StatusWord.WRONG_LENGTH)
        return channel.dek.decrypt(command.data)

    def _start_enrollment(self, command: Command) -> bytes:
        """Make a key pair; return how much of it there is to read."""
        channel, _ = self._require_c_mac()
        self._buffer = enrollment.start(command, channel.dek)
        return len(self._buffer).to_bytes(2)

    def _read_object(self, command: Command) -> bytes:
        self._require_c_mac()
        return enrollment.read(command, self._buffer)

    def _require_c_mac(self) -> tuple[Channel, KeyGroup]:
        """Return the channel and the keys it was opened with; 6982 where it has no C-MAC."""
        if self._channel is None or self._session_keys is None or not self._channel.level & C_MAC:
            raise Refusal(StatusWord.SECURITY_STATUS_NOT_SATISFIED)
        return self._channel, self._session_keys


INSTRUCTIONS = {
    GET_DATA: Instruction(Card._get_data, frozenset({ISO, GLOBALPLATFORM}), needs_session=False),
    GET_STATUS: Instruction(Card._get_status, frozenset({GLOBALPLATFORM}), needs_session=True),
    STORE_DATA: Instruction(Card._store_data, frozenset({GLOBALPLATFORM}), needs_session=True),
    PUT_KEY: Instruction(Card._put_key, frozenset({GLOBALPLATFORM}), needs_session=True),
    PROVE_PRESENCE: Instruction(
        Card._prove_presence, frozenset({GLOBALPLATFORM}), needs_session=True
    ),
    **dict.fromkeys(
        (START_ENROLLMENT, START_EC_ENROLLMENT),
        Instruction(Card._start_enrollment, frozenset({GLOBALPLATFORM}), needs_session=True),
    ),
    READ_OBJECT: Instruction(Card._read_object, frozenset({GLOBALPLATFORM}), needs_session=True),
    # These exist in one class only, in which they never come this way: 6E00, not 6D00.
    SELECT: Instruction(Card._select, frozenset(), needs_session=False),
    INITIALIZE_UPDATE: Instruction(Card._initialize_update, frozenset(), needs_session=False),
    EXTERNAL_AUTHENTICATE: Instruction(
        Card._external_authenticate, frozenset(), needs_session=False
    ),
}
