# frugal replay: a cascade over recorded answers.

load common

setup() {
	frugal_setup
	cat >cascade.yaml <<-'YAML'
	providers:
	  rec: {api: recorded}
	cascades:
	  default:
	    answer: '#### *([^\n]+)'
	    tiers:
	      - model: rec/small
	        samples: 3
	        temperature: 0.7
	        accept: {agreement: 0.6}
	      - model: rec/big
	  adaptive:
	    answer: '#### *([^\n]+)'
	    tiers:
	      - model: rec/small
	        samples: {min: 2, max: 3}
	        temperature: 0.7
	        accept: {agreement: 0.6}
	      - model: rec/big
	  greedy:
	    tiers:
	      - {model: rec/small, samples: 5, temperature: 0.7, accept: {agreement: 0.6}}
	      - model: rec/big
	  sure:
	    tiers:
	      - {name: known, model: rec/other, accept: {logprob: {at_least: {log: -4.7e-12}, over: answer}}}
	      - model: rec/big
	YAML
}
teardown() { frugal_teardown; }

# small ID REFERENCE ANSWER...: a line of the tier `small`, 100 micro-dollars
# for the first completion and 10 for each further one.
small() {
	local id=$1 reference=$2 cost=0.0001 sep=

	printf '{"id":"%s","prompt":"?","reference":"%s","tier":"small","completions":[' "$id" "$reference"
	shift 2
	for answer; do
		printf '%s{"text":"so #### %s","cost_usd":%s,"prompt_tokens":9,"completion_tokens":3}' "$sep" "$answer" $cost
		cost=0.00001 sep=,
	done
	echo ']}'
}

# big ID REFERENCE ANSWER: at 10 and 20 dollars for a million of 100 and 50
# tokens, 0.002.
big() {
	printf '{"id":"%s","prompt":"?","reference":"%s","tier":"big","price":{"input_per_mtok":10,"output_per_mtok":20},"completions":[{"text":"#### %s","prompt_tokens":100,"completion_tokens":50}]}\n' "$1" "$2" "$3"
}

# Right at tier 1; right at tier 2; wrong at tier 1; wrong at both.
write_trace() {
	{ small a 1 1 1.0 " 1"; big a 1 1
	  small b 9 1 2 3; big b 9 9
	  small c 3 2 2 3; big c 3 3
	  small d 7 4 5 6; big d 7 8; } >trace.jsonl
}

# replay ARGUMENT...
replay() {
	frugal replay -c cascade.yaml "$@"
}

@test "it tells how often the answer is right and what it costs" {
	write_trace
	expect 0 replay --json trace.jsonl -k default
	has '"cascade":"default","left_out":0,"bad_lines":0,"tasks":4,"answered":4,"labelled":4,"correct":2,"accuracy":0.5'
	# 4 * 0.00012 at tier 1 and 2 * 0.002 at tier 2
	same "$(member cost_usd <<<"$output")" 0.00448
}

@test "it tells what each tier answered, and what each would have alone" {
	write_trace
	expect 0 replay --json trace.jsonl -k default
	has '"tier":1,"name":"rec/small","answered_here":{"tasks":2,"answered":2,"labelled":2,"correct":1'
	has '"tier":2,"name":"rec/big","answered_here":{"tasks":2,"answered":2,"labelled":2,"correct":1'
	[[ "$output" =~ \"tier\":1.*\"always\":\{\"tasks\":4,\"answered\":4,\"labelled\":4,\"correct\":1.*\"cost_usd\":0.0004[,}].*\"tier\":2 ]]
	[[ "$output" =~ \"tier\":2.*\"always\":\{\"tasks\":4,\"answered\":4,\"labelled\":4,\"correct\":3.*\"cost_usd\":0.008[,}] ]]
}

@test "the table puts the cascade beside the cheapest and the top" {
	write_trace
	expect 0 replay trace.jsonl -k default
	[[ "$output" =~ cascade\ default\ +4\ +50\.00\ %.*56\.0\ % ]]
	[[ "$output" =~ always\ cheapest:\ rec/small\ +4\ +25\.00 ]]
	[[ "$output" =~ always\ top:\ rec/big\ +4\ +75\.00.*100\.0\ % ]]
	[ -z "$stderr" ]
}

@test "adaptive samples cost what was needed, no more" {
	write_trace
	expect 0 replay --json trace.jsonl -k adaptive
	# a and c are certain after two: the third is not asked for.
	same "$(member cost_usd <<<"$output")" 0.00446
}

@test "-o writes a result object for each task" {
	write_trace
	expect 0 replay trace.jsonl -k default -o out
	count 4 out
	same "$(sed 's/.*"tier":\([12]\),"model".*"verdict":"[a-z]*","cost_usd".*/\1/; s/^{.*"answer":"[^"]*","correct":[a-z]*,"cascade":"default","tier":\(.\).*/\1/' out | paste -sd' ')" "1 2 1 2"
	grep -q '"id":"b".*"answer":"9","correct":true' out
}

@test "a gzipped trace and several files are read" {
	small a 1 1 1 1 >one.jsonl
	big a 1 1 >>one.jsonl
	{ small b 9 1 2 3; big b 9 9; } | gzip >two.jsonl.gz
	expect 0 replay --json one.jsonl two.jsonl.gz -k default
	has '"tasks":2,'
	has '"correct":2,'
}

@test "a tier is found by its name as well as by its model" {
	{ echo '{"id":"a","reference":"x","tier":"known","completions":[{"text":"x","answer":"x","logprobs":[{"token":"x","logprob":-1e-12}],"cost_usd":0}]}'
	  big a x y
	  echo '{"id":"b","reference":"x","tier":"known","completions":[{"text":"x","answer":"x","logprobs":[{"token":"x","logprob":-1e-11}],"cost_usd":0}]}'
	  big b x y; } >trace.jsonl
	expect 0 replay --json trace.jsonl -k sure
	has '"answered_here":{"tasks":1,"answered":1,"labelled":1,"correct":1'
	has '"tier":2,"name":"rec/big","answered_here":{"tasks":1,'
}

@test "what is recorded as the answer is believed" {
	{ echo '{"id":"a","reference":"5","tier":"small","completions":[{"text":"#### 1","answer":"5","cost_usd":0},{"text":"#### 2","answer":"5","cost_usd":0},{"text":"#### 3","answer":"5","cost_usd":0}]}'
	  big a 5 5; } >trace.jsonl
	expect 0 replay --json trace.jsonl -k default
	has '"answered_here":{"tasks":1,"answered":1,"labelled":1,"correct":1'
}

@test "tasks that lack what the cascade needs are left out, with the reason" {
	write_trace
	small e 1 1 1 1 >>trace.jsonl
	small f 1 1 >>trace.jsonl
	big f 1 1 >>trace.jsonl
	expect 0 replay --json trace.jsonl -k default
	has '"left_out":2,'
	has '"tasks":4,'
	has_err "task 'e' was recorded with these tiers: small"
	has_err "1 task was left out: tier 'rec/big' was not recorded"
	has_err "1 task was left out: tier 'rec/small' was recorded with fewer samples"
	sed 's/small/known/' trace.jsonl >unsure.jsonl
	expect 1 replay unsure.jsonl -k sure
	has_err "is scored by log-probabilities, and none were recorded"
	# Of an answer that was not found there are none; that is no lack.
	sed '/"known"/s/"cost_usd"/"answer":null,"cost_usd"/g' unsure.jsonl >silent.jsonl
	expect 0 replay --json silent.jsonl -k sure
	[[ ! "$stderr" == *"none were recorded"* ]]
	expect 1 replay trace.jsonl -k greedy
	has_err "no task of the traces can be replayed"
}

@test "a bad line is named, and the rest is replayed, with status 1" {
	write_trace
	echo '{"id":"e","tier":' >>trace.jsonl
	expect 1 replay --json trace.jsonl -k default
	has_err "trace.jsonl:9:"
	has '"bad_lines":1,'
	has '"tasks":4,'
}

@test "mistakes about files and cascades are status 2" {
	write_trace
	expect 2 replay
	expect 2 replay nowhere.jsonl -k default
	has_err "nowhere.jsonl"
	expect 2 replay trace.jsonl -k defualt
	has_err "did you mean 'default'?"
}

@test "nothing is asked and nothing is kept" {
	write_trace
	server
	sed -i "s|{api: recorded}|{api: openai, url: \"$SERVER_URL\"}|" cascade.yaml
	expect 0 replay trace.jsonl -k default
	requests 0
	[ ! -e store.db ]
}

@test "it says of live answers what a live run said" {
	server '{"match":{"model":"small","contains":"one"},"reply":{"texts":["#### 1","#### 1","#### 2"]}}' \
	    '{"match":{"model":"small"},"reply":{"texts":["#### 1","#### 3","#### 2"]}}' \
	    '{"reply":{"text":"#### 9"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        samples: 3
	        temperature: 0.7
	        accept: {agreement: 0.6}
	      - model: test/big
	YAML
	expect 0 frugal run --jsonl <<<$'{"id":"a","prompt":"one","reference":"1"}\n{"id":"b","prompt":"two","reference":"9"}'
	live=$(grep -o '"id":"."\|"answer":"."\|"correct":[a-z]*\|"score":[0-9.]*\|"verdict":"[a-z]*"' <<<"$output")
	{ small a 1 1 1 2; big a 1 9; small b 9 1 3 2; big b 9 9; } >trace.jsonl
	expect 0 replay trace.jsonl -k default -o out
	same "$(grep -o '"id":"."\|"answer":"."\|"correct":[a-z]*\|"score":[0-9.]*\|"verdict":"[a-z]*"' out)" "$live"
}

# --- recorded answers of real models -------------------------------------------

# real NAME: the path of a data set, or the test is skipped.
real() {
	local folder=${FRUGAL_DATA:-$FRUGAL_SOURCE/../shared/data}

	[ -r "$folder/$1" ] || skip "no $1; set FRUGAL_DATA"
	REAL=$folder/$1
}

# number NAME: in the JSON of the report, the first of that name.
number() {
	member "$1" <<<"$output"
}

# holds EXPRESSION: an awk condition.
holds() {
	awk "BEGIN { exit !($1) }" || { echo "does not hold: $1"; false; }
}

# plausible: the sums over the tiers are those of the cascade, which lies
# between the cheapest and the top.
plausible() {
	local n right cost tiers

	n=$(number tasks) right=$(number correct) cost=$(number cost_usd)
	tiers=$(grep -o '"answered_here":{[^}]*}' <<<"$output")
	same "$(grep -o '"tasks":[0-9]*' <<<"$tiers" | awk -F: '{ s += $2 } END { print s }')" "$n"
	same "$(grep -o '"correct":[0-9]*' <<<"$tiers" | awk -F: '{ s += $2 } END { print s }')" "$right"
	tiers=$(grep -o '"always":{[^}]*}' <<<"$output" | grep -o '"cost_usd":[0-9.]*' | cut -d: -f2)
	holds "$cost > 0 && $cost < $(tail -n 1 <<<"$tiers") && $cost > $(head -n 1 <<<"$tiers")"
	tiers=$(grep -o '"always":{[^}]*}' <<<"$output" | grep -o '"correct":[0-9]*' | cut -d: -f2)
	holds "$right > $(head -n 1 <<<"$tiers")"
	holds "$right > 0.95 * $(tail -n 1 <<<"$tiers")"
}

@test "mot-date: agreement of a cheap model saves most of the top one's price" {
	real mot-date.jsonl.gz
	cat >date.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  date:
	    tiers:
	      - model: rec/gpt-3.5-turbo/cot1
	        samples: {min: 3, max: 20}
	        accept: {agreement: 0.8}
	      - model: rec/gpt-4/cot1-greedy
	YAML
	expect 0 frugal replay "$REAL" -c date.yaml --json
	same "$(number tasks)" 175
	plausible
}

@test "mmlu-logprob: log-probabilities choose among three models" {
	real mmlu-logprob.jsonl.gz
	cat >mmlu.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  mmlu:
	    tiers:
	      - model: rec/llama-3.1-8b/direct
	        accept: {logprob: 0.99}
	      - model: rec/gpt-4o-mini/direct
	        accept: {logprob: {at_least: {log: -1e-6}}}
	      - model: rec/gpt-4o/direct
	YAML
	expect 0 frugal replay "$REAL" -c mmlu.yaml --json
	holds "$(number tasks) > 6700"
	plausible
}

@test "a file of another kind is said to be wrong, not line by line to its end" {
	for i in $(seq 500); do echo '{"id":"a","tier":5}'; done >wrong.jsonl
	printf 'providers: {old: {api: recorded}}\ncascades: {c: {tiers: [{model: old/a}]}}\n' >frugal.yaml
	for c in replay tune learn; do
		expect 1 frugal $c wrong.jsonl -c frugal.yaml
		has_err "wrong.jsonl:20:1: 'tier' must be a string"
		lacks_err "wrong.jsonl:21:"
		has_err "further lines that cannot be read"
	done
}
