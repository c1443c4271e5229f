"""What docs/integrator says, run as it stands there."""

import re
import socket
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import indent

import pytest

from tests.integrator import sandbox
from tests.integrator.transcript import blocks, outputs
from tests.site.batches import AES128
from tests.site.fixtures import Run
from tests.virtual_token.coprocessor import aes_ecb_encrypt, des3_ecb_encrypt
from tests.virtual_token.keys import diversify
from tmsd.api.problems import KINDS
from tmsd.api.tks import ROUTES
from tmsd.client import connection, tks
from tmsd.errors import Code

DOCUMENTS = Path(__file__).parents[2] / "docs/integrator"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port: int = listening.getsockname()[1]
        return port


@pytest.mark.parametrize("document", ["curl.md", "sandbox.md"])
def test_the_commands_write_what_the_document_says(document: str) -> None:
    read = blocks(DOCUMENTS / document)

    # The path of the operations socket must not be long.
    with TemporaryDirectory() as directory:
        commands = [block.commands for block in read]
        written = outputs(commands, Path(directory), free_port(), free_port())

    assert written == [block.output for block in read]


def test_the_sandbox_is_what_comes_of_the_published_vectors() -> None:
    assert sandbox.DOCUMENT.read_text() == sandbox.document()


@pytest.mark.parametrize("scheme", sandbox.SCHEMES)
def test_keys_of_the_sandbox_have_their_check_values(scheme: str) -> None:
    published = sandbox.vector(*sandbox.SCHEMES[scheme])
    keys = diversify(scheme, sandbox.MASTER, published.bytes("data"), 1)
    is_aes = scheme in ("kdf3", "gp-kmc")

    for role in ("enc", "mac", "dek"):
        key = getattr(keys, role)
        value = aes_ecb_encrypt(key, b"\x01" * 16) if is_aes else des3_ecb_encrypt(key, bytes(8))
        assert value[:3].hex() == published[f"{role}_kcv"]


def test_the_state_machine_knows_each_refusal_and_what_comes_next() -> None:
    table = (DOCUMENTS / "state-machine.md").read_text().split("| state | code | next | note |")[1]
    rows = re.findall(r"^\| [a-z, ]+ \| (`[^|]+`) \| ([a-z-]+) \|", table, re.MULTILINE)
    told = {(code, step) for codes, step in rows for code in re.findall(r"[a-z-]+", codes)}

    refusals = {code for route in ROUTES for code in route.all_refusals}
    refusals |= {Code.HEAD_TOO_LARGE, Code.NOT_FOUND, Code.METHOD_NOT_ALLOWED}
    assert told == {(code.value, KINDS[code].next.value) for code in refusals}


async def test_the_example_in_python_serves_a_card(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = run(batches=[AES128]).site
    (tmp_path / "tls").symlink_to(site.directory)
    monkeypatch.chdir(tmp_path)
    (example,) = re.findall(
        r"```python\n(.*?)```", (DOCUMENTS / "README.md").read_text(), re.DOTALL
    )
    example = example.replace("8443", str(site.port))
    card = AES128.card()
    names = {**vars(connection), **vars(tks), "card": card, "Path": Path}

    exec(f"async def main():\n{indent(example, '    ')}    return unwrapped", names)  # noqa: S102
    unwrapped = await names["main"]()

    assert not unwrapped.closed
    assert [response.status.hex() for response in unwrapped.responses] == ["6a88"]
