#!/usr/bin/env bash
# Runs every fuzz target for a bounded time, one after the other; fails with the input that broke one.
#
#   scripts/fuzz.sh [SECONDS] [TARGET…]    SECONDS for each target (default 60)
#
# Corpora stay in fuzz/corpus and grow from run to run; what breaks a target stays in fuzz/artifacts.
# Needs a nightly toolchain and cargo-fuzz (cargo install cargo-fuzz --locked).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

usage() { sed -n '2,7s/^# \{0,1\}//p' "$0"; }

seconds=60
case ${1:-} in
  -h | --help) usage; exit 0 ;;
  '') ;;
  *[!0-9]*) ;;
  *) seconds=$1; shift ;;
esac
if ! cargo fuzz --version >/dev/null 2>&1 || ! cargo +nightly --version >/dev/null 2>&1; then
  printf 'fuzz: a nightly toolchain and cargo-fuzz are needed:\n  rustup toolchain install nightly\n  cargo install cargo-fuzz --locked\n' >&2
  exit 2
fi
if [ $# -gt 0 ]; then targets=("$@"); else mapfile -t targets < <(cargo +nightly fuzz list); fi

cargo +nightly fuzz build
broken=()
for target in "${targets[@]}"; do
  printf '\n== %s, %s s\n' "$target" "$seconds"
  # Leaks are looked for by ptrace, which containers forbid; safe Rust has few. Memory and a single input's time are bounded as well: a bomb is a finding.
  cargo +nightly fuzz run "$target" -- -max_total_time="$seconds" -rss_limit_mb=2048 -timeout=20 \
    -max_len=65536 -detect_leaks=0 -print_final_stats=0 -verbosity=0 || broken+=("$target")
done
if [ ${#broken[@]} -gt 0 ]; then
  printf '\nfuzz: broken: %s (inputs in fuzz/artifacts)\n' "${broken[*]}" >&2
  exit 1
fi
printf '\n%d targets, %s s each: nothing found\n' "${#targets[@]}" "$seconds"
