"""What can become of an HSM and of the worker in front of it: each function breaks, and mends."""

import shutil
import signal
import time
from collections.abc import Callable
from random import Random

from tests.site.daemon import PATIENCE, Watched
from tests.site.faulty import LOSING, FaultySite
from tests.softhsm.faulty_module import RETURN_VALUES

# How long it lasts, in seconds: callers notice at once, and the daemon looks after the token twice
# a second.
_SHORTEST, _LONGEST = 0.05, 0.6

# What is called all the time, and what is called after a loss alone.
_ALL_THE_TIME = (
    *("C_EncryptInit", "C_Encrypt", "C_DecryptInit", "C_Decrypt", "C_SignInit", "C_Sign"),
    *("C_DeriveKey", "C_WrapKey", "C_DestroyObject", "C_GenerateRandom", "C_GetAttributeValue"),
    *("C_FindObjectsInit", "C_FindObjects", "C_FindObjectsFinal"),
)
_AFTER_A_LOSS = (
    *("C_Finalize", "C_Initialize", "C_GetSlotList", "C_GetSlotInfo", "C_GetTokenInfo"),
    *("C_OpenSession", "C_Login", "C_CreateObject"),
)

Kind = Callable[[FaultySite, Random], None]


def token_gone(faulty: FaultySite, chance: Random) -> None:
    """The token's folder goes away and comes back."""
    with faulty.running.site.token_taken_away():
        _last(chance)


def token_initialised(faulty: FaultySite, chance: Random) -> None:
    """Another process initialises the token, and the one before is put back."""
    site = faulty.running.site
    before = shutil.copytree(site.token_folder, site.directory / "the token before")
    site.initialise_again()
    _last(chance)
    folder = site.token_folder
    # In one step each: the daemon may be making its locks in it.
    emptied = folder.rename(site.directory / "the token between")
    before.rename(folder)
    shutil.rmtree(emptied)


def error(faulty: FaultySite, chance: Random) -> None:
    """A PKCS#11 function fails, a few times or all the time."""
    function = chance.choice((*_ALL_THE_TIME, *_AFTER_A_LOSS))
    calls = chance.choice((1, 2, 5, 1000))
    faulty.module.fail(function, chance.choice(sorted(RETURN_VALUES)), calls)
    if function in _AFTER_A_LOSS:
        faulty.module.fail(LOSING, "CKR_DEVICE_REMOVED", 1)
    _last(chance)
    faulty.module.behave()


def delay(faulty: FaultySite, chance: Random) -> None:
    """A PKCS#11 function takes its time, sometimes too much."""
    faulty.module.delay(chance.choice(_ALL_THE_TIME), chance.uniform(0.01, 0.6), 5)
    _last(chance)
    faulty.module.behave()


def hang(faulty: FaultySite, chance: Random) -> None:
    """A PKCS#11 function does not return; another worker is all that mends it."""
    faulty.module.hang(chance.choice(_ALL_THE_TIME), 1)
    _last(chance)
    faulty.module.behave()


def kill(faulty: FaultySite, chance: Random) -> None:
    """A worker is killed."""
    if workers := faulty.running.daemon.workers:
        with Watched(chance.choice(workers)) as worker:
            worker.send(signal.SIGKILL)
            assert worker.ends_within(PATIENCE)


OFTEN: dict[Kind, int] = {
    token_gone: 5,
    token_initialised: 2,
    error: 8,
    delay: 2,
    hang: 1,
    kill: 2,
}
"""How often each is among twenty."""


def _last(chance: Random) -> None:
    time.sleep(chance.triangular(_SHORTEST, _LONGEST, _SHORTEST))
