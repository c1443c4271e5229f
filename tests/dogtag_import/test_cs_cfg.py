"""CS.cfg as a file: its lines, and what is no such file."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tmsd.config.toml import ConfigError
from tmsd.dogtag_import.cs_cfg import CsCfg, read
from tmsd.dogtag_import.tks_settings import tks_settings

WORDS = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=9)
KEYS = WORDS.filter(lambda word: "=" not in word and word[0] not in "#!")


def read_bytes(content: bytes) -> CsCfg:
    with tempfile.NamedTemporaryFile() as made:
        made.write(content)
        made.flush()
        return read(Path(made.name))


@given(values=st.dictionaries(KEYS, st.just("") | WORDS), end=st.sampled_from(["\n", "\r\n"]))
def test_what_stands_in_lines_is_read_however_they_end(values: dict[str, str], end: str) -> None:
    lines = [f" {key} = {value}" for key, value in values.items()]
    found = read_bytes(end.join(["# a comment", "", *lines, "! another"]).encode())
    assert found.values == values
    assert (found.repeated, found.unread) == ((), ())


def test_a_value_may_hold_equals_signs_and_a_key_may_hold_hashes() -> None:
    assert read_bytes(b"tks.a.mk_mappings.#02#01=t:k=v").values == {
        "tks.a.mk_mappings.#02#01": "t:k=v"
    }


def test_of_a_key_that_is_there_twice_the_last_holds() -> None:
    found = read_bytes(b"a=1\nb=2\na=3\na=4\n")
    assert found.values == {"a": "4", "b": "2"}
    assert found.repeated == ("a",)


def test_lines_that_say_nothing_are_counted() -> None:
    assert read_bytes(b"a=1\nwhat\n=2\n").unread == (2, 3)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"x" * (1 << 20) + b"=", "is larger than 1048576 bytes"),
        (b"a=1\nb=\xff\n", ":2: must be UTF-8, but holds the byte ff"),
        (b"a=1\nb=\0\n", ":2: must be text, but holds the character 00"),
        (b"a=1\n\x1b[2J=\n", ":2: must be text, but holds the character 1b"),
        (b"a=1\rb=2\n", ":1: must be text, but holds the character 0d"),
    ],
    ids=["huge", "no UTF-8", "binary", "terminal", "old line ends"],
)
def test_what_is_no_text_is_refused_with_its_line(content: bytes, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read_bytes(content)
    assert str(refused.value).endswith(reason)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read: No such file"):
        read(tmp_path / "CS.cfg")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("cs.type=KRA\ntks.a=b\n", "is of another subsystem by its cs.type"),
        ("kra.keygen=true\n", "holds no setting of a TKS"),
        ("".join(f"tks.s{n}.auth_key=\n" for n in range(65)), "tks: names 65, and no more than 64"),
        (
            "".join(f"tks.a.mk_mappings.{n}=t:k\n" for n in range(2001)),
            "mk_mappings: names 2001, and no more than 2000",
        ),
        (
            "tks.a=b\ntps.list=" + ",".join(map(str, range(65))),
            "tps.list: names 65, and no more than 64",
        ),
    ],
    ids=["of a KRA", "of nothing", "key sets", "mappings", "TPS"],
)
def test_what_no_tks_has_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ConfigError) as refused:
        tks_settings(read_bytes(text.encode()))
    assert reason in str(refused.value)


SETTINGS = st.sampled_from(
    [
        *("auth_key", "mac_key", "kek_key", "nistSP800-108KdfOnKeyVersion", "prot3.divers"),
        *("prot3.devKeyType", "prot3.masterKeyType", "prot3.diversVer1Keys", "_000", "more"),
        *("mk_mappings.#02#01", "mk_mappings.#02#03", "mk_mappings.#00#01", "mk_mappings.", ""),
    ]
)
VALUES = st.sampled_from(["", "internal:k", ":", "AES", "gpkmc", "#40" * 16, "ff", "100", "-1"])


@given(st.lists(st.tuples(st.sampled_from(["a", "a b", "ä", "x" * 80]), SETTINGS, VALUES | WORDS)))
def test_whatever_a_tks_says_is_read_or_remarked_on(said: list[tuple[str, str, str]]) -> None:
    text = "tks.debug=false\n" + "".join(f"tks.{w}.{key}={value}\n" for w, key, value in said)
    found = tks_settings(read_bytes(text.encode()))
    assert all(str(remark).isprintable() for remark in found.remarks)
    for key_set in found.key_sets:
        assert all(1 <= version <= 255 for version, _ in key_set.masters)
        assert {len(value) for value in key_set.factory.values()} <= {16, 32}
