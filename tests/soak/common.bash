# common.bash -- what the scripts of tests/soak share.
#
# FRUGAL, TESTSERVER and SOAK_KIT (the folder of kit and failalloc.so) say what
# is tested with what; SOAK is `quick` or `long`; SEED (1) makes runs repeat.
# Each script works in a folder of its own under SOAK_DIR and leaves there what
# it made, for tests/soak/secrets to search. A script ends with one line of
# figures on standard output and exit status 0, or says what was wrong, with the
# command that shows it again, and exits 1.

set -u
: "${FRUGAL:?run make soak}" "${TESTSERVER:?}" "${SOAK_KIT:?}"
: "${SOAK:=quick}" "${SEED:=1}"
RANDOM=$SEED
kit=$SOAK_KIT/kit
name=$(basename "$0")
dir=${SOAK_DIR:-$(mktemp -d)}/$name
rm -rf "$dir"
mkdir -p "$dir" && cd "$dir" || exit 1

# Nothing of the machine's is read, and a key that can be recognised is about.
export HOME=$dir TZ=UTC LC_ALL=C.UTF-8 FRUGAL_STORE=$dir/store.db
export SOAK_KEY=sk-soak-5ecre7c0ffee5ecre7c0ffee
unset FRUGAL_CONFIG XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME
unset http_proxy https_proxy all_proxy no_proxy
unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY

started=$SECONDS

# quick_or_long QUICK LONG
quick_or_long() { if [ "$SOAK" = long ]; then echo "$2"; else echo "$1"; fi; }

# wrong TEXT...: something does not hold. The script goes on.
wrong() { echo "$name: WRONG: $*" | tee -a "$dir/wrong" >&2; }

# figures TEXT...: the last thing a script says.
figures() {
	if [ -s "$dir/wrong" ]; then
		echo "$name: $(wc -l <"$dir/wrong") things wrong; $*" >&2
		echo "again: SOAK=$SOAK SEED=$SEED tests/soak/run $name" >&2
		exit 1
	fi
	echo "$name: $*; $((SECONDS - started)) s"
	exit 0
}

# at_once N COMMAND...: in the background, in a subshell that stops its server
# at its end; at most N of them. Then all_done waits for them.
crew=()
at_once() {
	local pid alive
	while :; do
		alive=()
		for pid in "${crew[@]}"; do
			kill -0 "$pid" 2>/dev/null && alive+=("$pid")
		done
		crew=("${alive[@]}")
		[ "${#crew[@]}" -lt "$1" ] && break
		wait -n "${crew[@]}" 2>/dev/null
	done
	( trap stop_server EXIT; server_pid= ; "${@:2}" ) &
	crew+=($!)
}
all_done() { [ "${#crew[@]}" = 0 ] || wait "${crew[@]}"; }

# --- the server ---------------------------------------------------------------

server_pid=
# start_server OPTION...: $port, and $config with the usual two tiers
start_server() {
	stop_server
	rm -f port
	"$TESTSERVER" --quiet --ready port --lifetime 7200 --seed "$SEED" "$@" \
	    2>>server.err &
	server_pid=$!
	until_so 60 test -s port
	port=$(cat port) || exit 1
}
stop_server() {
	[ -z "$server_pid" ] || { kill "$server_pid"; wait "$server_pid"; } 2>/dev/null
	server_pid=
}
trap stop_server EXIT
trap 'exit 130' INT TERM

# until_so SECONDS COMMAND...: wait until it succeeds; false: it did not in time
until_so() {
	local end=$((SECONDS + $1))
	until "${@:2}"; do
		[ "$SECONDS" -lt "$end" ] || return 1
		sleep 0.01
	done
}

# stat NAME...: numbers of the server's, with blanks between them
stat() {
	local v
	v=$("$kit" get "$port" /stats | tee -a stats.log | "$kit" pick "$@") || {
		wrong 'the server is gone'
		kill -TERM $$
		exit 1
	}
	echo ${v//$'\n'/ }
}
# settle: until nothing is under way at the server
settle() {
	until_so 60 nothing_in_flight ||
	    wrong "requests are under way that nobody waits for"
}
# asked N: wait until so many requests have come
asked() {
	until_so 120 has_been_asked "$1" || wrong "it does not ask: $(cat err)"
}
has_been_asked() { [ "$(stat requests)" -ge "$1" ]; }
nothing_in_flight() { [ "$(stat in_flight)" = 0 ]; }
# release: what the server delays goes out now, and nothing is delayed any more
release() { "$kit" post "$port" '/release?always' >/dev/null || exit 1; }
reset_server() { "$kit" post "$port" "/reset?rules" >/dev/null || exit 1; }

# Prices: small 1 and 2, big 10 and 20 dollars for a million tokens.
prices='--price small=1000000,2000000 --price big=10000000,20000000'

# two_tiers [PROVIDER SETTINGS [TIER SETTINGS [TOP LEVEL]]]: frugal.yaml
two_tiers() {
	cat >frugal.yaml <<-YAML
	providers:
	  test: {api: openai, url: "http://127.0.0.1:$port/v1", key_env: SOAK_KEY${1:-}}
	cascades:
	  default:
	    answer: '#### *([^\n]+)'
	    tiers:
	      - {model: test/small, max_tokens: 40, accept: {regex: '####'}${2:-}}
	      - {model: test/big, max_tokens: 40}
	models:
	  test/small: {input_per_mtok: 1, output_per_mtok: 2}
	  test/big: {input_per_mtok: 10, output_per_mtok: 20}
	${3:-}
	YAML
}

# tasks N [PREFIX]: task objects
tasks() {
	seq 1 "$1" | sed "s/.*/{\"id\":\"${2:-t}&\",\"prompt\":\"What is & times ${2:-t}?\"}/"
}

# --- the program ----------------------------------------------------------------

# f STATUSES COMMAND...: run frugal, never for longer than $limit seconds;
# `out` and `err` have what it said, `all.out` and `all.err` all that was ever
# said. STATUSES are those that are fine: "0" or "0|1".
limit=300
f() {
	local want=$1 status
	shift
	timeout -k 5 "$limit" "$FRUGAL" "$@" >out 2>err </dev/null
	status=$?
	cat out >>all.out
	cat err >>all.err
	[[ "|$want|" == *"|$status|"* ]] && return 0
	wrong "exit status $status, not $want: frugal $* [$(tail -3 err)]"
	return 1
}

# within SECONDS PID: wait for a process we started; its exit status. One that
# hangs is killed (137).
within() {
	local end=$((SECONDS + $1))
	while kill -0 "$2" 2>/dev/null && [ "$SECONDS" -lt "$end" ]; do
		sleep 0.02
	done
	kill -KILL "$2" 2>/dev/null
	wait "$2" 2>/dev/null
}

# sum COLUMN FILE: of whole numbers, exact up to 2^53
sum() { awk -F'\t' -v c="$1" '{ s += $c } END { printf "%.0f\n", s }' "$2"; }

# ledger NAME...: of `frugal stats --json`; - where there is none
ledger() {
	local v
	v=$("$FRUGAL" stats --json 2>>all.err | tee -a ledger.log | "$kit" pick "$@") || exit 1
	echo ${v//$'\n'/ }
}

# sound [STORE]: the store passes SQLite's own check
sound() {
	"$FRUGAL" cache check --store "${1:-$FRUGAL_STORE}" >check.out 2>&1 && return
	wrong "the store is not sound: $(cat check.out)"
}

# complete N FILE: N result objects, each id once
complete() {
	"$kit" table id "$2" >ids || wrong "'$2' has a line that is no JSON"
	[ "$(wc -l <ids)" = "$1" ] || wrong "'$2' has $(wc -l <ids) lines, not $1"
	[ "$(sort -u ids | wc -l)" = "$1" ] || wrong "'$2' has $(sort -u ids |
	    wc -l) different ids, not $1"
}
