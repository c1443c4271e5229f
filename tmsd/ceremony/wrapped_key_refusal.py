"""Why a key from a card maker is not taken: rules by names, which officers and minutes see."""

from enum import StrEnum

from tmsd.ceremony.refusal import Refused


class WrappedKeyRule(StrEnum):
    """What was broken; docs/ceremonies.md explains each."""

    # The file
    MISSING = "wrapped-key-missing"
    TOO_LONG = "wrapped-key-too-long"
    OTHER_FILE = "wrapped-key-other-file"

    # The key under which it came
    ZONE_KEY_UNFIT = "zone-key-unfit"
    ZONE_KEY_WEAK = "zone-key-weak"

    # What came
    FORGED = "wrapped-key-forged"
    LENGTH = "wrapped-key-length"
    WEAK = "wrapped-key-weak"
    DIFFERS = "wrapped-key-differs"

    # The header of a key block
    BLOCK_MALFORMED = "key-block-malformed"
    BLOCK_LENGTH = "key-block-length"
    BLOCK_VERSION = "key-block-version"
    BLOCK_USAGE = "key-block-usage"
    BLOCK_ALGORITHM = "key-block-algorithm"
    BLOCK_MODE = "key-block-mode"
    BLOCK_COMPONENT = "key-block-component"
    BLOCK_EXPORTABILITY = "key-block-exportability"
    BLOCK_OPTION = "key-block-option"
    BLOCK_RESERVED = "key-block-reserved"


class WrappedKeyRefused(Refused):
    """A rule forbids it.

    Attributes:
        rule: which one.
    """

    def __init__(self, rule: WrappedKeyRule, words: str) -> None:
        super().__init__(f"{rule}: {words}")
        self.rule = rule
