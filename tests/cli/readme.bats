# What the README, the manual page and the change log say is so: every command
# of the README is run, every output that it shows is looked for in what they
# print, and nothing that --help or the configuration knows is missing from
# frugal.1.

load common

setup() {
	frugal_setup
	unset FRUGAL_STORE # the usual place, in the clean HOME
	: "${FRUGAL_SOURCE:?set by the Makefile: run make cli}"
	README=$FRUGAL_SOURCE/README.md
	MANUAL=$FRUGAL_SOURCE/frugal.1
	BUILD=$(dirname "$FRUGAL")
}

teardown() { frugal_teardown; }

# --- the README's blocks ---------------------------------------------------

# Every fenced block of the README as a file: block/01.sh, block/02.text, ...
blocks() {
	mkdir -p block
	awk '
	/^```$/ && inside { inside = 0; close(file); next }
	/^```[a-z]+$/ && !inside {
		inside = 1
		file = sprintf("block/%02d.%s", ++n, substr($0, 4))
		next
	}
	/^```/ { print "a fence is wrong in line " NR; bad = 1; exit }
	inside { print >file }
	END { exit bad || inside || !n }' "$README"
}

# What the models of the README say here.
models() {
	cat <<-'END'
	{"match": {"model": "qwen2.5:3b", "contains": "17 * 23"}, "reply": {"text": "17 * 23 = 391\n#### 391"}}
	{"match": {"model": "qwen2.5:3b", "contains": "A train"}, "reply": {"texts": ["#### 45", "#### 60", "#### 80"]}}
	{"match": {"contains": "A train"}, "reply": {"text": "60 km in 45 minutes is 80 km in an hour.\n#### 80", "token_logprob": -0.030459207484708574}}
	{"match": {"contains": "3 days"}, "reply": {"text": "#### 72"}}
	{"match": {"contains": "15% of 640"}, "reply": {"text": "#### 96"}}
	{"match": {"contains": "19 squared"}, "reply": {"text": "#### 361"}}
	END
}

# price PROVIDER/NAME: a line for `models:` with the price of the table, which
# is not known of the test server.
price() {
	local line

	line=$(frugal models --json "$1" | grep -F "\"model\":\"$1\",")
	printf '  %s: {input_per_mtok: %s, output_per_mtok: %s}\n' "$1" \
	    "$(member input_per_mtok <<<"$line")" \
	    "$(member output_per_mtok <<<"$line")"
}

# The YAML blocks, each under the name in its first line, with the test server
# in place of every provider. What they need of prices goes to their end, where
# `models:` is.
configurations() {
	local b name model

	for b in block/*.yaml; do
		name=$(sed -n '1s/^# \([a-z]*\.yaml\)$/\1/p' "$b")
		[ -n "$name" ] || { echo "$b does not begin with its name"
			return 1; }
		sed "s#url: [^,}]*#url: \"$SERVER_URL\"#" "$b" >"$name"
		! grep 'https\?:' "$name" | grep -vF "$SERVER_URL" || return 1
		for model in $(grep -o 'model: openai/[^ ]*' "$b" |
		    sed 's/.* //'); do
			price "$model" >>"$name"
		done
	done
}

# The commands of the README, one block after the other in one shell, in which
# `make` works in the source's folder with the program under test, which others
# use at the same time and is not made again.
commands() {
	local b

	cat <<-END
	set -eu -o pipefail
	PATH=$PWD/bin:\$PATH
	source=$FRUGAL_SOURCE
	make() {
		case \$* in
		demo)    set -- -s DEMO=$PWD/demo demo ;;
		check)   set -- -n check ;;
		install) set -- DESTDIR=$PWD/root PREFIX=/usr install ;;
		*)       echo "make \$*: what does the test make of that?"; exit 9 ;;
		esac
		command make -C "\$source" BUILD="$BUILD" -o "$FRUGAL" "\$@"
	}
	sudo() { "\$@"; }
	END
	for b in block/*.sh; do
		printf "echo '+++ %s'\n" "$b"
		cat "$b"
	done
}

# run_readme: all of it, once; what it prints is in the file `out`.
run_readme() {
	models >script
	start_server --script script --log log
	blocks
	configurations
	mkdir bin
	ln -s "$FRUGAL" bin/frugal
	commands >all.bash
	timeout 300 bash all.bash >out 2>&1 </dev/null || {
		echo "exit status $?; the last it printed:"
		tail -n 20 out
		return 1
	}
}

# Each line of the text blocks that is no line of `out`. "..." stands for
# anything.
not_printed() {
	local line pattern printed

	mapfile -t printed <out
	cat block/*.text | while IFS= read -r line; do
		pattern=$(sed 's/[]\\*?[]/\\&/g; s/\.\.\./*/g' <<<"$line")
		for p in "${printed[@]}"; do
			# shellcheck disable=SC2053
			[[ $p == $pattern ]] && continue 2
		done
		printf '%s\n' "$line"
	done
}

@test "every command of the README runs and prints what the README says" {
	run_readme
	same "$(not_printed)" ""
	# The key went along, and only there.
	grep -qF '"authorization":"present' log
	[ -x root/usr/bin/frugal ]
	cmp root/usr/share/man/man1/frugal.1 "$MANUAL"
	same "$(find root -type f | wc -l)" 2
	same "$(wc -l <answers.jsonl)" 3
	# The key is nowhere that it should not be.
	[ -s .local/state/frugal/store.db ]
	! grep -rqF "sk-..." out answers.jsonl .local || false
}

@test "the README is looked through with care: a wrong output is found" {
	blocks
	printf 'frugal: 3 tasks, 4 accepted\n' >block/99.text
	printf 'frugal: 3 tasks, 3 accepted\n' >out
	not_printed | grep -qx 'frugal: 3 tasks, 4 accepted'
	! not_printed | grep -qx 'frugal: 3 tasks, 3 accepted'
}

@test "an answer that is given a second time costs nothing" {
	run_readme
	before=$(server_stat requests)
	expect 0 frugal -v "What is 17 * 23?" </dev/null
	has_err "(4 cached), \$0.00"
	requests "$before"
}

# --- the code --------------------------------------------------------------

# The first column of the table under a heading.
column() {
	awk -v heading="## $1" '
	/^## / { inside = $0 == heading }
	inside && /^\| / { print }' "$README" | sed '1,2d; s/^| *`\{0,1\}//; s/`\{0,1\} *|.*//'
}

# Prints what is wrong with the code layout table.
layout() (
	cd "$FRUGAL_SOURCE" || exit
	column "Code layout" >"$BATS_TEST_TMPDIR/entries"
	while read -r entry; do
		# shellcheck disable=SC2086
		set -- $entry
		[ -e "$1" ] || echo "$entry: there is no such file"
		[[ $entry == *\** || $entry != *.\[ch\] || $# -eq 2 ]] ||
			echo "$entry: there is only $*"
		printf '%s\n' "$@"
	done <"$BATS_TEST_TMPDIR/entries" >"$BATS_TEST_TMPDIR/named"
	grep ': there is' "$BATS_TEST_TMPDIR/named"
	find . -path ./build -prune -o -name '*.[ch]' -printf '%P\n' |
	    grep -vxFf "$BATS_TEST_TMPDIR/named" | sed 's/$/ is not in the table/'
)

@test "the code layout table names every file that there is and no other" {
	same "$(layout)" ""
}

@test "a file that is missing in the code layout table is found" {
	mkdir -p copy/base copy/tests/unit
	sed '/`base\/heap\.\[ch\]`/d' "$README" >copy/README.md
	touch copy/base/{heap,str}.{c,h} copy/tests/unit/test_x.c
	README=$PWD/copy/README.md
	FRUGAL_SOURCE=$PWD/copy
	layout >wrong
	grep -qx 'base/heap.c is not in the table' wrong
	grep -qF 'base/err.[ch]: there is no such file' wrong
	! grep -q 'base/str' wrong
}

@test "the dependencies in the README are those of the Makefile" {
	awk '/^(BUILD|TEST)_DEPS/ { inside = 1 } inside { print } !/\\$/ { inside = 0 }' \
	    "$FRUGAL_SOURCE/Makefile" | sed 's/.*:=//; s/\\$//' |
	    xargs -n 1 | sort -u >wanted
	column Dependencies | tr ',' '\n' | xargs -n 1 | sort -u >named
	[ "$(wc -l <wanted)" -gt 10 ]
	diff wanted named
}

# The example scorer in a copy of the source, with the objects of the program
# under test, so that little is compiled.
@test "the README's example of a scorer compiles and works" {
	blocks
	mkdir source
	(cd "$FRUGAL_SOURCE" && tar cf - Makefile base scorers providers cache \
	    cascade cmd tests/install-packages) | tar xf - -C source
	mkdir -p source/build
	cp -a "$BUILD" source/build/with
	cp block/*.c source/scorers/length.c
	sed -i 's/^\tX(agreement) \\$/&\n\tX(length) \\/' source/scorers/registry.c
	timeout 300 make -s -C source BUILD=build/with build/with/frugal >log 2>&1 ||
	    { cat log; false; }
	no_line warning log
	FRUGAL=$PWD/source/build/with/frugal
	expect 0 frugal scorers length
	has "the longest text to accept"
	cat >frugal.yaml <<-END
	providers: {sim: {api: simulated}}
	cascades: {c: {tiers: [{model: sim/small, accept: {length: 5}},
	    {model: sim/large}]}}
	END
	expect 0 frugal -v "2 + 3" </dev/null
	has_err "bytes, at most 5 are wanted"
	has_err "tier 2 sim/large: accept"
}

# --- the manual page -------------------------------------------------------

@test "the manual page is well written" {
	if command -v mandoc >/dev/null; then
		run mandoc -T lint -W warning "$MANUAL"
	elif command -v groff >/dev/null; then
		run groff -mandoc -ww -z "$MANUAL"
	else
		skip "neither mandoc nor groff is here"
	fi
	same "$output" ""
}

# Each command with its --help: "run", ..., "cache list", ...
help_of_all() {
	local c

	mkdir -p help
	for c in $(frugal --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p'); do
		frugal "$c" --help >"help/$c"
	done
	for c in $(sed -n '/^Actions:/,/^$/s/^  \([a-z]*\) .*/\1/p' help/cache); do
		frugal cache "$c" --help >"help/cache $c"
	done
	[ "$(find help -type f | wc -l)" -ge 18 ]
}

# section NAME: the lines of the manual's section or subsection.
section() {
	awk -v name="$1" '
	/^\.S[hs] / { inside = substr($0, 5) == name }
	inside' "$MANUAL"
}

# Prints the options of a --help that the manual lacks where it should be: in
# the command's own section or among the common ones.
missing_options() {
	local f c option

	for f in help/*; do
		c=${f#help/}
		section "frugal $c" >here
		[ -s here ] || echo "there is no section 'frugal $c'"
		section "Options that several commands have" >>here
		case $c in
		run|batch|collect) section "Options of run, batch and collect" >>here ;;
		esac
		sed -n '/^Options:/,/^$/s/^  \(-.,\|   \) --\([a-z-]*\).*/\1 \2/p' "$f" |
		    sed 's/^-\(.\),/\1/' >options
		while read -r letter option; do
			[ -n "$option" ] || { option=$letter; letter=; }
			grep -q "^\.It.* Fl -$option\\b" here ||
				echo "$c: --$option"
			[ -z "$letter" ] || grep -q "^\.It Fl $letter\\b.* Fl -$option\\b" here ||
				echo "$c: -$letter"
		done <options
	done
}

@test "every option that a --help shows is in the manual" {
	help_of_all
	same "$(missing_options)" ""
}

@test "an option that is missing in the manual is found" {
	help_of_all
	sed -i 's/^      --lines  .*/      --linesx x/' help/run
	same "$(missing_options)" "run: --linesx"
}

@test "every option in the manual is one that a --help shows" {
	help_of_all
	grep -o '\bFl -[a-z-]*[a-z]' "$MANUAL" | sed 's/Fl -//' | sort -u >named
	{ echo version; cat help/* | grep -o -- '  --[a-z-]*\|, --[a-z-]*' |
	    sed 's/.*--//'; } | sort -u >known
	same "$(comm -23 named known)" ""
}

# Every word of the lists of known keys, and of the values that have a list.
configuration_keys() {
	awk '/(keys|_words|auths|limits|takes|exhausted)\[\] = \{|define SAMPLING_KEYS/ { inside = 1 }
	inside { print }
	inside && /;|[^\\,]$/ && !/\{$/ { inside = 0 }' \
	    "$FRUGAL_SOURCE"/cascade/config*.c "$FRUGAL_SOURCE"/scorers/*.c |
	    grep -o '"[a-z_-]*"' | tr -d '"' | sort -u
}

@test "every key of the configuration is in the manual" {
	configuration_keys >keys
	[ "$(wc -l <keys)" -ge 50 ]
	for key in providers n max_in_flight models batch_discount take min \
	    prompts repair temperature extra text exhausted; do
		grep -qx "$key" keys
	done
	while read -r key; do
		grep -Eq "^\.(It )?(Ic|Cm|Ql|Sy) (.* )?$key\\b|\\b(Ic|Cm) $key\\b" "$MANUAL" ||
			echo "$key"
	done <keys >missing
	same "$(cat missing)" ""
}

@test "every limit that can be set is in the manual" {
	sed -n 's/^	{ "\([a-z_]*\)", "limit .*/\1/p' \
	    "$FRUGAL_SOURCE/cascade/config_limits.c" >names
	[ "$(wc -l <names)" -ge 12 ]
	section LIMITS >here
	while read -r name; do
		grep -q "^\.It Ic $name Ta " here || echo "$name"
	done <names >missing
	same "$(cat missing)" ""
}

@test "every scorer with its options is in the manual" {
	for s in $(frugal scorers | sed -n 's/^\([a-z]\+\) .*/\1/p'); do
		section "Scorers" | grep -q "^\.It Ic $s\\b" || echo "$s"
		frugal scorers "$s" | sed -n '/^Options:/,/^$/s/^  \([a-z_]\+\).*/\1/p' |
		while read -r option; do
			section "Scorers" | grep -Eq "\\bIc $option\\b" ||
				echo "$s: $option"
		done
	done >missing
	same "$(cat missing)" ""
}

# The members of a JSON object that result_json() and others write.
@test "every member of a result object is in the manual" {
	sed -n '/^add_attempt/,/^result_ledger/p' "$FRUGAL_SOURCE/cascade/result.c" |
	    grep -o 'jw_k[a-z0-9]*(&\{0,1\}w, "[a-z_]*"\|jw_key(&\{0,1\}w, "[a-z_]*"' |
	    sed 's/.*"\(.*\)"/\1/' | sort -u >members
	[ "$(wc -l <members)" -ge 25 ]
	section "Result objects" >here
	while read -r m; do
		grep -Eq "^\.(It )?Va (.* )?$m\\b" here || echo "$m"
	done <members >missing
	same "$(cat missing)" ""
}

# limit FILE NAME: the value of a #define.
limit() {
	sed -n "s/^#define $2 *\\(.*\\)/\\1/p" "$FRUGAL_SOURCE/$1" |
	    sed 's/((size_t)\([0-9]*\) << 20)/\1 MiB/
	        s/((size_t)\([0-9]*\) << 10)/\1 KiB/; s/ *\/\*.*//'
}

@test "the limits in the manual are those of the program" {
	section LIMITS | tr '\n' ' ' >here
	while read -r file name words; do
		value=$(limit "$file" "$name")
		[ -n "$value" ] || echo "$file: $name is gone"
		grep -qF -- "${words/\%/$value}" here ||
		    grep -qF -- "${words/\%/${value% MiB}M}" here ||
		    echo "$name: $value"
	done >missing <<-'END'
	base/input.h INPUT_MAX_RECORD .It Ic line Ta % Ta
	base/input.h INPUT_MAX_FIELDS a CSV record Ta % fields
	base/json.h JSON_MAX_DEPTH .It JSON Ta % levels
	cascade/task.h TASK_MAX_PROMPT .It Ic prompt Ta % Ta
	cascade/task.h TASK_MAX_FIELDS .It Ic fields Ta % Ta
	cascade/task.h TASK_MAX_MESSAGES .It Ic messages Ta % Ta
	cascade/task.h TASK_MAX_TOKENS max_tokens of a task Ta %
	cascade/config.h CONFIG_MAX_TIERS a cascade Ta % tiers
	cascade/config.h CONFIG_MAX_SAMPLES a tier: % samples
	cascade/config.h CONFIG_MAX_PROMPTS samples, % prompts
	cascade/config.h LIMITS_MAX_PROMPT .It Ic prompt Ta 8M Ta 1K to % Ta
	cascade/config.h LIMITS_MAX_TEMPLATE .It Ic template Ta 1M Ta 1K to % Ta
	cascade/engine.h ENGINE_MAX_IN_FLIGHT requests in flight Ta %
	providers/http.h HTTP_MAX_BODY .It Ic response Ta % Ta
	base/secret.h SECRET_MAX a key Ta % bytes
	cascade/trace.h TRACE_MAX_TIERS a task of a trace Ta % tiers
	cascade/trace.h TRACE_MAX_COMPLETIONS % completions of a line
	cascade/trace.h TRACE_MAX_TASK .It Ic trace Ta % Ta
	cache/store.h STORE_SAMPLES stored samples Ta %
	cascade/config.h LIMITS_HELD .It Ic held Ta % Ta
	providers/http.h HTTP_MAX_HEADERS its headers: %,
	providers/http.h HTTP_MAX_HEADER_LINES KiB, % lines
	END
	same "$(cat missing)" ""
}

# --- versions --------------------------------------------------------------

@test "the change log begins with the version of the program" {
	version=$(sed -n 's/^VERSION *:= *//p' "$FRUGAL_SOURCE/Makefile")
	expect 0 frugal --version
	same "$output" "frugal $version"
	same "$(sed -n 's/^## \([0-9.]*\).*/\1/p' "$FRUGAL_SOURCE/CHANGELOG.md" | head -n 1)" \
	    "$version"
}
