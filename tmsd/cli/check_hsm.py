"""`tmsctl check hsm`: can the HSM do all that the policy allows, and which way is it done?

The token is asked by trying (hsm/capabilities.py); what it takes is in tmsd/config/ways.py.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import click

from hsm.capabilities import probe
from tmsd.ceremony.configured_token import configured_token, token_address
from tmsd.cli.configuration import configuration
from tmsd.cli.table import print_table
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.ways import EXCEPTION, IN_TOKEN, Capability, Way, Ways, capabilities_of, ways

_HEADINGS = ("MECHANISM", "TOKEN", "WAY", "NEEDED FOR")
_NONE = "-"


@click.command("hsm")
@configuration
def check_hsm(config_file: Path) -> None:
    """Try on the HSM what the policy's key sets need, with keys made for the trial.

    Prints each mechanism with what needs it and which way that is served, and exits with 1
    if something that the policy allows cannot be done.
    """
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    with configured_token(config.hsm) as token:
        held = capabilities_of(probe(token))
    found = ways(policy, held)
    click.echo(str(token_address(config.hsm)))
    rows = [row for one in Capability for row in _rows(one, one in held, found)]
    print_table(_HEADINGS, rows)
    lacking = list(_lacking(found))
    for line in lacking:
        click.echo(line, err=True)
    if lacking:
        sys.exit(1)
    click.echo(f"The HSM can do all that {policy.source} allows.")


def _rows(capability: Capability, is_held: bool, found: Ways) -> Iterator[tuple[str, ...]]:
    """Yield a row for each way in which the mechanism's work is done, or one where none is."""
    served: dict[str, dict[str, list[str]]] = {}
    for what, name, way in found:
        if capability in way.needs:
            served.setdefault(_shown(way, capability), {}).setdefault(what, []).append(name)
    begins = (str(capability), "yes" if is_held else "no")
    if not served:
        yield (*begins, _NONE, _NONE)
    for shown, names in served.items():
        yield (*begins, shown, "; ".join(f"{what} {', '.join(names[what])}" for what in names))
        begins = ("", "")


def _shown(way: Way, capability: Capability) -> str:
    if capability not in way.missing:
        # Another mechanism of the same work may be the one that is missing.
        return IN_TOKEN if way.missing else str(way)
    return f"none; needs {_setting(way.remedy)}" if way.remedy else "none"


def _lacking(found: Ways) -> Iterator[str]:
    for what, name, way in found:
        if way.missing:
            remedy = (
                f"; {_setting(way.remedy)} would let the worker do it in its memory"
                if way.remedy
                else ", and no setting helps"
            )
            yield f"{what} {name}: the HSM does not {' or '.join(way.missing)}{remedy}"


def _setting(table: str) -> str:
    return f"{EXCEPTION} = true in [{table}]"
