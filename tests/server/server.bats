# The scripted server itself: what it sends, byte for byte, and what it counts.

load ../cli/common

setup() {
	frugal_setup
	raw=$BATS_TEST_TMPDIR/raw
}
teardown() { frugal_teardown; }

# serve OPTIONS... -- RULE...
serve() {
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	printf '%s\n' "${@:2}" >script
	start_server --script script --log log "${options[@]}"
}

# post [TEXT [HEADER...]]: ask once on a connection of its own; what comes
# back, as it is, in $raw.
post() {
	local body="{\"model\":\"m\",\"max_tokens\":9,\"messages\":[{\"role\":\"user\",\"content\":\"${1:-hello}\"}]}"

	exec 8<>"/dev/tcp/127.0.0.1/$(cat port)"
	printf 'POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%sContent-Length: %s\r\n\r\n%s' \
	    "$(printf '%s\r\n' "${@:2}" end:)"$'\r\n' "${#body}" "$body" >&8
	timeout 60 cat <&8 >"$raw" || true
	exec 8>&-
}

head_of() { sed -n '1,/^\r$/p' "$raw"; }
body_of() { sed '1,/^\r$/d' "$raw"; }

# stat NAME VALUE
stat() { same "$1 $(server_stat "$1")" "$1 $2"; }

# settled: nothing is under way any more.
settled() { [ "$(server_stat in_flight)" = 0 ]; }

@test "an answer is billed to the picodollar and counts when it is out" {
	serve --price m=3,7 -- '{"reply":{"text":"a b c"}}'
	post "12345"
	stat billed_picousd $((2 * 3 + 3 * 7))
	wait_until settled
	stat answered_picousd 27
	stat unanswered_picousd 0
	stat answered_requests 1
	stat answered_completions 1
}

@test "an answer cut short is billed and unanswered; silence is not billed" {
	serve --price m=3,7 -- '{"match":{"contains":"half"},"fault":"truncate"}' \
	    '{"match":{"contains":"close"},"fault":"close_after_request"}' \
	    '{"match":{"contains":"ran"},"fault":"reset_before","billed":true}' \
	    '{"match":{"contains":"late"},"status":500,"billed":true}' \
	    '{"match":{"contains":"free"},"billed":false}' \
	    '{"match":{"contains":"untold"},"reply":{"usage":"none"}}'
	for what in half close ran late free untold; do post "$what"; done
	wait_until settled
	stat requests 6
	stat billed_requests 4
	stat unanswered_requests 4
	stat answered_requests 0
	same "$(server_stat billed_picousd)" "$(server_stat unanswered_picousd)"
}

@test "a client that does not wait is billed, and counts as unanswered" {
	serve --price m=3,7 --latency-ms 60000 -- '{}'
	local body='{"model":"m","messages":[{"role":"user","content":"hi"}]}'
	exec 8<>"/dev/tcp/127.0.0.1/$(cat port)"
	printf 'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %s\r\n\r\n%s' \
	    "${#body}" "$body" >&8
	wait_until eval '[ "$(server_stat in_flight)" = 1 ]'
	stat unanswered_requests 0
	exec 8>&-
	wait_until settled
	stat requests 1
	stat billed_requests 1
	stat unanswered_requests 1
}

@test "a client that is gone before its request is read is billed, and unanswered" {
	serve --price m=3,7 -- '{}'
	local body='{"model":"m","messages":[{"role":"user","content":"hi"}]}'
	kill -STOP "$SERVER_PID"
	exec 8<>"/dev/tcp/127.0.0.1/$(cat port)"
	printf 'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %s\r\n\r\n%s' \
	    "${#body}" "$body" >&8
	exec 8>&-
	kill -CONT "$SERVER_PID"
	wait_until eval '[ "$(server_stat requests)" = 1 ]'
	wait_until settled
	stat billed_requests 1
	stat answered_requests 0
	stat unanswered_requests 1
}

@test "what is asked again is told from what was answered before" {
	serve -- '{"match":{"nth":1},"fault":"truncate"}' '{}'
	post; wait_until settled
	post; wait_until settled
	post; wait_until settled
	stat duplicates 2
	stat paid_twice 2
	stat answered_twice 1
}

@test "chunks join to the answer" {
	serve -- '{"chunked":true,"body":"abcdefghijklmnopqrstuvwxyz"}'
	post
	head_of | grep -q 'Transfer-Encoding: chunked'
	no_line 'Content-Length' "$raw"
	same "$(body_of | tr -d '\r')" $'10\nabcdefghijklmnop\na\nqrstuvwxyz\n0'
}

@test "a bad chunk has no size, a cut one ends early" {
	serve -- '{"match":{"contains":"bad"},"fault":"bad_chunk","body":"abcdefghijklmnopqrstuvwxyz"}' \
	    '{"fault":"cut_chunk","body":"abcdefghijklmnopqrstuvwxyz"}'
	post bad
	same "$(body_of | tr -d '\r')" $'10\nabcdefghijklmnop\nso many'
	post cut
	same "$(body_of | tr -d '\r')" $'10\nabcdefghijklmnop\na\nqrstu'
}

@test "gzip unpacks to the answer, and a bomb to zeros" {
	serve -- '{"match":{"contains":"bomb"},"bomb_mb":20}' \
	    '{"encoding":"gzip","body":"so it says"}'
	post plain
	head_of | grep -q 'Content-Encoding: gzip'
	same "$(body_of | gunzip)" 'so it says'
	post bomb
	body_of >bomb
	[ "$(wc -c <bomb)" -lt 100000 ]
	same "$(gunzip <bomb | tr -d '\0' | wc -c)" 0
	same "$(gunzip <bomb | wc -c)" $((20 << 20))
}

@test "gzip that was not asked for does not count as an answer" {
	serve -- '{"encoding":"gzip"}'
	post one
	post two 'Accept-Encoding: deflate, gzip'
	wait_until settled
	stat answered_requests 1
	stat unanswered_requests 1
}

@test "a body can be huge, broken or garbage" {
	serve -- '{"match":{"contains":"huge"},"size":3000000}' \
	    '{"match":{"contains":"broken"},"fault":"bad_json"}' \
	    '{"fault":"garbage"}'
	post huge
	same "$(body_of | wc -c)" 3000000
	body_of | grep -q '^{"padding":"xxx*","id":.*chat.completion'
	post broken
	body_of | grep -q 'fp_test"$'
	post garbage
	no_line 'chat.completion' "$raw"
	wait_until settled
	stat answered_requests 1
	stat unanswered_requests 2
}

@test "headers can be many and long" {
	serve -- '{"many_headers":500,"long_header":20000}'
	post
	same "$(head_of | grep -c '^x-filler-')" 500
	same "$(head_of | grep '^x-long' | wc -c)" 20010
}

@test "Retry-After can be a date, by the server's own clock" {
	serve -- '{"status":429,"retry_after_date_s":3600,"clock_s":-86400}'
	local before after at
	before=$(date +%s)
	post
	after=$(date +%s)
	at=$(head_of | tr -d '\r' | sed -n 's/^Date: //p')
	at=$(($(date -d "$at" +%s) + 86400))
	[ $at -ge "$before" ] && [ $at -le "$after" ]
	at=$(head_of | tr -d '\r' | sed -n 's/^Retry-After: //p')
	at=$(($(date -d "$at" +%s) + 86400 - 3600))
	[ $at -ge "$before" ] && [ $at -le "$after" ]
}

@test "a 200 can be an error, or have no choices though it is billed" {
	serve -- '{"match":{"contains":"error"},"body":{"error":{"code":429}}}' \
	    '{"match":{"contains":"none"},"reply":{"choices":"none"}}' \
	    '{"reply":{"choices":"empty"}}'
	post error
	same "$(body_of)" '{"error":{"code":429}}'
	stat billed_requests 0
	post none
	no_line choices "$raw"
	post empty
	body_of | grep -q '"choices":\[\],"usage"'
	stat billed_requests 2
}

@test "chance is the same for the same seed, whatever the order" {
	local i
	serve --seed 7 -- '{"match":{"chance":0.5},"status":500}' '{}'
	for i in {1..30}; do post "p$i"; done
	grep -o '"content":"p[0-9]*"\|"status":[0-9]*' log | paste - - | sort >one
	stop_server; rm -f log
	serve --seed 7 -- '{"match":{"chance":0.5},"status":500}' '{}'
	for i in {30..1}; do post "p$i"; done
	grep -o '"content":"p[0-9]*"\|"status":[0-9]*' log | paste - - | sort >two
	diff one two
	[ "$(grep -c 500 one)" -ge 5 ]
	[ "$(grep -c 200 one)" -ge 5 ]
	post "p1"; post "p1"; post "p1"; post "p1"; post "p1"; post "p1"
	[ "$(tail -6 log | grep -c '"status":500')" -lt 6 ]
}

@test "a rule can be for the second time that a body comes" {
	serve -- '{"match":{"seen":1},"status":500}'
	post one; post two
	stat faults 0
	same "$(grep -c '"status":200' log)" 2
	post two; post two; post one
	same "$(grep -o '"status":[0-9]*' log | tail -3 | paste -s -d,)" \
	    '"status":500,"status":200,"status":500'
}

@test "too many requests a minute are refused, with true headers" {
	local ms

	serve --rpm 1 --burst-s 180 -- '{}' # one comes back each minute
	post; head_of | grep -q $'x-ratelimit-remaining-requests: 2\r'
	head_of | grep -q $'x-ratelimit-limit-requests: 1\r'
	post; post; post
	head_of | grep -q '^HTTP/1.1 429'
	ms=$(body_of | sed -n 's/.*Please try again in \([0-9]*\)ms.*/\1/p')
	[ "$ms" -gt 0 ] && [ "$ms" -le 60000 ]
	head_of | grep -q "^retry-after-ms: $ms"$'\r'
	head_of | grep -q "^Retry-After: $(((ms + 999) / 1000))"$'\r'
	grep -q '"rpm":1' <(exec 9<>"/dev/tcp/127.0.0.1/$(cat port)"
	    printf 'GET /stats HTTP/1.1\r\nConnection: close\r\n\r\n' >&9
	    cat <&9)
}

@test "too many tokens a minute are refused, and what never fits" {
	serve --tpm 11 -- '{}'
	post
	head_of | grep -q $'x-ratelimit-remaining-tokens: 0\r'
	post
	head_of | grep -q '^HTTP/1.1 429'
	post "a prompt of more than eleven tokens with its limit of nine"
	body_of | grep -q 'Request too large'
	no_line 'Retry-After' "$raw"
}

@test "only so many are served at once" {
	serve --max-at-once 1 --latency-ms 600000 -- '{}'
	post one 3>&- &
	local pid=$!
	wait_until eval '[ "$(server_stat in_flight)" = 1 ]'
	raw=$BATS_TEST_TMPDIR/raw2
	post two
	head_of | grep -q '^HTTP/1.1 429'
	kill "$pid"
	wait "$pid" || true
}

@test "a stalled answer stays open, a dripped head comes slowly" {
	serve -- '{"match":{"contains":"stall"},"fault":"stall","body":"0123456789"}' \
	    '{"fault":"drip_head","drip_ms":1,"body":"0123456789"}'
	post drip
	same "$(body_of)" 0123456789
	exec 8<>"/dev/tcp/127.0.0.1/$(cat port)"
	local body='{"model":"m","messages":[{"role":"user","content":"stall"}]}'
	printf 'POST /v1/chat/completions HTTP/1.1\r\nContent-Length: %s\r\n\r\n%s' \
	    "${#body}" "$body" >&8
	cat <&8 >"$raw" 3>&- &
	wait_until grep -q '^01234$' "$raw"
	sleep 0.2
	kill $! # it was not at the end
	same "$(body_of)" 01234
	exec 8>&-
}

@test "what is delayed goes out when it is released, one or all" {
	serve -- '{"delay_ms":600000}'
	raw=$BATS_TEST_TMPDIR/one
	post one 3>&- &
	local first=$!
	wait_until in_flight 1
	raw=$BATS_TEST_TMPDIR/two
	post two 3>&- &
	wait_until in_flight 2
	release 2
	wait $!
	body_of | grep -q two
	stat in_flight 1
	[ ! -s one ]
	release
	wait $first
	raw=$BATS_TEST_TMPDIR/one
	body_of | grep -q one
	stat requests 2
	release always
	post three
	stat requests 3
}

@test "the key of a request can be thrown back at it" {
	serve -- '{"status":401,"echo_key":true,"headers":{"Location":"http://x/?key={{key}}"},"body":{"error":{"message":"Incorrect API key provided: {{key}}"}}}'
	post hello 'Authorization: Bearer sk-test'
	head_of | grep -q 'Location: http://x/?key=sk-test'
	body_of | grep -q 'provided: sk-test'
}
