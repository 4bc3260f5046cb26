#!/usr/bin/env bash
# Runs the tests of the command line that want a keychain, in a real one: a session bus of its own, with GNOME's
# keyring on it, unlocked, kept in a temporary folder. Nothing of whoever runs this is read or written.
#
#   scripts/test-keychain.sh
#
# Debian packages that are missing are installed when run as root, else named.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if [ "${1:-}" != within ]; then
  scripts/debian-packages.sh dbus-run-session:dbus-daemon gnome-keyring-daemon:gnome-keyring secret-tool:libsecret-tools
  folder=$(mktemp -d)
  trap 'rm -rf "$folder"' EXIT
  mkdir -m 700 "$folder/run"
  # Built outside, so that the keyring is not kept waiting.
  cargo test --quiet -p skaas-cli --features keychain --test cli --no-run
  KEYRING=$folder XDG_RUNTIME_DIR=$folder/run dbus-run-session -- "$0" within
  exit
fi

printf 'a password' | HOME=$KEYRING gnome-keyring-daemon --unlock --components=secrets >/dev/null
export SKAAS_TEST_KEYCHAIN=$DBUS_SESSION_BUS_ADDRESS
cargo test --quiet -p skaas-cli --features keychain --test cli -- keychain::
