#!/bin/sh
# Makes this checkout ready to run: Debian packages, then .venv with the project and its tools.
# Quick and offline when nothing has changed. Why these means: docs/decisions/0001-build.md
set -eu
cd "$(dirname "$0")/.."

packages() {
    echo python3-venv     # python3 itself, and venv with the pip it starts from
    echo gcc              # pyscard and systemd-python come as source only; the next four are for them
    echo libpython3-dev   # Python.h, and through it libc6-dev
    echo pkgconf          # finds the next two
    echo libpcsclite-dev  # winscard.h and libpcsclite.so.1: readers and tokens
    echo libsystemd-dev   # sd-daemon.h and sd-journal.h: being a service
    echo postgresql       # the server of the tests of more than one node, and through it libpq5
    echo softhsm2         # the HSM of the demo and the tests
    echo libnss3          # softokn, a token that does more than SoftHSM
    echo opencryptoki     # a token that does less; its daemon runs in tests alone, in namespaces
    echo p11-kit          # its server stands before SoftHSM in tests, and can be killed
    echo p11-kit-modules  # the PKCS#11 module that is its client
    echo e2fsprogs        # mkfs.ext4, for a disk that tests let fail
    echo libfaketime      # steps the clock of the processes that tests start
    echo nginx            # a relying party in the tests, started by them alone
    echo openssl          # looks over certificates in the tests
    echo gnutls-bin       # so does its certtool
    echo curl             # what integrators are told to type, with the next two: tests type it
    echo jq               # reads and writes JSON there
    echo xxd              # and hexadecimal
    echo systemd          # systemd-analyze, which checks the units
    echo systemd-container # systemd-nspawn, in which tests boot a system with the units
    echo systemd-sysv     # /sbin/init, which it boots
    echo opensc           # reads officers' cards, and through it its PKCS#11 module
    echo vsmartcard-vpcd  # virtual readers for the virtual tokens, and through it pcscd
}

say() { printf '%s\n' "$@" >&2; }
fail() { say "$@"; exit 1; }

missing_packages() {
    for package in $(packages); do
        # Others are known, too: as "config-files", removed but not purged, or as "not-installed".
        case " $(dpkg-query -W -f '${db:Status-Status} ' "$package" 2>/dev/null)" in
            *" installed "*) ;;
            *) printf '%s ' "$package" ;;
        esac
    done
}

# Sets $as_root to the words before a command that needs root. A password may be asked for on a terminal.
become_root() {
    if [ "$(id -u)" -eq 0 ]; then as_root=
    elif sudo -n true; then as_root="sudo -n"
    elif [ -t 0 ] && sudo true; then as_root=sudo
    else return 1
    fi
} 2>/dev/null

# No package may stop to ask; the lock may belong to another installation just now; downloaded archives
# are not kept; a service that a package starts must not inherit our own lock (9).
apt_get() {
    # shellcheck disable=SC2086  # none, one or two words
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get --yes --quiet \
        -o DPkg::Lock::Timeout=600 -o Acquire::Retries=3 -o APT::Keep-Downloaded-Packages=false \
        "$@" </dev/null >>.cache/apt.log 2>&1 9>&-
}

install_packages() { # $1: names
    by_hand="    apt-get update && apt-get install --yes --no-install-recommends $1"
    become_root || fail "Debian packages are missing, and $(id -un) cannot install them by sudo." \
        "Run this once as root, then try again:" "" "$by_hand" ""
    say "Installing Debian packages: $1"
    : >.cache/apt.log
    # Unlike install, update does not wait for another's lock.
    tries=7
    until apt_get update || [ "$tries" -eq 1 ]; do
        tries=$((tries - 1))
        sleep 10
    done
    # shellcheck disable=SC2086  # names, one word each
    apt_get install --no-install-recommends $1 || {
        tail -n 20 .cache/apt.log >&2
        fail "Installing Debian packages failed; above is the end of .cache/apt.log. By hand, as root:" \
            "" "$by_hand" ""
    }
}

# A virtual environment holds its own path, and the release of the Python that made it.
venv_is_usable() {
    [ "$(sed -n 's/^command = .* -m venv \(--clear \)\{0,1\}//p' .venv/pyvenv.cfg)" = "$PWD/.venv" ] &&
        .venv/bin/python -m pip --version
}

make_venv() {
    /usr/bin/python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
        fail "tmsd needs Python 3.11 (Debian 12) or newer; here is $(/usr/bin/python3 --version)."
    say "Installing Python packages into .venv"
    export PIP_CACHE_DIR="$PWD/.cache/pip" PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore
    # Some are built here; what an interrupted pip left goes first.
    export TMPDIR="$PWD/.cache/tmp"
    rm -rf "$TMPDIR"
    mkdir "$TMPDIR"
    venv_is_usable >/dev/null 2>&1 || /usr/bin/python3 -m venv --clear "$PWD/.venv"
    # 25.1 is the first pip that reads dependency groups.
    .venv/bin/python -m pip install --quiet 'pip>=25.1'
    .venv/bin/python -m pip install --quiet --prefer-binary --editable '.[postgresql,systemd]' --group dev
    rm -rf "$TMPDIR"
}

# What .venv was made from; another value means that it has to be looked at again.
wanted() {
    printf '%s %s\n' "$PWD" "$(readlink -f /usr/bin/python3)"
    sha256sum pyproject.toml .ci/prepare.sh
}

command -v dpkg-query >/dev/null ||
    fail "This set-up knows Debian only (12 or newer), and finds no dpkg-query here."
if ! mkdir -p .cache 2>/dev/null || [ ! -w . ] || [ ! -w .cache ]; then
    fail "$(id -un) may not write to $PWD or its .cache; the owner of the checkout must run this."
fi

# Commands started at the same time wait here for the first, and find its work done.
exec 9>.cache/prepare.lock
flock 9

missing=$(missing_packages)
[ -z "$missing" ] || install_packages "$missing"

if [ "$(cat .venv/made-from 2>/dev/null)" != "$(wanted)" ]; then
    rm -f .venv/made-from
    make_venv
    wanted >.venv/made-from
fi
