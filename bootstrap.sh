#!/bin/sh
# Makes `.venv` and installs the locked packages: `bootstrap.sh run` what the product needs, `bootstrap.sh dev` also
# what its tests and checks need. Does nothing, and asks no network, when the right lock is installed already.
set -eu
cd "$(dirname "$0")"

venv=.venv
log=$venv/install.log
kind=${1:-run}

main() {
    case $kind in
        run) lock=requirements.lock room=600 ;;
        dev) lock=requirements-dev.lock room=1200 ;;
        *) die "bootstrap.sh: expected run or dev, got $kind" ;;
    esac
    if is_installed; then return; fi
    # Two starts at once: the second waits, then finds the work done.
    exec 9<"$lock"
    if command -v flock >/dev/null; then flock 9; fi
    if is_installed; then return; fi
    check_room
    if ! venv_works; then make_venv; fi
    install
}

die() {
    printf '%s\n' "$1" >&2
    exit 1
}

# The stamp is written last, so an install that was cut short is done again. It names the lock by its content.
stamp_of() { printf '%s/.installed-%s' "$venv" "$1"; }
digest_of() { cksum <"$1"; }

is_installed() {
    [ -x "$venv/bin/python" ] && [ "$(cat "$(stamp_of "$kind")" 2>/dev/null)" = "$(digest_of "$lock")" ]
}

check_room() {
    free=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    if [ "$free" -lt "$room" ]; then
        die "Not enough disk: $room MB are needed in $PWD, $free MB are free. Make room and start again."
    fi
}

venv_works() {
    "$venv/bin/python" -c 'import sys, pip; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1
}

make_venv() {
    python=$(find_python)
    if ! said=$("$python" -m venv --clear "$venv" 2>&1); then
        is_full "$said"
        die "$python could not make $venv: $(printf '%s\n' "$said" | tail -n 1)"
    fi
}

# The newest Python that is new enough and can make a venv; Debian and Ubuntu pack the second part on its own.
find_python() {
    found='' lacking=''
    for python in ${PYTHON:-python3.14 python3.13 python3.12 python3.11 python3}; do
        version=$("$python" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null) || continue
        found="$found $python is $version."
        "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))' || continue
        if "$python" -c 'import ensurepip, venv' 2>/dev/null; then
            printf '%s\n' "$python"
            return
        fi
        lacking=${lacking:-$version}
    done
    if [ -n "$lacking" ]; then
        die "Python $lacking lacks its venv module. Install it: sudo apt install python$lacking-venv"
    fi
    die "Python 3.11 or newer is needed;${found:- none was found.} Install one (sudo apt install python3 python3-venv) or name one: make PYTHON=/path/to/python3.12"
}

install() {
    total=$(grep -c '^[a-z0-9].*==' "$lock")
    printf 'Installing %s locked packages into %s (once, about a minute) …\n' "$total" "$venv"
    rm -f "$venv"/.installed-*
    : >"$log"
    if ! pip_install | show_progress; then explain_failure; fi
    digest_of "$lock" >"$(stamp_of "$kind")"
    # The development lock holds all of the other one, at the same versions: a test proves it.
    if [ "$kind" = dev ]; then digest_of requirements.lock >"$(stamp_of run)"; fi
}

# `--no-deps`: the lock is complete, so nothing that it does not name can come in.
pip_install() {
    code=0
    PIP_USER=0 PIP_DISABLE_PIP_VERSION_CHECK=1 PYTHONUNBUFFERED=1 "$venv/bin/python" -m pip install \
        --require-hashes --no-deps --no-input --progress-bar off -r "$lock" 2>&1 || code=$?
    printf 'pip ended with %s\n' "$code"
}

show_progress() {
    seen=0 last=''
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$log"
        last=$line
        case $line in
            Collecting\ * | Processing\ * | Ignoring\ * | 'Requirement already satisfied: '*) seen=$((seen + 1)) ;;
            *) continue ;;
        esac
        if [ -t 1 ]; then printf '\r  %s of %s' "$seen" "$total"; fi
    done
    if [ -t 1 ]; then printf '\r\033[K'; fi
    [ "$last" = 'pip ended with 0' ]
}

explain_failure() {
    is_full "$(cat "$log")"
    if grep -q 'DO NOT MATCH THE HASHES' "$log"; then
        die "A package is not the one that was locked (its hash differs); nothing was installed. See $log"
    fi
    if grep -qE 'Retrying|NewConnectionError|ConnectTimeout|ProxyError|SSLError|name resolution|Network is unreachable' "$log"; then
        die "The packages could not be downloaded: connect to the network (or set a proxy, HTTPS_PROXY) and start again. See $log"
    fi
    die "The packages could not be installed: $(grep '^ERROR' "$log" | tail -n 1) See $log"
}

is_full() {
    case $1 in
        *'No space left on device'* | *'Disk quota exceeded'*)
            die "The disk is full: make $room MB of room in $PWD and ${TMPDIR:-/tmp}, and start again." ;;
    esac
}

main
