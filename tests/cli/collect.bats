# frugal collect: every tier is asked about every task, and traces come of it.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# Two tiers: three samples judged by agreement, and one by its log-probability.
config() {
	write_tiers <<-YAML
	      - model: test/small
	        samples: {min: 2, max: 3}
	        temperature: 1
	        accept: {agreement: 0.6}
	      - model: test/medium
	        max_tokens: 50
	        accept: {logprob: {at_least: 0.5, over: answer}}
	      - model: test/big
	YAML
}

# Tasks t1 to tN.
tasks() {
	local i
	for ((i = 1; i <= $1; i++)); do
		printf '{"id":"t%d","prompt":"question %d","reference":"%d","tags":{"half":"%d"}}\n' \
		    $i $i $((i % 3)) $((i % 2))
	done >in.jsonl
}

collect() {
	frugal collect -q -o traces "$@"
}

# whole N: t1 to tN have three lines each, which stand together.
whole() {
	same "$(sed 's/^{"id":"\([^"]*\)".*/\1/' traces | uniq -c | awk '{print $1, $2}' | sort)" \
	    "$(for ((i = 1; i <= $1; i++)); do echo "3 t$i"; done | sort)"
}

# verdicts FILE: what the climb of each task came to, all digits.
verdicts() {
	sed 's/"\(cost_usd\|saved_usd\|latency_ms\|requests\|cached\|prompt_tokens\|completion_tokens\)":[^,}]*,\?//g
	    s/,"saved_usd":[^,}]*//g' "$1" | sort
}

# 19 of 20 tasks have asked their three tiers, and one waits for its first.
alone() {
	[ "$(server_stat requests)" -ge 58 ] && [ "$(server_stat in_flight)" = 1 ]
}

lines_are() {
	[ -e traces ] && [ "$(wc -l <traces)" -ge "$1" ]
}

# --- what is written ---------------------------------------------------------

@test "every tier is asked for all its samples, and a line is written for each" {
	server
	config
	tasks 4
	expect 0 collect in.jsonl
	whole 4
	same "$(grep -c '"tier":"test/small"' traces)" 4
	# three samples and twice one, in the order of the tiers
	same "$(grep -o '"text"' traces | wc -l)" 20
	same "$(sed 's/.*"tier":"test\/\([a-z]*\)".*/\1/' traces | paste -sd ' ' | cut -d' ' -f1-3)" "small medium big"
	grep '"id":"t1"' traces | head -1 >line
	same "$(member prompt <line)" '"question 1"'
	same "$(member reference <line)" '"1"'
	same "$(member half <line)" '"1"'
	grep -q '"price":{"input_per_mtok":1,"output_per_mtok":2}' line
	grep -q '"cost_usd":0\.' line
	[ "$(member answer <line)" ]
	grep '"tier":"test/medium"' traces | head -1 | grep -q '"logprobs":\[{"token":'
}

@test "traces come in the order of the tasks, and those that came early wait in a file" {
	server '{"match":{"contains":"question 1","seen":0,"nth":1},"delay_ms":1000}'
	config
	echo 'limits: {held: 1K}' >>frugal.yaml
	tasks 60
	expect 0 frugal collect --order input in.jsonl -o traces
	[[ $stderr =~ [0-9]+\ results\ that\ came\ before\ their\ turn\ waited\ in\ a\ temporary\ file ]]
	same "$(sed 's/^{"id":"\([^"]*\)".*/\1/' traces | uniq -c | awk '{print $1, $2}')" \
	    "$(for ((i = 1; i <= 60; i++)); do echo "3 t$i"; done)"
	expect 2 frugal collect --from-ledger --order input -o other
}

@test "a run that was stopped leaves no hole among traces in order" {
	server '{"match":{"contains":"question 3","nth":1},"delay_ms":30000}'
	config
	tasks 20
	env --default-signal=INT "$FRUGAL" collect --order input in.jsonl -o traces 2>err 3>&- &
	PID=$!
	wait_until lines_are 6
	wait_until alone
	kill -INT $PID
	wait_until grep -q "stopping" err
	kill -INT $PID
	got=0
	wait $PID || got=$?
	same "$got" 130
	whole 2
	grep -q "or, behind what is missing, in the store; the same command" err
	expect 0 frugal collect -q --order input in.jsonl -o traces
	same "$(sed 's/^{"id":"\([^"]*\)".*/\1/' traces | uniq -c | awk '{print $1, $2}')" \
	    "$(for ((i = 1; i <= 20; i++)); do echo "3 t$i"; done)"
}

@test "replay of what was collected gives the verdicts that batch gave" {
	server \
	    '{"match":{"model":"small","chance":0.3},"reply":{"texts":["#### 1","#### 2","#### 1","x #### 0"]}}' \
	    '{"match":{"model":"small","chance":0.3},"reply":{"text":"no answer at all"}}' \
	    '{"match":{"model":"medium","chance":0.3},"reply":{"text":"é #### 12 and 2","token_logprob":[-0.3,-1e-9,-2.5]}}' \
	    '{"match":{"model":"medium","chance":0.3},"reply":{"text":"#### 7","finish":"length","token_logprob":-0.001}}' \
	    '{"match":{"model":"medium","chance":0.4},"reply":{"text":"#### 5\nno, not 5","token_logprob":[-1,-0.1,-1,-1,-4]}}' \
	    '{"match":{"model":"medium","chance":0.5},"reply":{"text":"#### 3","token_logprob":-1e-7}}'
	config
	tasks 60
	expect 0 frugal batch -q in.jsonl -o before
	expect 0 collect in.jsonl
	whole 60
	expect 0 frugal replay traces -o after
	verdicts before >v1
	verdicts after >v2
	diff v1 v2 | head -n 4
	cmp v1 v2
	# All kinds were there, else this says little.
	grep -q '"answer":"5".*"score":0.904' before
	for v in '"tier":1,' '"tier":2,' '"tier":3,' cut_off escalate; do
		grep -q "$v" before
	done
}

@test "with several prompts each stands where the climb would meet it" {
	server '{"match":{"contains":"A:"},"reply":{"text":"#### a"}}' \
	    '{"match":{"contains":"B:"},"reply":{"texts":["#### b1","#### b2"]}}'
	write_tiers <<-YAML
	      - model: test/small
	        samples: 4
	        temperature: 1
	        prompts: [{text: "A: {{input}}"}, {text: "B: {{input}}"}]
	        accept: {agreement: 0.5}
	YAML
	tasks 1
	expect 0 collect in.jsonl -j 1
	same "$(grep -o '"answer":"[^"]*"' traces | cut -d'"' -f4 | cut -c1 | paste -sd ' ')" "a b a b"
	same "$(member prompt <traces)" '"question 1"'
}

@test "an endpoint counts as its tier" {
	server '{"match":{"model":"small"},"status":503,"headers":{"x-should-retry":"false"}}'
	write_tiers <<-YAML
	      - name: low
	        endpoints: [test/small, test/medium]
	        accept: {regex: '####'}
	      - model: test/big
	YAML
	tasks 1
	expect 0 collect in.jsonl --retries 0
	same "$(grep -c '"tier":"low","model":"test/small"' traces)" 1
	expect 0 frugal replay traces
	has "always top: test/big"
}

# --- nothing is paid twice ----------------------------------------------------

@test "what batch has paid for is not asked again" {
	server '{"match":{"model":"small"},"reply":{"text":"#### 1"}}'
	config
	tasks 5
	expect 0 frugal batch -q in.jsonl -o answers
	requests 5
	expect 0 collect in.jsonl
	requests 20 # a third sample each, and two tiers
	cp traces first
	expect 0 collect in.jsonl
	cmp traces first
	rm traces
	expect 0 collect in.jsonl
	requests 20
	same "$(sort traces)" "$(sort first)"
	expect 0 frugal collect in.jsonl -o traces
	has_err "5 tasks are whole"
}

@test "answers that were cut off are asked for once" {
	server '{"reply":{"text":"half","finish":"length"}}'
	config
	tasks 2
	expect 0 collect in.jsonl
	requests 6
	rm traces
	expect 0 collect in.jsonl
	requests 6
	same "$(grep -o '"finish":"length"' traces | wc -l)" 10
}

@test "a tier and samples that the configuration gained are all that is asked" {
	server
	write_tiers <<-YAML
	      - model: test/small
	        samples: 2
	        temperature: 1
	        accept: {agreement: 0.6}
	YAML
	tasks 3
	expect 0 collect in.jsonl
	requests 3
	sed -i 's/samples: 2/samples: 3/' frugal.yaml
	expect 0 frugal collect in.jsonl -o traces
	has_err "0 tasks are whole, 3 that lack something are done again"
	requests 6
	write_tiers <<-YAML
	      - model: test/small
	        samples: 3
	        temperature: 1
	        accept: {agreement: 0.6}
	      - model: test/big
	YAML
	expect 0 frugal collect in.jsonl -o traces
	has_err "0 tasks are whole, 3 that lack something are done again"
	requests 9
	count 6 traces
}

@test "after kill -9 every task is whole, and little is asked for twice" {
	server '{"delay_ms":50}'
	config
	tasks 40
	"$FRUGAL" collect -q in.jsonl -o traces -j 4 2>err 3>&- &
	PID=$!
	wait_until lines_are 30
	kill -KILL $PID
	wait $PID || true
	expect 0 collect in.jsonl
	whole 40
	# 4 were in flight, and 4 had come and were not yet committed.
	[ "$(server_stat requests)" -le 128 ]
}

@test "a file that ends within a task, or within a line, is mended" {
	server
	config
	tasks 3
	expect 0 collect in.jsonl -j 1
	cp traces good
	head -n 8 good >traces
	expect 0 collect in.jsonl
	same "$(sort traces)" "$(sort good)"
	head -c -20 good >traces
	expect 0 frugal collect in.jsonl -o traces
	has_err "cut off a torn last line"
	same "$(sort traces)" "$(sort good)"
	requests 9
}

@test "Ctrl-C finishes what is in flight, and the same command goes on" {
	server '{"times":3,"delay_ms":600000}' '{"delay_ms":100}'
	config
	tasks 50
	env --default-signal=INT "$FRUGAL" collect in.jsonl -o traces -j 3 2>err 3>&- &
	PID=$!
	wait_until in_flight 3
	kill -INT $PID
	wait_until grep -q "finishing what is in flight" err
	release
	got=0
	wait $PID || got=$?
	same "$got" 130
	grep -q "finishing what is in flight" err
	asked=$(server_stat requests)
	[ "$asked" -lt 40 ]
	expect 0 collect in.jsonl
	whole 50
	requests 150
}

# --- what goes wrong --------------------------------------------------------------

@test "a tier that refuses a task is left out, said, and tried again" {
	server '{"match":{"model":"medium","contains":"question 2"},"times":1,"status":400,"body":{"error":{"code":"content_filter","message":"not this"}}}'
	config
	tasks 3
	expect 1 frugal collect in.jsonl -o traces
	has_err "task 't2' has 2 of 3 tiers: "
	has_err "2 whole, 1 with tiers missing"
	count 8 traces
	expect 0 collect in.jsonl
	whole 3
	requests 10
}

@test "--max-cost is not passed, ends with 3, and the rest can be had later" {
	server
	config
	tasks 20
	sed -i 's/model: test\/small/&, max_tokens: 20/; s/^ *- model: \(.*\), max/      - model: \1\n        max/' frugal.yaml
	sed -i 's/- model: test\/big/&\n        max_tokens: 20/' frugal.yaml
	expect 3 collect in.jsonl --max-cost 0.005 -j 4
	has_err "budget reached"
	[ "$(wc -l <traces)" -lt 60 ]
	same "$(($(wc -l <traces) % 3))" 0
	expect 0 collect in.jsonl
	whole 20
	requests 60
}

@test "an id that comes twice is left out, for a trace has each id once" {
	server
	config
	tasks 2
	cat in.jsonl in.jsonl >twice.jsonl
	expect 1 collect twice.jsonl
	has_err "twice.jsonl:3"
	has_err "was there before"
	whole 2
}

@test "somebody else's file is left alone" {
	server
	config
	tasks 1
	expect 0 frugal batch -q in.jsonl -o results
	cp results before
	expect 2 frugal collect in.jsonl -o results
	has_err "results:1"
	has_err "no trace"
	cmp results before
}

@test "no file, a file of tasks with --from-ledger, and --since without are refused" {
	server
	config
	tasks 1
	expect 2 frugal collect -o traces
	has_err "no file of tasks"
	expect 2 frugal collect --from-ledger in.jsonl
	expect 2 frugal collect in.jsonl --since 2d
	expect 2 frugal collect --from-ledger --max-cost 1
	requests 0
}

# --- what is told beforehand and afterwards ---------------------------------------

@test "--estimate sends nothing and counts every sample that is missing" {
	server '{"match":{"model":"small"},"reply":{"text":"#### 1"}}'
	config
	tasks 5
	expect 0 frugal collect in.jsonl --estimate -o traces
	has "5 tasks, 0 of them in the store"
	has "default 3 test/big"
	requests 0
	[ ! -e traces ]
	expect 0 collect in.jsonl
	expect 0 frugal collect in.jsonl --estimate
	has "5 tasks, 5 of them in the store"
}

@test "stats tell what was collected, apart from what was climbed" {
	server '{"match":{"model":"small"},"reply":{"text":"#### 1"}}'
	config
	tasks 2
	expect 0 frugal batch -q in.jsonl -o answers
	expect 0 frugal stats --json
	before=$(sed 's/,"collected".*//' <<<"$output")
	expect 0 collect in.jsonl
	expect 0 frugal stats --json
	same "$(sed 's/,"collected".*//' <<<"$output")" "$before"
	has '"collected":{"tasks":2,"completions":10,'
	expect 0 frugal stats
	has "collected for traces: 2 tasks, \$0."
	expect 0 frugal explain t1
	has "collected"
}

# --- from the ledger ---------------------------------------------------------------

@test "--from-ledger makes the traces that collect made" {
	server
	config
	tasks 6
	expect 0 collect in.jsonl
	expect 0 frugal collect --from-ledger -o again
	has_err "6 tasks with 18 tiers, 6 of them with a right answer"
	same "$(sort again)" "$(sort traces)"
	requests 18
}

@test "--from-ledger has the tiers that were asked, and looks at -k and --tag" {
	server '{"match":{"model":"small","contains":"question 1"},"reply":{"text":"#### 1"}}' \
	    '{"match":{"model":"small"},"reply":{"texts":["#### 1","#### 2","#### 3"]}}'
	config
	tasks 2
	expect 0 frugal batch -q in.jsonl -o answers
	expect 0 frugal collect --from-ledger -q -o t1 --tag half=1
	count 1 t1
	grep -q '"id":"t1".*"tier":"test/small"' t1
	expect 0 frugal collect --from-ledger -q -o t2 --tag half=0
	same "$(sed 's/.*"tier":"test\/\([a-z]*\)".*/\1/' t2 | paste -sd ' ')" "small medium"
	expect 0 frugal collect --from-ledger -q -k other
	same "$output" ""
	expect 1 frugal replay t2
	has_err "tier 'test/big' was not recorded"
}

@test "a task is whole by the cascade that it names" {
	server
	config
	sed -i "s/^models:/  pair:\n    tiers:\n      - {model: test\/small, accept: {regex: x}}\n      - model: test\/big\n&/" frugal.yaml
	printf '{"id":"a","prompt":"one"}\n{"id":"b","prompt":"two","cascade":"pair"}\n' >in.jsonl
	expect 0 collect in.jsonl
	count 5 traces
	expect 0 frugal collect in.jsonl -o traces
	has_err "2 tasks are whole"
	# By the default cascade b lacks one; by the pair a does not.
	expect 0 frugal collect in.jsonl -o traces -k pair
	has_err "2 tasks are whole"
	expect 0 frugal collect in.jsonl -o traces -k default
	has_err "1 tasks are whole, 1 that lack something"
	count 6 traces
}

@test "one model is collected by -m, and to standard output" {
	server
	config
	tasks 2
	expect 0 frugal collect in.jsonl -q -m test/big
	same "$(grep -c '"tier":"test/big"' <<<"$output")" 2
	requests 2
}

@test "tune learns from the ledger what collect has asked" {
	for i in {1..60}; do
		echo "{\"id\":\"$i\",\"prompt\":\"What is $i + 7?\",\"reference\":\"$((i + 7))\"}"
	done >many.jsonl
	expect 0 frugal collect many.jsonl -c demo -o many.traces.jsonl -q
	expect 0 frugal tune many.traces.jsonl -c demo --learned no -q
	from_file=$output
	expect 0 frugal tune --from-ledger -c demo --learned no -q
	same "$(grep -c 'sim/' <<<"$output")" "$(grep -c 'sim/' <<<"$from_file")"
	has "sim/small"
	expect 2 frugal tune --since 1d
}
