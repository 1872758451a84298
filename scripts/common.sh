# shellcheck shell=sh
# Sourced by its neighbours: where the project is, and how to speak.

ROOT=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd -P)
# shellcheck disable=SC2034  # used by those who source this
VENV=$ROOT/.venv
NAME=$(basename -- "$0")
cd "$ROOT" || exit

say() {
    printf '%s: %s\n' "$NAME" "$*"
}

# Say in one sentence what is missing, and end: 2 is "cannot even begin".
fail() {
    printf '%s: %s\n' "$NAME" "$*" >&2
    exit 2
}
