#!/usr/bin/env bash
# The page's bundle in ../static again, from these sources. Needs Node and npm; running the workspace needs neither.
set -euo pipefail
cd "$(dirname "$0")"

npm ci --silent --no-audit --no-fund
node build.mjs
