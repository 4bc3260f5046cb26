#!/usr/bin/env bash
# Sees to it that programs are there: what is missing is installed from Debian's packages when run as root, else
# named.
#
#   scripts/debian-packages.sh PROGRAM:PACKAGE …     a name on the PATH, or a file; `-` stands for one that is missing
#
# Services that come with a package are installed, not started. Everything it says goes to stderr.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin

missing=()
for pair in "$@"; do
  command -v "${pair%%:*}" >/dev/null 2>&1 || missing+=("${pair#*:}")
done
[ ${#missing[@]} -gt 0 ] || exit 0

if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
  printf 'Please install: %s\n' "${missing[*]}" >&2
  exit 2
fi
printf 'Installing %s …\n' "${missing[*]}" >&2
install() {
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
}
install || { apt-get update -qq >&2 && install; } || {
  printf 'They could not be installed: %s\n' "${missing[*]}" >&2
  exit 2
}
