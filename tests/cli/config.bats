# The configuration: where it is, what is wrong with it, what will surprise.

load common

setup() { frugal_setup; }
teardown() { frugal_teardown; }

# complaint TEXT: on a line of standard error of its own.
complaint() {
	grep -qF -- "$1" <<<"$stderr" || { echo "no such complaint: $1"
		echo "$stderr"; false; }
}

# wrong: a configuration on standard input is refused by `check` and by `run`,
# which sends nothing.
wrong() {
	server
	sed "s|URL|$SERVER_URL|" >frugal.yaml
	expect 2 frugal run hello </dev/null
	[ -z "$output" ]
	requests 0
	local said=$stderr
	expect 2 frugal check
	same "$(grep -v '^warning:' <<<"$stderr")" "$said"
}

# --- where it is -----------------------------------------------------------

@test "it is found as -c, in FRUGAL_CONFIG, in the folder, under XDG, at home" {
	mkdir -p xdg/frugal .config/frugal
	export XDG_CONFIG_HOME=$PWD/xdg FRUGAL_CONFIG=$PWD/env.yaml
	for f in given env frugal xdg/frugal/frugal .config/frugal/frugal; do
		printf 'providers: {p: {api: simulated}}\ncascades: {"from %s": {tiers: [{model: p/small}]}}\n' \
		    "$f" >"$f.yaml"
	done
	expect 0 frugal check -c given.yaml
	has "from given"
	expect 0 frugal check
	has "from env"
	unset FRUGAL_CONFIG
	expect 0 frugal check
	has "from frugal"
	rm frugal.yaml
	expect 0 frugal check
	has "from xdg/"
	unset XDG_CONFIG_HOME
	expect 0 frugal check
	has "from .config/"
}

@test "a file that was named and is not there is a mistake, not looked for elsewhere" {
	server
	write_config
	expect 2 frugal run -c nowhere.yaml hello </dev/null
	has_err "nowhere.yaml"
	FRUGAL_CONFIG=gone.yaml expect 2 frugal run hello </dev/null
	has_err "gone.yaml"
	requests 0
}

@test "JSON is valid, too" {
	server '{"reply":{"text":"ok"}}'
	printf '{"providers":{"p":{"api":"openai","url":"%s"}},\n"cascades":{"default":{"tiers":[{"model":"p/m"}]}}}\n' \
	    "$SERVER_URL" >frugal.yaml
	expect 0 frugal run hello </dev/null
	same "$output" ok
}

# --- mistakes --------------------------------------------------------------

@test "a mistyped key is named with its place and the nearest known one" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai, url: "URL", key_evn: KEY}
	cascades:
	  default:
	    anser: x
	    tiers:
	      - model: p/m
	        sampels: 5
	        accept: {agreemnt: 0.8}
	modells: {}
	YAML
	complaint "frugal.yaml:2:"
	complaint "did you mean 'key_env'?"
	complaint "frugal.yaml:5:5: unknown key 'anser' in cascade; did you mean 'answer'?"
	complaint "frugal.yaml:8:9: unknown key 'sampels' in tier; did you mean 'samples'?"
	complaint "frugal.yaml:9:18: "
	complaint "did you mean 'agreement'?"
	complaint "frugal.yaml:10:1: unknown key 'modells'"
	same "$(grep -c '^frugal.yaml:' <<<"$stderr")" 5
}

@test "values out of range are named, all in one run, in the file's order" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai, url: "URL", timeout: soon}
	  q: {api: opneai, url: "URL"}
	  r: {url: "URL"}
	cascades:
	  default:
	    answer: '(unclosed'
	    tiers:
	      - model: p/m
	        samples: 0
	        temperature: 3
	        accept: {agreement: 1.5}
	      - model: s/m
	        prompts: [nowhere.txt]
	      - {samples: {min: 5, max: 2}}
	  empty: {tiers: []}
	models:
	  p/m: {input_per_mtok: cheap}
	YAML
	for at in 2: 3: 4: 7: 10: 11: 12: 13: 14: 15: 16: 18:; do
		complaint "frugal.yaml:$at"
	done
	complaint "did you mean 'openai'?"
	complaint "nowhere.txt"
	places=$(grep -o '^frugal.yaml:[0-9]*' <<<"$stderr" | cut -d: -f2)
	same "$places" "$(sort -n <<<"$places")"
}

@test "a syntax error is named with line and column" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai
	cascades: [
	YAML
	[[ "$stderr" =~ frugal.yaml:[0-9]+:[0-9]+:\  ]]
}

@test "a key that stands twice is a mistake, not the last one's win" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai, url: "URL"}
	cascades:
	  default:
	    tiers:
	      - model: p/m
	        model: p/n
	YAML
	complaint "frugal.yaml:7:"
}

@test "an empty file, and one that is a list, are mistakes" {
	wrong </dev/null
	stop_server
	wrong <<<"- a"
	complaint "frugal.yaml:1:"
}

@test "a key over plain http goes to loopback alone" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai, url: "http://models.example/v1", key_env: KEY}
	cascades: {default: {tiers: [{model: p/m}]}}
	YAML
	complaint "frugal.yaml:2:"
	complaint "https"
}

@test "secrets do not belong in the file, and are not repeated" {
	wrong <<-'YAML'
	providers:
	  p: {api: openai, url: "URL", key_env: sk-live-0123456789, headers: {X-Api-Key: sk-live-0123456789}}
	  q: {api: openai, url: "https://me:sk-live-0123456789@models.example/v1"}
	cascades: {default: {tiers: [{model: p/m}]}}
	YAML
	lacks_err "0123456789"
	same "$(grep -c '^frugal.yaml:' <<<"$stderr")" 3
}

@test "a variable in braces is expanded nowhere" {
	export SECRET=do-not-expand
	server '{"reply":{"text":"ok"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        system: 'say ${SECRET} and $SECRET'
	YAML
	expect 0 frugal run hello </dev/null
	sent 'say ${SECRET} and $SECRET'
	no_line do-not-expand log
}

@test "a setting that the model refuses is a mistake before it is paid for" {
	export OPENAI_API_KEY=sk-none
	cat >frugal.yaml <<-'YAML'
	providers:
	  openai: {api: openai, url: https://api.openai.com/v1, key_env: OPENAI_API_KEY}
	cascades: {default: {tiers: [{model: openai/o3, temperature: 0.2}]}}
	YAML
	expect 2 frugal check
	complaint "frugal.yaml:3:"
	complaint "temperature"
}

# --- what will surprise ----------------------------------------------------

@test "check warns of what will surprise, and the configuration is valid" {
	SERVER_URL=http://127.0.0.1:9/v1
	write_tiers <<-'YAML'
	      - model: test/big
	        samples: 3
	        accept: {agreement: 0.9}
	      - model: test/medium
	        repair: 1
	      - model: test/unheard-of
	        accept: {regex: x}
	YAML
	expect 0 frugal check
	complaint "warning: frugal.yaml:8:18: "
	complaint "3 samples without a temperature"
	complaint "costs more"
	complaint "the price of 'test/unheard-of' is unknown"
	complaint "repair has no effect"
	complaint "has no accept rule"
	complaint "unanim"
}

@test "what check warns of, run does not repeat" {
	server '{"reply":{"text":"ok"}}'
	write_tiers <<<'      - {model: test/unheard-of}'
	expect 0 frugal check
	complaint "unknown"
	expect 0 frugal run hello </dev/null
	[ -z "$stderr" ]
}

@test "a threshold that can never fail is warned of" {
	SERVER_URL=http://127.0.0.1:9/v1
	write_tiers <<-'YAML'
	      - model: test/small
	        samples: 3
	        temperature: 0.7
	        accept: {agreement: 0.3}
	      - model: test/big
	YAML
	expect 0 frugal check
	complaint "warning: frugal.yaml:10:"
}

@test "exhausted: fail gives no answer below its rule" {
	server '{"reply":{"text":"no mark"}}'
	write_tiers <<-'YAML'
	      - model: test/small
	        accept: {regex: '####'}
	YAML
	sed -i 's|^    tiers:|    exhausted: fail\n&|' frugal.yaml
	expect 1 frugal run hello </dev/null
	[ -z "$output" ]
	has_err "exhausted"
}

@test "a price that cannot be read is not said to be missing as well" {
	wrong <<-'YAML'
	max_cost: 5
	providers: {p: {api: openai, url: "URL", key: sk-abcdefgh12345678}}
	cascades: {c: {tiers: [{model: p/m}, {model: p/n}]}}
	models: {p/m: {input_per_mtok: cheap, output_per_mtok: 2}}
	YAML
	complaint "frugal.yaml:4:32: input_per_mtok must be dollars"
	complaint "say where it is with key_env, key_file or key_cmd"
	lacks_err sk-abc
	lacks_err "'p/m' is unknown"
	lacks_err "with 'p/m'"
	complaint "the price of 'p/n' is unknown"
}
