# A server that speaks OpenAI's format: what is asked, what is made of the
# answers, what it costs, and what the store keeps.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# ask PROMPT [OPTION]...: its result object in $output.
ask() {
	frugal run --jsonl "${@:2}" <<<"{\"id\":\"t\",\"prompt\":\"$1\"}"
}

# usage IN OUT: a script's usage object.
usage() {
	printf '"usage":{"prompt_tokens":%s,"completion_tokens":%s}' "$1" "$2"
}

# Two tiers; the first is asked three times and must agree.
write_agreeing() {
	write_tiers "$1" <<-YAML
	      - model: test/small
	        samples: ${2:-3}
	        temperature: 0.7
	        accept: {agreement: 0.6}
	      - model: test/big
	YAML
}

# --- samples ---------------------------------------------------------------

@test "samples are asked for in one request, whose prompt is paid once" {
	server "{\"reply\":{\"texts\":[\"#### 1\",\"#### 2\",\"#### 1\"],$(usage 1000 90)}}"
	write_agreeing
	expect 0 ask hello
	requests 1
	sent ',"n":3'
	has '"answer":"1"'
	has '"samples":3'
	same "$(member cost_usd <<<"$output")" 0.00118
	same "$(member completion_tokens <<<"$output")" 90
}

@test "where n is ignored the rest is asked for, and n is not tried again" {
	server "{\"n\":\"ignore\",\"reply\":{\"texts\":[\"#### 1\",\"#### 2\",\"#### 1\"],$(usage 1000 30)}}"
	write_agreeing
	printf 'a\nb\n' >in
	expect 0 frugal run --jsonl -j 1 <<<$'{"prompt":"a"}\n{"prompt":"b"}'
	requests 6
	same "$(grep -c ',"n":3' log)" 1
	same "$(member requests <<<"$output")" 3
	same "$(member cost_usd <<<"$output")" 0.00318
}

@test "where n is refused the samples are asked for one by one" {
	server '{"match":{"nth":1},"status":400,"body":{"error":{"message":"only one choice","param":"n"}}}' \
	    '{"reply":{"text":"#### 1"}}'
	write_agreeing
	expect 0 ask hello
	requests 4
	has '"samples":3'
	has '"status":"accepted"'
}

@test "with n: false samples are asked for one by one from the start" {
	server '{"reply":{"text":"#### 1"}}'
	write_agreeing ', n: false'
	expect 0 ask hello
	requests 3
	no_line ',"n":3' log
}

@test "adaptive samples stop as soon as the verdict is certain" {
	server '{"match":{"contains":"easy"},"reply":{"text":"#### 1"}}' \
	    '{"match":{"contains":"hard"},"reply":{"texts":["#### 1","#### 2","#### 1","#### 1","#### 3","#### 1","#### 1"]}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        samples: {min: 2, max: 7}
	        temperature: 0.7
	        accept: {agreement: 0.5}
	YAML
	expect 0 ask easy
	has '"samples":4'
	expect 0 ask hard
	has '"answer":"1"'
	[ "$(member samples <<<"$output")" -lt 7 ]
}

@test "adaptive samples stop when no further one could save the tier" {
	server '{"match":{"model":"small"},"reply":{"texts":["#### 1","#### 2","#### 3"]}}' \
	    '{"reply":{"text":"#### 9"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        samples: {min: 2, max: 3}
	        temperature: 0.7
	        accept: {agreement: 1}
	      - model: test/big
	YAML
	expect 0 ask hello
	has '"samples":2,'
	has '"model":"test/big"'
	requests 2
}

@test "several prompts of a tier share its samples" {
	server '{"match":{"contains":"Think"},"reply":{"text":"#### 1"}}' \
	    '{"match":{"contains":"Program"},"reply":{"texts":["#### 1","#### 2"]}}'
	mkdir conf
	write_tiers <<-'YAML'
	      - model: test/small
	        samples: 4
	        temperature: 0.7
	        prompts: [think.txt, {text: 'Program: {{input}}'}]
	        accept: {agreement: 0.75}
	YAML
	mv frugal.yaml conf
	echo 'Think: {{input}}' >conf/think.txt
	expect 0 ask riddle -c conf/frugal.yaml
	requests 2
	same "$(grep -c ',"n":2' log)" 2
	sent 'Think: riddle'
	sent 'Program: riddle'
	has '"score":0.75'
	has '"answer":"1"'
}

# --- scorers ---------------------------------------------------------------

write_logprob() {
	write_tiers "$1" <<-'YAML'
	      - model: test/small
	        accept: {logprob: 0.9}
	      - model: test/big
	YAML
}

@test "log-probabilities of either shape are scored with all digits" {
	server '{"match":{"contains":"openai"},"reply":{"text":"a b","logprobs":"openai","token_logprob":[-0.01,-0.02]}}' \
	    '{"match":{"contains":"together"},"reply":{"text":"a b","logprobs":"together","token_logprob":[-0.01,-0.02]}}' \
	    '{"reply":{"text":"a b","token_logprob":-4.7e-12}}'
	write_logprob
	for shape in openai together; do
		expect 0 ask $shape
		has '"score_log":-0.015,'
		has '"tier":1'
	done
	sent '"logprobs":true'
	expect 0 ask sure
	has '"score_log":-4.7e-12,'
	has '"score":0.9999999999953'
}

@test "an unsure answer climbs" {
	server '{"match":{"model":"small"},"reply":{"text":"a b","token_logprob":-1.5}}'
	write_logprob
	expect 0 ask hello
	has '"verdict":"escalate"'
	has '"tier":2'
}

@test "log-probabilities that do not come are said to be missing, not 0" {
	server '{"reply":{"text":"a b","logprobs":"none"}}'
	write_logprob
	expect 0 frugal run -v hello </dev/null
	has_err "log-probabilities"
}

@test "a rule for log-probabilities at a provider that has none is a mistake" {
	server
	write_logprob ', logprobs: false'
	expect 2 ask hello
	has_err "gives none"
	requests 0
}

@test "repair asks once more, with the answer and the reason" {
	server "{\"match\":{\"contains\":\"was not accepted\"},\"reply\":{\"text\":\"#### 5\",$(usage 20 2)}}" \
	    "{\"reply\":{\"text\":\"five\",$(usage 10 1)}}"
	write_tiers <<-'YAML'
	      - model: test/small
	        repair: 1
	        accept: {regex: '####'}
	      - model: test/big
	YAML
	expect 0 ask hello
	requests 2
	sent '{"role":"assistant","content":"five"},{"role":"user"'
	sent "'####' does not match"
	has '"answer":"5"'
	has '"tier":1'
	has '"repairs":1'
	same "$(member cost_usd <<<"$output")" 0.000036
}

@test "a repair that does not help climbs" {
	server '{"match":{"model":"small"},"reply":{"text":"five"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        repair: 1
	        accept: {regex: '####'}
	      - model: test/big
	YAML
	expect 0 ask hello
	requests 3
	has '"tier":2,"model":"test/big","verdict":"accept"'
	has '"repairs":1'
}

# --- failures --------------------------------------------------------------

@test "a 500 and a 429 are tried again, as soon as the server allows" {
	server '{"match":{"nth":1},"status":500,"headers":{"Retry-After":"0"}}' \
	    '{"match":{"nth":1},"status":429,"headers":{"retry-after-ms":"1"}}' \
	    '{"match":{"nth":1},"status":503,"headers":{"Retry-After":"0"}}' \
	    '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask hello
	requests 4
	has '"requests":4,"retries":3'
}

@test "what fails again and again is given up, and the task climbs" {
	server '{"match":{"model":"small"},"status":503,"headers":{"Retry-After":"0"},"body":{"error":{"message":"so busy"}}}' \
	    '{"reply":{"text":"big"}}'
	write_config
	expect 0 ask hello --retries 2
	requests 4
	has '"verdict":"unavailable","reason":"so busy"'
	has '"tier":2'
}

@test "with --retries 0 nothing is tried again" {
	server '{"status":503}'
	write_config
	expect 1 ask hello --retries 0
	same "$(server_stat duplicates)" 0
	requests 2
}

@test "a bad key stops the run at once, with one message" {
	server '{"delay_ms":20,"status":401,"body":{"error":{"message":"bad key","code":"invalid_api_key"}}}'
	export TEST_KEY=sk-0123456789abcdef
	write_config ', key_env: TEST_KEY'
	seq 1 50 >in.txt
	expect 1 frugal batch -j 4 in.txt -o out
	[ "$(server_stat requests)" -le 4 ]
	same "$(grep -c 'bad key' <<<"$stderr")" 1
	has_err "provider 'test'"
	[ ! -s out ]
	expect 1 frugal run hello </dev/null
	same "$(wc -l <<<"$stderr")" 1
}

@test "an exhausted quota stops the run, it is not waited for" {
	server '{"status":429,"body":{"error":{"message":"no money left","type":"insufficient_quota","code":"insufficient_quota"}}}'
	write_config
	expect 1 ask hello
	requests 1
	has_err "no money left"
}

@test "a key that is not there is a mistake, and nothing is sent" {
	server
	unset TEST_KEY
	write_config ', key_env: TEST_KEY'
	expect 2 ask hello
	has_err "TEST_KEY"
	same "$(wc -l <<<"$stderr")" 1
	requests 0
}

@test "the missing key of a higher tier is found before the first is asked" {
	server '{"reply":{"text":"unsure"}}'
	write_config
	cat >>frugal.yaml <<-YAML
	  other/top: {input_per_mtok: 10, output_per_mtok: 20}
	YAML
	sed -i "s|^cascades|  other: {api: openai, url: \"$SERVER_URL\", key_env: TEST_KEY}\n&|
	    s|model: test/big|model: other/top|" frugal.yaml
	unset TEST_KEY
	expect 2 ask hello
	has_err "TEST_KEY"
	requests 0
}

@test "the key comes from a file or a command as well" {
	server '{"reply":{"text":"#### ok"}}'
	printf 'sk-from-a-file\n' >keyfile
	write_config ', key_file: keyfile'
	expect 0 ask one
	same "$(grep -c '"authorization":"present' log)" 1
	write_config ', key_cmd: "echo sk-from-a-command"'
	expect 0 ask two
	same "$(grep -c '"authorization":"present' log)" 2
}

@test "a model that is not there is out of use for the run, and tasks climb" {
	server '{"match":{"model":"small"},"status":404,"body":{"error":{"message":"no such model","code":"model_not_found"}}}' \
	    '{"reply":{"text":"big"}}'
	write_config
	seq 1 6 >in.txt
	expect 0 frugal batch -j 1 in.txt -o out
	requests 7
	same "$(grep -c '"tier":2,"model":"test/big","verdict"' out)" 6
	same "$(grep -c 'no such model' <<<"$stderr")" 1
	has_err "test/small"
}

@test "a prompt that is too long for a tier climbs, others are still asked there" {
	server '{"match":{"model":"small","contains":"long"},"status":400,"body":{"error":{"message":"too many","code":"context_length_exceeded"}}}' \
	    '{"reply":{"text":"#### ok"}}'
	write_config
	printf 'long\nshort\n' >in
	expect 0 frugal run --jsonl -j 1 <<<$'{"prompt":"long"}\n{"prompt":"short"}'
	same "$(sed 's/.*"cascade":"default","tier":\(.\).*/\1/' <<<"$output" | paste -sd' ')" "2 1"
}

@test "a refusal climbs; that of the last tier is shown as what it is" {
	server '{"match":{"contains":"tame"},"times":1,"reply":{"refusal":"I would rather not."}}' \
	    '{"match":{"contains":"wild"},"reply":{"refusal":"I would rather not."}}' \
	    '{"reply":{"text":"well then"}}'
	write_config
	expect 0 frugal run -v tame </dev/null
	same "$output" "well then"
	has_err "tier 1 test/small: refused"
	expect 1 ask wild
	has '"status":"refused"'
	expect 1 frugal run wild </dev/null
	[ -z "$output" ]
	has_err "I would rather not."
}

@test "a prompt that the filter refuses is refused, and not tried elsewhere" {
	server '{"status":400,"body":{"error":{"message":"not this","code":"content_filter"}}}'
	write_config
	expect 1 ask hello
	has '"status":"refused"'
	requests 1
}

@test "an answer that was cut off climbs, and is not taken from the store" {
	server '{"match":{"model":"small"},"reply":{"text":"#### half an","finish":"length"}}' \
	    '{"reply":{"text":"whole"}}'
	write_config
	for i in 1 2; do
		expect 0 ask hello
		has '"verdict":"cut_off"'
		has '"text":"whole"'
	done
	same "$(server_stat requests)" 3
}

@test "max_tokens of a task is sent, in the field that the server has" {
	server '{"reply":{"text":"#### one two three four"}}'
	write_config ', limit_field: max_completion_tokens'
	expect 0 frugal run --jsonl <<<'{"prompt":"x","max_tokens":3}'
	sent '"max_completion_tokens":3'
	has '"verdict":"cut_off"'
}

@test "a lost connection is tried again, and each request is seen and counted" {
	server '{"match":{"nth":2},"fault":"close_after_request"}' \
	    '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 frugal run --jsonl -j 1 <<<$'{"prompt":"a"}\n{"prompt":"b"}'
	requests 3
	same "$(tail -n 1 <<<"$output" | member requests)" 2
}

@test "a lost connection is not repeated behind our back" {
	server '{"match":{"nth":2},"fault":"reset_before"}' \
	    '{"reply":{"text":"#### ok"}}'
	write_tiers <<<'      - model: test/small'
	expect 1 frugal run --jsonl -j 1 --retries 0 <<<$'{"prompt":"a"}\n{"prompt":"b"}\n{"prompt":"c"}'
	requests 3
	same "$(server_stat duplicates)" 0
	same "$(sed 's/.*"status":"\([a-z]*\)".*/\1/' <<<"$output" | paste -sd' ')" "accepted failed accepted"
}

@test "half an answer is no answer" {
	server '{"fault":"truncate","reply":{"text":"#### a rather long answer"}}'
	write_tiers <<<'      - model: test/small'
	expect 1 ask hello --retries 0
	has '"status":"failed"'
	requests 1
}

@test "what may have been billed without an answer is not said to cost nothing" {
	server '{"fault":"truncate","reply":{"text":"#### a rather long answer"}}'
	write_tiers <<<'      - model: test/small'
	expect 1 ask hello --retries 0
	[ "$(server_stat billed_tokens)" -gt 0 ]
	lacks '"cost_usd":0,'
}

@test "a server that says nothing is left after the timeout" {
	server '{"fault":"silence"}'
	write_tiers ', timeout: 200ms' <<<'      - model: test/small'
	expect 1 ask hello --retries 0
	has '"code":"timeout"'
}

@test "a slow answer is waited for" {
	server '{"fault":"drip","drip_ms":1,"reply":{"text":"#### ok"}}'
	write_config
	expect 0 frugal run hello </dev/null
	same "$output" "#### ok"
}

@test "nobody there is an error that names the address" {
	SERVER_URL=http://127.0.0.1:1/v1
	write_tiers <<<'      - model: test/small'
	expect 1 frugal run --retries 0 hello </dev/null
	has_err "127.0.0.1"
}

@test "a 200 that is an error is tried again as the error that it is" {
	server '{"match":{"nth":1},"status":200,"headers":{"Retry-After":"0"},"body":{"error":{"message":"overloaded","code":503}}}' \
	    '{"match":{"nth":1},"body":{"error":{"message":"no such model","code":404}}}' \
	    '{"reply":{"text":"big"}}'
	write_config
	expect 0 ask hello
	requests 3
	has '"retries":1'
	has '"text":"big"'
	has_err "no such model"
}

@test "a 200 without an answer in it is a failure" {
	i=0
	for body in '"no json"' '{}' '{"choices":[]}' '{"choices":null}' '[1]' \
	    '{"choices":[{"message":"text"}]}'; do
		server "{\"body\":$body}"
		write_tiers <<<'      - model: test/small'
		expect 1 ask "hello $((++i))" --retries 0
		has '"status":"failed"'
		requests 1
		stop_server
	done
}

@test "content that is null is an empty answer, which climbs" {
	server '{"match":{"model":"small"},"reply":{"content":null}}' \
	    '{"reply":{"text":"big"}}'
	write_config
	expect 0 frugal run hello </dev/null
	same "$output" big
}

@test "a redirect is not followed" {
	server '{"status":302,"body":"","headers":{"Location":"/v1/elsewhere/chat/completions"}}'
	export TEST_KEY=sk-0123456789abcdef
	write_tiers ', key_env: TEST_KEY' <<<'      - model: test/small'
	expect 1 ask hello --retries 0
	has_err "status 302, a redirect, which is not followed"
	requests 1
}

@test "a failure without a word of the server is still told in words" {
	server '{"status":503,"body":""}'
	write_tiers <<<'      - model: test/small'
	expect 1 ask hello --retries 0
	has_err "no answer: the server answered with status 503 and did not say why (http_503)"
}

# --- secrets ---------------------------------------------------------------

# nowhere KEY: neither in what was printed nor in any file of ours.
nowhere() {
	lacks "$1"
	lacks_err "$1"
	run grep -lr --binary-files=text --exclude=script -- "$1" .
	same "$output" ""
}

@test "a key that the server echoes in an error is not shown and not kept" {
	export TEST_KEY=sk-test-0123456789abcdefghij
	for status in 400 401 404; do
		server "{\"status\":$status,\"body\":{\"error\":{\"message\":\"Incorrect key $TEST_KEY, that is ${TEST_KEY:0:14}... or ...${TEST_KEY: -10}\"}}}"
		write_config ', key_env: TEST_KEY'
		run --separate-stderr ask hello -v
		[ "$status" -eq 1 ]
		has_err "Incorrect key"
		nowhere "${TEST_KEY:3:20}"
		nowhere "${TEST_KEY: -10}"
		stop_server
	done
}

@test "a key that the server echoes as an error's code or type is not shown" {
	export TEST_KEY=sk-test-0123456789abcdefghij
	server "{\"match\":{\"contains\":\"code\"},\"status\":400,\"body\":{\"error\":{\"message\":\"no\",\"code\":\"$TEST_KEY\"}}}" \
	    "{\"status\":400,\"body\":{\"error\":{\"message\":\"no\",\"type\":\"$TEST_KEY\"}}}"
	write_config ', key_env: TEST_KEY'
	for member in code type; do
		run --separate-stderr ask $member -v
		[ "$status" -eq 1 ]
		nowhere "$TEST_KEY"
	done
}

@test "a key that the server echoes in an answer is not shown and not kept" {
	export TEST_KEY=sk-test-0123456789abcdefghij
	server "{\"reply\":{\"text\":\"#### your key is $TEST_KEY\",\"model\":\"$TEST_KEY\"}}"
	write_config ', key_env: TEST_KEY'
	run --separate-stderr ask hello -v
	nowhere "$TEST_KEY"
}

@test "the store can be read by its owner alone" {
	umask 0
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask hello
	for f in store.db*; do
		same "$(stat -c %a "$f") $f" "600 $f"
	done
}

# --- costs -----------------------------------------------------------------

@test "the cost is what usage and prices say, to the picodollar" {
	server '{"reply":{"text":"#### 1","usage":{"prompt_tokens":1237,"completion_tokens":89,"prompt_tokens_details":{"cached_tokens":1024},"completion_tokens_details":{"reasoning_tokens":64}}}}'
	write_config
	sed -i 's|test/small: .*|test/small: {input_per_mtok: 0.075003, output_per_mtok: 0.300007, cached_input_per_mtok: 0.0375}|' frugal.yaml
	expect 0 ask hello
	# (1237 - 1024) * 75003 + 1024 * 37500 + 89 * 300007 picodollars
	same "$(member cost_usd <<<"$output")" 0.000081076262
	expect 0 frugal stats --json
	has 0.000081076262
}

@test "the costs of both tiers are the task's, and saved is against the top" {
	server "{\"match\":{\"model\":\"small\"},\"reply\":{\"text\":\"unsure\",$(usage 1000 10)}}" \
	    "{\"reply\":{\"text\":\"sure\",$(usage 1000 100)}}"
	write_config
	expect 0 ask hello
	same "$(member cost_usd <<<"$output")" 0.01302
	same "$(member saved_usd <<<"$output")" -0.00102
}

@test "what the server charged counts more than the list" {
	server '{"reply":{"text":"#### 1","usage":{"prompt_tokens":10,"completion_tokens":1,"cost":0.000123456789}}}'
	write_config
	expect 0 ask hello
	same "$(member cost_usd <<<"$output")" 0.000123456789
}

@test "an unknown cost is absent, never 0" {
	server '{"match":{"contains":"unmetered"},"reply":{"text":"#### 1","usage":"none"}}'
	write_config
	expect 0 ask unmetered
	lacks '"cost_usd"'
	sed -i '/test\/small:/d' frugal.yaml
	expect 0 ask unpriced
	lacks '"cost_usd"'
}

# --- the store -------------------------------------------------------------

@test "the same prompt again is answered from the store at no cost" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask hello
	has '"cached":false'
	stop_server
	expect 0 ask hello
	has '"text":"#### ok"'
	has '"cost_usd":0,'
	has '"cached":true'
	same "$(member requests <<<"$output")" 0
}

@test "what cannot change the answer does not make a miss" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask hello
	export TEST_KEY=sk-other
	write_config ', timeout: 5m, max_in_flight: 2, key_env: TEST_KEY'
	expect 0 ask hello --tag a=b -j 3 --retries 1
	expect 0 frugal run --jsonl <<<'{"tags":{"x":"y"},"reference":"1","id":"other","prompt":"hello"}'
	requests 1
}

@test "what can change the answer makes a miss" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask hello
	expect 0 ask hello --set temperature=0.3
	expect 0 ask hello --set temperature=0.4
	expect 0 ask hello --set max_tokens=50
	expect 0 ask hello --set seed=1
	expect 0 ask hello -s briefly
	expect 0 ask "hello "
	expect 0 ask hello --set temperature=0.3
	requests 7
}

@test "five samples wanted and three stored are two asked for" {
	server '{"reply":{"text":"#### 1"}}'
	write_agreeing "" 3
	expect 0 ask hello
	write_agreeing "" 5
	expect 0 ask hello
	requests 2
	sent ',"n":2'
	has '"samples":5'
	has '"cached":3'
}

@test "--cache-only asks nobody" {
	server '{"reply":{"text":"#### ok"}}'
	write_config
	expect 0 ask known
	expect 0 ask known --cache-only
	expect 1 ask unknown --cache-only
	has '"code":"not_cached"'
	requests 1
}

@test "--refresh asks again and keeps the new answer" {
	server '{"reply":{"texts":["#### old","#### new"]}}'
	write_config
	expect 0 frugal run hello </dev/null
	same "$output" "#### old"
	expect 0 frugal run --refresh hello </dev/null
	same "$output" "#### new"
	expect 0 frugal run hello </dev/null
	same "$output" "#### new"
	requests 2
}

@test "with --store none nothing is kept, looked up or written down" {
	server
	write_config
	expect 0 frugal run --store none hello </dev/null
	expect 0 frugal run --store none --json hello </dev/null
	has '"status":"accepted"'
	requests 2
	printf '%s\n' one two three >in.txt
	expect 0 frugal batch in.txt -o out --store none
	count 3 out
	expect 0 frugal batch in.txt -o out --store none
	requests 5
	run ls
	[[ "$output" != *none* ]]
	[ ! -e "$FRUGAL_STORE" ]
	for what in --cache-only --estimate --refresh; do
		expect 2 frugal run --store none $what hello </dev/null
		[[ "$stderr" == *"$what needs a store"* ]]
	done
	expect 2 frugal stats --store none
	[[ "$stderr" == *"nothing is kept"* ]]
	expect 2 frugal cache explain --store none hello
	requests 5
}

@test "--no-cache neither looks nor keeps" {
	server '{"reply":{"texts":["#### 1","#### 2","#### 3"]}}'
	write_config
	expect 0 frugal run hello </dev/null
	expect 0 frugal run --no-cache hello </dev/null
	same "$output" "#### 2"
	expect 0 frugal run hello </dev/null
	same "$output" "#### 1"
	requests 2
	expect 2 frugal run --no-cache --refresh hello </dev/null
}

@test "several processes use one store at a time" {
	local pids=()
	server '{"delay_ms":5,"reply":{"text":"#### ok"}}'
	write_config
	for p in 1 2 3 4; do
		seq ${p}000 ${p}040 >in$p.txt
		frugal batch -q -j 4 in$p.txt -o out$p 2>err$p 3>&- &
		pids+=($!)
	done
	wait "${pids[@]}"
	for p in 1 2 3 4; do
		count 41 out$p
		same "$(cat err$p)" ""
	done
	expect 0 frugal cache stats
	has 164
}
