"""The folder that stays: scripts, bindings, tokens, officers' keys, and the minutes."""

import shutil
from dataclasses import dataclass
from pathlib import Path

from tests.demo.ceremony.people import AUDITOR, CUSTODIANS, OFFICERS, OPERATOR, Officer
from tests.piv_card.opensc import opensc_module
from tmsd.quickstart.softhsm import softhsm_module

_HERE = Path(__file__).parent
_SOFTHSM = """\
directories.tokendir = {tokens}
objectstore.backend = file
log.level = ERROR
"""
_HSM = """
[hsm]
module = "{module}"
token_label = "{token}"
pin_file = "{token}/pin"
environment = {{ SOFTHSM2_CONF = "{configuration}" }}
"""
_BINDING = """\
operator = "{operator}"
auditor = "{auditor}"
so_pin_file = "{token}/so-pin"
{hsm}
{officers}
[custodians]
{custodians}
"""
_OFFICER = """\
[officers.{officer.name}]
person = "{officer.person}"
public_key = "{officer.public_key}"
{by}
"""
# For `tmsctl inventory`, which asks the token alone.
_TMSD = """\
[api]
certificate = "tls.pem"
private_key = "tls.key"
caller_trust = "ca.pem"
{hsm}
[audit]
file = "audit.jsonl"
"""


class FolderInUse(Exception):
    """There is something in the folder already, and it is left."""


@dataclass(frozen=True, slots=True)
class Ceremony:
    """A ceremony of the demonstration, by the names of its files.

    Attributes:
        name: of its script and its minutes.
        token: the label of its token, and the folder that the token is in.
    """

    name: str
    token: str

    @property
    def script(self) -> str:
        """What happens."""
        return f"{self.name}.toml"

    @property
    def binding(self) -> str:
        """Where, and who is there."""
        return f"{self.token}.binding.toml"

    @property
    def configuration(self) -> str:
        """The token for commands that are no ceremony."""
        return f"{self.token}.tmsd.toml"

    @property
    def minutes(self) -> str:
        """What is left of it."""
        return f"{self.name}.minutes.jsonl"

    @property
    def page(self) -> str:
        """The minutes to print."""
        return f"{self.name}.minutes.html"

    @property
    def inventory(self) -> str:
        """What the token holds after it."""
        return f"{self.token}.inventory.json"


FIRST = Ceremony("first-keys", "first-token")
SECOND = Ceremony("second-token", "spare-token")


def make_folder(folder: Path) -> None:
    """Fill a folder that is empty or not there yet with all that two ceremonies start from.

    Args:
        folder: absolute.

    Raises:
        FolderInUse: it is not empty.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise FolderInUse(f"{folder} is not empty")
    (folder / "officers").mkdir()
    for ceremony in (FIRST, SECOND):
        shutil.copy(_HERE / ceremony.script, folder)
        _make_hsm(folder, ceremony)


def _make_hsm(folder: Path, ceremony: Ceremony) -> None:
    """Make a SoftHSM of its own without any token, a binding, and a configuration."""
    own = folder / ceremony.token
    tokens, configuration = own / "tokens", own / "softhsm2.conf"
    tokens.mkdir(parents=True)
    configuration.write_text(_SOFTHSM.format(tokens=tokens))
    hsm = _HSM.format(module=softhsm_module(), token=ceremony.token, configuration=configuration)
    (folder / ceremony.configuration).write_text(_TMSD.format(hsm=hsm))
    (folder / ceremony.binding).write_text(
        _BINDING.format(
            operator=OPERATOR,
            auditor=AUDITOR,
            token=ceremony.token,
            hsm=hsm,
            officers="\n".join(map(_table_of, OFFICERS)),
            custodians="\n".join(f'{each.name} = "{each.person}"' for each in CUSTODIANS),
        )
    )


def _table_of(officer: Officer) -> str:
    by = f'card = {{ module = "{opensc_module()}" }}'
    if not officer.has_card:
        by = f'private_key = "{officer.private_key}"'
    return _OFFICER.format(officer=officer, by=by)
