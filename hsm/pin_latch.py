"""A PIN that was refused once is not tried again, by no process and after no restart.

Tokens lock themselves after a few wrong PINs, and a daemon that restarts by itself would
spend them all. So whoever logs in holds the lock of one file, and looks first at the file
and at the token's own flags (CK_TOKEN_INFO, PKCS#11 2.40, table 6). The lock also keeps
modules from starting at the same moment, which some of them do not survive.

A process can end between C_Login and the file, and nobody learns what the token said. So the file
tells of each try before it is made. One that did not come to an end counts as refused, unless
it was made with the PIN that the token took last, or was given: killing a worker locks nobody out.
"""

import fcntl
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from pkcs11 import TokenFlag

from hsm.errors import CredentialUnavailable, HsmError, PinLatched, PinRefused

_UNLATCH = "find out why, then: tmsctl hsm unlatch"
_UNFINISHED = "whoever tried it ended before the token had answered"
_MAX_STATE = 4096


@dataclass(frozen=True, slots=True)
class Latched:
    """That and when a PIN was refused, and what the token said of it.

    Attributes:
        reason: what the token said.
        at_ns: when, in nanoseconds of Unix time.
        file_ns: when the PIN file had last been changed then; None without a PIN file.
        is_certain: whether the token said so; else nobody knows what it said.
    """

    reason: str
    at_ns: int
    file_ns: int | None = None
    is_certain: bool = True

    def __str__(self) -> str:
        """Return it in words."""
        when = datetime.fromtimestamp(self.at_ns / 1e9, UTC)
        return f"{self.reason} ({when:%Y-%m-%d %H:%M:%S} UTC)"


class PinLatch:
    """The latch of one token on one machine, open or closed.

    Args:
        file: made with mode 0600 if it is not there; it holds no PIN and nothing made of one.
    """

    def __init__(self, file: Path) -> None:
        self._file = file

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the lock that everybody holds who starts a module and logs in.

        Raises:
            CredentialUnavailable: the file cannot be opened.
        """
        try:
            descriptor = os.open(
                self._file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600
            )
        except OSError as error:
            raise CredentialUnavailable(f"PIN latch {self._file}: {error.strerror}") from error
        try:
            if os.geteuid() == 0:
                # Made by root's tmsctl, it must still be the worker's, as its folder is.
                folder = self._file.parent.stat()
                os.fchown(descriptor, folder.st_uid, folder.st_gid)
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            yield
        finally:
            os.close(descriptor)

    def state(self) -> Latched | None:
        """Return why the latch is closed; None while it is open."""
        state = self._read()
        trying = state.get("trying")
        if isinstance(trying, dict) and state.get("taken") != {"file_ns": trying.get("file_ns")}:
            return _latched(_UNFINISHED, trying, is_certain=False)
        reason = state.get("refused")
        return _latched(reason, state) if isinstance(reason, str) else None

    def require_open(self, flags: TokenFlag, pin_file: Path | None) -> None:
        """Refuse a login that could cost the token one of its last tries. Call it locked.

        A PIN file that was written after the refusal opens the latch, but not for the last try
        that the token allows: a file whose mode alone was changed looks the same. A credential
        of systemd cannot: it is a new file at each start, whatever is in it.

        Args:
            flags: the token's, read just now.
            pin_file: where the PIN comes from, if it is a file of ours.

        Raises:
            PinLatched: with what to do.
        """
        if flags & TokenFlag.USER_PIN_LOCKED:
            raise PinLatched(
                "the token has locked its user PIN; its security officer must reset it"
            )
        may_try = bool(self._read().get("one_try"))
        if flags & TokenFlag.USER_PIN_FINAL_TRY and not may_try:
            raise PinLatched(f"the token allows one last try of the PIN; {_UNLATCH}")
        if (latched := self.state()) is not None:
            if not _is_newer(_changed_ns(pin_file), latched):
                happened = "was" if latched.is_certain else "may have been"
                raise PinLatched(f"a PIN {happened} refused: {latched}; {_UNLATCH}")
        elif flags & TokenFlag.USER_PIN_COUNT_LOW and not may_try:
            raise PinLatched(f"the token says that a wrong PIN was tried before; {_UNLATCH}")

    def close(self, reason: str, pin_file: Path | None) -> None:
        """Remember that the token refused the PIN, and which file it was in. Call it locked."""
        refused = {"refused": reason, "at_ns": time.time_ns(), "file_ns": _changed_ns(pin_file)}
        self._write(refused)

    @contextmanager
    def trying(self, pin_file: Path | None) -> Iterator[None]:
        """Remember that the PIN is tried, and then what came of it. Call it locked.

        Args:
            pin_file: where the PIN comes from, if it is a file of ours.
        """
        before = {name: value for name, value in self._read().items() if name != "trying"}
        file_ns = _changed_ns(pin_file)
        self._write({**before, "trying": {"at_ns": time.time_ns(), "file_ns": file_ns}})
        try:
            yield
        except PinRefused as error:
            self.close(str(error), pin_file)
            raise
        except HsmError:
            self._write(before)  # the token said nothing of the PIN
            raise
        self._write({"taken": {"file_ns": file_ns}})

    def note_given(self, pin_file: Path | None) -> None:
        """Remember that the token was given the PIN of a file just now, and so takes it."""
        with self.locked():
            self._write({"taken": {"file_ns": _changed_ns(pin_file)}})

    def unlatch(self) -> Latched | None:
        """Allow one more try, also where the token says that the last one was wrong.

        Returns:
            What the latch was closed for, if it was.
        """
        with self.locked():
            latched = self.state()
            self._write({"one_try": True})
        return latched

    def _read(self) -> dict[str, object]:
        try:
            state = json.loads(self._file.read_bytes()[:_MAX_STATE] or b"{}")
        except FileNotFoundError:
            return {}
        except ValueError:
            state = None
        if not isinstance(state, dict):
            # Somebody wrote into it; the safe reading is that a PIN was refused.
            return {"refused": "the latch file is damaged"}
        return state

    def _write(self, state: dict[str, object]) -> None:
        """Write in place, under the lock: another file would have another lock."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        try:
            content = json.dumps(state).encode()
            os.pwrite(descriptor, content, 0)
            os.ftruncate(descriptor, len(content))
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _latched(reason: str, state: dict[str, object], *, is_certain: bool = True) -> Latched:
    at_ns, file_ns = state.get("at_ns"), state.get("file_ns")
    return Latched(
        reason,
        at_ns if isinstance(at_ns, int) else 0,
        file_ns if isinstance(file_ns, int) else None,
        is_certain=is_certain,
    )


def _changed_ns(pin_file: Path | None) -> int | None:
    """Return when a PIN file was changed last; None where there is none."""
    if pin_file is None:
        return None
    try:
        return pin_file.stat().st_ctime_ns
    except OSError:
        return None  # whoever reads the PIN says it better


def _is_newer(changed_ns: int | None, latched: Latched) -> bool:
    """Say whether a PIN file is another than the refused one, and was written after it.

    A clock that was set back leaves the refused file in the future, newer than any refusal.
    """
    return changed_ns is not None and changed_ns > latched.at_ns and changed_ns != latched.file_ns
