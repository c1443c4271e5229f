#!/bin/sh
# Runs a command with a temporary folder and a home folder of its own, removed when it ends, however it ends.
set -eu

# In /tmp whatever $TMPDIR says: Unix sockets are made in it, and their paths end at 108 bytes.
scratch=$(mktemp -d /tmp/tmsd.XXXXXX)
trap 'rm -rf "$scratch"' EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

mkdir "$scratch/home"
export TMPDIR="$scratch" HOME="$scratch/home"
export HYPOTHESIS_STORAGE_DIRECTORY="$PWD/.cache/hypothesis"
# What a login shell sets for Python, such as PYTHONUNBUFFERED, must not decide how a test ends.
for name in $(env | sed -n 's/^\(PYTHON[A-Z]*\|XDG_[A-Z]*_HOME\)=.*/\1/p'); do unset "$name"; done

"$@"
