"""What a program asks of a PKCS#11 module: a module in front of it that writes every call down.

It is built from recording_module.c; a program that is configured with `token` has it loaded.
"""

import subprocess
from dataclasses import dataclass, replace
from itertools import groupby
from pathlib import Path
from typing import Self

from hsm.module import TokenAddress
from tests.softhsm.faulty_module import FUNCTIONS

_SOURCE = Path(__file__).with_name("recording_module.c")
HEADERS = Path(__file__).parents[1] / "tests" / "softhsm"
"""Where function_list.h is."""

_MECHANISMS = {"1081": "AES-ECB", "108a": "AES-CMAC", "1104": "AES-ECB-ENCRYPT-DATA"}


@dataclass(frozen=True, slots=True)
class Call:
    """One call: the function, and as it has them, mechanism, length of data, template.

    Attributes:
        function: its name.
        mechanism: as PKCS#11 numbers it, in hexadecimal.
        length: of data, or of random bytes that are asked for; `?` where only the length of the
            answer is.
        template: the new key's attributes, as type=value in hexadecimal.
    """

    function: str
    mechanism: str
    length: str
    template: str

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Return what the module wrote."""
        number, *rest = line.split()
        return cls(FUNCTIONS[int(number)], *rest)

    def __str__(self) -> str:
        mechanism = _MECHANISMS.get(self.mechanism, self.mechanism)
        told = [mechanism, "the length alone" if self.length == "?" else self.length]
        if self.template != "-":
            told.append(f"{self.template.count(',') + 1} attributes")
        return " ".join([self.function, *(each for each in told if each != "-")])


class RecordingModule:
    """The module in front of a token, and the calls that came by.

    Args:
        folder: into which it is compiled, and where it writes.
        token: where the token is that it stands before.
    """

    def __init__(self, folder: Path, token: TokenAddress) -> None:
        built = folder / "recording_module.so"
        subprocess.run(
            ["gcc", "-O1", "-shared", "-fPIC", f"-I{HEADERS}", "-o", built, _SOURCE, "-ldl"],
            check=True,
        )
        self._calls = folder / "calls"
        variables = {
            "TMSD_BENCH_MODULE": str(token.module),
            "TMSD_BENCH_CALLS": str(self._calls),
        }
        self.token = replace(token, module=built, environment={**token.environment, **variables})

    def taken(self) -> list[Call]:
        """Return the calls since the last time, in their order."""
        lines = self._calls.read_text().splitlines()
        self._calls.write_text("")
        return [Call.from_line(line) for line in lines]


def described(calls: list[Call]) -> str:
    """Return a line for each call, or for what repeats it at once."""
    counted = [(call, len(list(same))) for call, same in groupby(map(str, calls))]
    return "\n".join(
        f"    {call}{f', {times} times' if times > 1 else ''}" for call, times in counted
    )
