#!/usr/bin/env bash
# Rebuilds what the pages take from npm and the server serves itself, in crates/server/assets/vendor:
#
#   htmx.min.js   htmx, as published
#   icons.svg     one sprite of the Lucide icons named in icons.txt
#   LICENSES.txt  the licenses of both
#
# Versions are pinned in package-lock.json there. Run it after a change of package.json or icons.txt:
#
#   npm install --package-lock-only --omit-lockfile-registry-resolved   # in that folder, for a new version
#   scripts/vendor-assets.sh            # writes the files
#   scripts/vendor-assets.sh --check    # fails if they differ
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
vendor=$root/crates/server/assets/vendor
modules=$("$root/scripts/npm-modules.sh" pages "$vendor" 'htmx and the icons')/node_modules
fresh=$(mktemp -d)
trap 'rm -rf "$fresh"' EXIT

cp "$modules/htmx.org/dist/htmx.min.js" "$fresh/htmx.min.js"

{
  printf '<!-- Lucide icons, ISC license: see LICENSES.txt. Built by scripts/vendor-assets.sh. -->\n'
  printf '<svg xmlns="http://www.w3.org/2000/svg">\n'
  while read -r icon; do
    # The shapes without the comment and the outer element: the page's stylesheet says how they are drawn.
    shapes=$(tr -s ' \n' '  ' <"$modules/lucide-static/icons/$icon.svg" | sed -E 's/<!--[^>]*-->//; s/^ *<svg[^>]*>//; s/<\/svg> *$//; s/> </></g; s/^ +| +$//g')
    printf '<symbol id="%s" viewBox="0 0 24 24">%s</symbol>\n' "$icon" "$shapes"
  done <"$vendor/icons.txt"
  printf '</svg>\n'
} >"$fresh/icons.svg"

for package in htmx.org lucide-static; do
  version=$(sed -n 's/^ *"version": "\(.*\)",*$/\1/p' "$modules/$package/package.json")
  printf '%s %s\n\n' "$package" "$version"
  cat "$modules/$package/LICENSE"
  printf '\n\n'
done >"$fresh/LICENSES.txt"

for file in htmx.min.js icons.svg LICENSES.txt; do
  if [ "${1:-}" = --check ]; then
    cmp "$fresh/$file" "$vendor/$file"
  else
    install -m 0644 "$fresh/$file" "$vendor/$file"
  fi
done
