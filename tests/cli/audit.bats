# audit: a share of the accepted tasks is asked of the top tier as well.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# config SETTINGS...: of the cascade, a line each. small says what is asked, big
# says the same but for the tasks with "hard" in them.
config() {
	write_tiers <<-YAML
	      - model: test/small
	        max_tokens: 20
	        accept: {regex: '####'}
	      - model: test/big
	        max_tokens: 20
	YAML
	for line; do
		sed -i "s/^    tiers:/    $line\n&/" frugal.yaml
	done
}

usual_server() {
	server "$@" \
	    '{"match":{"model":"big","contains":"hard"},"reply":{"text":"#### other"}}' \
	    '{"match":{"contains":"climb","model":"small"},"reply":{"text":"no"}}' \
	    '{"reply":{"text":"#### same"}}'
}

# tasks N WORD: wN, prompts with the word.
tasks() {
	local i
	for ((i = 1; i <= $1; i++)); do
		printf '{"id":"%s%d","prompt":"%s %d","tags":{"kind":"%s"}}\n' $2 $i $2 $i $2
	done
}

batch() {
	frugal batch -q -o out "$@"
}

@test "audited answers are never shown, and their cost is counted and told apart" {
	usual_server
	config 'audit: 1'
	{ tasks 3 easy; tasks 2 hard; tasks 1 climb; } >in.jsonl
	expect 0 frugal batch in.jsonl -o out
	requests 12 # once each, and big for each: climb was answered by it
	has_err "2 of 5 audited differ"
	has_err " for audits)"
	same "$(grep -c '"text":"#### other"' out)" 0
	same "$(grep -c '"audit":{' out)" 5
	same "$(grep '"id":"hard1"' out | member outcome)" '"differs"'
	same "$(grep '"id":"easy1"' out | member outcome)" '"agrees"'
	no_line '"id":"climb1".*"audit"' out
	expect 0 frugal stats
	has "(of it \$0."
	has "for audits)"
	has "default 1 test/small         5        5       2  40.00 % (5.27-85.34)"
	expect 0 frugal explain hard1
	has "audit by tier 2 of 2, test/big: differs"
	expect 0 frugal explain hard1 --json
	has '"audit_outcome":"differs","audit":{"tier":2'
}

@test "stats report by tag, and in JSON with exact intervals" {
	usual_server
	config 'audit: 1'
	{ tasks 4 easy; tasks 1 hard; } >in.jsonl
	expect 0 batch in.jsonl
	expect 0 frugal stats --by tag=kind
	[[ "$output" =~ easy\ +4\ +4\ +0\ +0\.00 ]]
	[[ "$output" =~ hard\ +1\ +1\ +1\ +100\.00 ]]
	expect 0 frugal stats --json
	has '"audits":[{"group":"default 1 test/small","cascade":"default","tier":1,"model":"test/small","accepted":5,"audited":5,"differ":1,"no_answer":0,"share":0.2,"share_low":0.0050507633794680'
	# The cost is part of what was spent, exactly.
	spent=$(sed 's/.*"total":{//' <<<"$output" | member cost_usd)
	same "$(sed 's/.*"requests":{//' <<<"$output" | member cost_usd)" "$spent"
}

@test "a share is chosen by what is asked, the same in every run" {
	usual_server
	config 'audit: 0.3'
	tasks 100 easy >in.jsonl
	expect 0 batch in.jsonl
	grep '"audit"' out | cut -d'"' -f4 | sort >chosen
	[ "$(wc -l <chosen)" -gt 10 ]
	[ "$(wc -l <chosen)" -lt 55 ]
	requests $((100 + $(wc -l <chosen)))
	mv out first
	expect 0 batch in.jsonl
	same "$(grep '"audit"' out | cut -d'"' -f4 | sort)" "$(cat chosen)"
	requests $((100 + $(wc -l <chosen)))
	# The same answers again are no further audits.
	n=$(wc -l <chosen)
	expect 0 frugal stats --json
	has "\"audited\":$n,"
	expect 0 batch in.jsonl --store other.db
	same "$(grep '"audit"' out | cut -d'"' -f4 | sort)" "$(cat chosen)"
}

@test "what goes wrong at the top tier leaves the answer alone" {
	usual_server '{"match":{"model":"big"},"status":400,"body":{"error":{"code":"content_filter","message":"no"}}}'
	config 'audit: 1'
	tasks 2 easy >in.jsonl
	expect 0 batch in.jsonl
	same "$(grep -c '"status":"accepted"' out)" 2
	grep -q '"outcome":"no_answer"' out
	expect 0 frugal stats --json
	has '"audited":0,"differ":0,"no_answer":2,"share_low":0,"share_high":1'
}

@test "an audit waits for nobody, though the cascade waits for its tiers" {
	usual_server '{"match":{"model":"big"},"status":503,"headers":{"retry-after-ms":"10"}}'
	config 'audit: 1' 'on_outage: wait'
	tasks 1 easy >in.jsonl
	expect 0 batch in.jsonl
	grep -q '"outcome":"no_answer"' out
	requests 6
}

@test "a cap that an audit does not fit under is not broken by it" {
	usual_server
	config 'audit: 1'
	tasks 5 easy >in.jsonl
	# small costs at most 0.0004 of a dollar each, big ten times as much
	expect 0 batch in.jsonl -j 1 --max-cost 0.003
	same "$(grep -c '"status":"accepted"' out)" 5
	same "$(grep -c '"outcome":"no_answer"' out)" 5
	no_line '"outcome":"agrees"' out
	requests 5
	sed -i '1i max_cost: {task: 0.003}' frugal.yaml
	rm out
	expect 0 batch in.jsonl
	same "$(grep -c '"status":"accepted"' out)" 5
	requests 5
	sed -i 's/task: 0.003/day: 0.003/' frugal.yaml
	rm out
	expect 0 batch in.jsonl
	same "$(grep -c '"status":"accepted"' out)" 5
	requests 5
}

@test "run shows the answer, and audits it too" {
	usual_server
	config 'audit: 1'
	expect 0 frugal run -v "a hard one"
	same "$output" "#### same"
	has_err "audit by test/big: differs, \$0."
	requests 2
	expect 0 frugal stats --json
	has '"audited":1,"differ":1'
}

@test "after a kill in the middle of an audit the task is done again, and paid once" {
	usual_server '{"match":{"model":"big"},"times":1,"delay_ms":60000}'
	config 'audit: 1'
	tasks 1 easy >in.jsonl
	"$FRUGAL" batch -q in.jsonl -o out 2>err 3>&- &
	PID=$!
	wait_until big_is_asked
	kill -KILL $PID
	wait $PID || true
	[ ! -s out ]
	expect 0 batch in.jsonl
	same "$(grep -c '"outcome":"agrees"' out)" 1
	requests 3
}

big_is_asked() {
	[ "$(server_stat requests)" = 2 ] && [ "$(server_stat in_flight)" = 1 ]
}

@test "a promise that audits no longer bear out is warned of, once" {
	usual_server
	config 'audit: 1' 'promise: {max_loss: 0.1, confidence: 0.95}'
	tasks 20 hard >in.jsonl
	expect 0 frugal batch in.jsonl -o out
	same "$(grep -c 'no longer bear out the promise' <<<"$stderr")" 1
	has_err "cascade 'default'"
	has_err "86.09 %"
	expect 0 frugal stats
	has_err "no longer bear out"
	has "NO LONGER BORNE OUT"
	expect 0 frugal stats --json
	has '"promises":[{"cascade":"default","max_loss":0.1,"confidence":0.95,"answers":20,'
	has '"drifted":true}]'
	# What was before the promise is of another cascade.
	sed -i "s/confidence: 0.95/&, since: 2099-01-01/" frugal.yaml
	expect 0 frugal stats
	lacks_err "bear out"
	lacks "promise of"
}

@test "a promise that nothing speaks against is not warned of" {
	usual_server
	config 'audit: 1' 'promise: {max_loss: 0.1, confidence: 0.95}'
	{ tasks 20 easy; tasks 1 hard; } >in.jsonl
	expect 0 frugal batch in.jsonl -o out
	lacks_err "bear out"
	expect 0 frugal stats
	has "nothing speaks against it"
	expect 0 frugal stats --tag kind=hard
	lacks "promise of"
}

@test "--from-ledger has the top tier where an audit asked it" {
	usual_server
	config 'audit: 1'
	{ tasks 1 easy; tasks 1 hard; } >in.jsonl
	expect 0 batch in.jsonl
	expect 0 frugal collect --from-ledger -q -o traces
	count 4 traces
	expect 0 frugal replay traces
	requests 4
}

@test "--estimate counts audits" {
	usual_server
	config 'audit: 0'
	tasks 10 easy >in.jsonl
	expect 0 frugal batch in.jsonl --estimate
	without=$(grep 'test/big' <<<"$output" | awk '{print $4}')
	sed -i 's/audit: 0/audit: 1/' frugal.yaml
	expect 0 frugal batch in.jsonl --estimate
	same "$without $(grep 'test/big' <<<"$output" | awk '{print $4}')" "5 10"
	requests 0
}
