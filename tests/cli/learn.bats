# frugal learn, and the scorer that uses what it makes.

load common

setup() {
	frugal_setup
	cat >train.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  default:
	    tiers:
	      - {name: small, model: rec/small}
	      - {name: big, model: rec/big}
	YAML
	cat >use.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  default:
	    tiers:
	      - {name: small, model: rec/small, accept: {learned: {file: small.model, at_least: 0.6}}}
	      - {name: big, model: rec/big}
	YAML
}
teardown() { frugal_teardown; }

# traces FROM TO [coin]: made-up tasks. Half of them ask about cats, where the
# small model is nearly always right, half about dogs, where it nearly never
# is; with `coin` nothing tells. The numbers are those of a fixed generator.
traces() {
	awk -v from="$1" -v to="$2" -v coin="${3:+1}" '
	function unit() { x = (x * 16807) % 2147483647; return x / 2147483647 }
	BEGIN {
		x = 12345 + from
		for (i = 0; i < 20; i++) unit()
		for (i = from; i < to; i++) {
			cat = unit() < 0.5
			right = unit() < (coin ? 0.5 : cat ? 0.95 : 0.1)
			printf "{\"id\":\"t%d\",\"prompt\":\"About %s: what is %d?\",\"reference\":\"1\",\"tier\":\"small\",\"completions\":[{\"text\":\"%d\",\"answer\":\"%d\",\"cost_usd\":0.001}]}\n",
			    i, cat ? "cats" : "dogs", 1000 * unit(), right, right
			printf "{\"id\":\"t%d\",\"tier\":\"big\",\"completions\":[{\"text\":\"1\",\"answer\":\"1\",\"cost_usd\":0.1}]}\n", i
		}
	}'
}

@test "a model that was learnt saves the dear tier on new tasks" {
	traces 0 300 >train.jsonl
	traces 1000 1200 >new.jsonl
	run -0 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml -t small -o small.model
	[[ "$output" == *small*300*0.9* ]]
	[[ "$stderr" == *"wrote 'small.model'"* ]]
	[ "$(head -1 small.model)" = "frugal-model 1" ]
	run -0 --separate-stderr "$FRUGAL" replay new.jsonl -c use.yaml --json
	share=$(member accuracy <<<"$output")
	cost=$(member cost_usd <<<"$output")
	awk -v a="$share" -v c="$cost" 'BEGIN { exit !(a > 0.9 && c > 7 && c < 14) }'
}

@test "the same traces give the same model" {
	traces 0 200 >train.jsonl
	"$FRUGAL" learn train.jsonl -c train.yaml -o a.model
	gzip train.jsonl
	"$FRUGAL" learn train.jsonl.gz -c train.yaml -o b.model
	cmp a.model b.model
}

@test "what is no better than a coin is not written" {
	traces 0 300 coin >train.jsonl
	run -1 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml -o small.model
	[[ "$stderr" == *"nothing was learnt for tier 'small'"*coin* ]]
	[ ! -e small.model ]
}

@test "too few tasks, and a tier that never errs, are told" {
	traces 0 40 >train.jsonl
	run -1 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml
	[[ "$stderr" == *"too little to learn from"*50* ]]
	traces 40 200 >>train.jsonl
	run -1 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml -t big
	[[ "$output" == *big*"100.0 %"*"too few tasks"* ]]
	[[ "$stderr" == *"too little to learn from"* ]]
}

@test "other rules are part of a model, and must be the same where it is used" {
	traces 0 300 >train.jsonl
	"$FRUGAL" learn train.jsonl -c train.yaml --with "regex: '1'" -o small.model
	grep -q "^rule [^ ]* [^ ]* regex '1'$" small.model
	run -2 --separate-stderr "$FRUGAL" check -c use.yaml
	[[ "$stderr" == *"trained with 1 rules"*"regex '1'"* ]]
	sed -i "s/at_least: 0.6/at_least: 0.6, with: [regex: '2']/" use.yaml
	run -2 --separate-stderr "$FRUGAL" check -c use.yaml
	[[ "$stderr" == *"train it again"* ]]
	sed -i "s/regex: '2'/regex: '1'/" use.yaml
	run -0 --separate-stderr "$FRUGAL" check -c use.yaml
	run -2 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml --with "regxe: '1'"
	[[ "$stderr" == *"did you mean 'regex'"* ]]
}

@test "a model that was changed or is missing is an error of the configuration" {
	traces 0 300 >train.jsonl
	run -2 --separate-stderr "$FRUGAL" check -c use.yaml
	[[ "$stderr" == *use.yaml:5:*small.model* ]]
	"$FRUGAL" learn train.jsonl -c train.yaml -o small.model
	sed -i 's/^bias .*/bias 9/' small.model
	run -2 --separate-stderr "$FRUGAL" check -c use.yaml
	[[ "$stderr" == *"cut off or was changed"* ]]
}

@test "what is wrong on the command line is said" {
	traces 0 60 >train.jsonl
	run -2 --separate-stderr "$FRUGAL" learn -c train.yaml
	[[ "$stderr" == *"no trace given"* ]]
	run -2 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml -t smal
	[[ "$stderr" == *"no tier 'smal'"* ]]
	run -2 --separate-stderr "$FRUGAL" learn missing.jsonl -c train.yaml
	[[ "$stderr" == *missing.jsonl* ]]
	run -2 --separate-stderr "$FRUGAL" learn train.jsonl -c train.yaml --route --with "regex: x"
	[[ "$stderr" == *"--with is of no use"* ]]
}

@test "a model of prompts alone is no accept rule" {
	traces 0 300 >train.jsonl
	"$FRUGAL" learn train.jsonl -c train.yaml --route -o small.model
	grep -q '^kind route$' small.model
	run -2 --separate-stderr "$FRUGAL" check -c use.yaml
	[[ "$stderr" == *"model for 'route'"* ]]
}

@test "scorers shows how to use it" {
	run -0 --separate-stderr "$FRUGAL" scorers learned
	[[ "$output" == *"frugal learn"* && "$output" == *"default: 0.5"* ]]
}

@test "a task that a route names begins higher up, and says why" {
	cat >route.yaml <<-'YAML'
	providers: {sim: {api: simulated}}
	cascades:
	  default:
	    route: [{start: 3, tags: {level: hard}}, {start: 2, regex: 'in all'}]
	    tiers: [{model: sim/small}, {model: sim/medium}, {model: sim/large}]
	YAML
	cat >tasks.jsonl <<-'JSON'
	{"id": "a", "prompt": "How much is 1 + 2?"}
	{"id": "b", "prompt": "How much is 3 + 4 in all?"}
	{"id": "c", "prompt": "How much is 5 + 6 in all?", "tags": {"level": "hard"}}
	JSON
	"$FRUGAL" batch tasks.jsonl -c route.yaml -o out.jsonl
	[ "$(grep '"id":"a"' out.jsonl | grep -c '"route"')" = 0 ]
	grep '"id":"a"' out.jsonl | grep -q '"attempts":\[{"tier":1,'
	grep '"id":"b"' out.jsonl | grep -qF "\"route\":\"route, matches 'in all'\",\"attempts\":[{\"tier\":2,"
	grep '"id":"c"' out.jsonl | grep -qF "\"route\":\"route, tag 'hard'\",\"attempts\":[{\"tier\":3,"
	run -0 --separate-stderr "$FRUGAL" run -v -c route.yaml "How much is 3 + 4 in all?"
	[[ "$stderr" == *"begins at tier 2: route, matches 'in all'"* ]]
	run -0 --separate-stderr "$FRUGAL" explain c -c route.yaml
	[[ "$output" != *"tier 1 of 3"* && "$output" == *"tier 3 of 3"* ]]
	[[ "$output" == *"because"*"route, tag 'hard'"* ]]
	run -0 --separate-stderr "$FRUGAL" explain a -c route.yaml
	[[ "$output" != *"route"* ]]
}

@test "rules of a route hold alike in check, run, batch and replay" {
	cat >route.yaml <<-'YAML'
	providers: {sim: {api: simulated}, rec: {api: recorded}}
	cascades:
	  default:
	    route: [{start: 3, tags: {level: hard}, regex: '^Prove'}, {start: large, longer_than: 30}]
	    tiers: [{model: sim/small, accept: {regex: '.'}}, {model: sim/medium, accept: {regex: '.'}}, {model: sim/large, name: large}]
	YAML
	run -0 --separate-stderr "$FRUGAL" check -c route.yaml
	[[ "$output" == *"route: tier 3 if tag level 'hard', matches '^Prove'"* ]]
	[[ "$output" == *"route: tier 3 if longer than 30 bytes"* ]]
	cat >tasks.jsonl <<-'JSON'
	{"id": "tag alone", "prompt": "Sum it.", "tags": {"level": "hard"}}
	{"id": "pattern alone", "prompt": "Prove it."}
	{"id": "both", "prompt": "Prove it.", "tags": {"level": "hard"}}
	{"id": "thirty", "prompt": "123456789012345678901234567890"}
	{"id": "longer", "prompt": "1234567890123456789012345678901"}
	JSON
	"$FRUGAL" batch tasks.jsonl -c route.yaml -o out.jsonl
	first() { sed -n "s/.*\"id\":\"$1\".*\"attempts\":\[{\"tier\":\([0-9]\).*/\1/p" out.jsonl; }
	[ "$(first 'tag alone')$(first 'pattern alone')$(first both)$(first thirty)$(first longer)" = 11313 ]
	run -0 --separate-stderr "$FRUGAL" run -c route.yaml --json --tag level=hard "Prove it."
	[[ "$output" == *'"attempts":[{"tier":3,'*'"reason":"route, tag '"'hard'"* ]]
	run -0 --separate-stderr "$FRUGAL" run -c route.yaml --json "Prove it."
	[[ "$output" == *'"attempts":[{"tier":1,'* ]]
	# The same in recorded answers.
	sed -i 's/sim\//rec\//' route.yaml
	awk '{ for (k = 0; k < 3; k++) {
		line = $0
		sub(/}$/, ",\"tier\":\"" substr("small mediumlarge ", 6 * k + 1, 6) "\",\"completions\":[{\"text\":\"1\",\"correct\":true,\"cost_usd\":1}]}", line)
		sub(/small "/, "small\"", line); sub(/large "/, "large\"", line)
		print line
	} }' tasks.jsonl >traces.jsonl
	run -0 --separate-stderr "$FRUGAL" replay traces.jsonl -c route.yaml --json
	[[ "$output" == *'"tier":1,'*'"answered_here":{"tasks":3,'*'"tier":3,'*'"answered_here":{"tasks":2,'* ]]
}

@test "a route that was learnt skips the tier that has no chance" {
	traces 0 300 >train.jsonl
	traces 1000 1200 >new.jsonl
	"$FRUGAL" learn train.jsonl -c train.yaml --route -o easy.model
	sed 's/    tiers:/    route: [{start: big, learned: easy.model, below: 0.3}]\n&/' train.yaml >route.yaml
	run -0 --separate-stderr "$FRUGAL" replay new.jsonl -c route.yaml --json
	small=$(sed 's/.*"tier":1,[^}]*"answered_here":{"tasks":\([0-9]*\).*/\1/' <<<"$output")
	[ "$small" -gt 70 ] && [ "$small" -lt 130 ]
	awk -v a="$(member accuracy <<<"$output")" 'BEGIN { exit !(a > 0.9) }'
}

@test "mistakes in a route are named with their place" {
	sed 's/    tiers:/    route: [{start: huge, longer_than: 3}, {start: 2, longer_then: 3}]\n&/' train.yaml >route.yaml
	run -2 --separate-stderr "$FRUGAL" check -c route.yaml
	[[ "$stderr" == *route.yaml:4:*"'huge' is no tier"* ]]
	[[ "$stderr" == *"did you mean 'longer_than'"* ]]
}

# agreeing FROM TO: two models that are each right half the time, but nearly
# always when they say the same.
agreeing() {
	awk -v from="$1" -v to="$2" '
	function unit() { x = (x * 16807) % 2147483647; return x / 2147483647 }
	function line(i, tier, answer, cost) {
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"reference\":\"1\",\"tier\":\"%s\",\"completions\":[{\"text\":\"%d\",\"answer\":\"%d\",\"cost_usd\":%s}]}\n",
		    i, tier, answer, answer, cost
	}
	BEGIN {
		x = 777 + from
		for (i = 0; i < 20; i++) unit()
		for (i = from; i < to; i++) {
			same = unit() < 0.5
			medium = unit() < (same ? 0.95 : 0.1) ? 1 : 2
			small = same ? medium : 3 - medium
			line(i, "small", small, 0.001)
			line(i, "medium", medium, 0.01)
			line(i, "big", 1, 0.1)
		}
	}'
}

@test "that the tier below gave the same answer is learnt, and seen in a climb" {
	cat >three.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  default:
	    tiers:
	      - {model: rec/small, accept: {regex: 'never'}}
	      - {model: rec/medium, name: medium, accept: {regex: 'never'}}
	      - {model: rec/big}
	YAML
	sed "s/name: medium, accept: .*/accept: {learned: {file: m.model, at_least: 0.6}}}/" three.yaml >use.yaml
	agreeing 0 400 >train.jsonl
	agreeing 1000 1200 >new.jsonl
	"$FRUGAL" learn train.jsonl -c three.yaml -t medium -o m.model
	grep -q '^feature last_below [0-9]' m.model
	run -0 --separate-stderr "$FRUGAL" replay new.jsonl -c use.yaml --json
	awk -v a="$(member accuracy <<<"$output")" -v c="$(member cost_usd <<<"$output")" \
	    'BEGIN { exit !(a > 0.93 && c > 8 && c < 16) }'
}
