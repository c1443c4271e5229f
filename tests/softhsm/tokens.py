"""Making SoftHSM tokens in a folder of one's own."""

from itertools import count
from pathlib import Path

from hsm.initialisation import initialise_token
from hsm.module import TokenAddress
from hsm.secret import Secret

SO_PIN = b"security-officer"
USER_PIN = b"user-pin"

_MODULES = (
    Path("/usr/lib/softhsm/libsofthsm2.so"),
    Path("/usr/lib64/pkcs11/libsofthsm2.so"),
    Path("/usr/lib64/softhsm/libsofthsm.so"),
)

_CONFIGURATION = """\
directories.tokendir = {directory}
objectstore.backend = file
log.level = ERROR
"""


class SoftHsm:
    """SoftHSM with a folder of its own.

    A process that loads the module with one folder stays with it; a program that is
    started with `environment` finds the same tokens.
    """

    def __init__(self, directory: Path) -> None:
        self.module = _module()
        self.token_directory = directory / "tokens"
        self.token_directory.mkdir(exist_ok=True)
        configuration = directory / "softhsm2.conf"
        configuration.write_text(_CONFIGURATION.format(directory=self.token_directory))
        self.environment = {"SOFTHSM2_CONF": str(configuration)}
        self._numbers = count(1)

    def make_token(self) -> TokenAddress:
        """Initialise a token with a label of its own, `SO_PIN` and `USER_PIN`."""
        label = f"test token {next(self._numbers)}"
        blank = TokenAddress(self.module, label, environment=self.environment)
        serial = initialise_token(blank, Secret(SO_PIN), Secret(USER_PIN))
        return TokenAddress(self.module, label, serial, self.environment)


def folder_of(token: TokenAddress, directory: Path) -> Path:
    """Return where SoftHSM keeps a token; the folder's name ends with its serial number."""
    (folder,) = directory.glob(f"*{(token.serial or '')[-12:]}")
    return folder


def _module() -> Path:
    for path in _MODULES:
        if path.exists():
            return path
    raise FileNotFoundError("SoftHSM is not installed; on Debian it is the package libsofthsm2")


def without_mechanisms(address: TokenAddress, directory: Path, *mechanisms: str) -> Path:
    """Write a configuration for the same tokens that denies mechanisms, and return its file.

    SoftHSM 2.6 overlooks the first of the list, so that one is of no matter to anybody.
    """
    configuration = Path(address.environment["SOFTHSM2_CONF"]).read_text()
    denied = ",".join(("CKM_MD5", *mechanisms))
    file = directory / "softhsm2.conf"
    file.write_text(f"{configuration}slots.mechanisms = -{denied}\n")
    return file
