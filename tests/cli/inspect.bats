# The commands that look: check, models, scorers, stats, explain, cache.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# A stored answer: line PROMPT TEMPERATURE SAMPLE TEXT
line() {
	printf '{"canon":"{\\"api\\":\\"openai\\",\\"messages\\":[{\\"content\\":\\"%s\\",\\"role\\":\\"user\\"}],\\"model\\":\\"qwen\\",\\"temperature\\":%s,\\"url\\":\\"http://127.0.0.1:9/v1\\",\\"v\\":1}","provider":"local","model":"qwen","sample":%s,"text":"%s","finish":"stop","answered_by":"qwen-7b","prompt_tokens":10,"completion_tokens":3,"cost_usd":0.000000123457,"latency_ms":250,"asked_utc_ms":1790000000000,"tokens":[[0,2,-4.7e-12],[2,3,-0.25]]}\n' "$1" "$2" "$3" "$4"
}

# Two samples of one request and one of another, imported; and the tier that
# would make the first one.
make_store() {
	{ line "sky?" 0.7 0 blue; line "sky?" 0.7 1 grey
	  line "sea?" 0.7 0 deep; } >in.jsonl
	"$FRUGAL" cache import in.jsonl 2>/dev/null
	cat >frugal.yaml <<-'YAML'
	providers:
	  local: {api: openai, url: http://127.0.0.1:9/v1}
	cascades:
	  default:
	    tiers:
	      - {model: local/qwen, temperature: 0.7, samples: 2, accept: {agreement: 1}}
	models:
	  local/qwen: {input_per_mtok: 0, output_per_mtok: 0}
	YAML
}

# --- every command ---------------------------------------------------------

@test "each command has a help that teaches with examples" {
	for c in check models scorers stats explain cache \
	    "cache list" "cache show" "cache stats" "cache explain" \
	    "cache prune" "cache export" "cache import" "cache clear" \
	    "cache check"; do
		run --separate-stderr "$FRUGAL" $c --help
		[ "$status" -eq 0 ]
		has "Usage: frugal $c"
		has "Examples:"
		[ -z "$stderr" ]
	done
}

@test "a mistyped option is named with the nearest one" {
	run --separate-stderr "$FRUGAL" stats --sinse 7d
	[ "$status" -eq 2 ]
	has_err "did you mean '--since'?"
	[ -z "$output" ]
}

@test "an argument where none belongs is an error that says what to do" {
	for c in "stats x" "check x" "cache stats x" "cache list x"; do
		run "$FRUGAL" $c
		[ "$status" -eq 2 ]
		has "unexpected argument 'x'"
	done
}

@test "without a store each says that there is none yet" {
	for c in stats "explain --last" "cache list" "cache stats" \
	    "cache export" "cache check"; do
		run "$FRUGAL" $c
		[ "$status" -eq 1 ]
		has "there is no store"
	done
	[ ! -e store.db ]
}

@test "a full disk is an error" {
	[ -e /dev/full ] || skip "no /dev/full"
	for c in models scorers "check -c demo"; do
		run bash -c "'$FRUGAL' $c >/dev/full"
		[ "$status" -eq 1 ]
		has "standard output"
	done
}

@test "a reader that goes away is no error" {
	run bash -c "'$FRUGAL' models | head -n 1; exit \${PIPESTATUS[0]}"
	[ "$status" -eq 0 ]
}

# --- check -----------------------------------------------------------------

@test "check shows the built-in configuration and says it is simulated" {
	run --separate-stderr "$FRUGAL" check -c demo
	[ "$status" -eq 0 ]
	has "demo: valid; simulated"
	has "cascade demo: 3 tiers"
	has "samples          2 to 5"
	has "all(regex '####', logprob over answer >= 0.85)"
	has '$0.375 in, $1.875 out per Mtok'
	has "log-probabilities asked for"
}

@test "check names every mistake with its place and exits with 2" {
	printf 'providers:\n  p: {api: simulated}\ncascades:\n  a:\n    tiers:\n      - {model: p/small, sampels: 3}\n      - {model: p/large, temprature: 1}\n' >bad.yaml
	run "$FRUGAL" check -c bad.yaml
	[ "$status" -eq 2 ]
	has "bad.yaml:6:"
	has "did you mean 'samples'?"
	has "bad.yaml:7:"
	has "did you mean 'temperature'?"
}

@test "check without a configuration says how to name one" {
	run "$FRUGAL" check
	[ "$status" -eq 2 ]
	has "-c FILE"
}

@test "check says what is unknown, and its warnings come last" {
	make_store
	sed -i '/^models/,$d' frugal.yaml
	run "$FRUGAL" check
	[ "$status" -eq 0 ]
	has "frugal.yaml: valid, with warnings"
	has "unknown price"
	[[ "${lines[-1]}" == *"warning: frugal.yaml:"* ]]
}

@test "check says whether the key's variable is set, but not the key" {
	make_store
	sed -i 's|127.0.0.1:9/v1|127.0.0.1:9/v1, key_env: MY_KEY|' frugal.yaml
	run "$FRUGAL" check
	has 'key from $MY_KEY (not set)'
	MY_KEY=sk-very-secret run "$FRUGAL" check
	has 'key from $MY_KEY'
	lacks "(not set)"
	lacks "secret"
}

@test "check --online asks simulated models without a network" {
	run "$FRUGAL" check -c demo --online
	[ "$status" -eq 0 ]
	has "cascade demo, tier 3, sim/large: ok: '[simulated]"
	has "(simulated)"
	has "with log-probabilities"
	has "this check cost"
}

@test "check --online asks each tier once, with little, and says what came" {
	start_server --log log.jsonl
	cat >frugal.yaml <<-YAML
	providers:
	  srv: {api: openai, url: $SERVER_URL, key_env: MY_KEY}
	cascades:
	  a:
	    tiers:
	      - {model: srv/cheap, samples: 3, temperature: 0.7, accept: {agreement: 1}}
	      - {model: srv/dear, accept: {logprob: 0.9}}
	  b:
	    tiers:
	      - {model: srv/cheap, temperature: 0.7}
	models:
	  srv/cheap: {input_per_mtok: 1, output_per_mtok: 2}
	  srv/dear: {input_per_mtok: 10, output_per_mtok: 20}
	YAML
	export MY_KEY=sk-very-secret-0123456789
	run "$FRUGAL" check --online
	[ "$status" -eq 0 ]
	has "cascade a, tier 1, srv/cheap: ok: 'You said"
	has "cascade a, tier 2, srv/dear: ok: 'You said"
	has "with log-probabilities"
	has "(the same request as above)"
	lacks "secret"
	[ "$(wc -l <log.jsonl)" -eq 2 ]
	[ "$(grep -c '"max_tokens":16' log.jsonl)" -eq 2 ]
	[ "$(grep -c '"logprobs":true' log.jsonl)" -eq 1 ]
	[ "$(grep -c '"n":3' log.jsonl)" -eq 0 ]
	[ ! -e store.db ]
}

@test "check --online fails where a model does, without the key in its words" {
	cat >script <<-'EOF2'
	{"match":{"model":"bad"},"status":401,"body":{"error":{"message":"no such key: Bearer sk-very-secret-0123456789","code":"invalid_api_key"}}}
	{"match":{"model":"mute"},"reply":{"text":"OK","logprobs":"none"}}
	EOF2
	start_server --script script
	cat >frugal.yaml <<-YAML
	providers:
	  srv: {api: openai, url: $SERVER_URL, key_env: MY_KEY}
	cascades:
	  a:
	    tiers:
	      - {model: srv/bad, accept: {regex: x}}
	      - {model: srv/mute, accept: {logprob: 0.9}}
	      - {model: srv/good}
	YAML
	MY_KEY=sk-very-secret-0123456789 run "$FRUGAL" check --online
	[ "$status" -eq 1 ]
	has "tier 1, srv/bad: error: HTTP 401, invalid_api_key: no such key"
	has "tier 2, srv/mute: error: no log-probabilities came"
	has "tier 3, srv/good: ok"
	lacks "secret"
}

@test "check --online says why a request could not be sent" {
	make_store
	sed -i 's|127.0.0.1:9/v1|127.0.0.1:9/v1, key_env: NO_SUCH_KEY|' frugal.yaml
	run "$FRUGAL" check --online
	[ "$status" -eq 1 ]
	has "error: not sent:"
	has "'NO_SUCH_KEY' is not set"
}

# --- models ----------------------------------------------------------------

@test "models finds by words, in any case" {
	run --separate-stderr "$FRUGAL" models GPT-4o mini
	[ "$status" -eq 0 ]
	has "openai/gpt-4o-mini"
	lacks "claude"
	[ -z "$stderr" ]
}

@test "models says so when nothing matches" {
	run --separate-stderr "$FRUGAL" models no-such-model
	[ "$status" -eq 1 ]
	[ -z "$output" ]
	has_err "models:"
}

@test "models --json is an object a line with exact prices" {
	run "$FRUGAL" models --json openai/gpt-4o-mini
	[ "$status" -eq 0 ]
	[[ "${lines[0]}" == '{"model":"openai/gpt-4o-mini","input_per_mtok":0.15,"output_per_mtok":0.6,'* ]]
}

@test "models -c shows configured prices in place of the table's" {
	cat >my.yaml <<-'YAML'
	providers: {openai: {api: openai, url: https://api.openai.com/v1}}
	cascades: {a: {tiers: [{model: openai/gpt-4o-mini}]}}
	models: {openai/gpt-4o-mini: {input_per_mtok: 7.5, output_per_mtok: 30}}
	YAML
	run --separate-stderr "$FRUGAL" models -c my.yaml openai/gpt-4o-mini
	[ "$status" -eq 0 ]
	[ "$(grep -c 'openai/gpt-4o-mini ' <<<"$output")" -eq 1 ]
	has '$7.50'
	has "configured"
}

# --- scorers ---------------------------------------------------------------

@test "scorers lists every scorer and what combines them" {
	run "$FRUGAL" scorers
	[ "$status" -eq 0 ]
	for s in regex agreement logprob all any mean; do
		grep -q "^$s " <<<"$output"
	done
}

@test "scorers NAME shows its options" {
	run "$FRUGAL" scorers logprob
	[ "$status" -eq 0 ]
	for o in aggregate quantile over at_least; do
		grep -q "^  $o" <<<"$output"
	done
	has "needs token log-probabilities"
}

@test "an unknown scorer suggests the nearest" {
	run "$FRUGAL" scorers regx
	[ "$status" -eq 2 ]
	has "did you mean 'regex'?"
}

@test "what scorers shows as examples is valid" {
	for s in all any mean; do
		example=$("$FRUGAL" scorers $s | sed -n 's/^    \(.*: .*\)/\1/p' | tail -n 1)
		printf 'providers: {sim: {api: simulated}}\ncascades:\n  a:\n    tiers:\n      - model: sim/small\n        samples: 3\n        temperature: 0.7\n        accept:\n          %s\n' "$example" >x.yaml
		run "$FRUGAL" check -c x.yaml
		[ "$status" -eq 0 ]
	done
}

# --- stats -----------------------------------------------------------------

@test "stats sums up by tier and says that it is simulated" {
	demo_run "What is 12 + 30?"
	demo_run "What is 1234 * 567 + 89?"
	run "$FRUGAL" stats
	[ "$status" -eq 0 ]
	has "simulated"
	has "demo 1 sim/small"
	has "tasks: 2 (2 accepted)"
	has "on the top tier alone: "
	has "estimated from this run's own tokens"
	has "saved by the cascade: "
	has "latency: p50 "
}

@test "stats --json and --csv have exact values" {
	demo_run "What is 12 + 30?"
	run --separate-stderr "$FRUGAL" stats --json
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 1 ]
	has '"by":"tier","simulated":true'
	cost=$(sed 's/.*"total":{[^}]*"cost_usd":\([0-9.]*\).*/\1/' <<<"$output")
	[[ "$cost" =~ ^0\.0000[0-9]+$ ]]
	run --separate-stderr "$FRUGAL" stats --csv
	[ "${#lines[@]}" -eq 2 ]
	has ",$cost,"
	[[ "${lines[1]}" == *,true ]]
}

@test "what comes out of the store is saved by the cache" {
	demo_run "What is 12 + 30?"
	demo_run "What is 12 + 30?"
	run "$FRUGAL" stats --by cascade --json
	paid=$(sed 's/.*"cost_usd":\([0-9.]*\),.*/\1/' <<<"$output")
	has "\"saved_by_cache_usd\":$paid"
}

@test "stats groups by a tag, and filters" {
	demo_run --tag team=red "What is 12 + 30?"
	demo_run --tag team=blue "What is 12 + 31?"
	demo_run "What is 12 + 32?"
	run "$FRUGAL" stats --by tag=team --csv
	has '"red",'
	has '"blue",'
	run "$FRUGAL" stats --tag team=red
	has "tasks: 1 ("
	run "$FRUGAL" stats --cascade nobody
	[ "$status" -eq 0 ]
	has "no task in the ledger matches"
	run "$FRUGAL" stats --since 2100-01-01 --json
	has '"total":{"tasks":0,'
	has '"simulated":false'
}

@test "stats explains its options when they are wrong" {
	demo_run "What is 12 + 30?"
	run "$FRUGAL" stats --by colour
	[ "$status" -eq 2 ]
	has "tier, cascade, model, day or tag=NAME"
	run "$FRUGAL" stats --since whenever
	[ "$status" -eq 2 ]
	has "yesterday"
	run "$FRUGAL" stats --tag team
	[ "$status" -eq 2 ]
	run "$FRUGAL" stats --by tag=a --tag b=c
	[ "$status" -eq 2 ]
	run "$FRUGAL" stats --json --csv
	[ "$status" -eq 2 ]
}

# --- explain ---------------------------------------------------------------

@test "explain --last shows the climb, tier by tier" {
	demo_run "What is 1234 * 567 + 89?"
	run "$FRUGAL" explain --last -c demo
	[ "$status" -eq 0 ]
	has "simulated"
	has "What is 1234 * 567 + 89?"
	has "tier 1 of 3, sim/small: escalate"
	has " against 0.8 (agreement)"
	has "others "
	has "[simulated]"
	has "paid"
}

@test "explain --number and an id find the same task" {
	demo_run "What is 12 + 30?"
	run "$FRUGAL" explain --last --json
	[ "$status" -eq 0 ]
	has '"number":1,'
	id=$(sed 's/{"id":"\([^"]*\)".*/\1/' <<<"$output")
	last=$output
	run "$FRUGAL" explain --number 1 --json
	[ "$output" = "$last" ]
	run "$FRUGAL" explain "$id" --json
	[ "$output" = "$last" ]
}

@test "explain of an unknown id suggests the nearest of the recent ones" {
	printf '{"id":"invoice-17","prompt":"What is 12 + 30?"}\n' >t.jsonl
	"$FRUGAL" batch t.jsonl -c demo -o o.jsonl 2>/dev/null
	run "$FRUGAL" explain invoice-71
	[ "$status" -eq 1 ]
	has "did you mean 'invoice-17'?"
	run "$FRUGAL" explain something-else
	[ "$status" -eq 1 ]
	has "newest: 'invoice-17'"
	run "$FRUGAL" explain --number 999
	[ "$status" -eq 1 ]
	has "--last"
}

@test "explain wants to know which task" {
	demo_run "What is 12 + 30?"
	run "$FRUGAL" explain
	[ "$status" -eq 2 ]
	run "$FRUGAL" explain x --last
	[ "$status" -eq 2 ]
}

@test "explain says which texts are no longer there" {
	demo_run "What is 12 + 30?"
	"$FRUGAL" cache clear --yes >/dev/null
	run "$FRUGAL" explain --last
	[ "$status" -eq 0 ]
	has "no longer in the store"
	demo_run --no-cache "What is 12 + 31?"
	run "$FRUGAL" explain --last
	has "was not kept"
}

# --- cache: looking --------------------------------------------------------

@test "cache list shows the newest, by model and by text" {
	make_store
	run "$FRUGAL" cache list
	[ "$status" -eq 0 ]
	[ "${#lines[@]}" -eq 4 ]
	has "local/qwen"
	run "$FRUGAL" cache list -n 1
	[ "${#lines[@]}" -eq 2 ]
	run "$FRUGAL" cache list --contains SEA
	[ "${#lines[@]}" -eq 2 ]
	has "deep"
	run "$FRUGAL" cache list --model 'local/q*'
	[ "${#lines[@]}" -eq 4 ]
	run --separate-stderr "$FRUGAL" cache list --model other
	[ "$status" -eq 0 ]
	[ -z "$output" ]
	has_err "no completion"
}

@test "cache show takes a key or a row" {
	make_store
	run "$FRUGAL" cache list --contains grey
	row=$(awk 'NR == 2 {print $1}' <<<"$output")
	key=$(awk 'NR == 2 {print $2}' <<<"$output")
	run "$FRUGAL" cache show "$key"
	[ "$status" -eq 0 ]
	has "blue"
	has "grey"
	has "sky?"
	has "temperature       0.7"
	run "$FRUGAL" cache show "$row"
	[ "$status" -eq 0 ]
	lacks "blue"
	has "grey"
	run "$FRUGAL" cache show ffffffffffff
	[ "$status" -eq 1 ]
	run "$FRUGAL" cache show sky
	[ "$status" -eq 2 ]
	run "$FRUGAL" cache show
	[ "$status" -eq 2 ]
}

@test "cache stats sums up by model" {
	make_store
	run "$FRUGAL" cache stats
	[ "$status" -eq 0 ]
	grep -Eq '^local/qwen +2 +3 ' <<<"$output"
	has "2 requests with 3 completions that cost"
}

@test "cache check finds a sound store sound, and a damaged one not" {
	make_store
	run "$FRUGAL" cache check
	[ "$status" -eq 0 ]
	has "sound"
	printf 'this is no database, it only has its name' >store.db
	rm -f store.db-wal store.db-shm
	run "$FRUGAL" cache check
	[ "$status" -eq 1 ]
}

@test "cache check --repair makes the index anew, and all is found" {
	demo_run "What is 12 + 30?"
	run "$FRUGAL" cache check --repair
	[ "$status" -eq 0 ]
	has "sound: "
	run "$FRUGAL" cache explain -c demo "What is 12 + 30?"
	has "tier 1 sim/small: hit"
}

@test "of a damaged store cache export --salvage saves what can be read" {
	seq 400 | sed 's/.*/What is & + 1?/' >p.txt
	run "$FRUGAL" batch p.txt -c demo -q -o all.jsonl
	[ "$status" -eq 0 ]
	for page in $(seq 30 20 $(($(stat -c %s store.db) / 4096 - 1))); do
		head -c 4096 /dev/zero | tr '\0' '\377' |
		    dd of=store.db bs=4096 seek=$page conv=notrunc status=none
	done
	run "$FRUGAL" cache export -o none.jsonl
	[ "$status" -eq 1 ]
	has "is damaged; save what can be read with: frugal cache export --salvage --store "
	[ ! -e none.jsonl ]
	run "$FRUGAL" cache export --salvage -o some.jsonl
	[ "$status" -eq 1 ]
	has "could be read"
	has "passed over"
	saved=$(wc -l <some.jsonl)
	[ "$saved" -gt 100 ]
	rm store.db*
	run "$FRUGAL" cache import some.jsonl
	[ "$status" -eq 0 ]
	has "imported $saved completions"
	run "$FRUGAL" cache check
	[ "$status" -eq 0 ]
}

# --- cache: explain --------------------------------------------------------

@test "cache explain finds what run would find" {
	demo_run "What is 12 + 30?"
	run "$FRUGAL" cache explain -c demo "What is 12 + 30?"
	[ "$status" -eq 0 ]
	has "tier 1 sim/small: hit"
	run bash -c "echo 'What is 12 + 30?' | '$FRUGAL' cache explain -c demo"
	has "tier 1 sim/small: hit"
}

@test "cache explain counts the samples" {
	make_store
	run "$FRUGAL" cache explain "sky?"
	has "tier 1 local/qwen: hit; 2 of 2 samples are stored"
	run "$FRUGAL" cache explain "sea?"
	has "tier 1 local/qwen: partly; 1 of 2 samples are stored, and 2 wanted"
}

@test "cache explain names the member that made it a miss, with both values" {
	make_store
	run "$FRUGAL" cache explain --set temperature=0.2 "sky?"
	[ "$status" -eq 0 ]
	has "miss; the nearest stored request (key "
	has "differs in temperature: 0.7 there, 0.2 here"
	lacks "messages"
	run "$FRUGAL" cache explain "skye?"
	has '"sky?" there, "skye?" here'
	run "$FRUGAL" cache explain -s "Be brief." "sky?"
	has "messages: 1 of them there, 2 here"
	sed -i 's|:9/v1|:10/v1|' frugal.yaml
	run "$FRUGAL" cache explain "sky?"
	has 'differs in url: "http://127.0.0.1:9/v1" there, "http://127.0.0.1:10/v1" here'
	run "$FRUGAL" cache explain --set max_tokens=5 --set temperature=0.7 "sky?"
	has "max_tokens: absent there, 5 here"
}

@test "cache explain of a cut-off answer says that it would be asked again" {
	make_store
	line "fog?" 0.7 0 thi | sed 's/"finish":"stop"/"finish":"length"/' >cut.jsonl
	"$FRUGAL" cache import cut.jsonl 2>/dev/null
	run "$FRUGAL" cache explain "fog?"
	has "miss; 1 stored answer was cut off or refused"
}

# --- cache: export and import ----------------------------------------------

@test "what is exported comes back the same, to the last digit" {
	make_store
	demo_run "What is 12 + 30?"
	"$FRUGAL" cache export -o a.jsonl 2>/dev/null
	grep -q '"cost_usd":0.000000123457' a.jsonl
	grep -q '"tokens":\[\[0,2,-4.7e-12\],\[2,3,-0.25\]\]' a.jsonl
	gzip -k a.jsonl
	FRUGAL_STORE=$PWD/b.db run "$FRUGAL" cache import a.jsonl.gz
	[ "$status" -eq 0 ]
	FRUGAL_STORE=$PWD/b.db "$FRUGAL" cache export | sort >b.jsonl
	sort a.jsonl | cmp - b.jsonl
}

@test "import keeps what is there, unless told to replace it" {
	make_store
	line "sky?" 0.7 0 RED >again.jsonl
	run "$FRUGAL" cache import again.jsonl
	[ "$status" -eq 0 ]
	has "imported 0 completions, 1 were there already"
	"$FRUGAL" cache export | grep -q '"text":"blue"'
	run "$FRUGAL" cache import --replace - <again.jsonl
	has "replaced 1"
	"$FRUGAL" cache export | grep -q '"text":"RED"'
}

@test "a file to import that is not there is said in one line" {
	run "$FRUGAL" cache import none.jsonl
	same "$status" 1
	same "${#lines[@]}" 1
	has "cannot open 'none.jsonl'"
}

@test "import names each line that is no good, and takes the others" {
	{ line a 1 0 one
	  echo 'no JSON'
	  line b 1 0 two | sed 's/"provider"/"key":"00","provider"/'
	  line c 1 9999 three
	  line d 1 0 four | sed 's/"finish":"stop"/"finish":"bored"/'
	  line e 1 0 five | sed 's/"model":"qwen","sample"/"model":"other","sample"/'
	  line f 1 0 six | sed 's/\[0,2,/[2,0,/'
	  echo '[]'
	  line g 1 0 seven; } >mixed.jsonl
	run "$FRUGAL" cache import mixed.jsonl
	[ "$status" -eq 1 ]
	for n in 2 3 4 5 6 7 8; do
		has "mixed.jsonl:$n:"
	done
	lacks "mixed.jsonl:1:"
	has "imported 2 completions, 7 lines were no good"
	run "$FRUGAL" cache import
	[ "$status" -eq 2 ]
}

@test "a key that does not fit the request is found out" {
	make_store
	"$FRUGAL" cache export | sed 's/sky?/fly?/' >forged.jsonl
	rm -f store.db*
	run "$FRUGAL" cache import forged.jsonl
	[ "$status" -eq 1 ]
	has "'key' is not the SHA-256 of 'canon'"
	has "imported 1 completion,"
}

# --- cache: prune and clear ------------------------------------------------

@test "prune says how many and how much, and with --dry-run deletes nothing" {
	make_store
	demo_run "What is 12 + 30?"
	run "$FRUGAL" cache prune --model 'local/*' --dry-run
	[ "$status" -eq 0 ]
	has "would delete 3 completions that had cost"
	run "$FRUGAL" cache prune --model 'local/*'
	has "deleted 3 completions that had cost"
	run "$FRUGAL" cache list
	lacks "local/qwen"
	has "sim/small"
}

@test "prune by age spares the young" {
	make_store
	run "$FRUGAL" cache prune --older-than 1d
	has "deleted 0 completions"
	run "$FRUGAL" cache prune --older-than 0s
	has "deleted 3 completions"
}

@test "prune by size makes the file smaller than that" {
	for i in $(seq 300); do line "prompt $i" 0.7 0 "$(printf '%01000d' "$i")"; done >many.jsonl
	"$FRUGAL" cache import many.jsonl 2>/dev/null
	[ "$(stat -c %s store.db)" -gt 300000 ]
	run "$FRUGAL" cache prune --max-size 200k --dry-run
	has "would delete about"
	run "$FRUGAL" cache prune --max-size 200k
	[ "$status" -eq 0 ]
	[ "$(stat -c %s store.db)" -le 200000 ]
	"$FRUGAL" cache export | grep -q '"content\\":\\"prompt 300'
}

@test "prune wants to know what" {
	make_store
	run "$FRUGAL" cache prune
	[ "$status" -eq 2 ]
	has "--older-than"
	run "$FRUGAL" cache prune --max-size large
	[ "$status" -eq 2 ]
	has "500M"
	run "$FRUGAL" cache prune --older-than ages
	[ "$status" -eq 2 ]
	has "30d"
}

@test "clear refuses without a terminal, unless --yes" {
	make_store
	run "$FRUGAL" cache clear </dev/null
	[ "$status" -eq 2 ]
	has "--yes"
	run "$FRUGAL" cache stats
	has "3 completions"
	run "$FRUGAL" cache clear --yes
	[ "$status" -eq 0 ]
	has "deleted 3 completions that had cost"
	run "$FRUGAL" cache stats
	has "0 requests with 0 completions"
}

@test "clear keeps the ledger, unless --ledger" {
	demo_run "What is 12 + 30?"
	"$FRUGAL" cache clear --yes
	run "$FRUGAL" stats
	has "tasks: 1 ("
	"$FRUGAL" cache clear --yes --ledger
	run "$FRUGAL" stats
	has "no task in the ledger"
}

@test "an unknown action suggests the nearest" {
	run "$FRUGAL" cache lsit
	[ "$status" -eq 2 ]
	has "did you mean 'list'?"
	run "$FRUGAL" cache
	[ "$status" -eq 2 ]
	has "list, show"
}

@test "what is known of no task is unknown in stats, not \$0.00" {
	cat >frugal.yaml <<-'YAML'
	providers: {local: {api: openai, url: http://127.0.0.1:9/v1}}
	cascades: {c: {tiers: [{model: local/qwen}]}}
	models: {local/qwen: {input_per_mtok: 1, output_per_mtok: 1}}
	YAML
	expect 1 frugal run --retries 0 hello </dev/null
	expect 0 frugal stats
	has "on the top tier alone: unknown"
	has "saved by the cascade: unknown"
	lacks "saved by the cascade: unknown ("
	expect 0 frugal stats --by cascade
	grep -Eq '^c .* unknown +unknown ' <<<"$output"
}

@test "every help fits into a terminal of 80 columns" {
	for c in "" run batch collect check stats explain replay tune learn \
	    cache models scorers "cache list" "cache show" "cache stats" \
	    "cache explain" "cache prune" "cache export" "cache import" \
	    "cache clear" "cache check"; do
		expect 0 frugal $c --help
		[ -z "$(awk 'length($0) > 80' <<<"$output")" ] || {
			awk 'length($0) > 80' <<<"$output"; false; }
	done
}

@test "-c and --store may stand before cache and before its action" {
	expect 0 frugal -c demo 1+1 </dev/null
	expect 0 frugal -c demo --store store.db cache list
	has "1+1"
	expect 0 frugal cache --config demo list
	has "1+1"
	expect 2 frugal -c demo cache lisst
	has_err "did you mean 'list'?"
	expect 2 frugal -c demo cache
	has_err "unknown action"
}

@test "an age without a unit deletes nothing: of what would it be?" {
	make_store
	expect 2 frugal cache prune --older-than 5
	has_err "takes a time such as 12h, 30d or 8w, not '5'"
	expect 2 frugal stats --since 2026
	has_err "cannot read the time '2026'"
	expect 0 frugal cache list
	has "sea?"
	expect 0 frugal cache prune --older-than 0
	has "deleted 3 completions"
}
