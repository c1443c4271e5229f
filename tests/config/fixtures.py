"""A pytest fixture: policies of which a test spells the text.

For tests/conftest.py: `"tests.config.fixtures"` in `pytest_plugins`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from tmsd.config.policy import Policy, load_policy


@pytest.fixture
def policy(tmp_path: Path) -> Callable[[str], Policy]:
    """Load a text as policy.toml."""

    def load(text: str) -> Policy:
        file = tmp_path / "policy.toml"
        file.write_text(text)
        return load_policy(file)

    return load
