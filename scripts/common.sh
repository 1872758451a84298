# shellcheck shell=sh
# Sourced by the other scripts: finds the project and defines functions for messages.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck disable=SC2034  # used by the scripts that source this file
VENV=$ROOT/.venv
NAME=$(basename -- "$0")
cd "$ROOT" || exit

say() {
    printf '%s: %s\n' "$NAME" "$*"
}

# Print an error and exit with 2, which means "cannot start".
fail() {
    printf '%s: %s\n' "$NAME" "$*" >&2
    exit 2
}
