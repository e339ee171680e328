#!/usr/bin/env bash
# Builds the solution once and runs every test project, one after the other. Works from any directory.
# The last line is "N passed, N failed"; the exit code is zero only if tests ran and none failed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

passed=0
failed=0
output=$(mktemp)

finish() {
  code=$?
  rm -f "$output"
  if [ "$failed" -gt 0 ] || [ "$passed" -eq 0 ]; then
    [ "$code" -ne 0 ] || code=1
  fi
  echo "$passed passed, $failed failed"
  exit "$code"
}
trap finish EXIT

# Lock semantics are tested against a real Redis, never against a mock.
install_redis() {
  local sudo=
  if command -v brew > /dev/null; then
    brew install redis
    return
  fi

  if [ "$(id -u)" -ne 0 ]; then
    sudo="sudo -n"
    $sudo true 2> /dev/null || return 1
  fi

  if command -v apt-get > /dev/null; then
    $sudo apt-get update -q && $sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends redis-server
  elif command -v dnf > /dev/null; then
    $sudo dnf install -q -y redis
  elif command -v apk > /dev/null; then
    $sudo apk add --no-progress redis
  else
    return 1
  fi
}

if ! command -v redis-server > /dev/null; then
  echo "redis-server is missing: installing it with the package manager of this system."
  if ! install_redis || ! command -v redis-server > /dev/null; then
    echo "The tests start redis-server on free loopback ports and it could not be installed from here." >&2
    echo "Install it (Debian, Ubuntu: apt-get install redis-server; Fedora: dnf install redis; Alpine: apk add redis;" >&2
    echo "macOS: brew install redis), so that redis-server is on the PATH, and run this again." >&2
    exit 1
  fi
fi

dotnet build JobLocking.sln -v quiet

count() {
  # The summary of Microsoft.Testing.Platform: "  failed: 2". The last one counts: a test may print such lines itself.
  awk -v word="$1:" '/^Test run summary:/ { value = "" } $1 == word && NF == 2 { value = $2 } END { print value + 0 }' "$output"
}

for project in tests/*/*Tests.csproj; do
  echo
  echo "== $(basename "$project" .csproj)"
  code=0
  dotnet run --no-build --project "$project" -- --no-ansi --fail-skips on --timeout 15m 2>&1 | tee "$output" || code=$?
  project_failed=$(count failed)
  if [ "$code" -ne 0 ] && [ "$project_failed" -eq 0 ]; then
    # Crashed, ran out of time or had no test to run: the summary does not know it as a failure.
    echo "$(basename "$project" .csproj) ended with exit code $code."
    project_failed=1
  fi
  passed=$((passed + $(count succeeded)))
  failed=$((failed + project_failed))
done

echo
echo "== JobLocking.Benchmarks"
if dotnet run --no-build --project benchmarks/JobLocking.Benchmarks -- handoff --rounds 1; then
  passed=$((passed + 1))
else
  failed=$((failed + 1))
fi

echo
