#!/usr/bin/env bash
# Starts and stops what the tests of the many-node set-up run against: a private PostgreSQL cluster,
# moto's S3 and a Redis, all on free loopback ports, in a folder of their own. Nothing of the machine's is touched.
#
#   eval "$(scripts/test-services.sh start)"    # exports SKAAS_TEST_DATABASE_URL, _S3_ENDPOINT, _REDIS_URL
#   cargo nextest run -p skaas-store
#   scripts/test-services.sh stop               # ends all and removes their folder
#   scripts/test-services.sh status
#
# SKAAS_SERVICES names the folder (default: one in the temporary folder, per user);
# SKAAS_CACHE is where moto is installed once (default: ~/.cache/skaas).
set -euo pipefail

HERE=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly HERE
readonly MOTO='moto[server]==5.2.5'
readonly CACHE=${SKAAS_CACHE:-$HOME/.cache/skaas}
readonly SERVICES=${SKAAS_SERVICES:-${TMPDIR:-/tmp}/skaas-services-$(id -u)}
readonly PATIENCE=300 # tenths of a second

say() { printf '%s\n' "$*" >&2; }
die() { say "test-services: $*"; exit 1; }

usage() { sed -n '2,11s/^# \{0,1\}//p' "$0"; }

# The newest PostgreSQL here that can make a cluster; nothing when there is none.
postgres_bin() {
  local dir
  for dir in $(printf '%s\n' /usr/lib/postgresql/*/bin | sort -rV) $(dirname "$(command -v initdb || true)"); do
    if [ -x "$dir/initdb" ] && [ -x "$dir/postgres" ]; then
      printf '%s\n' "$dir"
      return
    fi
  done
}

need_postgres() {
  [ -n "$(postgres_bin)" ] && return
  "$HERE/debian-packages.sh" -:postgresql
}

# A Redis of our own: from the PATH, else unpacked from Debian's packages into the cache. Nothing is
# installed, so no service of that name begins to run on the machine.
redis_server() {
  PATH=$CACHE/redis/usr/bin:$PATH command -v redis-server
}

need_redis() {
  redis_server >/dev/null && return
  command -v apt-get >/dev/null || die 'Redis is missing: install "redis-server"'
  say "unpacking Debian's redis-server into $CACHE/redis"
  rm -rf "$CACHE/redis"
  mkdir -p "$CACHE/redis"
  (
    cd "$CACHE/redis"
    packages=(redis-tools libjemalloc2 liblzf1 liblua5.1-0 lua-cjson lua-bitop libatomic1 libhiredis0.14)
    apt-get download -qq redis-server "${packages[@]}" >&2 ||
      { apt-get update -qq >&2 && apt-get download -qq redis-server "${packages[@]}" >&2; }
    for package in *.deb; do dpkg -x "$package" .; done
    rm -f -- *.deb
  ) || { rm -rf "$CACHE/redis"; die 'Redis is missing: install "redis-server"'; }
}

# PostgreSQL refuses to run as root: then it runs as the user its package made.
as_postgres=()
if [ "$(id -u)" = 0 ]; then
  as_postgres=(setpriv --reuid=postgres --regid=postgres --init-groups --)
fi

free_port() {
  python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

# until_ready <name> <pid> <command…>: polls; fails when the process is gone or patience is at its end.
until_ready() {
  local name=$1 pid=$2 tries=0
  shift 2
  until "$@" >/dev/null 2>&1; do
    kill -0 "$pid" 2>/dev/null || die "$name did not start: see $SERVICES/$name.log"
    tries=$((tries + 1))
    [ "$tries" -lt "$PATIENCE" ] || die "$name is not ready after $((PATIENCE / 10)) s: see $SERVICES/$name.log"
    sleep 0.1
  done
}

start_postgres() {
  local bin port
  bin=$(postgres_bin)
  mkdir -p "$SERVICES/postgres"
  chmod 700 "$SERVICES/postgres"
  [ "$(id -u)" != 0 ] || chown postgres "$SERVICES/postgres"
  # Not every locale exists everywhere; the tests bring their own order of letters.
  ${as_postgres[@]+"${as_postgres[@]}"} "$bin/initdb" -D "$SERVICES/postgres/data" -U postgres -A trust -E UTF8 --locale=C.UTF-8 \
    --no-sync >"$SERVICES/initdb.log" 2>&1 || die "initdb failed: see $SERVICES/initdb.log"
  port=$(free_port)
  ${as_postgres[@]+"${as_postgres[@]}"} "$bin/postgres" -D "$SERVICES/postgres/data" -p "$port" -c listen_addresses=127.0.0.1 \
    -c unix_socket_directories= -c fsync=off -c synchronous_commit=off -c full_page_writes=off \
    -c max_connections=400 >"$SERVICES/postgres.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$SERVICES/postgres.pid"
  until_ready postgres "$!" "$bin/pg_isready" -q -h 127.0.0.1 -p "$port" -U postgres
  printf 'export SKAAS_TEST_DATABASE_URL=postgres://postgres@127.0.0.1:%s/postgres\n' "$port" >>"$SERVICES/env"
}

answers() {
  python3 -c 'import socket, sys; socket.create_connection(("127.0.0.1", int(sys.argv[1])), 1)' "$1"
}

start_moto() {
  local port
  port=$(free_port)
  "$CACHE/moto/bin/moto_server" -H 127.0.0.1 -p "$port" >"$SERVICES/moto.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$SERVICES/moto.pid"
  until_ready moto "$!" answers "$port"
  printf 'export SKAAS_TEST_S3_ENDPOINT=http://127.0.0.1:%s\n' "$port" >>"$SERVICES/env"
}

start_redis() {
  local port arch
  port=$(free_port)
  arch=$(uname -m)-linux-gnu
  LD_LIBRARY_PATH="$CACHE/redis/usr/lib/$arch:$CACHE/redis/lib/$arch${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}" \
    "$(redis_server)" --port "$port" --bind 127.0.0.1 --save '' --appendonly no --dir "$SERVICES" \
    >"$SERVICES/redis.log" 2>&1 </dev/null &
  printf '%s\n' "$!" >"$SERVICES/redis.pid"
  until_ready redis "$!" answers "$port"
  printf 'export SKAAS_TEST_REDIS_URL=redis://127.0.0.1:%s\n' "$port" >>"$SERVICES/env"
}

# running <name>: whether the process that was started under this name lives.
running() {
  local pid
  pid=$(cat "$SERVICES/$1.pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null &&
    tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "$1"
}

# end <name> <signal>: ends what was started, by its process id, and waits until it is gone.
end() {
  local pid tries=0
  running "$1" || return 0
  pid=$(cat "$SERVICES/$1.pid")
  kill -s "$2" "$pid" 2>/dev/null || return 0
  while kill -0 "$pid" 2>/dev/null; do
    tries=$((tries + 1))
    [ "$tries" -lt "$PATIENCE" ] || { kill -s KILL "$pid" 2>/dev/null || true; return 0; }
    sleep 0.1
  done
}

stop() {
  # INT is PostgreSQL's fast shutdown: it does not wait for clients.
  end postgres INT
  end moto TERM
  end redis TERM
  rm -rf "$SERVICES"
}

start() {
  if running postgres && running moto && running redis; then
    cat "$SERVICES/env"
    return
  fi
  stop
  need_postgres
  "$HERE/python-venv.sh" "$CACHE/moto" "$MOTO" || die "cannot install $MOTO"
  need_redis
  mkdir -p "$SERVICES"
  # PostgreSQL's own user has to reach its folder in it.
  chmod 711 "$SERVICES"
  trap 'code=$?; [ "$code" = 0 ] || { say "test-services: stopping what was started"; end postgres INT; end moto TERM; end redis TERM; }' EXIT
  start_postgres
  start_moto
  start_redis
  cat "$SERVICES/env"
}

case ${1:-} in
  start) start ;;
  stop) stop ;;
  status)
    for name in postgres moto redis; do
      if running "$name"; then echo "$name: running"; else echo "$name: stopped"; fi
    done
    ;;
  *) usage; exit 2 ;;
esac
