#!/bin/sh
# Makes .venv with the pinned packages of requirements.lock and benchfly itself; does nothing when that is done already.
# Needs python3 (3.11 or later) with its venv module. As root on Debian or Ubuntu it installs what is missing of that.
set -eu
cd "$(dirname "$0")"
python=${PYTHON:-python3}
ready=.venv/.ready

say() { printf 'setup: %s\n' "$*" >&2; }
refuse() { say "$*"; exit 1; }

command -v "$python" >/dev/null || refuse "there is no $python. Install Python 3.11 or later (Debian, Ubuntu: apt install python3 python3-venv)"
"$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' ||
    refuse "$("$python" --version) is too old: benchfly needs 3.11 or later. Name another with: make PYTHON=/path/to/python3.11 demo"

wanted=$(cat requirements.lock pyproject.toml | sha256sum | cut -c1-64)-$("$python" -c 'import sys; print(sys.version)' | tr -d ' \n')
[ "$(cat $ready 2>/dev/null)" != "$wanted" ] || exit 0

if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    package=$("$python" -c 'import sys; print("python3.%d-venv" % sys.version_info[1])')
    [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null ||
        refuse "this Python cannot make virtual environments. Install that first: sudo apt install $package"
    say "installing $package"
    { apt-get -qq update && apt-get -qq install -y --no-install-recommends "$package"; } >/dev/null ||
        refuse "apt-get could not install $package; its messages are above"
fi

say "installing the packages of requirements.lock into .venv (once; about a minute)"
rm -rf .venv
"$python" -m venv .venv
.venv/bin/pip install --quiet --disable-pip-version-check --require-hashes --only-binary :all: -r requirements.lock &&
    .venv/bin/pip install --quiet --disable-pip-version-check --no-deps --editable . ||
    refuse "pip could not install them. Is there a network, and a package index that pip may use (pip config list)?"
printf '%s' "$wanted" >$ready
