#!/usr/bin/env bash
# Sees to the Debian packages that the tests use: installs what is missing, or says so.
#
# postgresql-NN               the oldest PostgreSQL from 15 on that this Debian has
# postgresql-NN-plpgsql-check finds a misspelt column inside a function body
# libfaketime                 sets the wall clock of one process
# iproute2                    makes a network that can be cut
# pgbouncer                   a pooler between nodes and database
# graphviz                    draws what pg-tasks graph hands to it
set -euo pipefail

installed() {
  [[ $(dpkg-query --show --showformat='${db:Status-Status}' "$1" 2>/dev/null) == installed ]]
}

available() {
  [[ $(apt-cache policy "$1" 2>/dev/null) == *Candidate:\ [0-9]* ]]
}

missing_of() {
  local package
  for package in "postgresql-$1" "postgresql-$1-plpgsql-check" libfaketime iproute2 pgbouncer \
    graphviz; do
    installed "$package" || echo "$package"
  done
}

for version in 15 16 17; do
  [[ $(missing_of "$version") ]] || exit 0
done
if ! command -v apt-get >/dev/null || [[ $(id -u) != 0 ]]; then
  echo "tests/provision.sh: the tests need the Debian packages" $(missing_of 15) >&2
  exit 0
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
export DEBIAN_FRONTEND=noninteractive
apt-get update >"$log" 2>&1 </dev/null || true
for version in 15 16 17; do
  available "postgresql-$version" || continue
  mapfile -t missing < <(missing_of "$version")
  echo "tests/provision.sh: installing ${missing[*]}" >&2
  apt-get install --yes --no-install-recommends "${missing[@]}" >>"$log" 2>&1 </dev/null && exit 0
  break
done
tail -n 5 "$log" >&2
echo "tests/provision.sh: could not install a PostgreSQL of Debian with its plpgsql_check, libfaketime, iproute2, pgbouncer and graphviz" >&2
