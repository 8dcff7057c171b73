# frugal run: prompts in, answers out.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# --- where the prompt comes from -------------------------------------------

@test "arguments are one prompt, with blanks between them" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 frugal run two words </dev/null
	same "$output" '#### ok'
	sent '"content":"two words"'
}

@test "standard input is the prompt, without its last line ends" {
	server
	write_config
	printf 'one\ntwo\n\n' >in
	expect 0 frugal run <in
	sent '"content":"one\ntwo"'
}

@test "without a command it is run" {
	server
	write_config
	expect 0 frugal <<<"from a pipe"
	sent '"content":"from a pipe"'
	expect 0 frugal "a whole prompt" </dev/null
	sent '"content":"a whole prompt"'
	expect 0 frugal -k default -v prompt </dev/null
	has_err "tier 1"
}

@test "an argument comes first, then a blank line, then standard input" {
	server
	write_config
	expect 0 frugal run sum it up: <<<"long text"
	sent '"content":"sum it up:\n\nlong text"'
}

@test "with --stdin-first the argument comes last" {
	server
	write_config
	expect 0 frugal run --stdin-first sum it up <<<"long text"
	sent '"content":"long text\n\nsum it up"'
}

@test "with --no-stdin nothing is read" {
	server
	write_config
	expect 0 frugal run --no-stdin alone <<<"not this"
	sent '"content":"alone"'
	expect 2 frugal run --no-stdin <<<"not this"
	has_err "no prompt"
}

@test "an open pipe with nothing in it is not waited for with --no-stdin" {
	server
	write_config
	mkfifo pipe
	exec 7<>pipe
	expect 0 frugal run --no-stdin alone <&7
	exec 7>&-
}

@test "no prompt at all is a mistake, not a wait" {
	server
	write_config
	expect 2 frugal run </dev/null
	has_err "prompt"
	expect 2 frugal run "  " </dev/null
	has_err "the prompt is empty"
	expect 2 frugal run ""
	requests 0
}

@test "a closed standard input is no prompt, and does no harm beside one" {
	server
	write_config
	run bash -c 'timeout -k 1 300 "$FRUGAL" run 2>&1 <&-'
	[ "$status" -ne 0 ]
	has "standard input"
	expect 0 bash -c 'timeout -k 1 300 "$FRUGAL" run alone <&-'
	sent '"content":"alone"'
}

@test "a closed standard output is an error, and nothing is written elsewhere" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	run bash -c 'timeout -k 1 300 "$FRUGAL" run x 2>err >&-'
	[ "$status" -eq 1 ]
	grep -q "standard output" err
	requests 1
}

@test "at a terminal without a prompt it says so and does not wait" {
	type script >/dev/null || skip "no script(1)"
	run timeout 300 script -qec '"$FRUGAL" run -c demo' /dev/null </dev/null
	[ "$status" -eq 2 ]
	has "no prompt"
}

@test "input that is not UTF-8 is refused whole" {
	server
	write_config
	printf 'caf\351' >in
	expect 2 frugal run $'caf\351' </dev/null
	has_err "UTF-8"
	run --separate-stderr frugal run <in
	[ "$status" -ne 0 ]
	has_err "iconv"
	requests 0
}

@test "a long input arrives whole" {
	server
	write_config
	head -c 3000000 /dev/zero | tr '\0' x >in
	expect 0 frugal run --json <in
	same "$(member prompt_tokens <<<"$output")" 750000
}

# --- many prompts ----------------------------------------------------------

@test "--lines answers each line with one line, in order" {
	server '{"match":{"contains":"slow"},"delay_ms":600000,"reply":{"text":"first\nof two ####"}}' \
	    '{"reply":{"text":"second ####"}}'
	write_config
	printf 'slow\nfast\nlast without an end' >in
	"$FRUGAL" run --lines <in >out 3>&- &
	wait_until one_of_three
	release
	wait $!
	same "$(cat out)" $'first of two ####\nsecond ####\nsecond ####'
}

# one_of_three: the first of three requests is under way, the others are answered.
one_of_three() {
	[ "$(server_stat requests)" = 3 ] && [ "$(server_stat in_flight)" = 1 ]
}

@test "--lines keeps a line for a prompt without an answer" {
	server '{"match":{"contains":"bad"},"status":400,"body":{"error":{"message":"no such luck"}}}' \
	    '{"reply":{"text":"#### ok"}}'
	write_config
	printf 'a\nbad\nb\n' >in
	expect 1 frugal run --lines <in
	same "$output" $'#### ok\n\n#### ok'
	has_err "task 2"
	has_err "no such luck"
}

@test "--lines answers a line before the next one is there" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	mkfifo pipe
	timeout -k 1 300 "$FRUGAL" run --lines <pipe >out 3>&- &
	exec 7>pipe
	echo one >&7
	wait_until [ -s out ]
	echo two >&7
	exec 7>&-
	wait $!
	count 2 out
}

@test "--jsonl takes task objects and gives result objects in their order" {
	server '{"match":{"contains":"one"},"delay_ms":600000}'
	write_config
	cat >in <<-'JSON'
	{"id":"a","prompt":"one"}
	{"id":"b","messages":[{"role":"user","content":"two"}],"tags":{"k":"v"}}
	{"prompt":"three"}
	JSON
	"$FRUGAL" run --jsonl <in >out 3>&- &
	wait_until one_of_three
	release
	wait $!
	same "$(cut -d, -f1,2 out)" '{"id":"a","status":"accepted"
{"id":"b","status":"accepted"
{"id":"3","status":"accepted"'
}

@test "a bad line of --jsonl is named and the others are answered" {
	server
	write_config
	printf '{"id":"a","prompt":"one"}\n{"promt":"two"}\n{"prompt":\n{"id":"z","prompt":"four"}\n' >in
	expect 1 frugal run --jsonl <in
	same "$(wc -l <<<"$output")" 2
	has_err ":2:"
	has_err "did you mean 'prompt'"
	has_err ":3:"
}

@test "--lines and --jsonl do not go together, nor with a prompt" {
	for args in "--lines --jsonl" "--lines prompt" "--jsonl prompt"; do
		expect 2 frugal run -c demo $args </dev/null
	done
}

# --- options ---------------------------------------------------------------

@test "-s gives the system text" {
	server
	write_config
	expect 0 frugal run -s "be brief" hello </dev/null
	sent '"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hello"}]'
}

@test "a task's own system text wins over -s" {
	server
	write_config
	expect 0 frugal run --jsonl -s outer <<<'{"prompt":"x","system":"inner"}'
	sent '"content":"inner"'
	no_line outer log
}

@test "-k chooses the cascade" {
	server
	write_config
	sed -i 's|^models:|  other:\n    tiers:\n      - model: test/big\n&|' frugal.yaml
	expect 0 frugal run -k other --json hello </dev/null
	same "$(member cascade <<<"$output")" '"other"'
	same "$(member model <<<"$output")" '"test/big"'
}

@test "-m asks one model and takes its answer" {
	server '{"reply":{"text":"no mark"}}'
	write_config
	expect 0 frugal run -m test/medium --json hello </dev/null
	same "$(member status <<<"$output")" '"accepted"'
	sent '"model":"medium"'
	requests 1
}

@test "-m needs no configuration file for a well-known provider" {
	unset OPENAI_API_KEY
	expect 2 frugal run -m openai/gpt-4o-mini hello </dev/null
	has_err "OPENAI_API_KEY"
}

@test "-t fills {{input}} and {{field}}" {
	server
	write_config
	echo 'Translate: {{input}}.' >t.txt
	expect 0 frugal run -t t.txt bread </dev/null
	sent 'Translate: bread.'
	echo 'To {{lang}}: {{input}}' >t.txt
	expect 0 frugal run --jsonl -t t.txt <<<'{"prompt":"milk","vars":{"lang":"Quechua"}}'
	sent 'To Quechua: milk'
}

@test "a template field that is not there is an error before anything is sent" {
	server
	write_config
	echo 'To {{lang}}: {{input}}' >t.txt
	run --separate-stderr frugal run -t t.txt bread </dev/null
	[ "$status" -ne 0 ]
	has_err "lang"
	expect 2 frugal run -t nowhere.txt bread </dev/null
	has_err "nowhere.txt"
	requests 0
}

@test "--set gives sampling settings to every tier" {
	server '{"reply":{"text":"no mark"}}'
	write_config
	expect 0 frugal run --set temperature=0.2 --set max_tokens=7 hello </dev/null
	same "$(grep -c '"temperature":0.2' log)" 2
	same "$(grep -c '"max_tokens":7' log)" 2
}

@test "--set refuses what is no setting, or no value of one" {
	server
	write_config
	expect 2 frugal run --set temprature=1 hello </dev/null
	has_err "did you mean 'temperature'?"
	expect 2 frugal run --set temperature=hot hello </dev/null
	has_err "temperature"
	expect 2 frugal run --set temperature hello </dev/null
	requests 0
}

@test "--tag marks the task for stats" {
	server
	write_config
	expect 0 frugal run --tag team=red --tag job=7 hello </dev/null
	expect 0 frugal stats --by tag=team
	has "red"
	expect 2 frugal run --tag team hello </dev/null
}

@test "-o writes the answer to a file and nothing to standard output" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	echo old >answer
	expect 0 frugal run -o answer hello </dev/null
	[ -z "$output" ]
	same "$(cat answer)" '#### ok'
}

@test "-o leaves the file as it was when there is no answer" {
	server '{"status":400}'
	write_config
	echo old >answer
	expect 1 frugal run -o answer hello </dev/null
	same "$(cat answer)" old
	same "$(ls answer*)" answer
}

@test "-v says on standard error what each tier did" {
	server '{"match":{"model":"small"},"reply":{"text":"unsure"}}'
	write_config
	expect 0 frugal run -v hello </dev/null
	has_err "tier 1 test/small: escalate, score 0 < 1"
	has_err "tier 2 test/big: accept"
	same "$(grep -c 'tier' <<<"$stderr")" 2
	lacks tier
}

@test "-x prints the extracted answer alone" {
	server '{"reply":{"text":"so it is\n#### 42\n"}}'
	write_config
	expect 0 frugal run -x hello </dev/null
	same "$output" 42
	expect 0 frugal run -x --lines <<<$'a\nb'
	same "$output" $'42\n42'
}

@test "-x without an answer in the text is a failure that says so" {
	server '{"reply":{"text":"no mark"}}'
	write_config
	expect 1 frugal run -x hello </dev/null
	[ -z "$output" ]
	has_err "without -x"
}

@test "--json prints the result object, one line" {
	server '{"reply":{"text":"a \"b\"\n#### 1","usage":{"prompt_tokens":100,"completion_tokens":10}}}'
	write_config
	expect 0 frugal run --json hello </dev/null
	same "$(wc -l <<<"$output")" 1
	has '"status":"accepted","text":"a \"b\"\n#### 1","answer":"1","cascade":"default","tier":1,"model":"test/small"'
	has '"cost_usd":0.00012,'
	has '"prompt_tokens":100,"completion_tokens":10'
	has '"attempts":[{"tier":1'
	lacks null
}

@test "--json prints a result object for a task that failed, too" {
	server '{"match":{"contains":"wild"},"reply":{"refusal":"no"}}' '{"status":400}'
	write_config
	expect 1 frugal run --json hello </dev/null
	same "$(member status <<<"$output")" '"failed"'
	has '"error":{"code":'
	expect 1 frugal run --json wild </dev/null
	same "$(member status <<<"$output")" '"refused"'
}

# --- mistakes --------------------------------------------------------------

@test "a mistyped command, option, model, cascade is named with the nearest" {
	server
	write_config
	expect 2 frugal btach
	has_err "did you mean 'batch'?"
	expect 2 frugal run --jsom hello </dev/null
	has_err "did you mean '--json'?"
	expect 2 frugal run -m tset/small hello </dev/null
	has_err "did you mean 'test'?"
	expect 2 frugal run -k defualt hello </dev/null
	has_err "did you mean 'default'?"
	expect 2 frugal run -j many hello </dev/null
	has_err "--jobs"
	expect 2 frugal run -m small hello </dev/null
	has_err "provider/name"
	requests 0
}

@test "one message a mistake, and none of them on standard output" {
	server
	write_config
	for args in "--jsom x" "-k nothing x" "-m nothing x" "--set x" "-Z x"; do
		expect 2 frugal run $args </dev/null
		[ -z "$output" ]
		same "$(wc -l <<<"$stderr")" 1
		[[ "$stderr" == frugal:\ * ]]
	done
}

@test "without a configuration it says how to begin" {
	expect 2 frugal run hello </dev/null
	has_err "-c demo"
}

@test "help goes to standard output, with status 0" {
	for args in --help "run --help" "help run" "run -h" "batch --help" "replay --help"; do
		expect 0 frugal $args
		has "Usage: frugal"
		[ -z "$stderr" ]
	done
	expect 0 frugal --version
	[[ "$output" =~ ^frugal\ [0-9.]+$ ]]
}

# --- exit status and streams -----------------------------------------------

@test "an answer below the last tier's own rule is given, marked, with status 0" {
	server '{"reply":{"text":"no mark"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        accept: {regex: '####'}
	YAML
	expect 0 frugal run hello </dev/null
	same "$output" "no mark"
	expect 0 frugal run --json hello </dev/null
	same "$(member status <<<"$output")" '"exhausted"'
}

@test "a failed task is status 1, with a line that says why" {
	server '{"status":400,"body":{"error":{"message":"too odd","code":"odd"}}}'
	write_config
	expect 1 frugal run hello </dev/null
	[ -z "$output" ]
	has_err "no answer: too odd (odd)"
	same "$(wc -l <<<"$stderr")" 1
}

@test "standard output has the answer alone" {
	expect 0 frugal run -v -c demo "What is 12 + 30?" </dev/null
	has_err "simulated"
	has_err "tier 1"
	lacks frugal:
}

@test "a full disk is an error" {
	[ -e /dev/full ] || skip "no /dev/full"
	server
	write_config
	run bash -c 'timeout -k 1 300 "$FRUGAL" run x 2>&1 >/dev/full'
	[ "$status" -eq 1 ]
	has "standard output"
	expect 1 frugal run -o /dev/full x </dev/null
	has_err "/dev/full"
}

@test "a reader that goes away ends the run without a word" {
	server '{"times":1}' '{"times":1,"delay_ms":600000}'
	write_config ', max_in_flight: 1'
	seq 1 50 >in
	read_by_one_who_leaves 1 "$FRUGAL" run --lines <in
	wait_until in_flight 1
	release
	local got=0
	wait $PID || got=$?
	same "status $got" "status 1" # not every answer was given
	same "$(cat err)" ""
	[ "$(server_stat requests)" -lt 50 ]
}

# --- text of a model -------------------------------------------------------

CONTROL='{"reply":{"text":"#### \u001b[31mred\u0007 \u009b2J\ttab\nend\r"}}'

@test "control characters of a model pass a pipe untouched" {
	server "$CONTROL"
	write_config
	frugal run hello </dev/null >out
	printf '#### \033[31mred\a \302\2332J\ttab\nend\r\n' >want
	cmp out want
}

@test "control characters of a model are made visible on a terminal" {
	type script >/dev/null || skip "no script(1)"
	server "$CONTROL"
	write_config
	timeout 300 script -qec '"$FRUGAL" run hello </dev/null' /dev/null >out </dev/null
	grep -q red out
	no_line $'\033\|\a\|\302\233' out
	grep -q $'\ttab' out
}

@test "text of a model that is not UTF-8 comes out as UTF-8" {
	server '{"body":"{\"choices\":[{\"message\":{\"content\":\"#### a\\ud800b\\u0000c\\ud83d\\ude00\"}}]}"}'
	write_config
	frugal run hello </dev/null >out
	printf '#### a\357\277\275b\357\277\275c\360\237\230\200\n' >want
	cmp out want
	expect 0 frugal run --json hello </dev/null
	iconv -f UTF-8 -t UTF-8 <<<"$output" >/dev/null
}

@test "Ctrl-C while a prompt is being answered ends with status 130" {
	server '{"delay_ms":600000}'
	write_config
	env --default-signal=INT "$FRUGAL" run hello </dev/null 2>err 3>&- &
	wait_until [ -s log ]
	kill -INT $!
	wait_until grep -q stopping err
	kill -INT $!
	local got=0
	wait $! || got=$?
	same "status $got" "status 130"
}

@test "control characters of a server are made visible in messages" {
	server '{"status":400,"body":{"error":{"message":"be\u001b[2Jware\nfrugal: forged"}}}'
	write_config
	expect 1 frugal run hello </dev/null
	has_err "ware"
	[[ "$stderr" != *$'\033'* ]]
	same "$(wc -l <<<"$stderr")" 1
}

@test "a mistyped command is not sent to a model as a prompt" {
	echo "What is 1 + 1?" >tasks.txt
	for c in "bathc tasks.txt -o out" "explian q1" "statss --by model" \
	    "cahce list" "reply"; do
		expect 2 frugal $c </dev/null
		has_err "unknown command '${c%% *}'; did you mean '"
	done
	[ ! -e out ]
	expect 0 frugal run -c demo stat </dev/null
	export FRUGAL_CONFIG=demo
	expect 0 frugal state the sum of 1 + 1 </dev/null
}

@test "a file of tasks that is not there is said to be that, whatever its name" {
	expect 2 frugal batch -c demo nothing -o out
	has_err "cannot open 'nothing': No such file"
	expect 2 frugal batch -c demo nothing.jsonl -o out
	has_err "cannot open 'nothing.jsonl': No such file"
	touch nothing
	expect 2 frugal batch -c demo nothing -o out
	has_err "say --format"
}

@test "a CSV file with another separator is told from one without prompts" {
	printf 'id;prompt\na;1 + 1\n' >in.csv
	expect 2 frugal batch -c demo in.csv -o out
	has_err "the header 'id;prompt' is one column; columns are separated by commas"
	printf 'id,question\na,1 + 1\n' >in.csv
	expect 2 frugal batch -c demo in.csv -o out
	has_err "no column 'prompt'"
}
