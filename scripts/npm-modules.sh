#!/usr/bin/env bash
# Installs pinned npm packages, once, into a cache outside the checkout, and prints the folder:
#
#   scripts/npm-modules.sh NAME FOLDER WHAT
#
# FOLDER holds package.json and package-lock.json; WHAT says on stderr what is being installed. A changed lock
# makes a new folder below ${SKAAS_CACHE:-$HOME/.cache/skaas}, so that two checkouts never disturb each other.
# No install scripts are run.
set -euo pipefail

name=$1 from=$2 what=$3
cache=${SKAAS_CACHE:-$HOME/.cache/skaas}
dir=$cache/$name-$(sha256sum "$from/package-lock.json" | cut -c1-12)

say() { printf 'npm-modules: %s\n' "$*" >&2; }

if [ ! -d "$dir/node_modules" ]; then
  case "$(uname -s)-$(uname -m)" in
    Linux-x86_64) ;;
    *) say "what is pinned are Linux x86-64 builds; this machine is $(uname -s) $(uname -m)"; exit 1 ;;
  esac
  "$(dirname "${BASH_SOURCE[0]}")/debian-packages.sh" npm:npm
  mkdir -p "$cache"
  fresh=$(mktemp -d "$cache/.$name-XXXXXX")
  trap 'rm -rf "$fresh"' EXIT
  cp "$from/package.json" "$from/package-lock.json" "$fresh/"
  say "installing $what, once, into $dir"
  npm ci --prefix "$fresh" --ignore-scripts --no-audit --no-fund --loglevel=error >&2
  chmod 0755 "$fresh"
  # Whoever renames first wins; the loser's copy is the same and is thrown away.
  mv -T "$fresh" "$dir" 2>/dev/null || [ -d "$dir" ]
fi
printf '%s\n' "$dir"
