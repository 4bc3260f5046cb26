#!/usr/bin/env bash
# Makes npm packages of a program and prints the tarballs:
#
#   scripts/npm-pack.sh                                builds `skaas` for this machine
#   scripts/npm-pack.sh --package skaas-server         builds `skaas-server` for this machine
#   scripts/npm-pack.sh --target TRIPLE --target …     builds for these Rust targets, which have to be installed
#   scripts/npm-pack.sh --out DIR linux-x64=FILE …     packs programs that were built elsewhere
#
# The launcher names exactly the platforms given, each pinned by version and SHA-256, so pack all platforms of a
# release in one call. Programs are packed without debug information. Only tarballs go to standard output.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

stop() { printf 'npm-pack: %s\n' "$1" >&2; exit 2; }

# Node's name for the platform of a Rust target.
platform_of() {
  case $1 in
    x86_64-unknown-linux-gnu) echo linux-x64 ;;
    aarch64-unknown-linux-gnu) echo linux-arm64 ;;
    x86_64-unknown-linux-musl) echo linux-x64-musl ;;
    aarch64-unknown-linux-musl) echo linux-arm64-musl ;;
    x86_64-apple-darwin) echo darwin-x64 ;;
    aarch64-apple-darwin) echo darwin-arm64 ;;
    x86_64-pc-windows-msvc | x86_64-pc-windows-gnu) echo win32-x64 ;;
    *) return 1 ;;
  esac
}

product=skaas
out=target/npm
programs=()
targets=()
while [ $# -gt 0 ]; do
  case $1 in
    --package) product=${2:?--package needs a name}; shift ;;
    --out) out=${2:?--out needs a folder}; shift ;;
    --target) targets+=("${2:?--target needs a Rust target}"); shift ;;
    -h | --help) sed -n '2,/^set /{/^set /!s/^# \{0,1\}//p}' "$0"; exit 0 ;;
    *=*) programs+=("$1") ;;
    *) stop "unknown argument $1; see scripts/npm-pack.sh --help" ;;
  esac
  shift
done

# The keychain is for users' machines; tests and containers are built without it.
case $product in
  skaas) build=(-p skaas-cli --features keychain) ;;
  skaas-server) build=(-p skaas-server) ;;
  *) stop "unknown package $product; use skaas or skaas-server" ;;
esac

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT

host=$(rustc -vV | sed -n 's/^host: //p')
[ ${#programs[@]} -gt 0 ] || [ ${#targets[@]} -gt 0 ] || targets=("$host")
for target in "${targets[@]}"; do
  platform=$(platform_of "$target") || stop "no npm platform for the target $target"
  [ -d "$(rustc --print target-libdir --target "$target")" ] ||
    stop "Rust cannot build for $target yet: run rustup target add $target, and install a C compiler and linker for it"
  folder=${CARGO_TARGET_DIR:-target}
  if [ "$target" = "$host" ]; then
    cargo build --profile dist --bin "$product" "${build[@]}" >&2
  else
    cargo build --profile dist --bin "$product" "${build[@]}" --target "$target" >&2
    folder=$folder/$target
  fi
  suffix=
  case $platform in win32-*) suffix=.exe ;; esac
  programs+=("$platform=$folder/dist/$product$suffix")
done

slim=()
for pair in "${programs[@]}"; do
  platform=${pair%%=*}
  file=${pair#*=}
  [ -f "$file" ] || stop "there is no file $file"
  cp "$file" "$scratch/$platform"
  # This machine's strip does not know every platform; such a program is packed as it is.
  strip "$scratch/$platform" 2>/dev/null || true
  slim+=("$platform=$scratch/$platform")
done

version=$(cargo metadata --no-deps --format-version 1 | node -e '
  const all = JSON.parse(require("fs").readFileSync(0, "utf8")).packages;
  process.stdout.write(all.find((one) => one.name === "skaas-cli").version);')
node npm/pack.js "$product" "$version" "$out" "${slim[@]}"
