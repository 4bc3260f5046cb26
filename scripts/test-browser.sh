#!/usr/bin/env bash
# Installs the browser that the tests of the pages drive, once, and prints where it is as `export` lines:
#
#   eval "$(scripts/test-browser.sh)"
#
# Chromium without a window is Debian's own package (installed when run as root). What drives it is pinned in
# tests/browser/package-lock.json. Everything but the exports goes to stderr.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)

# Not named after the program: `command -v` finds functions, too.
installed_browser() { type -P chromium-headless-shell || type -P chromium; }

installed_browser >/dev/null || "$root/scripts/debian-packages.sh" -:chromium-headless-shell -:fonts-dejavu-core
dir=$("$root/scripts/npm-modules.sh" browser "$root/tests/browser" 'what drives the browser (150 MB)')

printf 'export SKAAS_TEST_BROWSER=%q\n' "$(installed_browser)"
printf 'export SKAAS_TEST_BROWSER_MODULES=%q\n' "$dir/node_modules"
