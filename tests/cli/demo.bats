# -c demo: three simulated models, with no key and no network.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

TASKS=$FRUGAL_SOURCE/demo/tasks.jsonl

@test "a first prompt is answered, and the answer says that it is simulated" {
	expect 0 frugal -c demo "What is 12 + 30?" </dev/null
	has 42
	has simulated
	has_err "simulated"
	expect 0 frugal -c demo -x "What is 12 + 30?" </dev/null
	same "$output" 42
}

@test "what has a place for it says simulated" {
	expect 0 frugal run -c demo --json "What is 1 + 1?" </dev/null
	has '"simulated":true'
	for c in check stats "explain --last"; do
		run frugal $c -c demo
		[ "$status" -eq 0 ]
		has simulated
	done
	run frugal batch "$TASKS" -c demo
	has simulated
	same "$(grep '^{' <<<"$output" | grep -vc '"simulated":true')" 0
}

@test "a batch of the bundled tasks ends with 40 results and uses every tier" {
	expect 0 frugal batch "$TASKS" -c demo -o out
	count 40 out
	same "$(grep -o '^{"id":"[^"]*"' out | sort -u | wc -l)" 40
	no_line '"status":"failed"' out
	for tier in 1 2 3; do
		grep -q "\"cascade\":\"demo\",\"tier\":$tier," out
	done
	has_err "40 tasks"
	has_err "labelled right"
}

@test "simulated answers are right more often than not, and the same each time" {
	expect 0 frugal batch "$TASKS" -c demo -q --order input -o one
	[ "$(grep -c '"correct":true' one)" -gt 30 ]
	expect 0 frugal batch "$TASKS" -c demo -q --order input -o two --no-cache
	answers='s/"latency_ms":[0-9]*//g; s/"saved_usd.*//; s/"score.*//'
	same "$(sed "$answers" one)" "$(sed "$answers" two)"
}

@test "the second time everything comes out of the store" {
	expect 0 frugal batch "$TASKS" -c demo -q -o one
	expect 0 frugal batch "$TASKS" -c demo -o two
	has_err "40 from the store"
	has_err 'spent $0.00'
}

@test "the cascade costs less than the top model alone" {
	expect 0 frugal batch "$TASKS" -c demo -o out
	[[ "$stderr" =~ saved\ \$0\.[0-9]+ ]]
	expect 0 frugal stats -c demo
	has "sim/small"
	has "sim/medium"
	has "sim/large"
}

@test "without a place of its own the demo's store is not the real one" {
	unset FRUGAL_STORE
	expect 0 frugal -c demo "What is 1 + 1?" </dev/null
	[ -e .local/state/frugal/demo.db ]
	[ ! -e .local/state/frugal/store.db ]
}

@test "the commands of make demo work" {
	sed -n '/^demo:/,/^$/s/^\t\$(call try,\(.*\))$/\1/p' "$FRUGAL_SOURCE/Makefile" |
	    sed "s|\$(DEMO)|$PWD|g" >commands
	[ "$(wc -l <commands)" -ge 3 ]
	cd "$FRUGAL_SOURCE"
	while read -r line; do
		run frugal $line </dev/null
		[ "$status" -eq 0 ] || { echo "$line: $output"; false; }
		has simulated
	done <"$BATS_TEST_TMPDIR/commands"
	cd "$BATS_TEST_TMPDIR"
	count 40 answers.jsonl
}

@test "--max-cost can be tried with the demo, on tasks that it has not seen" {
	expect 0 frugal -c demo --max-cost 0.01 "What is 20 + 2?" </dev/null
	has "22"
	expect 3 frugal -c demo --max-cost 0.00001 "What is 20 + 3?" </dev/null
}

@test "an estimate of simulated models says that its money is made up" {
	expect 0 frugal batch "$TASKS" -c demo --estimate
	has_err "all money here is made up"
}
