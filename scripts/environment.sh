# Sourced by the scripts beside it: makes ./.venv from uv.lock and sets PROJECT_ROOT and PYTHON.
#
# Needs a Python >= 3.11 and a package registry, nothing else. uv is taken from the PATH where it is recent enough and
# brought by pip into ./.tools otherwise. Where the user's pip is pointed at another index, pip installs the locked
# versions by their hashes, since uv would go to the addresses in the lock file. Quiet, and a no-op when nothing changed.
#
# Set CUSTODY_PYTHON to choose the interpreter. Nothing is written outside the project's folder.

UV_PIN="0.13.9"          # brought when there is none
UV_AT_LEAST="0.9"        # the oldest that reads our lock file and builds the project

PROJECT_ROOT="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd -P)"
export PROJECT_ROOT
cd "$PROJECT_ROOT" || exit 1

_environment_say() { printf '%s\n' "$*" >&2; }

_environment_fail() {
    _environment_say "error: $*"
    exit 1
}

_is_usable_python() {
    "$1" -c 'import sys; raise SystemExit(sys.version_info < (3, 11) or sys.implementation.name != "cpython")' \
        >/dev/null 2>&1
}

# Prints the absolute path of a CPython >= 3.11. A shim on the PATH that cannot start does not count.
_find_python() {
    local name
    for name in ${CUSTODY_PYTHON:+"$CUSTODY_PYTHON"} python3 python3.13 python3.12 python3.11 python3.14 python; do
        if _is_usable_python "$name"; then
            "$name" -c 'import sys; print(sys.executable)'
            return 0
        fi
        [ "$name" != "${CUSTODY_PYTHON:-}" ] || _environment_fail "CUSTODY_PYTHON=$name is no CPython >= 3.11"
    done
    _environment_fail "expected CPython >= 3.11 on the PATH and found none; install one or set CUSTODY_PYTHON"
}

# Succeeds when version $1 is at least version $2 (digits and dots).
_version_at_least() {
    [ "$(printf '%s\n%s\n' "$2" "$1" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)" = "$2" ]
}

# Sets UV: the path of a uv that reads our lock file.
_find_uv() {
    local base_python=$1 version
    if command -v uv >/dev/null 2>&1; then
        version=$(uv --version 2>/dev/null | awk '{print $2}')
        if [ -n "$version" ] && _version_at_least "$version" "$UV_AT_LEAST"; then
            UV=$(command -v uv)
            return
        fi
    fi
    UV="$PROJECT_ROOT/.tools/bin/uv"
    [ -x "$UV" ] && "$UV" --version >/dev/null 2>&1 && return
    _environment_say "bringing uv $UV_PIN into .tools"
    rm -rf "$PROJECT_ROOT/.tools"
    if "$base_python" -m venv "$PROJECT_ROOT/.tools" >/dev/null 2>&1; then
        "$PROJECT_ROOT/.tools/bin/python" -m pip install --quiet --disable-pip-version-check "uv==$UV_PIN" >&2 \
            || _environment_fail "pip could not install uv==$UV_PIN; see its message above"
    else
        # Some distributions ship Python without ensurepip, but with pip: a plain target folder does as well.
        rm -rf "$PROJECT_ROOT/.tools"
        "$base_python" -m pip install --quiet --disable-pip-version-check --target "$PROJECT_ROOT/.tools" "uv==$UV_PIN" >&2 \
            || _environment_fail "expected python3 with venv or pip; on Debian: apt-get install python3-venv"
    fi
    [ -x "$UV" ] || _environment_fail "pip installed uv==$UV_PIN, yet $UV is not there"
}

# Succeeds when the user's pip is pointed at an index of its own, by configuration or environment.
_pip_has_own_index() {
    "$1" -m pip config list 2>/dev/null | grep -Eq "^(global|install|site|user|:env:)\.(index-url|no-index)="
}

# Installs what uv.lock names with pip: same versions, same hashes, from where the user's pip fetches.
_install_with_pip() {
    local venv=$1 requirements="$1/locked-requirements.txt"
    "$UV" export --quiet --frozen --all-extras --no-emit-project --format requirements-txt --output-file "$requirements" \
        >/dev/null || return 1
    "$venv/bin/python" -m pip --version >/dev/null 2>&1 || "$venv/bin/python" -m ensurepip >/dev/null || return 1
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r "$requirements" >&2 || return 1
    "$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-deps --editable . >&2
}

# Makes the environment in folder $1 on interpreter $2 what uv.lock says.
make_environment() {
    local venv=$1 base_python=$2 want stamp="$1/.made-from"
    want=$({ cat uv.lock pyproject.toml scripts/environment.sh; "$base_python" -VV; printf '%s\n' "$venv"; } | cksum)
    if [ -f "$stamp" ] && [ "$(cat "$stamp")" = "$want" ] && _is_usable_python "$venv/bin/python"; then
        return
    fi
    _find_uv "$base_python"
    _environment_say "making ${venv#"$PROJECT_ROOT"/} from uv.lock"
    export UV_PYTHON_DOWNLOADS=never
    local by_uv=yes
    ! _pip_has_own_index "$base_python" || by_uv=no
    if [ $by_uv = yes ]; then
        UV_PROJECT_ENVIRONMENT="$venv" UV_PYTHON="$base_python" VIRTUAL_ENV='' \
            "$UV" sync --quiet --frozen --all-extras >&2 || by_uv=failed
    fi
    if [ $by_uv != yes ]; then
        [ $by_uv = no ] || _environment_say "uv could not fetch what the lock names; trying pip with its own configuration"
        _is_usable_python "$venv/bin/python" || "$base_python" -m venv --clear "$venv" >&2 \
            || _environment_fail "could not make $venv with $base_python"
        _install_with_pip "$venv" \
            || _environment_fail "neither uv nor pip could install what uv.lock names; see the messages above"
    fi
    printf '%s\n' "$want" >"$stamp"
}

_base_python=$(_find_python) || exit 1
# An environment that works keeps its interpreter, so that a changed PATH does not rebuild it.
if [ -z "${CUSTODY_PYTHON:-}" ] && _is_usable_python "$PROJECT_ROOT/.venv/bin/python"; then
    _base_python=$("$PROJECT_ROOT/.venv/bin/python" -c 'import os, sys; print(os.path.realpath(sys.executable))')
fi
make_environment "$PROJECT_ROOT/.venv" "$_base_python"

PYTHON="$PROJECT_ROOT/.venv/bin/python"
export PYTHON
export VIRTUAL_ENV="$PROJECT_ROOT/.venv" PATH="$PROJECT_ROOT/.venv/bin:$PATH"
unset PYTHONHOME PYTHONPATH
