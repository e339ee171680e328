#!/usr/bin/env bash
# Draws docs/icon.png, the icon of the packages, from docs/icon.svg. Needs rsvg-convert (Debian, Ubuntu: apt-get install librsvg2-bin).
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")"
rsvg-convert --width 128 --height 128 --output icon.png icon.svg
