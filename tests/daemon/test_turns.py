"""Turns for handshakes: by address, one after another, and for everybody in the end."""

import asyncio

from tmsd.daemon.turns import Turns

LONG = 3600.0


class Crowd:
    """Peers that wait for their turns."""

    def __init__(self, turns: Turns) -> None:
        self._turns = turns
        self.let_in: list[str] = []

    def come(self, name: str) -> asyncio.Task[None]:
        """Have a peer come; its name begins with its address."""
        return asyncio.create_task(self._wait(name))

    async def _wait(self, name: str) -> None:
        await self._turns.come(name[0])
        self.let_in.append(name)


async def everybody_has_come() -> None:
    """Let each task run until it waits."""
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_comes_alone_does_not_wait_and_the_next_does() -> None:
    crowd = Crowd(Turns(pause=LONG, patience=LONG))
    await crowd.come("a1")

    later = crowd.come("a2")
    await everybody_has_come()

    assert crowd.let_in == ["a1"]
    later.cancel()


async def test_addresses_take_turns_and_of_one_who_came_first_is_first() -> None:
    crowd = Crowd(Turns(pause=0.001, patience=LONG))

    await asyncio.gather(*map(crowd.come, ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]))

    assert crowd.let_in == ["a1", "a2", "b1", "c1", "a3", "b2", "a4"]


async def test_the_pause_is_that_of_each_address() -> None:
    turns = Turns(pause=12.0, patience=LONG)
    crowd = Crowd(turns)

    await crowd.come("a1")
    waiting = [crowd.come(name) for name in ("a2", "a3", "b1", "c1")]
    await everybody_has_come()

    assert turns.until_next() == 4.0
    for peer in waiting:
        peer.cancel()


async def test_the_pause_is_shorter_where_many_wait() -> None:
    crowd = Crowd(Turns(pause=LONG, patience=0.1))

    await asyncio.gather(*(crowd.come(f"a{number}") for number in range(100)))

    assert len(crowd.let_in) == 100


async def test_who_has_gone_keeps_no_place() -> None:
    turns = Turns(pause=0.001, patience=LONG)
    crowd = Crowd(turns)
    gone = [crowd.come(f"a{number}") for number in range(100)]
    await everybody_has_come()

    let_in = list(crowd.let_in)
    for peer in gone:
        peer.cancel()
    await asyncio.gather(*gone, crowd.come("b1"), crowd.come("a100"), return_exceptions=True)

    assert len(let_in) < len(gone)
    assert crowd.let_in == [*let_in, "b1", "a100"]
    assert not turns._waiting
