"""docs/integrator/sandbox.md: keys that everybody knows, and what must come of them.

`python -m tests.integrator.sandbox` writes it. What somebody else has published is taken from
tests/vectors; the rest is computed as the virtual card does, which shares no code with tmsd.
"""

from pathlib import Path

from tests.vectors import Vector, read
from tests.virtual_token import scp01, scp02, scp03
from tests.virtual_token.coprocessor import aes_cbc_encrypt, aes_cmac, aes_ecb_encrypt, pad80
from tests.virtual_token.keys import KeySet, diversify, with_odd_parity

DOCUMENT = Path(__file__).parents[2] / "docs/integrator/sandbox.md"

MASTER = bytes(range(0x40, 0x50))
STATIC = KeySet(0xFF, MASTER, MASTER, MASTER)
SCHEMES = {
    "kdf3": ("diversification.json", "gpp-kdf3-128"),
    "visa2": ("diversification.json", "gpp-visa2"),
    "emv": ("diversification.json", "gpp-emv"),
    "visa1": ("generated_diversification.json", "gen-visa1"),
    "gp-kmc": ("generated_diversification.json", "gen-dogtag-gpkmc-128"),
}

_BEGINNING = """\
# Sandbox keys, and what must come of them

Whoever writes a TPS wants to know early whether bytes are right. Here are a master key that
everybody knows, the keys of a card from it, and whole sessions. Where a source is named, somebody
else has published the values; the rest is computed by the tests' virtual card, which shares no code
with tmsd. This file is written by `python -m tests.integrator.sandbox`, and a test asks a daemon
for all of its sessions.

**Never use these keys for cards that matter.** A key set has to say `factory = true` to take them.

## Keys of a card

Master key (KMC) `404142434445464748494a4b4c4d4e4f`. Triple DES keys are as they are computed,
without parity.

| scheme | diversification data | ENC | MAC | DEK | KCVs of them | source |
|---|---|---|---|---|---|---|
"""

_SITE = """
## A site for the sessions below

As in [curl.md](curl.md), with key sets of cards that hold the master key as it is, and that answer
to challenges of one's own: a session can only be repeated if its challenge is. Real key sets never
say that.

```sh
tmsctl quickstart site --port "${PORT:=8443}" --ocsp-port "${OCSP_PORT:=8480}" > /dev/null
key_set() { # name, protocol, i, algorithm, key version
    cat >> site/policy.toml <<END

[key_sets.$1]
scp = "$2"
scp_i = ["$3"]
algorithm = "$4"
diversification = "none"
undiversified = true
factory = true
require_issued_challenge = false
versions = { $5 = "active" }
END
    echo 404142434445464748494a4b4c4d4e4f |
        tmsctl key import --config site/tmsd.toml --key-set "$1" --version "$5" --algorithm "$4" |
        tail -n 1
}
key_set sandbox-scp01 01 05 des3 1
key_set sandbox-scp02 02 15 des3 1
key_set sandbox-scp03 03 70 aes128 255
tmsd --config site/tmsd.toml 2> tmsd.log &
until curl -sf --unix-socket site/operations.sock http://tmsd/ready > /dev/null; do
    kill -0 %1 # it still runs
    sleep 0.2
done

tks() { # path, body
    curl -s --cacert site/tls/ca.pem --cert site/tls/tps-demo.pem --key site/tls/tps-demo.key \\
        --json "$2" "https://127.0.0.1:$PORT/v1/tks/$1"
}
```

```text
Imported key 'sandbox-scp01' version 1: des3 (2-key), KCV 8baf47
Imported key 'sandbox-scp02' version 1: des3 (2-key), KCV 8baf47
Imported key 'sandbox-scp03' version 255: aes128, KCV 504a77
```
"""

_SESSION = """
## {title}

Source: {source}.

| | |
|---|---|
{values}

```sh
OPENED=$(tks sessions '{{
    "card": {{
        "initialize_update": "{initialize_update}",
        "host_challenge": "{host_challenge}",
        "key_set": "{key_set}"
    }},
    "security_level": "{level}"
}}')
jq -r '.host_cryptogram, .external_authenticate' <<< "$OPENED"
tks sessions/wrap "$(jq '{{session, apdus: [{plain}]}}' <<< "$OPENED")" | jq -r '.apdus[]'
```

```text
{host_cryptogram}
{external_authenticate}
{wrapped}
```
"""

_END = """
```sh
kill %1
```
"""


def vector(file: str, identifier: str) -> Vector:
    """Return an entry of a file of tests/vectors."""
    (found,) = [entry for entry in read(file) if entry["id"] == identifier]
    return found


def document() -> str:
    """Return the whole text."""
    return _BEGINNING + _diversified() + _SITE + _scp01() + _scp02() + _scp03() + _END


def _diversified() -> str:
    rows = []
    for scheme, (file, identifier) in SCHEMES.items():
        published = vector(file, identifier)
        keys = diversify(scheme, MASTER, published.bytes("data"), 1)
        values = " | ".join(f"`{key.hex()}`" for key in (keys.enc, keys.mac, keys.dek))
        checks = " ".join(f"`{published[f'{role}_kcv']}`" for role in ("enc", "mac", "dek"))
        rows.append(
            f"| `{scheme}` | `{published['data']}` | {values} | {checks} | {_source(published)} |\n"
        )
    return "".join(rows)


def _source(entry: Vector) -> str:
    return str(entry["source"]) if entry["origin"] == "published" else "computed"


def _scp01() -> str:
    trace = vector("scp01_traces.json", "kaoh-scp01-get_status")
    host, card = trace.bytes("host_challenge"), trace.bytes("initialize_update")[12:20]
    keys = {
        "S-ENC": with_odd_parity(scp01.session_key(MASTER, host, card)),
        "S-MAC": with_odd_parity(scp01.session_key(MASTER, host, card)),
    }
    return _trace("SCP01, i=05, C-MAC", "sandbox-scp01", trace, keys)


def _scp02() -> str:
    trace = vector("scp02_traces.json", "kaoh-scp02-get_status_mac_only")
    counter = trace.bytes("initialize_update")[12:14]
    made = scp02.session_keys(STATIC, counter, base_key=False)
    named = {"S-ENC": made.enc, "C-MAC": made.c_mac, "R-MAC": made.r_mac, "DEK": made.dek}
    keys = {name: with_odd_parity(key) for name, key in named.items()}
    return _trace("SCP02, i=15, C-MAC", "sandbox-scp02", trace, keys)


def _trace(title: str, key_set: str, trace: Vector, keys: dict[str, bytes]) -> str:
    return _session(
        title=title,
        source=_source(trace),
        key_set=key_set,
        host_challenge=trace["host_challenge"],
        initialize_update=trace["initialize_update"],
        level=trace["security_level"],
        keys=keys,
        host_cryptogram=trace["host_cryptogram"],
        external_authenticate=trace["external_authenticate"],
        plain=[step["plain"] for step in trace["steps"]],
        wrapped=[step["wrapped"] for step in trace["steps"]],
    )


def _scp03() -> str:
    published = vector("scp03_sessions.json", "gpp-issue98")
    context = published.bytes("host_challenge") + published.bytes("card_challenge")
    s_enc, s_mac = published.bytes("s_enc"), published.bytes("s_mac")
    s_rmac = scp03.derive(MASTER, scp03.S_RMAC, context, 16)
    header = bytes.fromhex("8482330010") + published.bytes("host_cryptogram")
    chain = aes_cmac(s_mac, bytes(16) + header)
    external_authenticate = header + chain[:8]
    plain = bytes.fromhex("80e2900006df2003010203")
    iv = aes_ecb_encrypt(s_enc, bytes(15) + b"\x01")
    body = bytes.fromhex("84e2900018") + aes_cbc_encrypt(s_enc, iv, pad80(plain[5:], 16))
    return _session(
        title="SCP03, i=70, C-MAC, C-ENC, R-MAC and R-ENC",
        source=f"{_source(published)}; commands are computed",
        key_set="sandbox-scp03",
        host_challenge=published["host_challenge"],
        initialize_update=(
            f"00010203040506070809ff0370{published['card_challenge']}"
            f"{published['card_cryptogram']}000001"
        ),
        level="33",
        keys={"S-ENC": s_enc, "S-MAC": s_mac, "S-RMAC": s_rmac},
        host_cryptogram=published["host_cryptogram"],
        external_authenticate=external_authenticate.hex(),
        plain=[plain.hex()],
        wrapped=[(body + aes_cmac(s_mac, chain + body)[:8]).hex()],
    )


def _session(
    *,
    title: str,
    source: str,
    key_set: str,
    host_challenge: str,
    initialize_update: str,
    level: str,
    keys: dict[str, bytes],
    host_cryptogram: str,
    external_authenticate: str,
    plain: list[str],
    wrapped: list[str],
) -> str:
    values = {
        "ENC, MAC, DEK": MASTER.hex(),
        "host challenge": host_challenge,
        "answer to INITIALIZE UPDATE": initialize_update,
        **{name: key.hex() for name, key in keys.items()},
        "host cryptogram": host_cryptogram,
        "EXTERNAL AUTHENTICATE": external_authenticate,
        **{f"command {n}": command for n, command in enumerate(plain, 1)},
        **{f"wrapped {n}": command for n, command in enumerate(wrapped, 1)},
    }
    return _SESSION.format(
        title=title,
        source=source,
        values="\n".join(f"| {name} | `{value}` |" for name, value in values.items()),
        initialize_update=initialize_update,
        host_challenge=host_challenge,
        key_set=key_set,
        level=level,
        plain=", ".join(f'"{command}"' for command in plain),
        host_cryptogram=host_cryptogram,
        external_authenticate=external_authenticate,
        wrapped="\n".join(wrapped),
    )


if __name__ == "__main__":
    DOCUMENT.write_text(document())
