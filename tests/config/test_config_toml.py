"""Reading TOML, and finding the line of a key."""

import tomllib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tmsd.config.daemon import load_daemon_config
from tmsd.config.policy import load_policy
from tmsd.config.toml import (
    LARGEST_FILE,
    LONGEST_ECHO,
    Complaint,
    ConfigError,
    Fault,
    KeyPath,
    dotted,
    read,
    shown,
)

BARE = st.text("abcdefghijklmnopqrstuvwxyzABCXYZ0123456789_-", min_size=1, max_size=6)
VALUES = [
    "1",
    '"x"',
    "[1,\n  2, # two\n]",
    '"""\nb = 1\n[t]\n"""',
    "'''\n]\n'''",
    "{ x = 1, y = [\n] }",
]
NOTHING = ["", "# a comment", "   ", "\t# [t]"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("toml") / "some.toml"


def faults_of(load: Callable[[Path], object], file: Path) -> tuple[Fault, ...]:
    try:
        load(file)
    except ConfigError as error:
        return error.faults
    return ()


@st.composite
def documents(draw: st.DrawFn) -> tuple[str, dict[KeyPath, int]]:
    """Return a TOML text and the line of each key and header in it."""
    newline = draw(st.sampled_from(["\n", "\r\n"]))
    text: list[str] = []
    lines: dict[KeyPath, int] = {}
    for table in draw(st.lists(BARE, unique=True, max_size=4)):
        text += draw(st.lists(st.sampled_from(NOTHING), max_size=3))
        lines[(table,)] = len(text) + 1
        text.append(f"  [ {table} ]  # header")
        for key in draw(st.lists(BARE, unique=True, max_size=4)):
            text += draw(st.lists(st.sampled_from(NOTHING), max_size=3))
            lines[(table, key)] = len(text) + 1
            text += f"{key} = {draw(st.sampled_from(VALUES))}".split("\n")
    return newline.join(text) + draw(st.sampled_from(["", newline])), lines


@settings(deadline=None)
@given(documents())
def test_each_key_is_reported_at_the_line_where_its_text_begins(
    scratch: Path, document: tuple[str, dict[KeyPath, int]]
) -> None:
    text, lines = document
    scratch.write_bytes(text.encode())
    found = read(scratch).faults([Complaint(path, "wrong") for path in lines])
    assert {fault.key: fault.line for fault in found} == {
        dotted(path): line for path, line in lines.items()
    }


@settings(deadline=None)
@given(documents())
def test_a_key_begins_after_the_longest_prefix_that_parses_without_it(
    scratch: Path, document: tuple[str, dict[KeyPath, int]]
) -> None:
    text, paths = document
    scratch.write_bytes(text.encode())
    for path in paths:
        (fault,) = read(scratch).faults([Complaint(path, "wrong")])
        assert fault.line == _line_by_growing_prefixes(text, path)


def _line_by_growing_prefixes(text: str, path: KeyPath) -> int:
    rows = text.replace("\r\n", "\n").split("\n")
    begins = 1
    for count in range(1, len(rows) + 1):
        try:
            inside: object = tomllib.loads("\n".join(rows[:count]) + "\n")
        except tomllib.TOMLDecodeError:
            continue
        for part in path:
            inside = inside.get(str(part)) if isinstance(inside, dict) else None
        if inside is not None:
            return begins
        begins = count + 1
    raise AssertionError(path)


@settings(deadline=None, max_examples=300)
@given(st.one_of(st.binary(), st.text().map(str.encode)))
def test_arbitrary_content_is_loaded_or_refused_with_a_config_error(
    scratch: Path, content: bytes
) -> None:
    scratch.write_bytes(content)
    for load in (load_policy, load_daemon_config):
        for fault in faults_of(load, scratch):
            assert str(fault).isprintable()


TOKENS = st.sampled_from(
    [
        *("[", "]", "[[", "]]", "{", "}", "=", ".", ",", "\n", "\r\n", "#", '"', "'", '"""', "'''"),
        *("callers", "key_sets", "a", "roles", "scp", "versions", "name", "source", "api", "hsm"),
        *(
            "listen",
            "environment",
            "limits",
            "[callers.a]\n",
            "[key_sets.b]\n",
            "[hsm]\n",
            "\\u0000",
        ),
        *("1", "0x7f", "-3", "1e400", "nan", "true", "1979-05-27", "07:32:00", '"tps"', "é", "\0"),
    ]
)


@settings(deadline=None, max_examples=300)
@given(st.lists(TOKENS, max_size=30).map("".join))
def test_text_that_looks_like_toml_is_loaded_or_refused_with_a_config_error(
    scratch: Path, text: str
) -> None:
    scratch.write_bytes(text.encode())
    for load in (load_policy, load_daemon_config):
        for fault in faults_of(load, scratch):
            assert str(fault).isprintable()


SCALARS = st.one_of(
    st.booleans().map(lambda value: str(value).lower()),
    st.integers().map(str),
    st.floats().map(str),
    st.sampled_from(
        ['""', '"*"', '"tps"', '"02"', '"15"', '"a:1"', '"des3"', "1979-05-27", "{}", "[]"]
    ),
    st.text(st.characters(codec="utf-8", exclude_categories=["C"]), max_size=200).map(
        lambda text: '"' + text.replace("\\", "").replace('"', "") + '"'
    ),
)
ANY_VALUE = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3).map(lambda values: f"[{', '.join(values)}]"),
        st.dictionaries(BARE, inner, max_size=2).map(
            lambda table: "{" + ", ".join(f"{key} = {value}" for key, value in table.items()) + "}"
        ),
    ),
    max_leaves=4,
)
HEADERS = {
    "callers.a": (
        *("public_key_sha256", "roles", "key_sets", "deliveries", "name", "transport_key"),
        *("deliver_static_dek", "encrypt_purposes", "card_commands"),
    ),
    "transport_keys.c": ("label", "algorithm", "version", "allow_key_material_in_worker", "x"),
    "key_sets.b": (
        "scp",
        "master_key",
        "algorithm",
        "diversification",
        "undiversified",
        "versions",
        "diversification_data",
        "scp_i",
        "min_security_level",
        "change_to",
        "factory",
        "master_keys",
        "card_key_algorithm",
        "put_key_des_type",
        "allow_key_material_in_worker",
        "icv_in_clear",
        "x",
    ),
    "api": ("listen", "certificate", "private_key", "caller_trust"),
    "hsm": ("module", "token_label", "token_serial", "pin_file", "pin_credential", "environment"),
    "limits": ("session_seconds", "challenge_seconds", "request_timeout_seconds"),
}


@st.composite
def wrong_configurations(draw: st.DrawFn) -> tuple[str, dict[str, int]]:
    rows: list[str] = []
    lines: dict[str, int] = {}
    for header, keys in HEADERS.items():
        rows.append(f"[{header}]")
        lines[header] = len(rows)
        for key in draw(st.lists(st.sampled_from(keys), unique=True)):
            rows.append(f"{key} = {draw(ANY_VALUE)}")
            lines[f"{header}.{key}"] = len(rows)
    return "\n".join(rows), lines


@settings(deadline=None, max_examples=200)
@given(wrong_configurations())
def test_faults_in_known_keys_point_at_their_lines_in_file_order(
    scratch: Path, configuration: tuple[str, dict[str, int]]
) -> None:
    text, lines = configuration
    scratch.write_text(text)
    for load in (load_policy, load_daemon_config):
        faults = faults_of(load, scratch)
        assert [fault.line for fault in faults] == sorted(fault.line or 0 for fault in faults)
        for fault in faults:
            assert str(fault).isprintable()
            key = fault.key.replace("[", ".") + "."
            around = [at for known, at in lines.items() if key.startswith(f"{known}.")]
            within = [at for known, at in lines.items() if known.startswith(key)]
            assert fault.line == max(around, default=min(within, default=1))


def only_fault(file: Path, content: str | bytes) -> str:
    file.write_bytes(content.encode() if isinstance(content, str) else content)
    (fault,) = faults_of(read, file)
    return str(fault).removeprefix(str(file))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\na = 2\n", ":2: a: is set twice, first on line 1: keep one of the two"),
        ("a.b.c = 1\na.b = 3", ":2: a.b: is set twice, first on line 1: keep one of the two"),
        (
            "[k.p]\nb = [\n1]\n\n# b\nb = [1,\n2]\nc = 1",
            ":6: k.p.b: is set twice, first on line 2: keep one of the two",
        ),
        ("[a]\nb = 1\n[c]\n[a]\n", ":4: a: is set twice, first on line 1: keep one of the two"),
        ("[a]\nb = {x = 1}\n[a.b]", ":3: a.b: is set twice, first on line 2: keep one of the two"),
        ("a = 1\n[a.b]", ":2: a: is set twice, first on line 1: keep one of the two"),
        ("a = {b = 1, b = 2}", ":1: is not TOML: duplicate inline table key 'b', at column 18"),
    ],
)
def test_a_key_that_is_set_twice_is_named_with_both_lines(
    scratch: Path, text: str, message: str
) -> None:
    assert only_fault(scratch, text) == message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a = 1\n\nb = [1,\n2\n", ":3: is not TOML: unclosed array"),
        ('a = 1\n# x\nb = """\n[c]\n', ":3: is not TOML: unterminated string"),
        (
            "a = 1\nb 2\n",
            ":2: is not TOML: expected '=' after a key in a key/value pair, at column 3",
        ),
        ('a = "x\n', ":1: is not TOML: illegal character '\\n', at column 7"),
        (
            "a = 01\n",
            ":1: is not TOML: expected newline or end of document after a statement, at column 6",
        ),
    ],
)
def test_text_that_is_not_toml_is_reported_where_it_goes_wrong_or_where_it_never_ended(
    scratch: Path, text: str, message: str
) -> None:
    assert only_fault(scratch, text) == message


def test_an_integer_of_thousands_of_digits_is_refused(scratch: Path) -> None:
    assert only_fault(scratch, f"a = 1\nb = {'9' * 5000}").startswith(":2: is not TOML: exceeds")


def test_arrays_nested_without_end_are_refused(scratch: Path) -> None:
    assert only_fault(scratch, "a = " + "[" * 5000) == ": holds arrays nested too deeply"


def test_a_file_that_is_not_utf_8_is_refused_at_the_line_of_the_byte(scratch: Path) -> None:
    assert only_fault(scratch, b"a = 1\nb = '\xe9'\n") == ":2: must be UTF-8, but holds the byte e9"


def test_a_file_of_one_mebibyte_is_read_and_a_larger_one_refused(scratch: Path) -> None:
    scratch.write_bytes(b"#" * LARGEST_FILE)
    assert read(scratch).tables == {}
    assert only_fault(scratch, b"#" * (LARGEST_FILE + 1)) == ": is larger than 1048576 bytes"


def test_a_file_that_is_not_there_or_is_a_directory_is_refused(tmp_path: Path) -> None:
    absent = tmp_path / "absent.toml"
    assert [str(fault) for fault in faults_of(read, absent)] == [
        f"{absent}: cannot be read: No such file or directory"
    ]
    assert [str(fault) for fault in faults_of(read, tmp_path)] == [
        f"{tmp_path}: cannot be read: Is a directory"
    ]


def test_what_is_not_in_the_file_is_reported_at_the_header_of_its_table(scratch: Path) -> None:
    scratch.write_text("[a.b]\nc = 1\n\n[a]\nd = { e = 1 }\n")
    paths: list[KeyPath] = [
        ("a", "x"),
        ("a", "b", "x"),
        ("a", "d", "x"),
        ("z",),
        ("a", "b", "c", 3),
    ]
    found = read(scratch).faults(Complaint(path, "wrong") for path in paths)
    assert {(fault.key, fault.line) for fault in found} == {
        ("a.x", 4),
        ("a.b.x", 1),
        ("a.d.x", 5),
        ("z", 1),
        ("a.b.c[3]", 2),
    }


def test_a_statement_too_long_to_search_leaves_later_keys_at_the_nearest_line(
    scratch: Path,
) -> None:
    scratch.write_text("[a]\nb = [\n" + "1,\n" * 1200 + "]\n[c]\n")
    found = read(scratch).faults([Complaint(("a", "b"), "wrong"), Complaint(("c",), "wrong")])
    assert {(fault.key, fault.line) for fault in found} == {("a.b", 1), ("c", 1)}


def test_keys_that_are_not_bare_are_quoted() -> None:
    assert dotted(("callers", "a b", 'q"\n', 0)) == r'callers."a b"."q\"\n"[0]'


@given(st.one_of(st.text(), st.integers(), st.floats(), st.booleans(), st.lists(st.text())))
def test_a_value_is_shown_in_one_line_of_at_most_80_characters(value: object) -> None:
    assert shown(value).isprintable()
    assert len(shown(value)) <= LONGEST_ECHO


def test_an_enormous_integer_is_described_instead_of_shown() -> None:
    assert shown(16**5000) == "a number of more than 64 bits"
