"""`tmsctl inventory`: a site's keys are written down, and drift is told with exit code 1."""

import json
from pathlib import Path
from subprocess import CompletedProcess

from tests.cli.key.commands import key
from tests.cli.sites import tmsctl


def inventory(site: Path, command: str, *arguments: str | Path) -> CompletedProcess[str]:
    return tmsctl("inventory", command, "--config", site / "tmsd.toml", *arguments)


def test_what_is_written_is_what_the_token_holds_until_a_key_changes(
    site: Path, tmp_path: Path
) -> None:
    file = tmp_path / "inventory.json"
    written = inventory(site, "write", "--out", file)
    kept = json.loads(file.read_bytes())
    count = len(kept["keys"])
    assert written.stdout == f"{count} key objects of token {kept['token']!r}: {file}\n"
    labels = {each["label"] for each in kept["keys"]}
    assert {"demo", "demo-ocsp", "demo-root", "tmsd-channel"} <= labels

    same = inventory(site, "compare", "--inventory", file)
    assert (same.returncode, same.stderr) == (0, "")
    assert same.stdout == f"{count} key objects, all as they should be, and no others.\n"

    assert key(site, "generate", "--service", "channel").returncode == 0
    drifted = inventory(site, "compare", "--inventory", file)
    assert (drifted.returncode, drifted.stderr) == (1, "")
    assert [" ".join(line.split()) for line in drifted.stdout.splitlines()] == [
        "CLASS LABEL VERSION DRIFT SHOULD BE IS",
        "secret tmsd-channel 2 extra not there there",
    ]
    told = inventory(site, "compare", "--inventory", file, "--json")
    assert told.returncode == 1
    assert json.loads(told.stdout) == {
        "token": kept["token"],
        "serial": kept["serial"],
        "signed_sha256": None,
        "drift": [
            {
                "class": "secret",
                "label": "tmsd-channel",
                "id": "02",
                "drift": "extra",
                "should_be": "not there",
                "is": "there",
            }
        ],
    }


def test_a_file_that_is_no_inventory_is_refused(quickstart_site: Path, tmp_path: Path) -> None:
    file = tmp_path / "inventory.json"
    file.write_text("{}\n")
    done = inventory(quickstart_site, "compare", "--inventory", file)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: inventory-malformed: ")
