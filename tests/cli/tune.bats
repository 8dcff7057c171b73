# frugal tune: learn a cascade from recorded answers.

load common

setup() {
	frugal_setup
	cat >cascade.yaml <<-'YAML'
	# mine
	providers:
	  rec: {api: recorded}
	cascades:
	  default:
	    tiers: # cheapest first
	      # the small one
	      - model: rec/small # or so
	        accept: {logprob: 0.5} # a guess
	      - model: rec/medium
	        accept: {logprob: 0.5}
	      - model: rec/big
	YAML
	write_traces 300 >trace.jsonl
}
teardown() { frugal_teardown; }

# write_traces N: small costs 1, medium 4, big 20 micro-dollars. Small is sure
# (and right) in six of ten tasks, and right in two of ten others; medium is
# right in half of them and never sure; big nearly always.
write_traces() {
	awk -v n="$1" '
	function line(i, tier, right, ln, cost) {
		printf "{\"id\":\"t%d\",\"dataset\":\"%s\",\"prompt\":\"?\",\"reference\":\"yes\",\"tier\":\"%s\",\"completions\":[{\"text\":\"%s\",\"cost_usd\":%s,\"logprobs\":[{\"token\":\"x\",\"logprob\":%s}]}]}\n", i, i % 2 ? "odd" : "even", tier, right ? "yes" : "no", cost, ln
	}
	BEGIN {
		for (i = 0; i < n; i++) {
			d = i % 10
			sure = d < 6
			line(i, "small", sure || d == 7, sure ? -0.001 - i / 1e6 : -1.5 - i / 1e4, 0.000001)
			line(i, "medium", i % 2, -0.7 - (i * 7 % 10) / 10, 0.000004)
			line(i, "big", i % 29 != 0, -0.1, 0.00002)
		}
	}'
}

# words N: the same tiers, but small's log-probabilities tell nothing, and it is
# right where the prompt asks for a sum and wrong where it asks for a proof.
words() {
	awk -v n="$1" '
	function line(i, tier, prompt, right, ln, cost) {
		printf "{\"id\":\"t%d\",\"prompt\":\"%s\",\"tier\":\"%s\",\"completions\":[{\"text\":\"It is %d.\",\"correct\":%s,\"cost_usd\":%s,\"logprobs\":[{\"token\":\"x\",\"logprob\":%s}]}]}\n", i, prompt, tier, i * 7 % 13, right ? "true" : "false", cost, ln
	}
	BEGIN {
		for (i = 0; i < n; i++) {
			easy = i * 17 % 10 < 6
			odd = i * 29 % 31 == 0
			prompt = (easy ? "the sum of " : "a proof of ") i * 13 % 11 " things"
			line(i, "small", prompt, odd ? !easy : easy, -0.1 - (i * 3 % 11) / 10, 0.000001)
			line(i, "medium", prompt, i * 19 % 2, -0.7 - (i * 7 % 10) / 10, 0.000004)
			line(i, "big", prompt, i * 23 % 29 != 0, -0.1, 0.00002)
		}
	}'
}

# tune ARGUMENT...
tune() {
	frugal tune -q --learned no "$@"
}

# chosen NAME: in the JSON, the first member of that name of what was chosen.
chosen() {
	sed 's/.*"chosen"://' <<<"$output" | member "$1"
}

# holds EXPRESSION: an awk condition.
holds() {
	awk "BEGIN { exit !($1) }" || { echo "does not hold: $1"; false; }
}

@test "it shows models, scorers, the frontier and a plot" {
	expect 0 tune trace.jsonl
	has "300 tasks, 3 tiers; right by the labels of the traces."
	[[ "$output" =~ small\ +70\.00\ %.*\$0\.000001 ]]
	[[ "$output" =~ big\ \(top\)\ +96\.33\ % ]]
	[[ "$output" =~ oracle\ + ]]
	[[ "$output" =~ small\ +logprob\ over:\ answer\ \*\ +0\.[0-9]+\ \( ]]
	[[ "$output" =~ small\ \[[0-9.]+\]\ +-\>\ big ]]
	has "* frontier, o one model, . coin toss"
	lacks "Chosen"
}

# scorer TIER NAME: in the JSON, the member of a tier's only scorer.
scorer() {
	grep -o "{\"tier\":\"$1\",\"scorer\":[^}]*}" <<<"$output" | member "$2"
}

@test "of every scorer it shows what is accepted and how good that is" {
	# As many of small's as are right as often as big: 289 of 300. The sure
	# 180 are right; then one of four is, from t6 on: 182 of 188 are, but
	# 182 of 189 are not enough, nor 183 of 190.
	expect 0 tune --json trace.jsonl
	same "$(scorer small chosen)" false
	holds "$(scorer small accepts) == 188 / 300"
	holds "$(scorer small accepted_right) == 182 / 188"
	holds "$(scorer small accepted_right_low) < 182 / 188"
	same "$(scorer small threshold_ln)" -1.5019
	# Medium's are never that good: nothing is accepted.
	same "$(scorer medium accepts)" 0
	same "$(scorer medium threshold_ln)" ""
	expect 0 tune trace.jsonl
	[[ "$output" =~ small\ +logprob\ .*0\.22[0-9]+\ +62\.7\ %\ +96\.81\ % ]]
	[[ "$output" =~ medium\ +logprob\ .*nothing\ +0\.0\ %\ +- ]]
	has "at least: the lowest threshold whose accepted answers are right as often"
	lacks "(chosen:"
	# In the chosen cascade it is the threshold there.
	expect 0 tune --json trace.jsonl --max-cost 50%
	same "$(scorer small chosen)" true
	same "$(scorer small threshold_ln)" "$(chosen threshold_ln)"
	holds "$(scorer small accepts) * 300 == $(sed 's/.*"accepted":\[{"seen":300,"accepted":\([0-9]*\).*/\1/' <<<"$output")"
	expect 0 tune trace.jsonl --max-cost 50%
	[[ "$output" =~ small\ +logprob\ .*\ chosen\ +[0-9] ]]
	has "(chosen: that of the cascade chosen below"
}

@test "--max-cost chooses the best within a budget, in dollars or as a share" {
	expect 0 tune --json trace.jsonl --max-cost 50%
	same "$(chosen name)" '"small"'
	holds "$(chosen right) > 0.95"
	holds "$(chosen cost_usd) <= 0.0000105"
	expect 0 tune --json trace.jsonl --max-cost '$0.00001'
	holds "$(chosen cost_usd) <= 0.0000105"
	expect 0 tune trace.jsonl --max-cost 0.000001
	has "no cascade pays here, one model"
	expect 1 tune trace.jsonl --max-cost 0.0000001
	has_err "nothing is as cheap"
}

@test "--min-quality chooses the cheapest that is good enough, or says that none is" {
	expect 0 tune --json trace.jsonl --min-quality 90%
	holds "$(chosen right) >= 0.9"
	holds "$(chosen cost_usd) < 0.000012"
	expect 1 tune trace.jsonl --min-quality 0.99
	has_err "no cascade of these tiers reaches 99 %"
	has "Frontier" # is shown all the same
}

@test "--max-loss promises, or refuses and says how many labels it takes" {
	expect 0 tune --json trace.jsonl --max-loss 0.05
	has '"promise":{"max_loss":0.05,"confidence":0.95,"labels":'
	holds "$(chosen lost) - $(chosen gained) <= 0.05 * $(chosen labels)"
	holds "$(chosen cost_usd) < 0.000015"
	expect 0 tune trace.jsonl --max-loss 5% --confidence 90%
	has "Promised at confidence 90 %: at most 5 % of the answers are lost on balance"
	has "against always asking 'big', for tasks drawn like these"
	[[ "$output" =~ \(([0-9]+)\ lost\ and\ [0-9]+\ gained\ of\ the\ ([0-9]+)\ tasks\ that\ tested\ it\;\ the\ other\ ([0-9]+)\ said\ what\ to\ test ]]
	same $((BASH_REMATCH[2] + BASH_REMATCH[3])) 300
	expect 1 tune trace.jsonl --max-loss 0.008
	# ln(0.049) / ln(0.992), 376, and a twentieth of all to tell of the tiers
	has_err "from 300 labels: a loss of at most 0.8 % at confidence 95 % takes at least 395"
	# So many are enough to try; whether it passes is another question.
	write_traces 395 >enough.jsonl
	expect 1 tune enough.jsonl --max-loss 0.008
	lacks_err "takes at least"
	has_err "nothing can be promised that is cheaper than the top tier"
}

@test "--bound clopper-pearson tests by two bounds, says so, and takes more labels" {
	write_traces 170 >few.jsonl
	# ln(0.049) / ln(0.98), 150, are enough for the one, but the other takes
	# ln(0.025) / ln(0.98), 183.
	expect 0 tune few.jsonl --tier small --tier big --max-loss 0.02
	has "Promised at confidence 95 %"
	lacks Clopper
	expect 1 tune few.jsonl --tier small --tier big --max-loss 0.02 --bound clopper-pearson
	has_err "from 170 labels: a loss of at most 2 % at confidence 95 % takes at least 183, by --bound exact fewer"
	write_traces 183 >enough.jsonl
	expect 0 tune enough.jsonl --tier small --tier big --max-loss 0.02 --bound clopper-pearson
	has "gained of the 183 tasks that tested it;"
	has "by two Clopper-Pearson bounds)."
	expect 0 tune --json enough.jsonl --tier small --tier big --max-loss 0.02 --bound clopper-pearson
	has '"confidence":0.95,"bound":"clopper-pearson","labels":183'
	expect 0 tune --json enough.jsonl --tier small --tier big --max-loss 0.02 --bound exact
	lacks '"bound"'
	expect 0 tune trace.jsonl -c cascade.yaml --max-loss 0.05 --bound clopper-pearson --write
	grep -q -- '--max-loss 0.05 --confidence 0.95 --bound clopper-pearson' cascade.yaml
	grep -q 'confidence 95 %, by two Clopper-Pearson bounds' cascade.yaml
	expect 0 tune trace.jsonl -c cascade.yaml --max-loss 0.05 --write
	run ! grep -i clopper cascade.yaml
	expect 2 tune trace.jsonl --bound exact
	has_err "--bound goes with --max-loss"
	expect 2 tune trace.jsonl --max-loss 0.05 --bound clopper
	has_err "--bound takes exact or clopper-pearson, not 'clopper'"
}

# gap: two models of which nothing tells who is right, at 1 and 20 micro-dollars,
# right in 6 and 9 of ten.
gap() {
	awk 'BEGIN {
		for (i = 0; i < 400; i++) {
			printf "{\"id\":\"t%d\",\"prompt\":\"%d?\",\"tier\":\"small\",\"completions\":[{\"text\":\"a\",\"correct\":%s,\"cost_usd\":0.000001}]}\n", i, i, i * 7 % 10 < 6 ? "true" : "false"
			printf "{\"id\":\"t%d\",\"prompt\":\"%d?\",\"tier\":\"big\",\"completions\":[{\"text\":\"b\",\"correct\":%s,\"cost_usd\":0.00002}]}\n", i, i, i * 3 % 10 ? "true" : "false"
		}
	}' >gap.jsonl
	cat >gap.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  default:
	    tiers:
	      - model: rec/small
	        accept: {regex: a}
	      - model: rec/big
	YAML
}

@test "where no cascade pays a share of the tasks begins further up" {
	gap
	expect 0 tune gap.jsonl -c gap.yaml --max-cost 50% --write
	has "% of the tasks begin at 'rec/small', the others at 'rec/big'"
	grep -q '^        share: 0\.5[0-9]*$' gap.yaml
	grep -q '^        accept: always$' gap.yaml
	expect 0 frugal check -c gap.yaml
	[ -z "$err" ] # all tiers are reached
	has "% of the tasks begin here, the others at the next tier"
	expect 0 frugal replay gap.jsonl -c gap.yaml --json
	# 0.6 and 0.9, half and half; half of 0.00002 a task
	holds "$(member accuracy <<<"$output") > 0.7"
	holds "$(member accuracy <<<"$output") < 0.8"
	holds "$(member cost_usd <<<"$output") > 0.0034"
	holds "$(member cost_usd <<<"$output") < 0.0046"
	# what a later wish does not need goes away
	expect 0 tune gap.jsonl -c gap.yaml --max-cost 0.000001 --write
	grep -q '^        share: 1$' gap.yaml
}

@test "--write writes such a share in brackets and in JSON, and it replays the same" {
	gap
	expect 0 tune gap.jsonl -c gap.yaml --max-cost 50% --write
	expect 0 frugal replay gap.jsonl -c gap.yaml --json
	wanted=$(member accuracy <<<"$output")
	cat >flow.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades: {default: {tiers: [{model: rec/small, accept: {regex: a}}, {model: rec/big}]}}
	YAML
	expect 0 tune gap.jsonl -c flow.yaml --max-cost 50% --write
	grep -q '{model: rec/small, accept: always, share: 0\.5[0-9]*}, {model: rec/big}' flow.yaml
	expect 0 frugal replay gap.jsonl -c flow.yaml --json
	same "$(member accuracy <<<"$output")" "$wanted"
	echo '{"providers": {"rec": {"api": "recorded"}}, "cascades": {"default": {"tiers": [{"model": "rec/small"}, {"model": "rec/big"}]}}}' >gap.json
	expect 0 tune gap.jsonl -c gap.json --max-cost 50% --write
	grep -q '{"model": "rec/small", "accept": "always", "share": 0\.5[0-9]*}, {"model": "rec/big"}' gap.json
	expect 0 frugal replay gap.jsonl -c gap.json --json
	same "$(member accuracy <<<"$output")" "$wanted"
}

@test "a verification is a score like another: written, and replayed at its price" {
	awk 'BEGIN {
		for (i = 0; i < 300; i++) {
			sure = i % 10 < 6
			printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"small\",\"completions\":[{\"text\":\"a\",\"correct\":%s,\"cost_usd\":0.000001,\"verify\":{\"p_true\":%s,\"cost_usd\":0.000002}}]}\n", i, sure ? "true" : "false", sure ? 0.9 + i / 1e4 : 0.2 + i / 1e4
			printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"big\",\"completions\":[{\"text\":\"b\",\"correct\":true,\"cost_usd\":0.00002}]}\n", i
		}
	}' >asked.jsonl
	cat >asked.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  default:
	    tiers:
	      - model: rec/small
	        accept: {verify: 0.1}
	      - model: rec/big
	YAML
	expect 0 tune asked.jsonl -c asked.yaml --max-cost 60% --write
	grep -q 'accept: {verify: {at_least: 0.9[0-9]*}}' asked.yaml
	expect 0 frugal replay asked.jsonl -c asked.yaml --json
	has '"correct":300'
	# 300 * 0.000003, and big in four of ten at least
	holds "$(member cost_usd <<<"$output") >= 0.0033"
	holds "$(member cost_usd <<<"$output") <= 0.0036"
	# Of other tiers nobody asks: what no rule can look at is not tried.
	sed 's/api: recorded/api: simulated/; /accept:/d' asked.yaml >live.yaml
	expect 0 tune asked.jsonl -c live.yaml --max-cost 60%
	has_err "the traces' verify is tried at tiers with 'api: recorded' alone"
	lacks "verify"
}

@test "--write puts the choice into the configuration and keeps the rest" {
	chmod 640 cascade.yaml
	expect 0 tune trace.jsonl -c cascade.yaml --max-cost 50% --write
	has_err "-         accept: {logprob: 0.5} # a guess"
	has_err "'cascade.yaml' was rewritten"
	same "$(stat -c %a cascade.yaml)" 640
	same "$(head -n 1 cascade.yaml)" "# mine"
	grep -q '# the small one' cascade.yaml
	grep -q -- '- model: rec/small # or so' cascade.yaml
	grep -q 'accept: {logprob: {at_least: .*}} # a guess' cascade.yaml
	grep -q '# frugal tune: .* 300 tasks of trace.jsonl' cascade.yaml
	grep -q '# frugal tune: right by the labels of the traces; the best within --max-cost 50%' cascade.yaml
	grep -q '^      # - model: rec/medium$' cascade.yaml
	expect 0 frugal check -c cascade.yaml
	expect 0 frugal replay trace.jsonl -c cascade.yaml --json
	holds "$(member accuracy <<<"$output") > 0.95"
}

@test "writing again replaces the comment, and what was learned stays the same" {
	expect 0 tune trace.jsonl -c cascade.yaml --max-cost 50% --write
	cp cascade.yaml once.yaml
	expect 0 tune trace.jsonl -c cascade.yaml --max-cost 50% --write
	same "$(diff once.yaml cascade.yaml)" ""
	same "$(grep -c 'frugal tune: .* tasks of' cascade.yaml)" 1
}

@test "nothing is written without a wish, or when it cannot be granted" {
	cp cascade.yaml before.yaml
	expect 2 tune trace.jsonl -c cascade.yaml --write
	has_err "--write needs to know what you want"
	expect 1 tune trace.jsonl -c cascade.yaml --max-loss 0.01 --write
	same "$(diff before.yaml cascade.yaml)" ""
	# An alias: what it names is elsewhere.
	cat >alias.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  other: {tiers: &all [{model: rec/small, accept: {logprob: 0.5}}, {model: rec/big}]}
	  mine: {tiers: *all}
	YAML
	cp alias.yaml before.yaml
	expect 2 tune trace.jsonl -c alias.yaml -k mine --max-cost 50% --write
	has_err "alias.yaml:3: not all of the tiers are written where the cascade has them"
	same "$(diff before.yaml alias.yaml)" ""
}

@test "--write writes tiers in brackets too, and in JSON says whence in the note" {
	cat >flow.yaml <<-'YAML'
	# mine
	providers: {rec: {api: recorded}}
	cascades:
	  default: {answer: '\w+', tiers: [{model: rec/small}, {model: rec/medium}, {model: rec/big}]} # all
	YAML
	expect 0 tune trace.jsonl -c flow.yaml --max-cost 50% --write
	has_err "-   default: {answer: '\w+', tiers: [{model: rec/small}, {model: rec/medium}"
	grep -q "^  default: {answer: '.w+', tiers: \[{model: rec/small, accept: {logprob: {.*at_least: .*}}}, {model: rec/big}\]} # all" flow.yaml
	grep -q '^  # frugal tune: .*, 300 tasks of trace.jsonl' flow.yaml
	grep -q '^  # left out by frugal tune: {"model":"rec/medium"}' flow.yaml
	same "$(head -n 1 flow.yaml)" "# mine"
	expect 0 frugal check -c flow.yaml
	expect 0 frugal replay trace.jsonl -c flow.yaml --json
	holds "$(member accuracy <<<"$output") > 0.95"
	cp flow.yaml once.yaml
	expect 0 tune trace.jsonl -c flow.yaml --max-cost 50% --write
	same "$(diff once.yaml flow.yaml)" ""

	cat >flow.json <<-'JSON'
	{
	  "providers": {"rec": {"api": "recorded"}},
	  "cascades": {
	    "default": {
	      "tiers": [
	        {"model": "rec/small"},
	        {"model": "rec/medium"},
	        {"model": "rec/big"}
	      ]
	    }
	  }
	}
	JSON
	expect 0 tune trace.jsonl -c flow.json --max-cost 50% --write
	grep -q '^        {"model": "rec/small", "accept": {"logprob":{"at_least":' flow.json
	grep -q '^        "frugal tune: right by the labels of the traces; the best within --max-cost 50%",' flow.json
	grep -q '^        "left out by frugal tune: {.*rec/medium.*}",' flow.json
	expect 0 frugal check -c flow.json
	expect 0 frugal replay trace.jsonl -c flow.json --json
	holds "$(member accuracy <<<"$output") > 0.95"
	# Once more: the note is not there twice.
	expect 0 tune trace.jsonl -c flow.json --max-cost 50% --write
	same "$(grep -c 'the best within' flow.json)" 1
}

@test "--plot draws an SVG" {
	expect 0 tune trace.jsonl --plot out.svg
	grep -q '^<svg xmlns=' out.svg
	grep -q '</svg>' out.svg
	grep -q '>medium</text>' out.svg
}

@test "--tier, --top and --dataset narrow it down" {
	expect 0 tune --json trace.jsonl --tier small --tier medium --dataset odd
	has '"tasks":150,'
	has '"name":"medium","top":true'
	lacks '"big"'
	expect 2 tune trace.jsonl --top bog
	has_err "no tier is called 'bog'"
	expect 1 tune trace.jsonl --tier bog
	expect 1 tune trace.jsonl --dataset none
}

@test "--label-free measures agreement with the top tier, and says so" {
	sed 's/"reference":"yes",//; s/"text":\("[a-z]*"\)/"text":\1,"answer":\1/' trace.jsonl >bare.jsonl
	expect 1 tune bare.jsonl
	has_err "nothing says whether an answer is right"
	expect 0 tune bare.jsonl --label-free --max-cost 50%
	has 'NO LABELS: "agrees" is with the answer of '"'big'"
	has "agrees (95 %)"
	[[ "$output" =~ big\ \(top\)\ +100\.00\ % ]]
	lacks "% right"
	expect 0 tune bare.jsonl --label-free --json
	has '"label_free":true'
	expect 0 tune bare.jsonl -c cascade.yaml --label-free --max-loss 0.1 --write
	has "at most 10 % of the answers differ"
	has "from those of 'rec/big', for tasks drawn like these"
	has "tasks that tested it differ"
	lacks lost
	grep -q "promised: at most 10 % of the answers differ from those of 'rec/big', confidence" cascade.yaml
}

@test "--metric decides what is right" {
	expect 0 tune --json trace.jsonl --metric exact
	first=$(member right <<<"$output")
	expect 0 tune --json trace.jsonl --metric contains
	same "$(member right <<<"$output")" "$first"
	head -n 30 trace.jsonl >few.jsonl
	expect 0 tune --json few.jsonl --metric 'exec grep -q "\"text\":\"no\""'
	holds "$(member right <<<"$output") < 0.5"
	expect 1 tune few.jsonl --metric 'exec exit 3'
	has_err "'exit 3' ended with status 3"
	expect 2 tune trace.jsonl --metric exakt
	has_err "did you mean 'exact'?"
	expect 2 tune trace.jsonl --metric exact --label-free
}

@test "samples cost what they cost, and agreement is tried at several numbers" {
	awk 'BEGIN { for (i = 0; i < 60; i++) {
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"reference\":\"1\",\"tier\":\"small\",\"completions\":[", i
		for (k = 0; k < 5; k++)
			printf "%s{\"text\":\"%d\",\"cost_usd\":0.000001}", k ? "," : "", i % 3 ? 1 : k
		printf "]}\n{\"id\":\"t%d\",\"prompt\":\"?\",\"reference\":\"1\",\"tier\":\"big\",\"completions\":[{\"text\":\"1\",\"cost_usd\":0.0001}]}\n", i
	} }' >samples.jsonl
	expect 0 tune --json samples.jsonl --min-quality 0.99
	has '"scorer":"agreement, 3 samples"'
	has '"scorer":"agreement, 5 samples"'
	has '"samples":2'
	# two samples of small, and big for a third of the tasks
	holds "$(chosen cost_usd) < 0.00004 && $(chosen cost_usd) > 0.000033"
}

# replays FILE: with what --write wrote, frugal replay accepts at each tier just
# the tasks that tune (whose JSON is in $output) says, and as many are right.
replays() {
	learned=$(grep -o '"accepted":\[.*\]' <<<"$output" | grep -o '"accepted":[0-9]*,"right":[0-9]*' | tr -dc '0-9,\n')
	expect 0 frugal check -c cascade.yaml
	expect 0 frugal replay "$1" -c cascade.yaml --json
	same "$(grep -o '"answered_here":{"tasks":[0-9]*,"answered":[0-9]*,"labelled":[0-9]*,"correct":[0-9]*' <<<"$output" |
	    sed 's/.*"tasks":\([0-9]*\),.*"correct":\(.*\)/\1,\2/')" "$learned"
}

@test "a pattern and a log-probability together are tried, written, and replay the same" {
	# Right is what has a mark in it and is sure, neither alone.
	awk 'BEGIN { for (i = 0; i < 300; i++) {
		mark = i % 3 > 0
		sure = i % 5 > 1
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"small\",\"completions\":[{\"text\":\"%s\",\"correct\":%s,\"cost_usd\":0.000001,\"logprobs\":[{\"token\":\"%s\",\"logprob\":%s}]}]}\n", i, mark ? "#" : "-", mark && sure ? "true" : "false", mark ? "#" : "-", (sure ? -0.1 : -1) - i * 7 % 11 / 100
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"big\",\"completions\":[{\"text\":\"#\",\"correct\":true,\"cost_usd\":0.0001}]}\n", i
	} }' >both.jsonl
	sed -i 's/accept: {logprob: 0.5} # a guess/accept: {regex: "#"}/; /medium/,+1d' cascade.yaml
	expect 0 tune --json both.jsonl -c cascade.yaml --min-quality 0.99 --write
	has_err '+         accept: {all: {of: [{regex: "#"}, logprob], at_least: '
	holds "$(chosen cost_usd) < 0.000064"
	replays both.jsonl
	same "$(member accuracy <<<"$output")" 1
	# What was written is known again, and the pattern is demanded now.
	cp cascade.yaml once.yaml
	expect 0 tune both.jsonl -c cascade.yaml --min-quality 0.99 --write
	[[ ! "$output" =~ small\ +logprob\ +[*0] ]]
	same "$(diff once.yaml cascade.yaml)" ""
	[[ "$output" =~ small\ +logprob\ \+\ patterns\ \* ]]
}

@test "the mean of agreement and log-probability is tried, written, and replays the same" {
	# Of three samples one, two or three agree; right is where that and how
	# sure the first of them is come to enough together.
	awk 'BEGIN { for (i = 0; i < 400; i++) {
		a = 1 + i % 3
		p = 0.05 + (i * 37 % 100) / 105
		right = a / 3 + p > 1.2
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"small\",\"completions\":[", i
		for (k = 0; k < 3; k++)
			printf "%s{\"text\":\"%d\",\"correct\":%s,\"cost_usd\":0.000001,\"logprobs\":[{\"token\":\"%d\",\"logprob\":%.6f}]}", k ? "," : "", k < a ? 7 : k, right && k < a ? "true" : "false", k < a ? 7 : k, log(p)
		printf "]}\n{\"id\":\"t%d\",\"prompt\":\"?\",\"tier\":\"big\",\"completions\":[{\"text\":\"7\",\"correct\":true,\"cost_usd\":0.0001}]}\n", i
	} }' >mean.jsonl
	sed -i '/medium/,+1d' cascade.yaml
	expect 0 tune --json mean.jsonl -c cascade.yaml --min-quality 0.99 --write
	has_err '+         samples: 3'
	has_err '+         accept: {mean: {of: [agreement, logprob], at_least: '
	replays mean.jsonl
	holds "$(member accuracy <<<"$output") > 0.98"
}

@test "a cascade that does not pay is not offered" {
	# the small one's scores say nothing
	awk 'BEGIN { for (i = 0; i < 200; i++) {
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"reference\":\"1\",\"tier\":\"small\",\"completions\":[{\"text\":\"%d\",\"cost_usd\":0.00001,\"logprobs\":[{\"token\":\"x\",\"logprob\":-0.5}]}]}\n", i, i % 2
		printf "{\"id\":\"t%d\",\"prompt\":\"?\",\"reference\":\"1\",\"tier\":\"big\",\"completions\":[{\"text\":\"1\",\"cost_usd\":0.0001}]}\n", i
	} }' >flat.jsonl
	expect 0 tune flat.jsonl --max-cost 60%
	has "no cascade pays here"
	lacks "->"
	# (60 - 10) / (100 - 10) of the tasks to the one that is always right
	has "44 % of the tasks begin at 'small', the others at 'big'"
	has "Chosen, the best within --max-cost 60%:"$'\n'"77.78 % right"
	lacks "(chosen:" # of no scorer
}

@test "tasks that lack a tier are left out, and bad lines are named" {
	write_traces 301 | head -n 902 >short.jsonl
	echo '{"id":' >>short.jsonl
	expect 1 tune short.jsonl
	has "300 tasks"
	has_err "1 task was left out: tier 'big' was not recorded"
	has_err "short.jsonl:903:"
}

@test "mistakes are status 2" {
	expect 2 tune
	expect 2 tune nowhere.jsonl
	expect 2 tune trace.jsonl --max-cost 0
	expect 2 tune trace.jsonl --max-cost 10% --min-quality 0.5
	expect 2 tune trace.jsonl --min-quality 2
	expect 2 tune trace.jsonl --confidence 0.9
	expect 2 tune trace.jsonl --longest 7
}

@test "a learned score is tried of each tier, and kept where it pays" {
	words 300 >words.jsonl
	expect 0 frugal tune -q words.jsonl --max-cost 60%
	[[ "$output" =~ small\ +learned\ \*\ +0\.9 ]]
	[[ "$output" =~ small\ +logprob\ over:\ answer\ +0\.[456] ]]
	expect 0 frugal tune -q words.jsonl --max-cost 60% --json
	holds "$(chosen right) > 0.93"
	learned=$(chosen cost_usd)
	expect 0 tune words.jsonl --max-cost 60% --json
	lacks learned
	holds "$(chosen right) < 0.93"
	# Fewer tasks are not enough unless one insists.
	words 140 >words.jsonl
	expect 0 frugal tune -q words.jsonl
	[[ ! "$output" =~ small\ +learned ]]
	has_err "no scores are learned: fewer than 150 tasks; see --learned"
	expect 0 frugal tune -q words.jsonl --learned yes
	[[ "$output" =~ small\ +learned\ \* ]]
	words 40 >words.jsonl
	expect 0 frugal tune -q words.jsonl --learned yes
	has_err "no scores are learned: too little to learn from"
	expect 2 frugal tune -q words.jsonl --learned perhaps
	has_err "--learned takes auto, yes or no"
}

@test "its figures are of tasks that it was not trained on: noise teaches nothing" {
	# Whether small is right is by chance; words and answers differ by task.
	# The numbers are those of a fixed generator: each awk has its own rand().
	awk 'function unit() { x = (x * 16807) % 2147483647; return x / 2147483647 }
	BEGIN {
		x = 77
		for (i = 0; i < 20; i++) unit()
		for (i = 0; i < 200; i++) {
			p = sprintf("w%d w%d w%d w%d", 99 * unit(), 99 * unit(), 99 * unit(), 99 * unit())
			for (k = 0; k < 2; k++)
				printf "{\"id\":\"t%d\",\"prompt\":\"%s\",\"tier\":\"%s\",\"completions\":[{\"text\":\"w%d w%d\",\"correct\":%s,\"cost_usd\":%s}]}\n", i, p, k ? "big" : "small", 99 * unit(), 99 * unit(), unit() < 0.5 + 0.3 * k ? "true" : "false", k ? 0.00002 : 0.000001
		}
	}' >noise.jsonl
	expect 0 frugal tune -q noise.jsonl --json
	area=$(grep -o '"scorer":"learned","used":[a-z]*,"auroc":[0-9.]*' <<<"$output" | head -n 1)
	holds "${area##*:} > 0.4 && ${area##*:} < 0.6"
	# No better than the toss between the two models by more than chance.
	worst=$(grep -o '"right":[0-9.]*,"low":[0-9.]*,"high":[0-9.]*,"coin_toss":[0-9.]*' <<<"$output" |
	    awk -F '[:,]' '{ d = $2 - $8; if (d > m) m = d } END { print m + 0 }')
	holds "$worst < 0.07"
}

@test "--write writes the model of a learned score too, and check and run read it" {
	words 300 >words.jsonl
	expect 0 frugal tune -q words.jsonl -c cascade.yaml --max-cost 60% --write
	has_err "wrote 'cascade-rec-small.model', the model of tier 'rec/small'"
	has_err '+         accept: {learned: {file: "cascade-rec-small.model", at_least: '
	[ -s cascade-rec-small.model ]
	[ ! -e cascade-rec-small.model.new ]
	expect 0 frugal check -c cascade.yaml
	expect 0 frugal replay words.jsonl -c cascade.yaml --json
	holds "$(member accuracy <<<"$output") > 0.9"
	# Beside the configuration, wherever that is; and once more the same.
	mkdir sub
	mv cascade.yaml cascade-rec-small.model sub/
	expect 0 frugal tune -q words.jsonl -c sub/cascade.yaml --max-cost 60% --write
	cp sub/cascade-rec-small.model before
	# What is there now was trained on these tasks: it is no scorer to try.
	expect 0 frugal tune -q words.jsonl -c sub/cascade.yaml --json
	lacks '"scorer":"learned file'
	expect 0 frugal tune -q words.jsonl -c sub/cascade.yaml --max-cost 60% --write
	cmp sub/cascade-rec-small.model before
	[ ! -e cascade-rec-small.model ]
	# What cannot be written leaves nothing behind.
	cat >sub/cascade.yaml <<-'YAML'
	providers: {rec: {api: recorded}}
	cascades:
	  other: {tiers: &all [{model: rec/small}, {model: rec/big}]}
	  default: {tiers: *all}
	YAML
	rm sub/cascade-rec-small.model
	expect 2 frugal tune -q words.jsonl -c sub/cascade.yaml --max-cost 60% --write
	has_err "not all of the tiers are written where the cascade has them"
	same "$(ls sub)" cascade.yaml
}

@test "--max-loss with learned scores trains on half of the labels and tests on the other" {
	words 600 >words.jsonl
	expect 0 frugal tune -q words.jsonl --max-loss 0.08 --learned yes --json
	has '"labels":300,"chosen_on":300,"chains":1'
	[[ "$(sed 's/.*"chosen"://' <<<"$output")" == *'"scorer":"learned"'* ]]
	expect 0 frugal tune -q words.jsonl --max-loss 0.08 --json
	has '"chosen_on":'
	lacks '"labels":300,"chosen_on":300'
	sed 's/,"logprobs":[^]]*]//' words.jsonl >bare.jsonl
	expect 0 frugal tune -q bare.jsonl --max-loss 0.08 --json
	has '"labels":300,"chosen_on":300,"chains":1'
	# ln(0.049) / ln(0.995), 602, and as many that train
	expect 1 frugal tune -q words.jsonl --max-loss 0.005 --learned yes
	has_err "a loss of at most 0.5 % at confidence 95 % takes at least 1204"
}

@test "--route tries whether prompts tell who should skip a tier" {
	words 300 >words.jsonl
	expect 0 tune words.jsonl --route
	[[ "$output" =~ small\ +35\ %\ .*it\ pays ]]
	[[ "$output" =~ medium\ .*it\ does\ not\ pay ]]
	expect 0 tune words.jsonl --route --json
	has '"routes":[{"tier":"small","skip":0.35,'
	expect 0 tune words.jsonl --json
	lacks routes
	# With a score that says as much once the answer is there it is no use.
	expect 0 frugal tune -q words.jsonl --route
	[[ "$output" =~ small\ .*it\ does\ not\ pay ]]
	# A trace without enough of either kind.
	words 30 >words.jsonl
	expect 0 tune words.jsonl --route
	has_err "no route is tried: too little to learn from"
}

@test "--write writes a route that pays with its model, and check, run and replay read it" {
	words 400 >words.jsonl
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --json
	plain=$(chosen right)
	lacks '"skips"'
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --json --route
	has '"route":{"skips":"rec/small","share":0.35,'
	# Without it no score of small is of use.
	holds "$(chosen right) > $plain + 0.05"
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --route --write
	has "of the tasks of which the prompt says that 'rec/small' is right with a"
	has "Route: the 35 % of the tasks"
	has "here of all tasks; none is accepted that skips the tier)"
	has_err "wrote 'cascade-rec-small-route.model', the model of tier 'rec/small' by prompts alone"
	has_err '+     route: [{start: 2, learned: "cascade-rec-small-route.model", below: 0.'
	[ ! -e cascade-rec-small-route.model.new ]
	grep -q '^kind route$' cascade-rec-small-route.model
	expect 0 frugal check -c cascade.yaml
	has "route: tier 2 if cascade-rec-small-route.model (trained for tier rec/small) < 0."
	expect 0 frugal replay words.jsonl -c cascade.yaml --json
	holds "$(member accuracy <<<"$output") > $plain + 0.05"
	# run: the word in the prompt decides.
	sed 's/rec: {api: recorded}/rec: {api: simulated}/; s|rec/big$|rec/large|' cascade.yaml >run.yaml
	expect 0 frugal run -c run.yaml --json "a proof of 3 things"
	has '"attempts":[{"tier":2,'
	has '"reason":"route, chance of a lower tier 0.'
	expect 0 frugal run -c run.yaml --json "the sum of 3 things"
	has '"attempts":[{"tier":1,'
	# Once more it is the same (of the tiers that are left, which are trained
	# together), and without --route it goes.
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --route --write
	cp cascade.yaml once.yaml
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --route --write
	same "$(diff once.yaml cascade.yaml)" ""
	expect 0 tune words.jsonl -c cascade.yaml --max-cost 55% --write
	same "$(grep -c route: cascade.yaml)" 0
	# Another's stays, and nothing is written.
	sed -i 's/^    tiers:/    route: [{start: 2, longer_than: 9k}]\n&/' cascade.yaml
	cp cascade.yaml before.yaml
	expect 2 tune words.jsonl -c cascade.yaml --max-cost 55% --route --write
	has_err "the cascade has a route of its own"
	same "$(diff before.yaml cascade.yaml)" ""
	# Where no route pays, none is written.
	expect 0 tune trace.jsonl -c once.yaml --max-cost 50% --route --write
	same "$(grep -c route: once.yaml)" 0
}

@test "--min-quality takes a route where that is cheaper" {
	words 400 >words.jsonl
	expect 0 tune words.jsonl --min-quality 0.93 --json
	plain=$(chosen cost_usd)
	expect 0 tune words.jsonl --min-quality 0.93 --json --route
	has '"route":{"skips":"small"'
	holds "$(chosen cost_usd) < 0.8 * $plain && $(chosen right) >= 0.93"
}

@test "without LIBLINEAR it goes on without learned scores, and says so in a line" {
	words 300 >words.jsonl
	: >liblinear.so.4
	: >liblinear.so
	LD_LIBRARY_PATH=$PWD expect 0 frugal tune -q words.jsonl --max-cost 60%
	has_err "no scores are learned: cannot load LIBLINEAR"
	same "$(wc -l <<<"$stderr")" 1
	has "Chosen, the best within --max-cost 60%"
	[[ ! "$output" =~ small\ +learned ]]
}

# on_terminal COLUMNS ARGUMENT...: frugal on a terminal so wide, into `shown`.
on_terminal() {
	type script >/dev/null || skip "no script(1)"
	printf 'stty cols %s <&1; "$FRUGAL"' "$1" >command
	printf ' %q' "${@:2}" >>command
	timeout -k 1 60 script -qec "bash command </dev/null" /dev/null >shown </dev/null
}

@test "on a terminal progress of long work is shown and taken away again" {
	# Long enough for several times the 200 ms between two lines.
	write_traces 300 | awk '{ for (i = 0; i < 100; i++) { s = $0; sub(/"t/, "\"t" i "-", s); print s > ("part" i) } }'
	cat part* >long.jsonl
	on_terminal 80 tune --learned no long.jsonl
	grep -q $'\r[a-z]*: [0-9]* %\033\\[K' shown
	grep -q $'\r\033\\[K' shown
	on_terminal 80 tune -q --learned no trace.jsonl
	run ! grep -q $'\033\\[K' shown
	expect 0 frugal tune --learned no trace.jsonl
	same "$stderr" ""
	expect 0 frugal replay trace.jsonl -c cascade.yaml
	same "$stderr" ""
}

@test "tables that are too wide for a terminal go on in further lines" {
	on_terminal 80 tune -q --learned no trace.jsonl --max-cost 50%
	tr -d '\r' <shown >lines
	same "$(awk 'length > 80' lines)" ""
	grep -q '^small  *logprob over: answer \*  *0\.[0-9]* ' lines
	grep -q '^      .* chosen ' lines
	on_terminal 200 tune -q --learned no trace.jsonl --max-cost 50%
	grep -q '^small  *logprob over: answer \*  *0\.[0-9]* .* chosen ' shown
}

@test "where costs are missing too, that is not said to be missing labels" {
	cat >dear.jsonl <<-'END'
	{"id":"a","tier":"x","reference":"1","completions":[{"answer":"1","prompt_tokens":1,"completion_tokens":1}]}
	{"id":"b","tier":"x","reference":"1","completions":[{"answer":"1","prompt_tokens":1,"completion_tokens":1}]}
	{"id":"c","tier":"x","completions":[{"answer":"1","cost_usd":1}]}
	END
	expect 1 tune dear.jsonl
	has_err "tier 'x' has no known cost"
}
