"""`tmsctl check hsm`: can the HSM do all that the policy allows, and which way is it done?

What it is asked is in hsm_findings.py; here is what is shown of the answers.
"""

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from textwrap import wrap

import click

from tmsd.ceremony.configured_token import configured_token, token_address
from tmsd.cli.configuration import configuration
from tmsd.cli.hsm_findings import NOT_DONE, Finding, findings
from tmsd.cli.table import print_table
from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy

_HEADINGS = ("THE TOKEN SHOULD", "DOES", "WAY", "NEEDED FOR")
# Of a terminal's 100 columns, the first three take 53: no mechanism has a longer name.
_LAST_COLUMN = 47


@click.command("hsm")
@configuration
@click.option("--json", "as_json", is_flag=True, help="One JSON document, no table.")
def check_hsm(config_file: Path, *, as_json: bool) -> None:
    """Try on the HSM what the policy needs, with keys made for the trial.

    Prints what was tried with what needs it, which way that is served, and where it is not, what
    that costs and which setting would allow a way round. Exits with 1 if something that the policy
    allows cannot be done.
    """
    config = load_daemon_config(config_file)
    policy = load_policy(config.policy.file)
    with configured_token(config.hsm) as token:
        found = findings(token, policy)
    lacking = [finding for finding in found if finding.way == NOT_DONE]
    where = str(token_address(config.hsm))
    if as_json:
        rows = [asdict(finding) for finding in found]
        click.echo(
            json.dumps({"token": where, "complete": not lacking, "findings": rows}, indent=2)
        )
    else:
        click.echo(where)
        print_table(
            _HEADINGS, [row for at, one in enumerate(found) for row in _rows(found, at, one)]
        )
    for finding in lacking:
        for line in _lacking(finding):
            click.echo(line, err=True)
    if lacking:
        sys.exit(1)
    if not as_json:
        click.echo(f"The HSM can do all that {policy.source} allows.")


def _rows(found: list[Finding], at: int, finding: Finding) -> Iterator[tuple[str, ...]]:
    """Yield a finding's lines; one of the same mechanism as that above does not repeat it."""
    again = at > 0 and found[at - 1].asked == finding.asked
    begins = ("", "") if again else (finding.asked, "no" if finding.fault else "yes")
    texts = list(_texts(finding)) or ["-"]
    lines = [line for text in texts for line in wrap(text, _LAST_COLUMN, break_on_hyphens=False)]
    way = finding.way
    for line in lines:
        yield (*begins, way, line)
        begins, way = ("", ""), ""


def _texts(finding: Finding) -> Iterator[str]:
    if finding.needed_for:
        yield "; ".join(finding.needed_for)
    if finding.fault and finding.fault != "refused":
        yield f"it said: {finding.fault}"
    if finding.cost:
        yield finding.cost
    if finding.setting:
        yield f"way round: {finding.setting}"


def _lacking(finding: Finding) -> Iterator[str]:
    remedy = f"; {finding.setting} would be a way round" if finding.setting else ""
    for what in finding.needed_for:
        yield f"{what}: the HSM does not {finding.asked}{remedy or ', and no setting helps'}"
