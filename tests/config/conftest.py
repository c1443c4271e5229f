"""Loading the text of a test as tmsd.toml or policy.toml."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tmsd.config.daemon import DaemonConfig, load_daemon_config
from tmsd.config.toml import ConfigError

DAEMON = {
    "api": 'certificate = "a.pem"\nprivate_key = "a.key"\ncaller_trust = "c.pem"\n',
    "hsm": 'module = "/lib/p11.so"\ntoken_label = "tmsd"\npin_credential = "hsm-pin"\n',
    "audit": 'file = "audit.jsonl"\n',
}


@pytest.fixture
def daemon(tmp_path: Path) -> Callable[..., DaemonConfig]:
    """Load a tmsd.toml of the required tables, with whole tables replaced or added."""

    def load(**tables: str) -> DaemonConfig:
        file = tmp_path / "tmsd.toml"
        file.write_text("".join(f"[{name}]\n{body}\n" for name, body in (DAEMON | tables).items()))
        return load_daemon_config(file)

    return load


@pytest.fixture
def refusal() -> Callable[..., list[str]]:
    """Return what a load is refused with: `line: key: message` for each fault."""

    def lines(load: Callable[..., object], *texts: str, **tables: str) -> list[str]:
        with pytest.raises(ConfigError) as caught:
            load(*texts, **tables)
        return [str(fault).removeprefix(f"{fault.file}:") for fault in caught.value.faults]

    return lines
