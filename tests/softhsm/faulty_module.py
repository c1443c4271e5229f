"""A PKCS#11 module in front of SoftHSM that fails, dawdles, hangs, leaks or dies as a test orders.

It is built from faulty_module.c. Orders take effect at the next call of a function, in every
process that has the module loaded; each call is counted, and so is each that met an order.
"""

import mmap
import subprocess
from dataclasses import replace
from pathlib import Path

from hsm.module import TokenAddress

# CK_FUNCTION_LIST (PKCS#11 2.40, section 5.1), in its order.
FUNCTIONS = (
    *("C_Initialize", "C_Finalize", "C_GetInfo", "C_GetFunctionList", "C_GetSlotList"),
    *("C_GetSlotInfo", "C_GetTokenInfo", "C_GetMechanismList", "C_GetMechanismInfo"),
    *("C_InitToken", "C_InitPIN", "C_SetPIN", "C_OpenSession", "C_CloseSession"),
    *("C_CloseAllSessions", "C_GetSessionInfo", "C_GetOperationState", "C_SetOperationState"),
    *("C_Login", "C_Logout", "C_CreateObject", "C_CopyObject", "C_DestroyObject"),
    *("C_GetObjectSize", "C_GetAttributeValue", "C_SetAttributeValue", "C_FindObjectsInit"),
    *("C_FindObjects", "C_FindObjectsFinal", "C_EncryptInit", "C_Encrypt", "C_EncryptUpdate"),
    *("C_EncryptFinal", "C_DecryptInit", "C_Decrypt", "C_DecryptUpdate", "C_DecryptFinal"),
    *("C_DigestInit", "C_Digest", "C_DigestUpdate", "C_DigestKey", "C_DigestFinal"),
    *("C_SignInit", "C_Sign", "C_SignUpdate", "C_SignFinal", "C_SignRecoverInit"),
    *("C_SignRecover", "C_VerifyInit", "C_Verify", "C_VerifyUpdate", "C_VerifyFinal"),
    *("C_VerifyRecoverInit", "C_VerifyRecover", "C_DigestEncryptUpdate"),
    *("C_DecryptDigestUpdate", "C_SignEncryptUpdate", "C_DecryptVerifyUpdate", "C_GenerateKey"),
    *("C_GenerateKeyPair", "C_WrapKey", "C_UnwrapKey", "C_DeriveKey", "C_SeedRandom"),
    *("C_GenerateRandom", "C_GetFunctionStatus", "C_CancelFunction", "C_WaitForSlotEvent"),
)

# Return values (pkcs11t.h).
RETURN_VALUES = {
    "CKR_HOST_MEMORY": 0x02,
    "CKR_GENERAL_ERROR": 0x05,
    "CKR_FUNCTION_FAILED": 0x06,
    "CKR_DEVICE_ERROR": 0x30,
    "CKR_DEVICE_MEMORY": 0x31,
    "CKR_DEVICE_REMOVED": 0x32,
    "CKR_KEY_HANDLE_INVALID": 0x60,
    "CKR_OBJECT_HANDLE_INVALID": 0x82,
    "CKR_OPERATION_ACTIVE": 0x90,
    "CKR_SESSION_HANDLE_INVALID": 0xB3,
    "CKR_TOKEN_NOT_PRESENT": 0xE0,
    "CKR_USER_NOT_LOGGED_IN": 0x101,
    "CKR_CRYPTOKI_NOT_INITIALIZED": 0x190,
}

ALWAYS = 2**64 - 1
"""As a number of calls: until other orders are given."""

_FOREVER = 2**64 - 1
_SOURCE = Path(__file__).with_name("faulty_module.c")

# struct orders: a word, then so many for each function.
_CONCEALS_PIN_FLAGS = 0
_OF_FUNCTIONS, _WORDS = 1, 10
_CALLS, _ERRORS, _MET, _REMAINING, _MILLISECONDS, _RESULT, _AFTERWARDS, _LEAKED = range(8)
_CHANGES, _FATAL = 8, 9


def build(folder: Path) -> Path:
    """Compile the module into a folder, and return its file."""
    built = folder / "faulty_module.so"
    subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", built, _SOURCE, "-ldl"], check=True)
    return built


class FaultyModule:
    """The module in front of one token, and the orders that it has.

    Args:
        built: what `build` returned.
        token: where the token is that it stands before.
        orders: the file of its orders, which is made.
    """

    def __init__(self, built: Path, token: TokenAddress, orders: Path) -> None:
        with orders.open("w+b") as file:
            file.truncate(8 * (_OF_FUNCTIONS + _WORDS * len(FUNCTIONS)))
            self._mapped = mmap.mmap(file.fileno(), 0)
        self._words = memoryview(self._mapped).cast("Q")
        variables = {"TMSD_TEST_MODULE": str(token.module), "TMSD_TEST_ORDERS": str(orders)}
        self.token = replace(token, module=built, environment={**token.environment, **variables})

    def conceal_pin_flags(self) -> None:
        """Say nothing of wrong PINs in the token's flags, as some HSMs do not."""
        self._words[_CONCEALS_PIN_FLAGS] = 1

    def fail(
        self, function: str, result: str, calls: int = ALWAYS, *, afterwards: bool = False
    ) -> None:
        """Return one of `RETURN_VALUES`; with `afterwards`, when SoftHSM has done its work."""
        self._order(function, calls, result=RETURN_VALUES[result], afterwards=afterwards)

    def delay(self, function: str, seconds: float, calls: int = ALWAYS) -> None:
        """Let calls take so much longer."""
        self._order(function, calls, milliseconds=int(seconds * 1000))

    def hang(self, function: str, calls: int = ALWAYS, *, afterwards: bool = False) -> None:
        """Never return; with `afterwards`, when SoftHSM has done its work."""
        self._order(function, calls, milliseconds=_FOREVER, afterwards=afterwards)

    def leak(self, function: str, length: int, calls: int = ALWAYS) -> None:
        """Allocate so many bytes at each call and never free them."""
        self._order(function, calls, leaked=length)

    def kill(self, function: str, change: int, *, afterwards: bool = False) -> None:
        """Kill the process at a call that changes what the token keeps: before, or afterwards.

        Args:
            function: of PKCS#11.
            change: its number, from 1, as `changes` counts.
            afterwards: when SoftHSM has done its work.
        """
        self._order(function, 0, afterwards=afterwards, fatal=change)

    def behave(self) -> None:
        """Forget all orders. What hangs goes on hanging."""
        for function in FUNCTIONS:
            self._words[self._at(function, _REMAINING)] = 0
            self._words[self._at(function, _FATAL)] = 0

    def changes(self, function: str) -> int:
        """Return how often a function made, changed or destroyed what the token keeps."""
        return self._words[self._at(function, _CHANGES)]

    def calls(self, function: str) -> int:
        """Return how often a function was called."""
        return self._words[self._at(function, _CALLS)]

    def errors(self, function: str) -> int:
        """Return how often SoftHSM returned something else than CKR_OK."""
        return self._words[self._at(function, _ERRORS)]

    def met(self, function: str) -> int:
        """Return how many calls met an order."""
        return self._words[self._at(function, _MET)]

    def _order(
        self,
        function: str,
        calls: int,
        *,
        milliseconds: int = 0,
        result: int = 0,
        afterwards: bool = False,
        leaked: int = 0,
        fatal: int = 0,
    ) -> None:
        # None may meet an order that is half written.
        self._words[self._at(function, _REMAINING)] = 0
        self._words[self._at(function, _MILLISECONDS)] = milliseconds
        self._words[self._at(function, _RESULT)] = result
        self._words[self._at(function, _AFTERWARDS)] = afterwards
        self._words[self._at(function, _LEAKED)] = leaked
        self._words[self._at(function, _FATAL)] = fatal
        self._words[self._at(function, _REMAINING)] = calls

    @staticmethod
    def _at(function: str, word: int) -> int:
        return _OF_FUNCTIONS + _WORDS * FUNCTIONS.index(function) + word
