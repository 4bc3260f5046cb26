#!/usr/bin/env bash
# Makes the npm packages of the command line and prints where they are:
#
#   scripts/npm-pack.sh                              builds for this machine and packs that
#   scripts/npm-pack.sh --out DIR linux-x64=FILE …   packs programs that were built elsewhere
#
# The launcher names exactly the platforms given, each pinned by version and SHA-256. Programs are
# packed without debug information. Everything but the names of the packages goes to stderr.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

out=target/npm
programs=()
while [ $# -gt 0 ]; do
  case $1 in
    --out) out=${2:?--out wants a folder}; shift ;;
    -h | --help) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *=*) programs+=("$1") ;;
    *) printf 'npm-pack: unknown argument %s; see scripts/npm-pack.sh --help\n' "$1" >&2; exit 2 ;;
  esac
  shift
done

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

if [ ${#programs[@]} -eq 0 ]; then
  # The keychain is for people's machines; tests and containers are built without it.
  cargo build --release -p skaas-cli --features keychain >&2
  platform=$(node -p '`${process.platform}-${process.arch}`')
  programs=("$platform=${CARGO_TARGET_DIR:-target}/release/skaas")
fi

slim=()
for pair in "${programs[@]}"; do
  platform=${pair%%=*}
  file=${pair#*=}
  [ -f "$file" ] || { printf 'npm-pack: there is no %s\n' "$file" >&2; exit 2; }
  cp "$file" "$scratch/$platform"
  # Another platform's program is taken as it is: this machine's strip does not know it.
  strip "$scratch/$platform" 2>/dev/null || true
  slim+=("$platform=$scratch/$platform")
done

version=$(cargo metadata --no-deps --format-version 1 | node -e '
  const all = JSON.parse(require("fs").readFileSync(0, "utf8")).packages;
  process.stdout.write(all.find((one) => one.name === "skaas-cli").version);')
node npm/pack.js "$version" "$out" "${slim[@]}"
