#!/usr/bin/env bats
#
# What models, servers and files send is data: it commands no terminal, breaks
# no JSON, is no option, no format, no SQL, no shell word and no file name, and
# takes no more memory than the limits say. Readers that go away, terminals that
# close and descriptors that are not there lose nothing.

load common
setup() { frugal_setup; }
teardown() { frugal_teardown; }

# Colours, a title, CSI in one character, bidirectional override, a space that
# cannot be seen, delete, and a line that would be taken for ours.
EVIL='\u001b[31mred\u001b]0;t\u0007\u009b2J\u202eback\u200b\u007f\r\nfrugal: forged'
# The same as the shell has it.
RAW=$'\033[31mred\033]0;t\a\302\2332J\342\200\256back\342\200\213\177'

evil_server() {
	server '{"match":{"contains":"bad"},"status":400,"body":{"error":{"message":"'"$EVIL"'","code":"'"$EVIL"'"}}}' \
	    '{"reply":{"text":"#### '"$EVIL"'","model":"'"$EVIL"'"}}'
	write_config
}

evil_batch() {
	cat >in.jsonl <<-END
	{"id":"$EVIL","prompt":"$EVIL","system":"$EVIL","tags":{"$EVIL":"$EVIL"}}
	{"id":"bad $EVIL","prompt":"bad $EVIL","vars":{"$EVIL":"$EVIL"}}
	END
}

# harmless FILE: nothing in it that acts unseen, but what the program itself
# writes to show a status line (a run that takes long enough has one) and to
# take it away.
harmless() {
	if sed 's/\r\([^\r\x1b]*\)\x1b\[K/\1/g' "$1" | LC_ALL=C grep -n \
	    -P '[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xe2\x80[\x8b\x8e\x8f\xa8-\xae]|\xf3\xa0\x80'; then
		echo "in $1"
		return 1
	fi
}

# on_terminal ARGUMENT...: frugal with a terminal for its output, into `shown`.
on_terminal() {
	type script >/dev/null || skip "no script(1)"
	printf '%q ' "$FRUGAL" "$@" >command
	timeout -k 1 300 script -qec "bash command </dev/null" /dev/null \
	    >shown </dev/null || true
	[ -s shown ]
	harmless shown
}

@test "an adversarial answer commands no terminal, whatever shows it" {
	evil_server
	evil_batch
	on_terminal run hello
	grep -q 'red^\[\]0;t^G<U+009B>2J<U+202E>back<U+200B>^?^M' shown
	on_terminal run -v hello
	on_terminal run -x hello
	on_terminal run --json hello
	on_terminal run bad
	grep -q '<U+009B>' shown
	on_terminal batch in.jsonl
	on_terminal batch -o out in.jsonl
	on_terminal check --online
	on_terminal stats
	on_terminal stats --json
	on_terminal stats --csv
	on_terminal stats --by model
	on_terminal stats --by "tag=$RAW"
	on_terminal explain --last
	on_terminal explain --last --json
	on_terminal cache list
	on_terminal cache stats
	on_terminal cache check
	on_terminal cache show 1
	on_terminal cache explain hello
	on_terminal cache export
}

@test "what is wrong with a hostile task or file is said harmlessly" {
	evil_server
	cat >in.jsonl <<-END
	{"id":"$EVIL","prompt":"x","$EVIL":1}
	{"prompt":"x","cascade":"$EVIL"}
	END
	printf '{"id":"%s\n\n{"prompt":"x","messages":"\033"}\nprompt\377\n' \
	    "$RAW" >>in.jsonl
	expect 1 frugal batch in.jsonl -o out
	printf '%s' "$stderr" >said
	harmless said
	has_err "in.jsonl:1:1: unknown member '"
	has_err "in.jsonl:2: no cascade '"
	has_err "in.jsonl:3:8: control character in a string"
	has_err "in.jsonl:5:27: control character in a string"
	has_err "in.jsonl:6:7: not UTF-8"
	expect 2 frugal batch "$RAW.jsonl" -o out
	printf '%s' "$stderr" >said
	harmless said
	expect 2 frugal run -k "$RAW" hello
	printf '%s' "$stderr" >said
	harmless said
	expect 1 frugal explain "$RAW"
	printf '%s' "$stderr" >said
	harmless said
	expect 2 frugal "--$RAW"
	printf '%s' "$stderr" >said
	harmless said
}

@test "what is wrong with a hostile configuration is said harmlessly" {
	printf '{"providers": {"%s": {"%s": 1}}, "cascades": {"%s": []}}\n' \
	    "$EVIL" "$EVIL" "$EVIL" >"$RAW"$'\n.yaml'
	expect 2 frugal check -c "$RAW"$'\n.yaml'
	printf '%s' "$stderr" >said
	harmless said
	no_line '^frugal: forged' said
	has_err "unknown key '"
}

@test "results are always one line of UTF-8 JSON that harms nobody" {
	evil_server
	evil_batch
	expect 1 frugal batch in.jsonl -o out
	count 2 out
	harmless out
	iconv -f UTF-8 -t UTF-8 out >/dev/null
	# and they say what was said: read in as tasks, the ids are the same
	grep -c '^{"id":"\\u001b\[31mred' out
	frugal run --json hello </dev/null >one
	count 1 one
	harmless one
	frugal cache export -o kept
	harmless kept
	frugal explain --last --json >one
	count 1 one
	harmless one
	# twice makes nothing new
	cp out before
	expect 1 frugal batch in.jsonl -o out
	has_err "1 tasks are done, 1 that failed are tried again"
}

@test "an answer in ill-formed UTF-8 with zero bytes is mended" {
	server '{"body":"{\"choices\":[{\"message\":{\"content\":\"#### \\u0000\\ud800\\udc00x\\udfff\"}}]}"}'
	write_config
	frugal run --json hello </dev/null >out
	iconv -f UTF-8 -t UTF-8 out >/dev/null
	harmless out
	grep -q '#### \\ufffd\|####.*x' out
	count 1 out
}

@test "ids are no file names, no options, no SQL and no formats" {
	evil_server
	cat >in.jsonl <<-'END'
	{"id":"../../x","prompt":"a"}
	{"id":"--help","prompt":"b"}
	{"id":"/etc/passwd","prompt":"c"}
	{"id":"'; DROP TABLE task; --","prompt":"d","tags":{"'; DROP TABLE task; --":"' OR 1=1"}}
	{"id":"%n%s%s%s%1$s","prompt":"e","cascade":"%n%s"}
	{"id":"$(touch pwned)`touch pwned`;touch pwned","prompt":"f"}
	{"id":"a\nb","prompt":"g"}
	END
	ls >before
	expect 1 frugal batch in.jsonl -o out
	has_err "in.jsonl:5: no cascade '%n%s'"
	count 6 out
	for id in ../../x --help /etc/passwd "'; DROP TABLE task; --" \
	    '$(touch pwned)`touch pwned`;touch pwned' $'a\nb'; do
		expect 0 frugal explain -- "$id"
	done
	expect 0 frugal stats --by "tag='; DROP TABLE task; --"
	has "' OR 1=1"
	expect 0 frugal cache check
	expect 1 frugal batch in.jsonl -o again
	count 6 again
	ls >after
	[ ! -e pwned ]
	same "$(comm -13 before after | grep -v separate-stderr | tr '\n' ' ')" \
	    "after again out store.db store.db-live store.db-shm store.db-wal "
}

@test "a prompt is text, whatever it looks like" {
	server
	write_config
	expect 0 frugal run --no-stdin -- '-n %n%s $(touch pwned)' "'--"
	sent '-n %n%s $(touch pwned) '"'--"
	printf -- '--help' | frugal run >out
	sent '"--help"'
	printf 'a\0b' | frugal run >out
	sent $'a\357\277\275b' # as the server logs it
	printf '%s\n' '--lines' '%s%n' '"},{"role":"system' >in
	expect 0 frugal run --lines <in
	sent '"--lines"'
	sent '"%s%n"'
	sent '"\"},{\"role\":\"system"'
	[ ! -e pwned ]
}

@test "a key is not shown however a server sends it back" {
	export KEY='sk-proj-Ab0/9+xyz_QR'
	server \
	    '{"match":{"contains":"echo"},"status":400,"body":{"error":{"message":"key sk-proj-Ab0/9+xyz_QR or sk-proj-Ab... or ...0/9+xyz_QR","code":"sk-proj-Ab0/9+xyz_QR"}}}' \
	    '{"match":{"contains":"redirect"},"status":302,"headers":{"Location":"http://127.0.0.1:9/?k=sk-proj-Ab0%2F9%2Bxyz_QR"},"body":"<a href=\"?k=sk-proj-Ab0%2F9%2Bxyz_QR\">"}' \
	    '{"match":{"contains":"html"},"status":400,"body":"<p>Bearer sk&#45;proj&#x2d;Ab0&#47;9&#43;xyz_QR"}' \
	    '{"match":{"contains":"encoded"},"status":400,"body":{"error":{"message":"Basic c2stcHJvai1BYjAvOSt4eXpfUVI= 736B2D70726F6A2D4162302F392B78797A5F5152 SK-PROJ-AB0/9+XYZ_QR sk-proj-\nAb0/9+xyz_QR"}}}' \
	    '{"match":{"contains":"answer"},"reply":{"text":"#### sk-proj-Ab0/9+xyz_QR","model":"sk-proj-Ab0/9+xyz_QR"}}' \
	    '{"status":401,"body":{"error":{"message":"sk-proj-Ab0\\/9+xyz_QR"}}}'
	write_config ', key_env: KEY'
	for p in echo redirect html encoded answer stop; do
		frugal run -v --json --retries 0 "$p" </dev/null >>said 2>&1 || true
	done
	frugal check --online >>said 2>&1 || true
	frugal explain --last >>said 2>&1
	frugal cache export >>said 2>&1
	frugal stats >>said 2>&1
	grep -q '\*\*\*' said
	cat store.db* >>said
	if LC_ALL=C grep -a -i -o \
	    'proj.\{0,8\}Ab0\|9+xyz\|9%2Bxyz\|43;xyz\|c2stcHJv\|736b2d70' said; then
		false
	fi
}

@test "a key in the query of a url is refused unseen" {
	cat >frugal.yaml <<-END
	providers: {test: {api: openai, url: "https://a.example/v1?api-key=sk-12345678"}}
	cascades: {default: {tiers: [{model: test/small}]}}
	END
	expect 2 frugal check
	has_err "frugal.yaml:1:38: the url has what looks like a key in its query"
	lacks_err sk-1
	lacks sk-1
}

# --- limits ----------------------------------------------------------------

@test "limits of the configuration are in force, and what follows goes on" {
	server
	write_config
	cat >>frugal.yaml <<-END
	limits: {line: 1K, prompt: 1K, id: 16, fields: 2, messages: 1, regex_steps: 1000}
	END
	cat >in.jsonl <<-END
	{"id":"0123456789abcdef","prompt":"a","tags":{"a":1,"b":2}}
	{"id":"0123456789abcdefg","prompt":"a"}
	{"prompt":"a","tags":{"a":1,"b":2,"c":3}}
	{"messages":[{"role":"system","content":"a"},{"role":"user","content":"b"}]}
	{"prompt":"$(head -c 2000 /dev/zero | tr '\0' x)"}
	{"prompt":"last"}
	END
	expect 1 frugal batch in.jsonl -o out
	count 2 out
	has_err "in.jsonl:2:1: the id is longer than 16 bytes; see limit 'id'"
	has_err "in.jsonl:3:1: 'tags' has more than 2 members; see limit 'fields'"
	has_err "in.jsonl:4:1: more than 1 messages; see limit 'messages'"
	has_err "in.jsonl:5:1: the line is longer than 1024 bytes"
	sent '"last"'
	# a search of little work, an answer that needs more
	stop_server
	server "{\"reply\":{\"text\":\"$(head -c 20000 /dev/zero | tr '\0' '#')\"}}"
	write_config
	echo 'limits: {regex_steps: 1000}' >>frugal.yaml
	sed -i "s/regex: '####'/regex: '(#+)+[xy]'/" frugal.yaml
	expect 0 frugal run -v hello </dev/null
	has_err "tier 1 test/small: escalate"
	has_err "limit"
}

@test "a template and an output file have their limits" {
	server
	write_config
	echo 'limits: {template: 1K, result: 1K}' >>frugal.yaml
	head -c 1024 /dev/zero | tr '\0' x >t
	expect 0 frugal run -t t hello </dev/null
	echo >>t
	expect 2 frugal run -t t hello </dev/null
	has_err "'t' is larger than 1024 bytes"
	echo one >in.txt
	expect 0 frugal batch in.txt -o out
	expect 0 frugal batch in.txt -o out
	{ printf '{"id":"1","status":"accepted","text":"'
	head -c 1024 /dev/zero | tr '\0' x
	echo '"}'; } >out
	cp out before
	expect 2 frugal batch in.txt -o out
	has_err "out:1: a line is longer than 1024 bytes; the file is left as it is"
	cmp out before
}

@test "a gzip bomb is passed over in little memory" {
	server
	write_config
	# 300 MB in one line, then a task
	{ head -c 300000000 /dev/zero
	echo
	echo '{"prompt":"behind"}'; } | gzip -1 >in.jsonl.gz
	case $FRUGAL in *-address*) ;; *) ulimit -v 500000 ;; esac
	expect 1 frugal batch in.jsonl.gz -o out
	has_err "in.jsonl.gz:1:1: the line is longer than 16777216 bytes"
	count 1 out
	sent '"behind"'
}

@test "little text that would be a large document is refused" {
	server
	write_config
	{ printf '{"prompt":"a","x_":['
	yes 0, | head -n 4500000 | tr -d '\n'
	echo '0]}'
	echo '{"prompt":"behind"}'; } >in.jsonl
	expect 1 frugal batch in.jsonl -o out
	has_err "in.jsonl:1:"
	has_err "too many values in one document"
	count 1 out
}

# --- descriptors, readers and terminals ------------------------------------

@test "a batch whose reader goes away keeps what has come and says so" {
	server '{"match":{"contains":"task 1."},"reply":{"text":"#### 1"}}' \
	    '{"times":4,"delay_ms":600000}'
	write_config ', max_in_flight: 4'
	seq -f 'task %g.' 1 60 >in.txt
	read_by_one_who_leaves 1 "$FRUGAL" batch in.txt
	wait_until in_flight 4
	release
	local got=0
	wait $PID || got=$?
	same "status $got" "status 1"
	grep -q 'standard output was closed' err
	same "$(wc -l <err)" 2
	asked=$(server_stat requests)
	[ "$asked" -lt 60 ]
	expect 0 frugal batch in.txt -o out
	count 60 out
	# nothing was asked for twice
	requests 60
}

@test "an answer that nobody reads is no success" {
	server '{"delay_ms":600000}'
	write_config
	read_by_one_who_leaves 0 "$FRUGAL" run hello
	wait_until in_flight 1
	release
	local got=0
	wait $PID || got=$?
	same "status $got" "status 1"
	# it is in the store
	expect 0 frugal run hello </dev/null
	requests 1
}

@test "a table whose reader goes away is one" {
	run bash -c '"$FRUGAL" models 2>err | true; exit ${PIPESTATUS[0]}'
	same "status $status" "status 0"
	same "$(cat err)" ""
}

@test "standard output that is closed is an error, and no other file" {
	server
	write_config
	echo one >in.txt
	run bash -c '"$FRUGAL" run --store :memory: hello </dev/null 2>err >&-'
	same "status $status" "status 1"
	grep -q 'cannot write to standard output: Bad file descriptor' err
	run bash -c '"$FRUGAL" batch in.txt -o out 0<&- 1>&- 2>&-'
	same "status $status" "status 0"
	count 1 out
	grep -q '^{"id":"1"' out
	expect 0 frugal cache check
}

@test "a file that may grow no further ends in a whole line" {
	server
	write_config
	seq 1 40 >in.txt
	run bash -c 'ulimit -f 8; "$FRUGAL" batch in.txt -o out --store :memory: 2>err'
	same "status $status" "status 1"
	grep -q "cannot write 'out\|cannot write '.*/out'" err
	[ "$(tail -c 1 out)" = "" ]
	expect 0 frugal batch in.txt -o out
	count 40 out
}

@test "a terminal that closes ends the run as an interrupt does" {
	type script >/dev/null || skip "no script(1)"
	server '{"match":{"contains":"one"}}' '{"times":2,"delay_ms":600000}'
	write_config ', max_in_flight: 2'
	printf '%s\n' one two three four five six seven eight >in.txt
	# the shell of the terminal passes the signal on, as interactive ones do
	cat >job <<-'END'
	trap 'kill -HUP $!; echo $! >passed.new; mv passed.new passed' HUP
	"$FRUGAL" batch in.txt -o out </dev/null &
	while kill -0 $!; do wait $!; done
	wait $! # once more: the signal may have ended the last one
	echo "status $?" >ended
	END
	script -qfc "bash job" /dev/null >shown </dev/null 3>&- &
	wait_until test -s out
	wait_until in_flight 2
	kill -KILL $!
	wait $! || true
	wait_for passed
	wait_until no_signal_waits "$(cat passed)"
	release
	wait_until test -s ended
	same "$(cat ended)" "status 130"
	asked=$(server_stat requests)
	[ "$asked" -lt 8 ]
	expect 0 frugal batch in.txt -o out
	count 8 out
	requests 8
}

@test "a run that ignores the end of its terminal goes on without it" {
	type script >/dev/null || skip "no script(1)"
	server '{"match":{"contains":"one"}}' '{"times":2,"delay_ms":600000}'
	write_config ', max_in_flight: 2'
	printf '%s\n' one two three four five six >in.txt
	cat >job <<-'END'
	trap '' HUP
	"$FRUGAL" batch in.txt -o out </dev/null
	echo "status $?" >ended
	END
	script -qfc "bash job" /dev/null >shown </dev/null 3>&- &
	wait_until test -s out
	wait_until in_flight 2
	kill -KILL $!
	wait $! || true
	release
	wait_until test -s ended
	same "$(cat ended)" "status 0"
	count 6 out
	requests 6
}

@test "half a line on standard input holds up neither answers nor Ctrl-C" {
	server
	write_config
	mkfifo lines
	env --default-signal=INT "$FRUGAL" run --lines <lines >out 2>err 3>&- &
	exec 8>lines
	printf 'one\ntw' >&8
	wait_until test -s out
	kill -INT $!
	local got=0
	wait $! || got=$?
	exec 8>&-
	same "status $got" "status 130"
	requests 1

	rm lines && mkfifo lines
	env --default-signal=INT "$FRUGAL" batch - --format csv -o answers <lines 2>err 3>&- &
	exec 8>lines
	printf 'prompt\n"thr\nee' >&8
	printf '"\nfo' >&8
	wait_until test -s answers
	kill -INT $!
	got=0
	wait $! || got=$?
	exec 8>&-
	same "status $got" "status 130"
	requests 2
}

@test "charges beyond all money saturate, and never wrap to a sum that looks small" {
	server '{"reply":{"text":"#### 1","cost":1e300}}'
	write_tiers <<<'      - model: test/small'
	seq 1 2 >in.txt
	expect 0 frugal batch in.txt -o out
	has_err 'spent $9223372.04'
	rm out
	expect 0 frugal batch in.txt -o out
	has_err 'spent $0.00'
	has_err 'saved $9223372.04'
}
