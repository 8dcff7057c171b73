# common.bash -- what the command-line tests share.
#
#   load common
#   setup() { frugal_setup; }
#   teardown() { frugal_teardown; }
#
# The program under test is $FRUGAL and the scripted server is $TESTSERVER,
# absolute paths set by the Makefile. Each test runs in a folder of its own,
# which is also HOME and holds the store: nothing of the machine's is read.

bats_require_minimum_version 1.5.0

frugal_setup() {
	: "${FRUGAL:?set by the Makefile: run make cli}"
	cd "$BATS_TEST_TMPDIR" || return 1
	export HOME="$BATS_TEST_TMPDIR"
	export FRUGAL_STORE="$BATS_TEST_TMPDIR/store.db"
	export TZ=UTC LC_ALL=C.UTF-8
	unset FRUGAL_CONFIG XDG_CONFIG_HOME XDG_STATE_HOME XDG_CACHE_HOME
	unset OPENAI_API_KEY http_proxy https_proxy all_proxy no_proxy
	unset HTTP_PROXY HTTPS_PROXY ALL_PROXY NO_PROXY
	SERVER_PID=
}

frugal_teardown() {
	stop_server
}

# start_server [OPTION]...: options of testserver. Sets SERVER_URL.
start_server() {
	: "${TESTSERVER:?set by the Makefile: run make cli}"
	rm -f port
	"$TESTSERVER" --quiet --ready port "$@" 3>&- &
	SERVER_PID=$!
	wait_for port
	SERVER_URL="http://127.0.0.1:$(cat port)/v1"
}

stop_server() {
	if [ -n "$SERVER_PID" ]; then
		kill "$SERVER_PID" 2>/dev/null || true
		wait "$SERVER_PID" 2>/dev/null || true
		SERVER_PID=
	fi
}

# wait_for FILE: until it is there, at most a minute.
wait_for() {
	wait_until test -e "$1"
}

# One prompt by the simulated models of the built-in configuration.
demo_run() {
	"$FRUGAL" run -c demo "$@" </dev/null >/dev/null 2>&1
}

# has TEXT, has_err TEXT, lacks TEXT: is it in the last `run`'s output, or
# (with --separate-stderr) in its standard error?
has() {
	[[ "$output" == *"$1"* ]] || { echo "not in the output: $1"; false; }
}

lacks() {
	[[ "$output" != *"$1"* ]] || { echo "in the output: $1"; false; }
}

has_err() {
	[[ "$stderr" == *"$1"* ]] || { echo "not on stderr: $1"
		echo "stderr: $stderr"; false; }
}

lacks_err() {
	[[ "$stderr" != *"$1"* ]] || { echo "on stderr: $1"
		echo "stderr: $stderr"; false; }
}

# The program, never for longer than five minutes: a machine may be slow.
frugal() {
	timeout -k 1 300 "$FRUGAL" "$@"
}

# expect STATUS COMMAND...: run it, with $output and $stderr apart.
expect() {
	local want=$1

	shift
	run --separate-stderr "$@"
	[ "$status" -eq "$want" ] && return
	printf 'exit status %s, not %s: %s\nstdout: %s\nstderr: %s\n' \
	    "$status" "$want" "$*" "$output" "$stderr"
	return 1
}

# same A B
same() {
	[ "$1" = "$2" ] || { printf 'not the same:\n%s\n%s\n' "$1" "$2"
		false; }
}

# count N FILE: of its lines.
count() {
	same "$(wc -l <"$2")" "$1"
}

# no_line PATTERN FILE: grep finds none. (`!` before a command fails no test.)
no_line() {
	if grep -- "$1" "$2"; then
		echo "in $2: $1"
		return 1
	fi
}

# wait_until COMMAND...: until it succeeds, at most a minute.
wait_until() {
	local end=$((SECONDS + 60))
	while [ $SECONDS -lt $end ]; do
		"$@" && return 0
		sleep 0.01
	done
	echo "waited in vain until: $*"
	return 1
}

# member NAME: the first member of that name in the JSON on standard input, as
# written.
member() {
	grep -o "\"$1\":\\(\"\\(\\\\.\\|[^\"\\\\]\\)*\"\\|[^],}]*\\)" |
	    sed -n '1s/^"[^"]*"://p'
}

# server [RULE]...: the scripted server with these rules, its log in `log`.
server() {
	printf '%s\n' "$@" >script
	start_server --script script --log log
}

# server_page METHOD PATH: one of the server's own pages, with its head.
server_page() {
	exec 9<>"/dev/tcp/127.0.0.1/$(cat port)"
	printf '%s %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 0\r\n\r\n' \
	    "$1" "$2" >&9
	cat <&9
	exec 9>&-
}

# server_stat NAME: what the server says of itself (GET /stats).
server_stat() {
	[[ "$(server_page GET /stats)" =~ \"$1\":([0-9]+) ]]
	echo "${BASH_REMATCH[1]}"
}

# in_flight N: so many requests, or more, are under way at the server.
in_flight() {
	[ "$(server_stat in_flight)" -ge "$1" ]
}

# release [N | always]: what the server delays goes out now; or only its answer
# to request N; or nothing is delayed any more. Tests whose rules delay until then depend on no machine's speed.
release() {
	server_page POST "/release${1:+?$1}" >/dev/null
}

# no_signal_waits PID: it has taken note of all that were sent to it.
no_signal_waits() {
	grep -q '^ShdPnd:[[:blank:]]*0*$' "/proc/$1/status"
}

# read_by_one_who_leaves N COMMAND...: start it in the background (PID) with a
# pipe for its standard output, read N lines of that and close the pipe.
read_by_one_who_leaves() {
	local n=$1

	mkfifo reader
	"${@:2}" <&0 >reader 2>err 3>&- &
	PID=$!
	exec 8<reader
	while [ $((n--)) -gt 0 ]; do read -r -u 8; done
	exec 8<&-
}

# requests N: the server has had so many.
requests() {
	same "$(server_stat requests) requests" "$1 requests"
}

# sent TEXT: the server was sent this, in a request as the log has it.
sent() {
	grep -qF -- "$1" log || { echo "was not sent: $1"; cat log; false; }
}

# write_tiers [SETTINGS]: a configuration whose tiers are on standard input and
# whose provider `test` is the scripted server, with further settings such as
# ', key_env: KEY'. Prices: small 1 and 2, medium 2 and 4, big 10 and 20.
write_tiers() {
	cat >frugal.yaml <<-YAML
	providers:
	  test: {api: openai, url: "$SERVER_URL"$1}
	cascades:
	  default:
	    answer: '#### *([^\n]+)'
	    tiers:
	$(cat)
	models:
	  test/small: {input_per_mtok: 1, output_per_mtok: 2}
	  test/medium: {input_per_mtok: 2, output_per_mtok: 4}
	  test/big: {input_per_mtok: 10, output_per_mtok: 20}
	YAML
}

# The usual one: small is accepted by a pattern, big whatever it says.
write_config() {
	write_tiers "$1" <<-YAML
	      - model: test/small
	        accept: {regex: '####'}
	      - model: test/big
	YAML
}
