# frugal batch: files of tasks in, a result object a line out.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# batch ARGUMENT...: quietly, into `out`.
batch() {
	frugal batch -q -o out "$@"
}

# ids: of the results in `out`, in their order, on one line.
ids() {
	sed 's/^{"id":"\([^"]*\)".*/\1/' out | paste -sd ' '
}

# each_once N: out has the ids 1 to N, each once.
each_once() {
	same "$(sed 's/^{"id":"\([^"]*\)".*/\1/' out | sort -n)" "$(seq 1 "$1")"
}

# in_background ARGUMENT...: batch as a terminal would start it: what a shell
# starts with & has SIGINT ignored. Sets PID.
in_background() {
	env --default-signal=INT,HUP "$FRUGAL" batch -o out "$@" <&0 2>err 3>&- &
	PID=$!
}

lines_are() {
	[ -e out ] && [ "$(wc -l <out)" -ge "$1" ]
}

# ends_with STATUS: the one in the background.
ends_with() {
	local got=0
	wait "$PID" || got=$?
	same "status $got" "status $1" || { cat err; false; }
}

# --- formats ---------------------------------------------------------------

@test "a .txt file has a prompt a line, known by the line number" {
	server
	write_config
	printf 'one\n\ntwo\r\nthree' >in.txt
	expect 0 batch in.txt
	same "$(ids | tr ' ' '\n' | sort | paste -sd ' ')" "1 3 4"
	sent '"content":"two"}'
	sent '"content":"three"}'
}

@test "a .jsonl file has task objects" {
	server
	write_config
	cat >in.jsonl <<-'JSON'
	{"id":"a","prompt":"one","system":"short","tags":{"x":"y"},"reference":"1"}
	{"messages":[{"role":"user","content":"u"},{"role":"assistant","content":"v"},{"role":"user","content":"w"}]}
	{"id":7,"prompt":"seven","max_tokens":9}
	JSON
	expect 0 batch -j 1 in.jsonl
	same "$(ids)" "a 2 7"
	sent '[{"role":"system","content":"short"},{"role":"user","content":"one"}]'
	sent '[{"role":"user","content":"u"},{"role":"assistant","content":"v"},{"role":"user","content":"w"}]'
	sent '"max_tokens":9'
	grep -q '"id":"a".*"correct":false' out
}

@test "a .jsonl file may have OpenAI's batch request lines" {
	server
	write_config
	cat >in.jsonl <<-'JSON'
	{"custom_id":"r-1","method":"POST","url":"/v1/chat/completions","body":{"model":"gpt-4o","messages":[{"role":"system","content":"s"},{"role":"user","content":"hello"}],"max_tokens":5}}
	JSON
	expect 0 batch in.jsonl
	same "$(ids)" r-1
	sent '"model":"small","messages":[{"role":"system","content":"s"},{"role":"user","content":"hello"}],"max_tokens":5'
}

@test "a .csv file has a header, and quotes as in RFC 4180" {
	server
	write_config
	printf 'id,prompt,colour\r\na,"one, ""two""\nthree",red\r\nb,four,\r\n' >in.csv
	expect 0 batch -j 1 in.csv
	same "$(ids)" "a b"
	sent '"content":"one, \"two\"\nthree"'
}

@test "the columns of a .csv file are fields of a template" {
	server
	write_config
	printf 'text,lang\nbread,Quechua\n' >in.csv
	printf '{{text}} in {{lang}}?' >t.txt
	expect 0 batch in.csv -t t.txt
	sent '"content":"bread in Quechua?"'
}

@test "a .csv file without a prompt column or a template is refused unread" {
	server
	write_config
	printf 'text,lang\nbread,Quechua\n' >in.csv
	expect 2 batch in.csv
	has_err "in.csv:1"
	has_err "template"
	requests 0
}

@test "a .tsv file, .gz files and standard input are read the same way" {
	server
	write_config
	printf 'id\tprompt\nt1\ttabbed\n' >in.tsv
	printf '{"id":"z1","prompt":"zipped"}\n' | gzip >in.jsonl.gz
	printf '{"id":"s1","prompt":"piped"}\n' >in
	expect 0 batch -j 1 in.tsv in.jsonl.gz - <in
	same "$(ids)" "t1 z1 s1"
	gzip -c in.tsv >in
	expect 0 frugal batch -q --format tsv - <in
	has '"id":"t1"'
}

@test "a name that does not say its format needs --format" {
	server
	write_config
	echo prompt >in
	expect 2 batch in
	has_err "--format"
	expect 0 batch --format txt in
	count 1 out
}

@test "numbers of lines of several files are told apart" {
	server
	write_config
	mkdir d
	echo one >a.txt
	echo two >d/b.txt
	expect 0 batch -j 1 a.txt d/b.txt
	same "$(ids)" "a.txt:1 b.txt:1"
}

@test "a file that is not there costs nothing" {
	server
	write_config
	echo one >a.txt
	expect 2 batch a.txt nowhere.txt
	has_err "nowhere.txt"
	requests 0
	[ ! -e out ]
}

@test "an empty file is no task and no failure" {
	write_tiers <<<'      - model: test/small' && sed -i 's|""|"http://127.0.0.1:9"|' frugal.yaml
	: >in.txt
	expect 0 batch in.txt
	count 0 out
}

@test "bad lines are named with file, line and column, and the rest goes on" {
	server
	write_config
	cat >in.jsonl <<-'JSON'
	{"id":"a","prompt":"one"}
	{"id":"b" "prompt":"two"}
	{"id":"c","promt":"three"}
	["d"]
	{"id":"e","prompt":" "}
	{"id":"f","prompt":"six"}
	JSON
	printf 'id,prompt\ng,seven\nh\ni,"ni"ne\nj,ten\n' >in.csv
	expect 1 batch -j 1 in.jsonl in.csv
	same "$(ids)" "a f g j"
	has_err "in.jsonl:2:11:"
	has_err "in.jsonl:3:"
	has_err "did you mean 'prompt'"
	has_err "in.jsonl:4:"
	has_err "in.jsonl:5:"
	has_err "in.csv:3:"
	has_err "in.csv:4:"
	same "$(grep -c 'in\.' <<<"$stderr")" 6
}

@test "a task whose template field is missing fails alone" {
	server
	write_config
	printf '{"prompt":"a","vars":{"x":"1"}}\n{"prompt":"b"}\n{"prompt":"c","vars":{"x":"3"}}\n' >in.jsonl
	printf '{{input}} {{x}}' >t.txt
	expect 1 batch in.jsonl -t t.txt
	count 2 out
	has_err "in.jsonl:2"
	has_err "'x'"
}

@test "a cascade that a task names is used, one that is not there fails alone" {
	server
	write_config
	sed -i 's|^models:|  other:\n    tiers:\n      - model: test/big\n&|' frugal.yaml
	printf '{"prompt":"a","cascade":"other"}\n{"prompt":"b","cascade":"othr"}\n' >in.jsonl
	expect 1 batch in.jsonl
	count 1 out
	grep -q '"cascade":"other"' out
	has_err "did you mean 'other'?"
}

# --- order, limits, summary ------------------------------------------------

@test "results come as they finish, or in the order of the file" {
	server '{"match":{"contains":"slow"},"delay_ms":600000}'
	write_config
	printf 'slow\nb\nc\n' >in.txt
	in_background in.txt
	wait_until lines_are 2
	release
	ends_with 0
	same "$(ids | cut -d' ' -f3)" 1
	rm out
	in_background --order input --no-cache in.txt
	wait_until slow_is_last
	release
	ends_with 0
	same "$(ids)" "1 2 3"
}

slow_is_last() {
	[ "$(server_stat requests)" = 6 ] && [ "$(server_stat in_flight)" = 1 ]
}

@test "-j limits the requests in flight" {
	server '{"times":5,"delay_ms":600000}'
	write_config
	seq 1 30 >in.txt
	in_background -j 5 in.txt
	wait_until in_flight 5
	release
	ends_with 0
	same "$(server_stat most_in_flight)" 5
	expect 2 batch -j 0 in.txt
}

@test "one connection serves one request after the other" {
	server
	write_config
	seq 1 50 >in.txt
	expect 0 batch -j 1 in.txt
	# The second one asks for the number.
	same "$(server_stat connections)" 2
}

@test "max_in_flight limits the requests to one provider" {
	server '{"times":3,"delay_ms":600000}'
	write_config ', max_in_flight: 3'
	seq 1 15 >in.txt
	in_background in.txt
	wait_until in_flight 3
	release
	ends_with 0
	same "$(server_stat most_in_flight)" 3
	each_once 15
}

@test "the same prompts in flight are asked for once and paid for once" {
	server '{"delay_ms":100,"reply":{"text":"#### 1","usage":{"prompt_tokens":1000,"completion_tokens":500}}}'
	write_config
	yes same | head -n 8 >in.txt
	expect 0 batch in.txt
	requests 1
	each_once 8
	same "$(grep -c '"cost_usd":0.002,"saved' out)" 1
	same "$(grep -c '"cost_usd":0,"saved' out)" 7
}

@test "the summary says what became of the tasks and what it cost" {
	server '{"match":{"contains":"2"},"status":400}' \
	    '{"reply":{"text":"#### 1","usage":{"prompt_tokens":1000,"completion_tokens":500}}}'
	write_config
	seq 1 3 >in.txt
	expect 1 frugal batch in.txt -o out
	[ -z "$output" ]
	has_err "3 tasks, 2 accepted, 1 failed"
	has_err 'spent $0.004'
	expect 1 frugal batch -q in.txt -o out
	[ -z "$stderr" ]
}

@test "without -o the results go to standard output and nothing else does" {
	server
	write_config
	seq 1 5 >in.txt
	expect 0 frugal batch in.txt
	same "$(grep -c '^{"id":' <<<"$output")" 5
	same "$(wc -l <<<"$output")" 5
}

@test "on a terminal progress is shown and taken away again" {
	type script >/dev/null || skip "no script(1)"
	server '{"delay_ms":220}'
	write_config
	seq 1 4 >in.txt
	timeout 300 script -qec '"$FRUGAL" batch in.txt -o out -j 1' /dev/null >shown </dev/null
	grep -Eq 'of (about )?4, ' shown
	grep -q $'\r\033\[K' shown
	count 4 out
}

@test "a reader that goes away ends the batch without a word" {
	server '{"times":1}' '{"times":2,"delay_ms":600000}'
	write_config
	seq 1 60 >in.txt
	read_by_one_who_leaves 1 "$FRUGAL" batch -q -j 2 in.txt
	wait_until in_flight 2
	release
	wait $PID || true
	same "$(cat err)" ""
	# what was in flight, and what one turn of the loop had ready to leave
	[ "$(server_stat requests)" -le 6 ]
}

# --- going on --------------------------------------------------------------

@test "run again it does only what is missing" {
	server
	write_config
	seq 1 5 >in.txt
	expect 0 batch in.txt
	requests 5
	cp out before
	expect 0 batch in.txt
	cmp out before
	seq 1 8 >in.txt
	expect 0 frugal batch in.txt -o out --no-cache
	has_err "5 tasks are done"
	each_once 8
	requests 8
}

@test "a torn last line is mended, and nothing is paid for twice" {
	server
	write_config
	seq 1 5 >in.txt
	expect 0 batch in.txt
	head -c -20 out >torn && mv torn out
	expect 0 frugal batch in.txt -o out
	has_err "torn last line"
	each_once 5
	requests 5
	same "$(grep -cv '^{.*}$' out)" 0
}

@test "failed tasks are tried again, answered ones are not" {
	server '{"match":{"contains":"p2"},"times":1,"status":400}'
	write_config
	printf 'p1\np2\np3\n' >in.txt
	expect 1 batch in.txt
	grep -q '"id":"2","status":"failed"' out
	expect 0 frugal batch in.txt -o out
	has_err "resuming 'out'"
	each_once 3
	no_line failed out
	requests 4
}

@test "with --order input a file that was gone on with is in order" {
	server
	write_config
	printf 'p1\np2\np3\np4\n' >in.txt
	expect 0 batch in.txt
	grep -E '"id":"(2|4)"' out >some && mv some out
	expect 0 batch --order input in.txt
	same "$(ids)" "1 2 3 4"
}

@test "somebody else's output file is refused and left as it is" {
	server
	write_config
	echo one >in.txt
	printf 'my notes\nof years\n' >out
	cp out before
	expect 2 batch in.txt
	has_err "out:1"
	cmp out before
	requests 0
}

@test "somebody else's file of one line without an end is left as it is, too" {
	server
	write_config
	echo one >in.txt
	printf 'the only copy of a long line' >out
	cp out before
	expect 2 batch in.txt
	cmp out before
	requests 0
}

@test "the tasks' own file as output is refused" {
	server
	write_config
	printf '{"id":"a","prompt":"one"}\n' >in.jsonl
	cp in.jsonl before
	expect 2 frugal batch in.jsonl -o in.jsonl
	cmp in.jsonl before
	requests 0
}

@test "-o takes a pipe or a device, which cannot be gone on with" {
	server
	write_config
	seq 1 3 >in.txt
	run bash -c 'timeout -k 1 300 "$FRUGAL" batch -q in.txt -o /dev/stdout | cat'
	[ "$status" -eq 0 ]
	same "$(wc -l <<<"$output")" 3
}

@test "two tasks of one id are both done, once" {
	server
	write_config
	printf '{"id":"a","prompt":"one"}\n{"id":"a","prompt":"two"}\n' >in.jsonl
	expect 0 batch in.jsonl
	expect 0 batch in.jsonl
	same "$(ids)" "a a"
	requests 2
}

# --- interrupts ------------------------------------------------------------

@test "Ctrl-C once finishes what is in flight and says how to go on" {
	server '{"times":4,"delay_ms":600000}'
	write_config
	seq 1 20 >in.txt
	in_background -j 4 in.txt
	wait_until in_flight 4
	kill -INT $PID
	wait_until grep -q "stopping" err
	release
	ends_with 130
	requests 4
	count 4 out
	grep -q "the same command goes on from there" err
	expect 0 batch in.txt
	each_once 20
	requests 20
}

@test "Ctrl-C twice stops at once" {
	server '{"delay_ms":600000}'
	write_config
	seq 1 20 >in.txt
	in_background -j 4 in.txt
	wait_until in_flight 4
	kill -INT $PID
	wait_until grep -q "stopping" err
	kill -INT $PID
	ends_with 130
	count 0 out
	requests 4
}

@test "Ctrl-C does not wait for a retry" {
	for status in 503 429; do
		server "{\"status\":$status,\"headers\":{\"Retry-After\":\"60\"}}"
		write_config
		seq 1 3 >in.txt
		in_background in.txt -j 1
		wait_until [ -s log ]
		kill -INT $PID
		ends_with 130
		stop_server
		rm log
	done
}

@test "Ctrl-C ends the wait for input that does not come" {
	server
	write_config
	mkfifo pipe
	exec 7<>pipe
	echo one >&7
	in_background --format txt - <&7 7>&-
	wait_until lines_are 1
	kill -INT $PID
	ends_with 130
	exec 7>&-
	count 1 out
}

@test "SIGTERM is as Ctrl-C" {
	server '{"times":2,"delay_ms":600000}'
	write_config
	seq 1 20 >in.txt
	in_background -j 2 in.txt
	wait_until in_flight 2
	kill -TERM $PID
	wait_until grep -q "stopping" err
	release
	ends_with 130
	count 2 out
}

@test "a second SIGTERM or SIGHUP gives nothing up that is paid for" {
	server '{"times":2,"delay_ms":600000}'
	write_config
	seq 1 20 >in.txt
	in_background -j 2 in.txt
	wait_until in_flight 2
	kill -TERM $PID
	wait_until grep -q 'stopping: ' err
	kill -TERM $PID
	kill -HUP $PID
	wait_until no_signal_waits $PID
	release
	ends_with 130
	count 2 out
	requests 2
}

@test "under nohup a hangup does not stop it" {
	server '{"times":2,"delay_ms":600000}'
	write_config
	seq 1 6 >in.txt
	env --ignore-signal=HUP "$FRUGAL" batch -j 2 in.txt -o out 2>err 3>&- &
	PID=$!
	wait_until in_flight 2
	kill -HUP $PID
	release
	ends_with 0
	each_once 6
}

@test "after kill -9 every task is there once, and little is asked for twice" {
	server '{"delay_ms":100}'
	write_config
	seq 1 1000 >in.txt # of which the first run has 12 seconds to do
	in_background -j 8 in.txt
	wait_until lines_are 30
	kill -KILL $PID
	ends_with 137
	expect 0 batch -j 64 in.txt
	each_once 1000
	# 8 were in flight, and at most 8 had come and were not yet committed.
	[ "$(server_stat requests)" -le 1016 ]
}

# --- results that wait for their turn --------------------------------------

# straggler MS [N [RULE]]: task 1 of N (1,000) takes so long, when it is asked for
# the first time; of the results that wait for it, 4 KiB may be in memory. The
# requests are not logged.
straggler() {
	printf '%s\n' '{"match":{"contains":"slow"},"times":1,"delay_ms":'"$1"'}' "$3" >script
	start_server --script script
	write_config
	echo 'limits: {held: 4K}' >>frugal.yaml
	{ echo slow; seq 2 "${2:-1000}"; } >in.txt
}

# in_order N FILE: results 1 to N in their order
in_order() {
	same "$(sed 's/^{"id":"\([^"]*\)".*/\1/' "$2" | md5sum)" \
	    "$(seq 1 "$1" | md5sum)"
}

answered() {
	[ "$(server_stat requests)" -ge "$1" ] && [ "$(server_stat in_flight)" = 1 ]
}

stored() {
	[ "$(frugal cache list -n 2000 | grep -c test/small)" = "$1" ]
}

# spill_of PID: the path of its temporary file, which is deleted, and its size
spill_of() {
	local fd

	for fd in /proc/"$1"/fd/*; do
		[[ "$(readlink "$fd")" != "$PWD"/*" (deleted)" ]] ||
			stat -L -c "$(readlink "$fd") %a %s" "$fd"
	done
}

@test "one slow task stops nobody: the others wait in a file, and come in order" {
	straggler 60000
	in_background --order input in.txt
	# All others are through while the first is still out.
	wait_until answered 1000
	read -r file _ mode size <<<"$(spill_of $PID)"
	same "$(dirname "$file") $mode" "$PWD 600"
	[ "$size" -gt 400000 ]
	same "$(ls -A | grep -c '^\.frugal')" 0
	count 0 out
	# What has come is in the store by now, whatever becomes of this process.
	wait_until stored 999
	kill -KILL $PID
	ends_with 137
	count 0 out
	expect 0 frugal batch --order input in.txt -o out
	in_order 1000 out
	has_err "999 from the store"
	requests 1001
}

@test "what waited in a file is told in the end, and takes no room any more" {
	straggler 1000
	expect 0 frugal batch --order input in.txt -o out
	in_order 1000 out
	[[ $stderr =~ ([0-9]+)\ results\ that\ came\ before\ their\ turn\ waited\ in\ a\ temporary\ file,\ 1\ MiB ]]
	# How many came within the second depends on the machine.
	[ "${BASH_REMATCH[1]}" -gt 20 ]
	# A quarter of a million bytes fit in what is held by default.
	sed -i '/^limits/d' frugal.yaml
	expect 0 frugal batch --order input in.txt --no-cache
	lacks_err "temporary file"
	in_order 1000 - <<<"$output"
}

@test "20 megabytes that wait take no more memory than 5" {
	# What is freed stays for a while there.
	case $FRUGAL in *-address*) skip "AddressSanitizer" ;; esac
	text=$(head -c 5000 /dev/zero | tr '\0' x)
	for n in 1000 4000; do
		straggler 60000 $n "{\"reply\":{\"text\":\"#### $text\"}}"
		in_background -q --order input --no-cache in.txt
		wait_until answered $n
		sed -n 's/^VmHWM:[[:blank:]]*\([0-9]*\) kB/\1/p' /proc/$PID/status >peak.$n
		kill -KILL $PID
		ends_with 137
		count 0 out
		stop_server
	done
	[ $(($(cat peak.4000) - $(cat peak.1000))) -lt 4000 ]
}

@test "on the way into a pipe results wait in TMPDIR" {
	straggler 60000
	mkdir scratch
	TMPDIR=$PWD/scratch env --default-signal=INT "$FRUGAL" batch -q --order input in.txt \
	    >pipe.out 2>err 3>&- &
	PID=$!
	wait_until answered 1000
	read -r file _ <<<"$(spill_of $PID)"
	same "$(dirname "$file")" "$PWD/scratch"
	kill -KILL $PID
	ends_with 137
	same "$(ls -A scratch)" ""
}

@test "Ctrl-C twice leaves the output in order and without a hole, to be gone on with" {
	straggler 60000
	sed -i '1s/^/first\nsecond\n/; s/^2$/third/' in.txt
	in_background --order input in.txt
	wait_until answered 1002
	kill -INT $PID
	wait_until grep -q "stopping" err
	kill -INT $PID
	ends_with 130
	in_order 2 out
	grep -q "in 'out', but for 999 results that come after a missing one: they are in the store; the same command goes on from there" err
	expect 0 frugal batch --order input in.txt -o out
	in_order 1002 out
	requests 1003
}

@test "what is not in the store is written even so" {
	straggler 60000
	in_background --order input --no-cache in.txt
	wait_until answered 1000
	kill -INT $PID
	wait_until grep -q "stopping" err
	kill -INT $PID
	ends_with 130
	same "$(ids)" "$(seq 2 1000 | paste -sd ' ')"
	grep -q "what is done is in 'out'; the same" err
	expect 0 batch --order input --no-cache in.txt
	in_order 1000 out
	requests 1001
}

@test "a reader that goes away is noticed while results wait" {
	straggler 4000 100000
	run bash -c 'timeout -k 1 60 "$FRUGAL" batch -q --order input in.txt 2>err | sleep 0.5'
	same "$(cat err)" ""
	[ "$(server_stat requests)" -lt 100000 ]
}

@test "run --lines holds back in a file, too" {
	straggler 1000
	expect 0 frugal run --lines -x --json <in.txt
	in_order 1000 - <<<"$output"
}

@test "an estimate of many lines waits for none" {
	straggler 0 6000
	expect 0 frugal run --lines --estimate <in.txt
	requests 0
}

# --- a full disk -----------------------------------------------------------

# on_full_disk KB COMMAND...: no file may grow larger.
on_full_disk() {
	local kb=$1
	shift
	(trap '' XFSZ; ulimit -f "$kb"; "$@")
}

@test "where results can wait in no file, no more tasks are begun until the missing one comes" {
	straggler 1000 3000
	expect 0 on_full_disk 64 frugal batch -q --order input -j 8 --store :memory: in.txt
	in_order 3000 - <<<"$output"
	same "$(grep -c . <<<"$stderr")" 1
	has_err "cannot write to a temporary file: File too large; no new tasks are begun until the result comes that the others wait for"
	# 64 KB of results and those in memory, not all that there are
	straggler 60000 3000
	(trap '' XFSZ; ulimit -f 64; exec "$FRUGAL" batch -q --order input -j 8 \
	    --store :memory: in.txt 2>err | cat >piped) 3>&- &
	PID=$!
	wait_until grep -q "no new tasks" err
	wait_until answered 1
	[ "$(server_stat requests)" -lt 400 ]
	kill -KILL $(pgrep -P $PID)
	wait $PID || true
}

@test "when the store is full the run stops, and what was paid for is shown" {
	text=$(head -c 4000 /dev/zero | tr '\0' x)
	server "{\"reply\":{\"text\":\"#### $text\"}}"
	write_config
	seq 1 200 >in.txt
	expect 1 on_full_disk 300 frugal batch in.txt -j 4
	# SQLite tells a write that was cut short from one that was refused.
	[[ $stderr == *"cannot write to store"* || $stderr == *"disk full"* ]]
	got=$(wc -l <<<"$output")
	[ "$got" -gt 0 ]
	[ "$got" -lt 200 ]
	# What was in flight when it stopped cannot be known.
	[ "$(server_stat requests)" -le $((got + 4)) ]
	expect 0 batch in.txt
	each_once 200
}

@test "when the output is full no torn line is left, and it can be gone on with" {
	text=$(head -c 2000 /dev/zero | tr '\0' x)
	server "{\"reply\":{\"text\":\"#### $text\"}}"
	write_config
	seq 1 100 >in.txt
	expect 1 on_full_disk 100 frugal batch -q in.txt -j 4 -o out --store :memory:
	has_err "cannot write 'out'"
	same "$(grep -cv '^{.*}$' out)" 0
	expect 0 batch in.txt
	each_once 100
}

@test "two batches do not write one output file at a time" {
	server '{"delay_ms":600000}'
	write_config
	seq 1 4 >in.txt
	in_background -j 4 in.txt
	wait_until in_flight 4
	seq 5 6 >other.txt
	expect 2 frugal batch -q other.txt -o out
	has_err "is being written by another"
	requests 4
	kill -INT $PID
	wait_until grep -q "stopping" err
	kill -INT $PID
	ends_with 130
}

@test "a link given with -o stays a link" {
	server
	write_config
	echo old >real
	ln -s real link
	expect 0 frugal run -o link hello </dev/null
	[ -L link ]
	grep -q '####' real
}
