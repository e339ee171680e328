#!/usr/bin/env bash
# Breaks the implementation with each patch in tests/mutants in turn, and checks that the tests that the patch names notice it.
# Works on a copy of the working tree, from any directory.
#
#   tests/mutants.sh                      all
#   tests/mutants.sh 01 wakes-no-waiter      those whose names contain one of these
#
# The last line is "N killed, N survived"; the exit code is zero only if all of them were killed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
export DOTNET_NOLOGO=1 DOTNET_CLI_TELEMETRY_OPTOUT=1 TESTINGPLATFORM_TELEMETRY_OPTOUT=1

# How many seconds a test waits for an event that does not happen.
export JOBLOCKING_TESTS_PATIENCE=5

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT TERM
copy=$work/copy
log=$work/log

# The lines of a patch that say "Killed by: <project> <class>.<test>".
killers() {
  sed -n 's/^Killed by: //p' "$@"
}

# Code that a mutant leaves unused causes a warning, which must not stop the build.
build() {
  dotnet build "$copy/tests/$1" -v quiet -p:RunAnalyzers=false -p:TreatWarningsAsErrors=false "${@:2}" > "$log" 2>&1
}

# Runs tests of one project. A run that hangs is ended: its exit code is not the one of a test that failed, which is 2.
run() {
  local project=$1 filters=() test
  for test in "${@:2}"; do
    filters+=(--filter-method "*.$test")
  done
  timeout --foreground --kill-after=10 150 dotnet "$copy/tests/$project/bin/Debug/net10.0/$project.dll" \
    --no-ansi --show-test-results all --timeout 2m "${filters[@]}" > "$log" 2>&1
}

# Whether the last run reports a test as "passed" or "failed". Each case of a theory has a line of its own.
was() {
  grep -qE "^$1 ([^ (]*\.)?$2[ (]" "$log"
}

# Whether tests of one project pass on the unbroken code.
pass() {
  local test
  if ! run "$@"; then
    cat "$log" >&2
    return 1
  fi
  for test in "${@:2}"; do
    was passed "$test" || { echo "$1 has no test $test: update the patch." >&2 && return 1; }
  done
}

# Prints the outcome of an applied mutant: "killed", or why not.
judge() {
  local project tests code test
  for project in $(killers "$1" | cut -d ' ' -f 1 | sort -u); do
    mapfile -t tests < <(killers "$1" | sed -n "s/^$project //p")
    build "$project" --no-restore || { echo "does not build: update the patch" && return; }
    code=0
    run "$project" "${tests[@]}" || code=$?
    [ "$code" -eq 0 ] || [ "$code" -eq 2 ] || { echo "was not judged: its tests ended with exit code $code" && return; }
    for test in "${tests[@]}"; do
      was failed "$test" || { echo "survived $test" && return; }
    done
  done
  echo killed
}

# All files that are not ignored, changed or not. A repository of its own keeps git from searching for one further up.
mkdir "$copy"
git ls-files -z --cached --others --exclude-standard |
  while IFS= read -r -d '' file; do [ ! -e "$file" ] || printf '%s\0' "$file"; done |
  tar --null --files-from - --create | tar --extract --directory "$copy"
git init --quiet "$copy"

patches=()
for patch in "$copy"/tests/mutants/*.patch; do
  [ "$#" -gt 0 ] || patches+=("$patch")
  for part in "$@"; do
    [[ $(basename "$patch") != *"$part"* ]] || { patches+=("$patch") && break; }
  done
done
[ "${#patches[@]}" -gt 0 ] || { echo "No mutant has a name like this." >&2 && exit 1; }

echo "Building a copy, and running the tests of ${#patches[@]} mutants on the unbroken code."
for project in $(killers "${patches[@]}" | cut -d ' ' -f 1 | sort -u); do
  build "$project" || { cat "$log" >&2 && exit 1; }
  mapfile -t tests < <(killers "${patches[@]}" | sed -n "s/^$project //p" | sort -u)
  pass "$project" "${tests[@]}" || exit 1
done

killed=0
format='%-56s %-10s %7s  %s\n'
# shellcheck disable=SC2059
printf "\n$format" mutant verdict seconds 'killed by'
for patch in "${patches[@]}"; do
  began=$SECONDS
  if git -C "$copy" apply "$patch" 2> "$log"; then
    verdict=$(judge "$patch")
    git -C "$copy" apply --reverse "$patch"
  else
    verdict="does not apply: update the patch"
  fi

  # shellcheck disable=SC2059
  printf "$format" "$(basename "$patch" .patch)" "$([ "$verdict" = killed ] && echo killed || echo SURVIVED)" \
    $((SECONDS - began)) "$(killers "$patch" | cut -d ' ' -f 2 | paste -s -d ' ')"
  if [ "$verdict" = killed ]; then
    killed=$((killed + 1))
  else
    echo "    It $verdict. The end of the output:"
    tail -n 20 "$log" | sed 's/^/    /'
  fi
done

echo
echo "In $SECONDS seconds."
echo "$killed killed, $((${#patches[@]} - killed)) survived"
[ "$killed" -eq "${#patches[@]}" ]
