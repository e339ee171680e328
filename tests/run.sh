#!/usr/bin/env bash
# Builds the solution once and runs every test project, one after the other. Works from any directory.
# The last line is "N passed, N failed"; the exit code is zero only if tests ran and none failed.
#
#   tests/run.sh              every test, with a short soak among them
#   tests/run.sh --soak 30m   only the soak, for this long (s, m or h), with new faults, and its table
#   tests/run.sh --long       nothing but the tests that have a long form, in that form, and what they found
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

soak=
long=
if [ "$*" = --long ]; then
  long=yes
elif [ $# -gt 0 ]; then
  if [ $# -ne 2 ] || [ "$1" != --soak ] || ! [[ $2 =~ ^[1-9][0-9]{0,3}[smh]$ ]]; then
    echo "Usage: tests/run.sh [--soak 30m | --long]" >&2
    exit 2
  fi
  case $2 in
    *s) soak=${2%s} ;;
    *m) soak=$((${2%m} * 60)) ;;
    *h) soak=$((${2%h} * 3600)) ;;
  esac
fi

passed=0
failed=0
failures=()
output=$(mktemp)

finish() {
  code=$?
  rm -f "$output"
  if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then
    [ "$code" -ne 0 ] || code=1
  fi
  [ ${#failures[@]} -eq 0 ] || printf 'Failed: %s\n' "${failures[@]}"
  echo "$passed passed, $failed failed"
  exit "$code"
}
trap finish EXIT

# Lock semantics are tested against a real Redis, never against a mock; with libfaketime its clock can be set. Clusters
# of Quartz are tested against a real PostgreSQL. PostgreSQL refuses to run as root: if the tests do, setpriv starts it as a user of its own.
install() {
  local sudo=
  if [ "$(id -u)" -ne 0 ]; then
    sudo="sudo -n"
    $sudo true 2> /dev/null || return 1
  fi

  if command -v apt-get > /dev/null; then
    $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server libfaketime postgresql util-linux
  elif command -v dnf > /dev/null; then
    $sudo dnf install -q -y redis libfaketime postgresql-server util-linux
  elif command -v apk > /dev/null; then
    $sudo apk add --no-progress redis libfaketime postgresql setpriv
  else
    return 1
  fi
}

is_complete() {
  command -v redis-server > /dev/null && [ -n "$(find /usr/lib* -maxdepth 3 -name libfaketime.so.1 -print -quit 2> /dev/null)" ] && has_postgres
}

# Debian keeps it off the PATH, in a folder for each version.
has_postgres() {
  { command -v initdb || find /usr/lib/postgresql /usr/libexec -maxdepth 3 -name initdb -print -quit 2> /dev/null | grep .; } > /dev/null
}

if ! is_complete; then
  echo "redis-server, libfaketime or PostgreSQL is missing: installing them with the package manager of this system."
  if ! install || ! is_complete; then
    echo "The tests start redis-server and PostgreSQL on free loopback ports, some with a clock of their own, and they could not be" >&2
    echo "installed from here. Install them on a Linux machine (Debian, Ubuntu: apt-get install redis-server libfaketime postgresql;" >&2
    echo "Fedora: dnf install redis libfaketime postgresql-server; Alpine: apk add redis libfaketime postgresql setpriv), so that" >&2
    echo "redis-server is on the PATH, and run this again." >&2
    exit 1
  fi
fi

dotnet build JobLocking.sln -v quiet

count() {
  # The summary of Microsoft.Testing.Platform: "  failed: 2". The last one counts: a test may print such lines itself.
  awk -v word="$1:" '/^Test run summary:/ { value = "" } $1 == word && NF == 2 { value = $2 } END { print value + 0 }' "$output"
}

if [ -n "$soak" ]; then
  export JOBLOCKING_SOAK=$soak JOBLOCKING_SOAK_SEED=${JOBLOCKING_SOAK_SEED:-$RANDOM} JOBLOCKING_SOAK_TABLE=$output.table
  code=0
  dotnet run --no-build --project tests/JobLocking.ChaosTests -- --no-ansi --filter-class '*.SoakTests' 2>&1 | tee "$output" || code=$?
  echo
  cat "$output.table" && rm "$output.table"
  passed=$(count succeeded)
  failed=$(count failed)
  [ "$code" -eq 0 ] || [ "$failed" -gt 0 ] || failed=1
  exit "$code"
fi

options=(--timeout 15m)
if [ -n "$long" ]; then
  export JOBLOCKING_LONG=$long JOBLOCKING_LONG_TABLE=$output.table

  # 8: the project has no such test.
  options=(--timeout 60m --filter-trait form=long --ignore-exit-code 8)
fi

for project in tests/*/*Tests.csproj; do
  echo
  echo "== $(basename "$project" .csproj)"
  code=0
  dotnet run --no-build --project "$project" -- --no-ansi --fail-skips on "${options[@]}" 2>&1 | tee "$output" || code=$?
  project_failed=$(count failed)
  if [ "$code" -ne 0 ] && [ "$project_failed" -eq 0 ]; then
    # It crashed, ran out of time or had no test to run: the summary does not count that as a failure.
    echo "$(basename "$project" .csproj) ended with exit code $code."
    project_failed=1
  fi
  passed=$((passed + $(count succeeded)))
  failed=$((failed + project_failed))
  if [ "$project_failed" -gt 0 ]; then
    # The platform prints "failed <the test> (<how long it took>)"; a truncated log may have lost the earlier lines.
    while read -r line; do
      failures+=("$(basename "$project" .csproj): $line")
    done < <(sed -n 's/^failed \(.*\)/\1/p' "$output" | grep . || echo "exit code $code")
  fi
done

if [ -n "$long" ]; then
  echo
  [ ! -e "$output.table" ] || { cat "$output.table" && rm "$output.table"; }
  exit 0
fi

echo
echo "== JobLocking.Benchmarks"
for arguments in "handoff --rounds 1" "storage-calls --rounds 1" "rivals --smoke" sizing; do
  # shellcheck disable=SC2086 # several words
  if dotnet run --no-build --project benchmarks/JobLocking.Benchmarks -- $arguments; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    failures+=("JobLocking.Benchmarks: $arguments")
  fi
done

echo
