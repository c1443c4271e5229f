"""Ctrl-C: the story ends where it waits next, and everything is taken away in order."""

import asyncio
import signal
from collections.abc import Coroutine
from types import FrameType

_SIGNALS = (signal.SIGHUP, signal.SIGINT, signal.SIGTERM)


class Interrupted(Exception):
    """Somebody wanted the end; `number` is the signal's."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


async def unless_interrupted(story: Coroutine[object, object, None]) -> None:
    """Run the story; the first signal cancels it, and further ones do not disturb its end.

    A cancelled story stops at an `await` only: never between starting a process and
    knowing it.

    Raises:
        Interrupted: a signal came, whatever else went wrong because of it.
    """
    loop = asyncio.get_running_loop()
    task = loop.create_task(story)
    received: list[int] = []

    def interrupt(number: int, _frame: FrameType | None) -> None:
        if not received:
            loop.call_soon_threadsafe(task.cancel)
        received.append(number)

    before = {number: signal.signal(number, interrupt) for number in _SIGNALS}
    try:
        await asyncio.wait({task})
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if received:
        raise Interrupted(received[0])
    await task
