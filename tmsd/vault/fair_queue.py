"""Questions that wait for a worker: each caller has a queue of its own, and callers take turns."""

from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


class QueueFull(Exception):
    """No more may wait: of this caller, or of all."""


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """How many questions may wait at once.

    Attributes:
        per_caller: of one caller, so that one cannot keep the others out.
        total: of all callers.
    """

    per_caller: int
    total: int


class FairQueue(Generic[T]):
    """First come, first served among one caller's; among callers, one after the other."""

    def __init__(self, limits: QueueLimits) -> None:
        self._limits = limits
        self._by_caller: OrderedDict[str, deque[T]] = OrderedDict()
        self._length = 0

    def __len__(self) -> int:
        return self._length

    def put(self, caller: str, item: T) -> None:
        """Let an item wait at the end of its caller's queue.

        Raises:
            QueueFull: too many wait already.
        """
        waiting = len(self._by_caller.get(caller, ()))
        if waiting >= self._limits.per_caller or self._length >= self._limits.total:
            raise QueueFull
        self._by_caller.setdefault(caller, deque()).append(item)
        self._length += 1

    def put_back(self, caller: str, item: T) -> None:
        """Let an item that was taken be the next again; it takes nobody's place."""
        self._by_caller.setdefault(caller, deque()).appendleft(item)
        self._by_caller.move_to_end(caller, last=False)
        self._length += 1

    def take(self) -> T:
        """Take the first item of the caller whose turn it is; the next turn is another's.

        Raises:
            IndexError: nobody waits.
        """
        if not self._by_caller:
            raise IndexError("nobody waits")
        caller, items = self._by_caller.popitem(last=False)
        item = items.popleft()
        if items:
            self._by_caller[caller] = items
        self._length -= 1
        return item

    def remove(self, caller: str, item: T) -> bool:
        """Remove an item that need not wait any more; say whether it was there."""
        items = self._by_caller.get(caller)
        if items is None or item not in items:
            return False
        items.remove(item)
        if not items:
            del self._by_caller[caller]
        self._length -= 1
        return True

    def drain(self) -> Iterator[T]:
        """Take all items, in turns."""
        while self._length:
            yield self.take()
