"""A PKCS#11 module that works in another process than its callers', as network HSMs do.

It is built from remote_module.c, and hands on all that a worker calls.
"""

import subprocess
from dataclasses import dataclass, replace
from pathlib import Path

from hsm.module import TokenAddress

_SOURCE = Path(__file__).with_name("remote_module.c")


@dataclass(frozen=True, slots=True)
class RemoteModule:
    """The compiled pair: what a caller loads, and what works for it.

    Attributes:
        client: the module.
        server: the program that it starts.
    """

    client: Path
    server: Path

    def before(self, token: TokenAddress) -> TokenAddress:
        """Return where a token is that is reached through this module."""
        variables = {
            "TMSD_TEST_MODULE_OF_SERVER": str(token.module),
            "TMSD_TEST_SERVER": str(self.server),
        }
        return replace(token, module=self.client, environment={**token.environment, **variables})


def build(folder: Path) -> RemoteModule:
    """Compile both into a folder."""
    client, server = folder / "remote_module.so", folder / "remote_module"
    for options in (("-shared", "-fPIC", "-o", client), ("-DSERVER", "-o", server)):
        subprocess.run(["gcc", "-O1", *options, _SOURCE, "-ldl"], check=True)
    return RemoteModule(client, server)
