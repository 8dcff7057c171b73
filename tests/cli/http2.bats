#!/usr/bin/env bats
#
# Over TLS: whom it trusts. Over HTTP/2: connections are shared, and what becomes
# of requests whose stream is reset, whose connection ends, or that a GOAWAY shuts
# out. Nothing is sent a second time that the ledger does not know of.

load common
setup() { frugal_setup; }
teardown() { frugal_teardown; }

# secure_server [OPTION]... -- [RULE]...: the scripted server with TLS; its
# certificate in cert.pem.
secure_server() {
	local options=()

	while [ "$1" != -- ]; do
		options+=("$1")
		shift
	done
	printf '%s\n' "${@:2}" >script
	start_server --script script --log log --tls-cert cert.pem "${options[@]}"
	SERVER_URL="https://localhost:$(cat port)/v1"
}

# one_tier [SETTINGS]: any answer is accepted.
one_tier() {
	write_tiers "$1" <<-YAML
	      - {model: test/small, max_tokens: 50}
	YAML
}

# tasks N: in.txt
tasks() { seq -f 'How much is %g times 7?' "$1" >in.txt; }

# asked NAME: of the requests in the ledger, such as sent or booked.
asked() {
	frugal stats --json | sed 's/.*"requests":{"sent"/{"sent"/' | member "$1"
}

# all_asked: the ledger has as many requests as came to the server, those among
# them that it did not look at because of a GOAWAY; no answer came twice.
all_asked() {
	same "$(asked sent)" \
	    "$(($(server_stat requests) + $(server_stat ignored_streams)))"
	same "$(asked ok)" "$(server_stat answered_requests)"
	same "$(server_stat answered_twice)" 0
}

# --- whom it trusts -------------------------------------------------------------

@test "a server of an unknown authority is sent nothing, not even the key" {
	secure_server -- '{"reply":{"text":"ok"}}'
	one_tier ', key_env: TEST_KEY'
	export TEST_KEY=sk-not-for-strangers
	expect 1 frugal run hello
	has_err 'certificate'
	has_err 'self-signed'
	lacks_err "$TEST_KEY"
	requests 0
	same "$(server_stat tls_connections)" 1
	no_line "$TEST_KEY" log
}

@test "ca_file says whom to trust, relative to the configuration" {
	secure_server -- '{"reply":{"text":"ok"}}'
	mkdir sub
	one_tier ', ca_file: ../cert.pem'
	mv frugal.yaml sub
	expect 0 frugal run -c sub/frugal.yaml hello
	same "$output" ok
	same "$(server_stat http2_requests)" 1
	expect 0 frugal check -c sub/frugal.yaml --online
	has "trusts 'sub/../cert.pem'"
	same "$(server_stat http2_requests)" 2
}

@test "another certificate in ca_file is not enough" {
	secure_server -- '{}'
	cp cert.pem other.pem
	stop_server
	secure_server -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: other.pem'
	expect 1 frugal run hello
	has_err 'certificate'
	requests 0
}

@test "a ca_file that is not there or is none is named, and nothing is sent" {
	secure_server -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: nowhere.pem'
	expect 0 frugal check
	has "trusts 'nowhere.pem' (cannot be read)"
	expect 1 frugal run hello
	has_err 'nowhere.pem'
	echo 'this is no certificate' >none.pem
	one_tier ', ca_file: none.pem'
	expect 1 frugal run hello
	has_err 'none.pem'
	requests 0
}

@test "a provider's ca_file is no other provider's" {
	secure_server -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	sed -i "s|^cascades|  open: {api: openai, url: \"$SERVER_URL\"}\n&|" frugal.yaml
	sed -i "s|- {model: test/small.*|- {model: test/small, accept: {regex: never}}\n      - model: open/big|
	    s|^  test/big|  open/big|" frugal.yaml
	expect 1 frugal run hello
	has_err "provider 'open'"
	has_err 'certificate'
	requests 1
}

# --- HTTP/2 ------------------------------------------------------------------------

@test "requests share one connection as far as the server lets them" {
	secure_server --max-streams 100 --latency-ms 200 -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	tasks 100
	expect 0 frugal batch -j 100 in.txt -o out
	same "$(server_stat http2_requests)" 100
	same "$(server_stat tls_connections)" 1
	[ "$(server_stat most_in_flight)" -gt 20 ]
	all_asked
}

@test "where one connection is full a second one opens, not one for each request" {
	secure_server --max-streams 100 --latency-ms 500 -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	tasks 400
	expect 0 frugal batch -j 400 in.txt -o out
	count 400 out
	[ "$(server_stat most_in_flight)" -gt 100 ]
	[ "$(server_stat tls_connections)" -ge 2 ]
	[ "$(server_stat tls_connections)" -le 5 ]
	all_asked
}

@test "a server with TLS that speaks HTTP/1.1 alone has a connection a request" {
	secure_server --http1 --latency-ms 500 -- '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	tasks 40
	expect 0 frugal batch -j 20 in.txt -o out
	count 40 out
	same "$(server_stat http2_requests)" 0
	[ "$(server_stat tls_connections)" -le 20 ]
	[ "$(server_stat most_in_flight)" -gt 2 ]
	all_asked
}

@test "in the clear it stays with HTTP/1.1" {
	secure_server -- '{"reply":{"text":"ok"}}'
	SERVER_URL="http://127.0.0.1:$(cat port)/v1"
	one_tier
	expect 0 frugal run hello
	requests 1
	same "$(server_stat http2_requests)" 0
	same "$(server_stat tls_connections)" 0
}

@test "statuses, headers, delays and broken answers are read over HTTP/2 as well" {
	secure_server -- \
	    '{"match":{"contains":"busy","nth":1},"status":429,"headers":{"Retry-After-Ms":"10"}}' \
	    '{"match":{"contains":"gone"},"status":404,"body":{"error":{"message":"no such thing","code":"context_length_exceeded"}}}' \
	    '{"match":{"contains":"half","nth":1},"fault":"truncate"}' \
	    '{"match":{"contains":"bare","nth":1},"fault":"reset_after_headers"}' \
	    '{"match":{"contains":"slow"},"fault":"drip","drip_ms":2,"reply":{"text":"ok"}}' \
	    '{"match":{"contains":"zip"},"encoding":"gzip","many_headers":100,"reply":{"text":"ok"}}' \
	    '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	for prompt in busy half bare slow zip; do
		expect 0 frugal run "$prompt"
		same "$output" ok
	done
	expect 1 frugal run gone
	has_err 'no such thing'
	requests 9
	same "$(server_stat http2_requests)" 9
	same "$(asked sent)" 9
	same "$(asked booked)" 2
}

@test "a stream that is reset was perhaps processed: booked, and asked again" {
	secure_server --price small=1000000,2000000 -- \
	    '{"match":{"nth":1},"fault":"reset_before","billed":true}' '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	expect 0 frugal run hello
	requests 2
	all_asked
	same "$(asked booked)" 1
	same "$(asked retry)" 1
}

@test "with resets of 5 % the ledger counts what the server counts" {
	secure_server --latency-ms 5 --price small=1000000,2000000 -- \
	    '{"match":{"chance":0.05},"fault":"reset_before","billed":true}' '{}'
	one_tier ', ca_file: cert.pem'
	tasks 400
	expect 0 frugal batch -j 50 in.txt -o out
	count 400 out
	[ "$(server_stat faults)" -ge 5 ]
	all_asked
	same "$(asked booked)" "$(server_stat faults)"
}

@test "a refused stream is never sent again unknown to the ledger" {
	secure_server --latency-ms 50 -- '{"match":{"nth":30},"fault":"refuse"}' \
	    '{"match":{"nth":60},"fault":"refuse"}' '{}'
	one_tier ', ca_file: cert.pem'
	tasks 100
	expect 0 frugal batch -j 40 in.txt -o out
	requests 102
	all_asked
}

@test "a GOAWAY in the middle: what was taken is answered, the rest asked anew" {
	secure_server --latency-ms 100 -- '{"match":{"nth":40},"fault":"goaway"}' '{}'
	one_tier ', ca_file: cert.pem'
	tasks 100
	expect 0 frugal batch -j 80 in.txt -o out
	count 100 out
	same "$(grep -c '"status":"accepted"' out)" 100
	[ "$(server_stat tls_connections)" -le 3 ]
	same "$(server_stat answered_requests)" 100
	all_asked
}

@test "a GOAWAY after an answer costs nothing but a connection" {
	secure_server -- '{"headers":{"Connection":"close"},"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem'
	tasks 5
	expect 0 frugal batch -j 1 in.txt -o out
	requests 5
	same "$(server_stat tls_connections)" 5
	all_asked
}

@test "a connection that ends with all that is under way: everything is booked" {
	secure_server --latency-ms 300 --price small=1000000,2000000 -- \
	    '{"match":{"contains":"the last straw","nth":1},"delay_ms":0,"fault":"close_after_request"}' '{}'
	one_tier ', ca_file: cert.pem'
	tasks 20
	echo 'the last straw' >>in.txt
	expect 0 frugal batch -j 30 in.txt -o out
	same "$(grep -c '"status":"accepted"' out)" 21
	# Some may not have been read by the server when it closed.
	[ "$(asked sent)" -ge "$(server_stat requests)" ]
	same "$(asked ok)" "$(server_stat answered_requests)"
	same "$(server_stat answered_twice)" 0
	same "$(($(asked sent) - $(asked ok)))" "$(asked booked)"
	[ "$(asked booked)" -gt 5 ]
}

@test "a request that takes too long is given up, the connection is not" {
	secure_server -- '{"match":{"contains":"silent","nth":1},"fault":"silence"}' '{"reply":{"text":"ok"}}'
	one_tier ', ca_file: cert.pem, timeout: 500ms'
	printf '%s\n' silent >in.txt
	tasks_after() { seq -f 'and %g' 5 >>in.txt; }
	tasks_after
	expect 0 frugal batch -j 2 in.txt -o out
	requests 7
	same "$(server_stat tls_connections)" 1
	all_asked
	same "$(asked booked)" 1
}
