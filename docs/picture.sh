#!/usr/bin/env bash
# Draws docs/picture.png: runs samples/WorkerHost for 20 seconds on a Redis of its own, and shows 12 of them as its journal recorded them.
# Needs redis-server and Chromium: apt-get install redis-server chromium.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

chromium=$(command -v chromium || command -v chromium-browser || command -v google-chrome)
page=$(mktemp -d)
port=$((20000 + RANDOM % 10000))
redis-server --bind 127.0.0.1 --port "$port" --save "" --dir "$page" > /dev/null &
redis=$!
trap 'kill "$redis" 2> /dev/null; wait "$redis" 2> /dev/null; rm -rf "$page"' EXIT

# The exit code of the sample says whether executions overlapped; its last line is the summary.
ConnectionStrings__Redis=127.0.0.1:$port dotnet run --project samples/WorkerHost -- --seconds 20 --port 0 | tee "$page/output"

cp docs/picture.html "$page"
{
  echo "const summary = $(tail -n 1 "$page/output");"
  echo "const journal = ["
  redis-cli -p "$port" LRANGE workerhost:journal 0 -1 | sed 's/$/,/'
  echo "];"
} > "$page/journal.js"

"$chromium" --headless --no-sandbox --disable-gpu --hide-scrollbars --force-device-scale-factor=1.5 --window-size=1200,510 \
  --user-data-dir="$page/profile" --screenshot="$PWD/docs/picture.png" "file://$page/picture.html" 2> /dev/null
echo "docs/picture.png"
