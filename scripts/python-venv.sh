#!/usr/bin/env bash
# Makes a Python environment with packages in it, once:
#
#   scripts/python-venv.sh FOLDER PIP-ARGUMENT …     the arguments name what is installed
#
# An environment knows its own path, so it is made in place; one that was not finished is made again.
set -euo pipefail

folder=$1
shift
[ -f "$folder/.complete" ] && exit 0
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
python3 -c 'import ensurepip, venv' 2>/dev/null || "$here/debian-packages.sh" python3:python3 -:python3-venv
printf 'Installing %s into %s …\n' "$*" "$folder" >&2
rm -rf "$folder"
mkdir -p "$(dirname "$folder")"
python3 -m venv "$folder" >&2
"$folder/bin/pip" install --quiet --disable-pip-version-check "$@" >&2
touch "$folder/.complete"
