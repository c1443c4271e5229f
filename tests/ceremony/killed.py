"""Ceremonies that are killed (SIGKILL) at each place where it matters, and then resumed.

`python -m tests.ceremony.killed` prints a line of JSON for each. It is a process of its own that
forks before it loads any PKCS#11 module: that costs less than to start one for each. The places are
the lines of the minutes, the calls that change what the token keeps, and the files that get their
names: before the first of a kind, and after each. Of most ceremonies the lines are those by which a
step is done or a secret is shown, where what was resumed is killed once more. With `--all` they are
all lines of all ceremonies, and whatever was resumed is killed once more, at any two places.
"""

import json
import os
import shutil
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import count, product
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from hsm.module import TokenAddress
from tests.ceremony.conducting import begin, minutes_of, resume
from tests.ceremony.every_step import CEREMONIES, LABEL, Ceremony, WritingDown, room_of
from tests.ceremony.outcomes import Outcome, differences, outcome_of
from tests.ceremony.rooms import script
from tests.quorum.officers import private_key
from tests.softhsm.faulty_module import FaultyModule, build
from tests.softhsm.tokens import SoftHsm
from tmsd.audit.record import Record
from tmsd.ceremony.minutes import Event, Minutes, events
from tmsd.ceremony.room import Room
from tmsd.ceremony.script import load_script

NAMINGS = ("link", "rename")
"""How a file gets its name, in `os`."""
CHANGES = (
    *("C_InitToken", "C_InitPIN", "C_CreateObject", "C_CopyObject", "C_DestroyObject"),
    *("C_SetAttributeValue", "C_GenerateKey", "C_GenerateKeyPair", "C_UnwrapKey"),
)
_TELLING = (Event.SHOWN, Event.DONE)


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process is killed: at the `number`th of its kind.

    Attributes:
        at: an event of the minutes, `link` or `rename` of a file, or a function of PKCS#11.
        number: from 1.
        afterwards: when that is done, and not before it.
    """

    at: str
    number: int
    afterwards: bool = False

    @property
    def is_line(self) -> bool:
        """Whether it is before a line of the minutes."""
        return self.at in set(Event)

    def __str__(self) -> str:
        return f"{'after' if self.afterwards else 'before'} {self.at} {self.number}"


class Stuck(Exception):
    """A ceremony that does not go on any more."""


class _Folder:
    """A folder of a ceremony, in which process after process goes on with it.

    Args:
        path: has what was prepared.
        built: the module that kills.
        ceremony: which one.
    """

    def __init__(self, path: Path, built: Path, ceremony: Ceremony) -> None:
        self.path = path
        self.ceremony = ceremony
        softhsm = SoftHsm(path)
        address = TokenAddress(softhsm.module, LABEL, environment=softhsm.environment)
        (path / "orders").unlink(missing_ok=True)
        self.module = FaultyModule(built, address, path / "orders")

    def prepare(self) -> None:
        """Do what goes before the ceremony, in a process of its own."""

        def prepare() -> None:
            facts = self.ceremony.prepare(self.path, self.module.token)
            (self.path / "facts.json").write_text(json.dumps(facts))
            minutes_of(self._room()).unlink(missing_ok=True)

        if _status(prepare):
            raise RuntimeError(f"{self.ceremony.name}: cannot be prepared")

    def go_on(self, place: Place | None) -> bool:
        """Conduct the ceremony, from where it ended; say whether it came to its end.

        Args:
            place: where it is killed; None for nowhere.
        """
        if place is not None and place.at in CHANGES:
            before = self.module.changes(place.at)
            self.module.kill(place.at, before + place.number, afterwards=place.afterwards)
        status = _status(lambda: self._go_on_or_tell(place))
        self.module.behave()
        if status not in (0, -signal.SIGKILL):
            raise Stuck((self.path / "error").read_text())
        return status == 0

    @property
    def is_over(self) -> bool:
        """Whether it came to its end."""
        return (self.path / "outcome.json").exists()

    @property
    def outcome(self) -> Outcome:
        """What it left."""
        return Outcome(**json.loads((self.path / "outcome.json").read_text()))

    def places(self, *, every: bool) -> Iterator[Place]:
        """Yield each place at which a ceremony that was not killed could have been.

        Args:
            every: at each line, and not only where a step is done or a secret is shown.
        """
        passed = json.loads((self.path / "passed.json").read_text())
        for event, times in passed["lines"].items():
            if every or event in _TELLING:
                yield from (Place(event, number) for number in range(1, times + 1))
        for at, times in {**passed["namings"], **passed["changes"]}.items():
            for number in range(1, times + 1):
                yield Place(at, number)
                yield Place(at, number, afterwards=True)

    def _go_on_or_tell(self, place: Place | None) -> None:
        try:
            self._go_on(place)
        except Exception as error:
            (self.path / "error").write_text(f"{type(error).__name__}: {error}")
            raise

    def _go_on(self, place: Place | None) -> None:
        where = self._room()
        facts = json.loads((self.path / "facts.json").read_text())
        planned = load_script(
            script(self.path, *(_filled(step, facts) for step in self.ceremony.steps))
        )
        minutes = minutes_of(where)
        before = events(minutes) if minutes.exists() else []
        assert isinstance(where.people, WritingDown)
        shown = len(where.people.shown())
        passed = _watch(place)
        if before:
            resume(planned, where)
        else:
            begin(planned, where)
        self.module.behave()
        passed["changes"] = Counter({each: self.module.changes(each) for each in CHANGES})
        found = outcome_of(where, before, shown)
        (self.path / "outcome.json").write_text(json.dumps(asdict(found)))
        (self.path / "passed.json").write_text(json.dumps(passed))

    def _room(self) -> Room:
        where = room_of(self.path, self.module.token)
        assert where.binding.hsm.pin_file is not None
        if self.ceremony.is_of_blank_token and not (self.path / "so-pin").exists():
            where.binding.hsm.pin_file.unlink()
        return where


def main(*, every: bool) -> None:
    """Kill each ceremony at each place; `every` place, and a second time, or those of CI."""
    for name in ("anna", "berta", "carl", "dora"):
        private_key(name)  # the same in every process
    memory = Path("/dev/shm")  # noqa: S108  what was written outlives a process there as well
    with TemporaryDirectory(dir=memory if memory.is_dir() else None) as name:
        folder = Path(name)
        built = build(folder)
        for ceremony in CEREMONIES:
            for result in _killed_everywhere(ceremony, folder, built, every=every):
                print(json.dumps(result), flush=True)  # noqa: T201  the answer


def _killed_everywhere(
    ceremony: Ceremony, folder: Path, built: Path, *, every: bool
) -> Iterator[Mapping[str, Any]]:
    numbers = count(1)

    def made(like: Path | None) -> _Folder:
        path = folder / f"{ceremony.name}-{next(numbers)}"
        if like is None:
            path.mkdir()
        else:
            shutil.copytree(like, path)
        return _Folder(path, built, ceremony)

    prepared = made(None)
    prepared.prepare()
    whole = made(prepared.path)
    whole.go_on(None)
    for places in _choices(whole, every=every):
        run = made(prepared.path)
        killed, wrong = 0, list[str]()
        try:
            for place in (*places, None):
                if not run.is_over:
                    killed += not run.go_on(place)
            wrong += differences(run.outcome, whole.outcome)
        except Stuck as stuck:
            wrong.append(str(stuck))
        yield {
            "ceremony": ceremony.name,
            "places": [str(place) for place in places],
            "killed": killed,
            "wrong": wrong,
        }
        shutil.rmtree(run.path)


def _choices(whole: _Folder, *, every: bool) -> Iterator[Sequence[Place]]:
    """Yield where a ceremony is killed: once, and then as it is resumed."""
    telling = list(whole.places(every=False))
    if every:
        yield from ((place,) for place in whole.places(every=True))
        yield from product(telling, repeat=2)
    else:
        if whole.ceremony is CEREMONIES[0]:  # which has all lines of an opening and a close
            yield from ((place,) for place in whole.places(every=True) if place.is_line)
        for place in telling:
            if place.is_line:
                yield (place, place)
            elif place.number == 1 or place.afterwards:
                yield (place,)


def _filled(step: str, facts: Mapping[str, str]) -> str:
    for name, value in facts.items():
        step = step.replace(f"{{{name}}}", value)
    return step


def _status(work: Callable[[], None]) -> int:
    child = os.fork()
    if child == 0:
        try:
            work()
        except BaseException:  # noqa: BLE001  the parent sees the status
            sys.excepthook(*sys.exc_info())
            os._exit(1)
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def _watch(place: Place | None) -> dict[str, Counter[str]]:
    """Note each line and each file that gets its name, and be killed at one of them.

    Returns:
        How often each event was noted, as `lines`, and each of `NAMINGS` was called, as `namings`.
    """
    passed: dict[str, Counter[str]] = {"lines": Counter(), "namings": Counter()}
    note = Minutes.note

    def noted(self: Minutes, event: Event, facts: Mapping[str, str | int | bool]) -> Record:
        passed["lines"][event] += 1
        if place == Place(event, passed["lines"][event]):
            _die()
        return note(self, event, facts)

    setattr(Minutes, "note", noted)  # noqa: B010  a method is not assigned to, as mypy has it
    for way in NAMINGS:
        setattr(os, way, _watched(way, passed["namings"], place))
    return passed


def _watched(way: str, times: Counter[str], place: Place | None) -> Callable[..., None]:
    name = getattr(os, way)

    def named(*args: Any, **options: Any) -> None:  # noqa: ANN401  as those of os
        times[way] += 1
        if place == Place(way, times[way]):
            _die()
        name(*args, **options)
        if place == Place(way, times[way], afterwards=True):
            _die()

    return named


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main(every="--all" in sys.argv[1:])
