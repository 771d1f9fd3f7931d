# shellcheck shell=sh
# What the build scripts share: steps with their time, and the cache.
#
# A cache entry is a folder named by the content of what went in.  It is made
# beside its place and renamed when it is complete, under a lock: there are no
# half entries, and two builds at once do the work once.

: "${CACHE:=${XDG_CACHE_HOME:-$HOME/.cache}/xenolith}"
mkdir -p "$CACHE"

die() {
    echo "error: $*" >&2
    exit 1
}

# step NAME COMMAND...: run, output to a log, and say how long it took.
step() {
    step_name=$1
    shift
    step_log=$CACHE/log/$(echo "$step_name" | tr -c 'a-z0-9\n' -)
    mkdir -p "$CACHE/log"
    printf '%s ...' "$step_name"
    step_t0=$(date +%s)
    # Not in a condition, where -e would be ignored inside.
    set +e
    (set -e; "$@") >"$step_log" 2>&1
    step_rc=$?
    set -e
    if [ $step_rc -eq 0 ]; then
        printf ' %d s\n' $(($(date +%s) - step_t0))
    else
        printf ' failed\n'
        tail -n 30 "$step_log" >&2
        die "$step_name failed; all it said is in $step_log"
    fi
}

# Hash of standard input, short enough for a name.
key() {
    sha256sum | cut -c1-20
}

# Contents of files, with their names relative to here.
contents() {
    for f in "$@"; do
        echo "== $f"
        cat "$f"
    done
}

# cached KIND KEY COMMAND...: the folder of an entry, made by COMMAND DIR if
# it is not there.  Prints nothing; sets $entry.
cached() {
    entry=$CACHE/$1/$2
    c_kind=$1
    shift 2
    [ -d "$entry" ] && return 0
    mkdir -p "$CACHE/$c_kind"
    exec 9>"$CACHE/$c_kind.lock"
    flock 9
    if [ ! -d "$entry" ]; then
        rm -rf "$CACHE/$c_kind"/tmp.*
        c_tmp=$CACHE/$c_kind/tmp.$$
        mkdir "$c_tmp"
        "$@" "$c_tmp"
        mv "$c_tmp" "$entry"
    fi
    exec 9>&-
}
