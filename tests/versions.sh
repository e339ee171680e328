#!/usr/bin/env bash
# Runs whole suites on the lowest and on the highest versions of the packages that JobLocking is built on, and the suites of the packages
# that also target net8.0 with those assemblies. Prints a table; the exit code is zero only if no test failed. Takes about half an hour.
#
#   tests/versions.sh                                     JobLocking, .Redis, .Hangfire and .Quartz
#   tests/versions.sh JobLocking.Redis.Tests              only these suites
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

suites=("$@")
[ $# -gt 0 ] || suites=(JobLocking.Tests JobLocking.Redis.Tests JobLocking.Hangfire.Tests JobLocking.Quartz.Tests)
for suite in "${suites[@]}"; do
  if [ ! -d "tests/$suite" ]; then
    echo "Usage: tests/versions.sh [suite ...], for example JobLocking.Redis.Tests" >&2
    exit 2
  fi
done

work=artifacts/versions
mkdir -p "$work"
table=
failed=0

needs_net10() { # project
  grep -q '<TargetFrameworks>net10.0</TargetFrameworks>' "$1"
}

run() { # suite column
  local suite=$1 column=$2 folder=$work/$2 log=$work/$1.$2.log code=0 options=() filter=()
  local bin=$folder/bin/$suite/debug
  if [ "$column" = lowest ]; then
    # Packages that only the tests use need Microsoft.Extensions 10.0.12. JobLocking.Packages.Tests runs on the lowest.
    options=(-p:JobLockingDependencies=lowest -p:MicrosoftExtensionsVersion=10.0.12 -p:MicrosoftExtensionsLoggingVersion=10.0.12)
  fi
  dotnet build "tests/$suite" --artifacts-path "$folder" -v quiet "${options[@]}"
  if [ "$column" = net8.0 ]; then
    # The tests build on the assemblies for net10.0. Those for net8.0 take their place. Polyfill adds classes, which the house rules reject.
    filter=(--filter-not-class '*.HouseRules*')
    local replaced=0 project library
    for project in src/*/*.csproj; do
      needs_net10 "$project" || dotnet build "$project" -f net8.0 --artifacts-path "$folder" -v quiet
    done
    for library in "$folder"/bin/*/debug_net8.0/JobLocking*.dll; do
      if [ -e "$bin/$(basename "$library")" ]; then
        cp "$library" "$bin"
        replaced=$((replaced + 1))
      fi
    done
    [ "$replaced" -gt 0 ] || { echo "There is no assembly for net8.0." >&2 && exit 1; }
  fi
  dotnet "$bin/$suite.dll" --no-ansi --fail-skips on --timeout 30m "${filter[@]}" 2>&1 | tee "$log" || code=$?
  row "$suite" "$column" "$code" "$log" "$bin/$suite.deps.json"
}

row() { # suite column code log deps
  local passed lost versions
  passed=$(awk '/^Test run summary:/ { value = "" } $1 == "succeeded:" && NF == 2 { value = $2 } END { print value + 0 }' "$4")
  lost=$(awk '/^Test run summary:/ { value = "" } $1 == "failed:" && NF == 2 { value = $2 } END { print value + 0 }' "$4")
  [ "$3" -eq 0 ] || [ "$lost" -gt 0 ] || lost=1
  failed=$((failed + lost))
  versions=$(grep -oE '^ +"(Hangfire.Core|Microsoft.Extensions.Options|OpenTelemetry.Api|Quartz|StackExchange.Redis)/[^"]+": \{$' "$5" |
    sed -E 's/.*"(.*)\/(.*)".*/\1 \2/' | sort -u | paste -sd ';' | sed 's/;/, /g')
  table+=$(printf '%-26s %-8s %5d passed %3d failed   %s' "$1" "$2" "$passed" "$lost" "$versions")$'\n'
}

for suite in "${suites[@]}"; do
  for column in lowest highest net8.0; do
    # Quartz 4 itself needs net10.0.
    if [ "$column" != net8.0 ] || ! needs_net10 "src/${suite%.Tests}/${suite%.Tests}.csproj"; then
      echo "== $suite, $column"
      run "$suite" "$column"
    fi
  done
done

echo
echo "$table"
[ "$failed" -eq 0 ]
