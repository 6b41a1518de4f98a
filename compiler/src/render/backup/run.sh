#!/bin/sh
# Copies what this node keeps to the place the specification names, lists copies, and brings them back. Which of it, how often and
# for how long is in `settings`; the place with its keys is in `place`.
#
#   run loop                      copy whenever it is time, for a node without systemd
#   run due                       make a copy, and try to restore it where that is due: what the timer calls
#   run copy                      make a copy now
#   run list                      print the copies there are
#   run try                       restore the last copy aside and read all of it
#   run mailbox ADDRESS [COPY]    bring the messages of a mailbox back that are not in it; with a folder's name behind it, all of them,
#                                 into that folder
#   run directory [COPY]          bring the directory back as it was
#   run keys [COPY]               bring the keys that this node made back
set -eu
own=/etc/mailwright/backup
state=/var/lib/mailwright/backup
. "$own/settings"
umask 077
mkdir -p "$state"
export PGOPTIONS=--client-min-messages=warning HOME=/root XDG_CACHE_HOME=$state/cache RESTIC_PROGRESS_FPS=0

# The place is written as restic's own variables, a line each. What is a single word is a key, and the place is this node's disk:
# where nothing may leave, copies prove that they can be restored, and save nobody from the loss of a disk.
if grep -q '^RESTIC_REPOSITORY=' "$own/place"; then
    while IFS='=' read -r name value; do
        case "$name" in
        [A-Z]*[!A-Z0-9_]* | '' | \#*) ;;
        *) export "$name=$value" ;;
        esac
    done <"$own/place"
else
    export RESTIC_REPOSITORY=/var/backups/mailwright RESTIC_PASSWORD_FILE="$own/place"
fi

say() { echo "backup: $*" >&2; }

# One at a time on a node.
locked() {
    exec 9>"$state/lock"
    flock 9
}

begin() {
    restic cat config >/dev/null 2>&1 || restic init >/dev/null
    # What an interrupted run left.
    restic unlock -q
}

as() { setpriv --reuid=postgres --regid=postgres --init-groups "$@"; }
ask() { as psql -X -q -A -t -v ON_ERROR_STOP=1 -h /run/postgresql -U postgres "$@"; }

# Of several nodes of a directory, the one that takes writes copies.
writes() { [ "$(ask -d postgres -c 'SELECT pg_is_in_recovery()')" = f ]; }

store() { restic backup -q --host "$NODE" --tag "$KIND" "$@"; }

copy() {
    begin
    case "$KIND" in
    mail)
        # Messages are files that nobody changes once they are there; what is being written beside them is read again on restoring.
        mkdir -p /var/vmail
        store --exclude volatile /var/vmail || [ $? -eq 3 ]
        ;;
    directory)
        writes || return 0
        # Written out first, so that a dump that breaks off never becomes a copy. Uncompressed, so that what did not change is kept once.
        as pg_dump -h /run/postgresql -U postgres -Fc -Z0 mailwright >"$state/directory.dump"
        store "$state/directory.dump"
        rm -f "$state/directory.dump"
        ;;
    keys)
        mkdir -p /var/lib/knot
        knotc -c /etc/knot/knot.conf zone-flush >/dev/null 2>&1 || true
        store /var/lib/knot
        ;;
    esac
    tell success
    if [ "$(cat "$state/forgotten" 2>/dev/null || :)" != "$(date +%F)" ]; then
        restic forget -q --host "$NODE" --tag "$KIND" --keep-within "${KEEP_HOURS}h" --prune
        date +%F >"$state/forgotten"
    fi
}

# What the node's exporter shows: when it went well last.
tell() {
    date +%s >"$state/$1"
    mkdir -p /var/lib/prometheus/node-exporter
    umask 022
    {
        for what in success try; do
            [ -s "$state/$what" ] || continue
            echo "mailwright_backup_${what}_time_seconds{kind=\"$KIND\"} $(cat "$state/$what")"
        done
    } >/var/lib/prometheus/node-exporter/mailwright-backup.prom.new
    mv /var/lib/prometheus/node-exporter/mailwright-backup.prom.new /var/lib/prometheus/node-exporter/mailwright-backup.prom
    umask 077
}

# Restores into a folder of its own, which is gone afterwards.
aside() {
    into=$(mktemp -d /var/tmp/restored.XXXXXX)
    trap 'rm -rf "$into"' EXIT
    restic restore -q --host "$NODE" --tag "$KIND" --target "$into" "$@"
}

# Where the directory says that a mailbox lies; where its store is another, nothing.
home_of() { doveadm user -f home "$1" 2>/dev/null | head -n 1; }

mailbox() {
    address=$1 copy=${2:-latest} folder=${3:-}
    home=$(home_of "$address")
    if [ -z "$home" ]; then
        say "no mailbox $address on this node"
        exit 3
    fi
    aside "$copy" --include "$home"
    if [ ! -d "$into$home/mail" ]; then
        say "the copy $copy has nothing of $address"
        exit 4
    fi
    chown -R 5000:5000 "$into"
    chmod 0711 "$into"
    find "$into" -type d -exec chmod u+rwx,go+x {} +
    bring "$address" "$into$home/mail" "$folder"
}

# Messages that the mailbox has are left as they are; the others come back with their flags and dates. What its owner deleted is
# not in it, though it may still be kept.
bring() {
    export ADDRESS="$1" SOURCE="sdbox:$2" FOLDER="$3" SUBSCRIBE="${3:+-s}"
    doveadm ${FROM}"$2" force-resync -u "$1" '*' 2>/dev/null || :
    doveadm -f tab ${FROM}"$2" fetch -u "$1" guid NOT mailbox '.EXPUNGED/*' | guids >"$into/copied"
    if [ -n "$FOLDER" ]; then
        # Nothing is there where the folder is not there yet.
        doveadm -f tab fetch -u "$1" guid mailbox "$FOLDER" OR mailbox "$FOLDER/*" 2>/dev/null | guids >"$into/there"
    else
        doveadm -f tab fetch -u "$1" guid NOT mailbox '.EXPUNGED/*' | guids >"$into/there"
    fi
    comm -23 "$into/copied" "$into/there" >"$into/missing"
    say "$(wc -l <"$into/missing") messages of $1 are brought back"
    xargs -r -n 50 sh -c 'query=
        for guid; do query="$query${query:+ OR }guid $guid"; done
        exec doveadm import $SUBSCRIBE -u "$ADDRESS" "$SOURCE" "$FOLDER" $query' bring <"$into/missing"
}

# What doveadm tells of each message, as lines that can be compared; there may be none.
guids() { grep -x '[0-9a-f]*' | sort -u || :; }

directory() {
    writes || { say "another node of the directory takes writes"; exit 3; }
    aside "${1:-latest}"
    chown postgres "$into"
    dump=$into$state/directory.dump
    find "$into" -exec chown postgres {} +
    [ "$(ask -d postgres -c "SELECT 1 FROM pg_database WHERE datname = 'mailwright'")" = 1 ] ||
        ask -d postgres -c 'CREATE DATABASE mailwright OWNER control'
    as pg_restore -h /run/postgresql -U postgres -d mailwright --clean --if-exists --single-transaction "$dump"
}

keys() {
    aside "${1:-latest}"
    cp -a "$into/var/lib/knot/." /var/lib/knot/
}

try() {
    restic check -q --read-data-subset=10%
    aside latest
    case "$KIND" in
    mail)
        # The mailbox that was written to last, since nobody can read them all each time.
        newest=$(find "$into/var/vmail" -mindepth 2 -maxdepth 2 -type d -printf '%T@ %p\n' | sort -n | tail -n 1 | cut -d' ' -f2)
        [ -n "$newest" ] || return 0
        read_all "$newest/mail"
        ;;
    directory)
        find "$into" -exec chown postgres {} +
        ask -d postgres -c 'DROP DATABASE IF EXISTS restore_try'
        ask -d postgres -c 'CREATE DATABASE restore_try OWNER control'
        as pg_restore -h /run/postgresql -U postgres -d restore_try --single-transaction "$into$state/directory.dump"
        found=$(ask -d restore_try -c 'SELECT count(*) FROM public.mailboxes')
        ask -d postgres -c 'DROP DATABASE restore_try'
        say "$found accounts in the last copy"
        ;;
    keys) [ -n "$(ls -A "$into/var/lib/knot")" ] ;;
    esac
    tell try
}

# Every octet of every message of a mailbox that was restored aside.
read_all() {
    count=0
    for message in $(find "$1" -name 'u.*' -type f); do
        # What sdbox begins and ends each of its files with; one that breaks off has no end.
        head -c 2 "$message" | grep -q '^2' || { say "$message does not begin as it should"; return 1; }
        tail -c 400 "$message" | grep -q "$(printf '\001\003')" || { say "$message breaks off"; return 1; }
        count=$((count + 1))
    done
    say "$count messages read from the last copy"
}

# A copy, and where it is time for it, a restore; each says by itself what failed.
due() {
    failed=0
    "$0" unlocked copy || { say "no copy was made; the next attempt is in $EVERY_SECONDS s"; failed=1; }
    [ -s "$state/tried" ] || date +%s >"$state/tried"
    if [ "$TRY_SECONDS" -gt 0 ] && [ $(($(date +%s) - $(cat "$state/tried"))) -ge "$TRY_SECONDS" ]; then
        "$0" unlocked try || { say "the last copy could not be restored"; failed=1; }
        date +%s >"$state/tried"
    fi
    return $failed
}

loop() {
    while :; do
        "$0" due || :
        sleep "$EVERY_SECONDS" &
        wait $!
    done
}

command=${1:-}
[ $# -gt 0 ] && shift
case "$command" in
loop) loop ;;
copy | try | due)
    locked
    $command
    ;;
# By one that has the lock.
unlocked) $1 ;;
list) restic snapshots --host "$NODE" --tag "$KIND" ;;
mailbox | directory | keys)
    if [ "$command" = mailbox ] && [ "$KIND" != mail ] || [ "$command" != mailbox ] && [ "$KIND" != "$command" ]; then
        say "this node keeps copies of $KIND"
        exit 3
    fi
    locked
    $command "$@"
    ;;
*)
    say "loop, copy, list, try, mailbox ADDRESS, directory or keys"
    exit 2
    ;;
esac
