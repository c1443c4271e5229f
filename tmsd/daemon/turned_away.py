"""Connections that got no further, told without letting strangers fill the log."""

import asyncio
import logging
from collections import Counter

from tmsd.systemd.journal import Event, about

LOG = logging.getLogger(__name__)

_BRIEF_SECONDS = 60.0
_MOST_REASONS = 16
_FURTHER_REASONS = "further reasons"


class TurnedAway:
    """Tells of the first connection at once, and of those within the next minute in a line."""

    def __init__(self) -> None:
        self._counted: Counter[str] = Counter()
        self._later: asyncio.TimerHandle | None = None

    def because(self, reason: str, peer: str = "") -> None:
        """Tell, or count, a connection.

        Args:
            reason: in words of ours or of OpenSSL's, never of the peer's.
            peer: the address that it came from.
        """
        if self._later is None:
            come = f" from {peer}" if peer else ""
            self._tell(f"a connection{come} was turned away: {reason}")
        elif reason in self._counted or len(self._counted) < _MOST_REASONS:
            self._counted[reason] += 1
        else:
            self._counted[_FURTHER_REASONS] += 1

    def _tell(self, words: str) -> None:
        LOG.warning(words, extra=about(Event.CONNECTION_TURNED_AWAY))
        self._later = asyncio.get_running_loop().call_later(_BRIEF_SECONDS, self._sum_up)

    def _sum_up(self) -> None:
        self._later = None
        if self._counted:
            reasons = ", ".join(f"{count} times {why}" for why, count in self._counted.items())
            self._tell(
                f"within {_BRIEF_SECONDS:g} s further connections were turned away: {reasons}"
            )
            self._counted.clear()
