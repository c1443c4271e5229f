"""The threat model names tests that are there."""

import re
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_each_test_that_it_refers_to_exists() -> None:
    model = (ROOT / "docs/threat-model.md").read_text()
    text, table = model.split("## Tests")
    listed = re.findall(r"^\| (\d+) \|(.*)\|$", table, re.MULTILINE)

    assert [number for number, _ in listed] == [str(n + 1) for n in range(len(listed))]
    assert set(re.findall(r"\[(\d+)\](?!\()", text)) == {number for number, _ in listed}
    for named in re.findall(r"`(tests/[^`]+)`", table):
        file, _, function = named.partition("::")
        assert f"def {function or 'test_'}" in (ROOT / file).read_text(), named
