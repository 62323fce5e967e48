#!/usr/bin/env bash
# Sets up what is missing: system packages, Rust, .venv with the package in it, the models. What is there is left alone.
set -euo pipefail
export LC_ALL=C.UTF-8
cd "$(dirname "$0")/.."

NEEDED=(build-essential ca-certificates espeak-ng libespeak-ng1 python3-venv)
WANTED=(ffmpeg libportaudio2 libsndfile1 apertium apertium-eng-spa apertium-es-pt apertium-fr-es apertium-fra-cat
  apertium-por-cat apertium-spa-cat apertium-spa-ita redis-server)
RUST_MIN=$(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml)
PYTHON_MIN=3.11
VENV=.venv
LOG=build/setup.log

mkdir -p build
: >"$LOG"

fail() {
  printf 'setup: %s\n' "$1" >&2
  exit 1
}

# step TITLE COMMAND...: one line with the seconds taken. The command's output goes to the log and is shown on failure;
# what it writes to descriptor 3 is the user's to read.
step() {
  local title=$1 from=${EPOCHREALTIME/./} rc
  shift
  printf 'setup: %-50s' "$title"
  # Not `|| rc=$?`: bash would then ignore failures inside the step.
  set +e
  (set -e && "$@") 3>"$LOG.notes" >>"$LOG" 2>&1
  rc=$?
  set -e
  local took_ms=$(((${EPOCHREALTIME/./} - from) / 1000))
  if ((rc == 0)); then printf ' ok'; else printf ' FAILED'; fi
  printf ' %4d.%d s\n' $((took_ms / 1000)) $((took_ms % 1000 / 100))
  sed 's/^/  /' "$LOG.notes"
  if ((rc)); then
    tail -n 30 "$LOG" >&2
    fail "$title failed; all of its output is in $LOG"
  fi
}

at_least() { [[ $(printf '%s\n%s\n' "$1" "$2" | sort -V | head -n 1) == "$1" ]]; }
is_root() { [[ $(id -u) == 0 ]]; }
has_apt() { command -v apt-get >/dev/null; }
apt_candidate() { apt-cache policy "$1" 2>/dev/null | awk '$1 == "Candidate:" && $2 != "(none)" {print $2}'; }
apt_install() { DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"; }

missing_of() {
  local name installed
  installed=" $(dpkg-query -W -f '${db:Status-Status}:${Package} ' "$@" 2>/dev/null || true)"
  for name in "$@"; do
    [[ $installed == *" installed:$name "* ]] || printf '%s\n' "$name"
  done
}

system_packages() {
  local needed wanted name
  if ! has_apt; then
    for name in cc espeak-ng; do
      command -v "$name" >/dev/null || { echo "$name is missing: install what provides it" >&3; return 1; }
    done
    echo 'no apt-get here: for every language and file format install ffmpeg, PortAudio and Apertium yourself' >&3
    return
  fi
  mapfile -t needed < <(missing_of "${NEEDED[@]}")
  mapfile -t wanted < <(missing_of "${WANTED[@]}")
  ((${#needed[@]} + ${#wanted[@]})) || return 0
  if is_root; then
    apt-get update
    local there=()
    for name in "${wanted[@]}"; do
      if [[ -n $(apt_candidate "$name") ]]; then there+=("$name"); else echo "no package $name here: goes without" >&3; fi
    done
    apt_install "${needed[@]}" "${there[@]}"
    return
  fi
  needed+=("${wanted[@]}")
  echo "missing: ${needed[*]}" >&3
  echo "install them with: sudo apt-get install -y --no-install-recommends ${needed[*]}" >&3
  # A package may be missing and what it brings be there, from elsewhere.
  for name in cc espeak-ng; do
    command -v "$name" >/dev/null || { echo "cannot go on without $name" >&3; return 1; }
  done
}

cargo_is_new_enough() { at_least "$RUST_MIN" "$(cargo --version 2>/dev/null | awk '{print $2}')"; }

rust() {
  cargo_is_new_enough && return
  local kind version
  if is_root && has_apt; then
    apt-get update
    # Debian's stable releases have a newer Rust beside their own, under another name.
    for kind in 'rustc cargo rustfmt rust-clippy' 'rustc-web cargo-web rustfmt-web rust-web-clippy'; do
      version=$(apt_candidate "${kind%% *}")
      if at_least "$RUST_MIN" "${version:-0}"; then
        # shellcheck disable=SC2086
        apt_install $kind
        hash -r
        cargo_is_new_enough && return
      fi
    done
    if [[ -n $(apt_candidate rustup) ]]; then
      apt_install rustup
      rustup default stable
      hash -r
      cargo_is_new_enough && return
    fi
  fi
  echo "Rust $RUST_MIN or newer is missing: get it from https://rustup.rs, see that 'cargo' is on PATH, and run this again" >&3
  return 1
}

suits() { "$1" -c "import sys, ensurepip; sys.exit(sys.version_info[:2] < (${PYTHON_MIN/./, }))" 2>/dev/null; }

environment() {
  suits $VENV/bin/python && return
  local python
  for python in python3.13 python3.12 python3.11 python3; do
    if command -v "$python" >/dev/null && suits "$python"; then
      "$python" -m venv --clear $VENV
      return
    fi
  done
  echo "Python $PYTHON_MIN or newer with its venv module is missing: install for example python3.13 and python3.13-venv" >&3
  return 1
}

# once NAME FILES -- COMMAND...: run the command unless it has succeeded on just these contents.
once() {
  local stamp=$VENV/.setup-$1 files=() key
  shift
  while [[ $1 != -- ]]; do
    files+=("$1")
    shift
  done
  shift
  key=$(cat "${files[@]}" | sha256sum)
  [[ -f $stamp && $(<"$stamp") == "$key" ]] && return
  rm -f "$stamp"
  "$@"
  printf '%s\n' "$key" >"$stamp"
}

# uv takes a quarter of pip's time, and does not read pip's settings: where it finds no packages, pip may.
# The build backend is called by its name, so .venv must be on PATH.
install() {
  local python=$VENV/bin/python
  local pip=("$python" -m pip --disable-pip-version-check --no-input install)
  [[ -x $VENV/bin/uv ]] || "${pip[@]}" "$(grep '^uv==' constraints.txt)"
  PATH=$PWD/$VENV/bin:$PATH uv pip install --python "$python" "$@" || PATH=$PWD/$VENV/bin:$PATH "${pip[@]}" "$@"
}

libraries() {
  install -r constraints.txt
  install --no-deps --only-binary :all: -r constraints-bare.txt ||
    echo 'no package here of the scorers in constraints-bare.txt: the test of agreement goes without' >&3
}

package() {
  install --no-build-isolation -c constraints.txt -e '.[agent,devices,eval,glossary,hosted,postgres,redis,serve,telemetry,dev]'
  $VENV/bin/python -c 'import vivavoce._media' # Fails here rather than later if what was built does not load.
}

mapfile -t sources < <(find crates -name '*.rs' -o -name Cargo.toml | sort)

step 'system packages' system_packages
step "Rust $RUST_MIN or newer" rust
step "Python $PYTHON_MIN or newer in $VENV" environment
step 'Python libraries (some 250 MB the first time)' once libraries constraints.txt constraints-bare.txt $VENV/pyvenv.cfg -- libraries
step 'the package and its Rust part' \
  once package constraints.txt pyproject.toml Cargo.toml Cargo.lock "${sources[@]}" $VENV/pyvenv.cfg -- package
# Shows its own progress: some 350 MB the first time, with the recordings of the clip set.
$VENV/bin/vivavoce models fetch
