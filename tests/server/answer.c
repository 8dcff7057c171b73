/*
 * answer.c -- a chat completion as JSON, written straight into the answer:
 * benchmarks run against this.
 *
 * A token is a run of blanks with the run of other characters after it, so
 * that the tokens joined are the text.
 */
#include "base/json.h"
#include "base/rand.h"
#include "base/utf8.h"
#include "tests/server/answer.h"

#define ECHO_MAX 200 /* bytes of the prompt in a default answer */
#define END_TOKEN "<|eot_id|>" /* among the tokens at Together */

/* What is the same in all choices. */
struct job {
	struct buf *out;
	const struct chat *chat;
	struct script_reply *reply;
	enum logprobs_form form;
	int64_t number;
	int64_t tokens; /* of the choices so far */
};

static void
add_string(struct buf *out, struct str s)
{
	struct jw w = jw_on(out);

	jw_str(&w, s);
}

static size_t
token_end(struct str text, size_t at)
{
	while (at < text.n && (text.p[at] == ' ' || text.p[at] == '\n'))
		at++;
	while (at < text.n && text.p[at] != ' ' && text.p[at] != '\n')
		at++;
	return at;
}

/* At most `limit` tokens of the text (0: all); their number in *tokens. */
static struct str
first_tokens(struct str text, int64_t limit, int64_t *tokens)
{
	size_t at = 0;

	*tokens = 0;
	while (at < text.n && (limit <= 0 || *tokens < limit)) {
		at = token_end(text, at);
		++*tokens;
	}
	return str_sub(text, 0, at);
}

static void
add_default_text(struct buf *text, const struct chat *c)
{
	buf_adds(text, "You said: ");
	buf_add(text, utf8_clip(c->prompt, ECHO_MAX));
	buf_addf(text, "\n#### %u", (unsigned)(hash64(c->prompt, 0) % 1000));
}

/* A text of the script with {{prompt}} and {{n}} filled in. */
static void
add_filled(struct buf *text, struct str s, const struct job *j)
{
	ptrdiff_t at;

	while ((at = str_find(s, STR("{{"))) >= 0) {
		buf_add(text, str_sub(s, 0, (size_t)at));
		s = str_sub(s, (size_t)at, s.n);
		if (str_starts(s, "{{prompt}}")) {
			buf_add(text, j->chat->prompt);
			s = str_sub(s, sizeof("{{prompt}}") - 1, s.n);
		} else if (str_starts(s, "{{n}}")) {
			buf_addf(text, "%lld", (long long)j->number);
			s = str_sub(s, sizeof("{{n}}") - 1, s.n);
		} else {
			buf_adds(text, "{{");
			s = str_sub(s, 2, s.n);
		}
	}
	buf_add(text, s);
}

static void
add_text(struct buf *text, struct job *j)
{
	struct script_reply *r = j->reply;

	if (r->n_texts == 0)
		add_default_text(text, j->chat);
	else
		add_filled(text, r->texts[r->next_text++ % r->n_texts], j);
}

static struct str
logprob_of(const struct script_reply *r, size_t i)
{
	if (r->n_logprobs == 0)
		return STR("-0.01");
	return r->logprobs[i < r->n_logprobs ? i : r->n_logprobs - 1];
}

static void
add_bytes(struct buf *out, struct str token)
{
	for (size_t i = 0; i < token.n; i++) {
		unsigned char b = (unsigned char)token.p[i];

		buf_addc(out, i ? ',' : '[');
		if (b >= 100)
			buf_addc(out, (char)('0' + b / 100));
		if (b >= 10)
			buf_addc(out, (char)('0' + b / 10 % 10));
		buf_addc(out, (char)('0' + b % 10));
	}
	buf_addc(out, ']');
}

static void
add_openai_tokens(const struct job *j, struct str text)
{
	size_t at = 0, end;

	buf_addc(j->out, '[');
	for (size_t i = 0; at < text.n; i++, at = end) {
		struct str token;

		end = token_end(text, at);
		token = str_sub(text, at, end - at);
		buf_adds(j->out, i ? ",{\"token\":" : "{\"token\":");
		add_string(j->out, token);
		buf_adds(j->out, ",\"logprob\":");
		buf_add(j->out, logprob_of(j->reply, i));
		buf_adds(j->out, ",\"bytes\":");
		add_bytes(j->out, token);
		buf_adds(j->out, ",\"top_logprobs\":[]}");
	}
	buf_addc(j->out, ']');
}

static void
add_openai_logprobs(const struct job *j, struct str text, bool refused)
{
	buf_adds(j->out, refused ? "{\"content\":null,\"refusal\":" :
	    "{\"content\":");
	add_openai_tokens(j, text);
	buf_adds(j->out, refused ? "}" : ",\"refusal\":null}");
}

static void
add_together_logprobs(const struct job *j, struct str text, bool ended)
{
	struct jw w = jw_on(j->out);
	size_t n = 0;

	jw_open(&w, '{');
	jw_key(&w, "tokens");
	jw_open(&w, '[');
	for (size_t at = 0, end; at < text.n; at = end, n++) {
		end = token_end(text, at);
		jw_str(&w, str_sub(text, at, end - at));
	}
	if (ended)
		jw_str(&w, STR(END_TOKEN));
	jw_close(&w, ']');
	jw_key(&w, "token_logprobs");
	jw_open(&w, '[');
	for (size_t i = 0; i < n + ended; i++)
		jw_raw(&w, logprob_of(j->reply, i));
	jw_close(&w, ']');
	jw_close(&w, '}');
}

static void
add_logprobs(const struct job *j, struct str text, bool cut)
{
	buf_adds(j->out, ",\"logprobs\":");
	if (j->form == FORM_TOGETHER)
		add_together_logprobs(j, text, !cut);
	else if (j->form == FORM_OPENAI)
		add_openai_logprobs(j, text, j->reply->has_refusal);
	else
		buf_adds(j->out, "null");
}

static void
add_message(const struct job *j, struct str text)
{
	const struct script_reply *r = j->reply;

	buf_adds(j->out, "\"message\":{\"role\":\"assistant\",\"content\":");
	if (r->has_refusal || r->null_content)
		buf_adds(j->out, "null,\"refusal\":");
	else
		add_string(j->out, text);
	if (r->has_refusal)
		add_string(j->out, text);
	else
		buf_adds(j->out, r->null_content ? "null" :
		    ",\"refusal\":null");
	buf_addc(j->out, '}');
}

static void
add_choice(struct job *j, int64_t index)
{
	struct script_reply *r = j->reply;
	struct str text = STR(""), finish = r->finish;
	struct buf filled;
	int64_t tokens;
	bool cut;

	buf_init(&filled, BUF_MAX);
	if (r->has_refusal)
		buf_add(&filled, r->refusal);
	else if (!r->null_content)
		add_text(&filled, j);
	text = first_tokens(buf_str(&filled), j->chat->max_tokens, &tokens);
	cut = text.n < filled.n;
	if (finish.n == 0)
		finish = cut ? STR("length") : STR("stop");

	buf_addf(j->out, "%s{\"index\":%lld,", index ? "," : "",
	    (long long)index);
	add_message(j, text);
	add_logprobs(j, text, cut);
	buf_adds(j->out, ",\"finish_reason\":");
	add_string(j->out, finish);
	buf_addc(j->out, '}');

	j->tokens += tokens + (j->form == FORM_TOGETHER && !cut);
	j->out->failed |= filled.failed;
	buf_release(&filled);
}

/* Also where they are left out their tokens are counted: a model ran. */
static void
add_choices(struct job *j, int64_t n, struct charge *c)
{
	size_t before = j->out->n;

	buf_adds(j->out, ",\"choices\":[");
	for (int64_t i = 0; i < n; i++)
		add_choice(j, i);
	buf_addc(j->out, ']');
	c->choices = n;
	if (!j->reply->no_choices && !j->reply->empty_choices)
		return;
	buf_cut(j->out, before);
	if (j->reply->empty_choices)
		buf_adds(j->out, ",\"choices\":[]");
	c->choices = 0;
}

/* A cost comes last in it: it is OpenRouter's addition to OpenAI's. */
static void
add_usage(const struct job *j, struct charge *c)
{
	const struct script_reply *r = j->reply;
	long long prompt = (j->chat->text_bytes + 3) / 4, output = j->tokens;

	c->prompt = prompt;
	c->completion = output;
	c->told = !r->no_usage;
	if (r->no_usage)
		return;
	buf_adds(j->out, ",\"usage\":");
	if (r->usage.n > 0) {
		c->prompt = r->usage_prompt;
		c->completion = r->usage_completion;
		buf_add(j->out, r->usage);
	} else {
		buf_addf(j->out, "{\"prompt_tokens\":%lld,"
		    "\"completion_tokens\":%lld,\"total_tokens\":%lld,"
		    "\"prompt_tokens_details\":{\"cached_tokens\":0},"
		    "\"completion_tokens_details\":{\"reasoning_tokens\":0}}",
		    prompt, output, prompt + output);
	}
	if (r->cost.n > 0) {
		buf_cut(j->out, j->out->n - 1);
		buf_adds(j->out, str_is(r->usage, "{}") ? "" : ",");
		buf_adds(j->out, "\"cost\":");
		buf_add(j->out, r->cost);
		buf_addc(j->out, '}');
	}
}

static enum logprobs_form
form_of(const struct chat *c, const struct script_reply *r)
{
	if (!c->logprobs)
		return FORM_NONE;
	if (r->form != FORM_AS_ASKED)
		return r->form;
	return c->logprobs_number ? FORM_TOGETHER : FORM_OPENAI;
}

void
answer_chat(struct buf *out, const struct chat *c, struct script_reply *r,
    bool ignore_n, int64_t number, struct charge *charge)
{
	struct job j = {
		.out = out, .chat = c, .reply = r, .number = number,
		.form = form_of(c, r),
	};

	buf_addf(out, "{\"id\":\"chatcmpl-%lld\","
	    "\"object\":\"chat.completion\",\"created\":1795400000,"
	    "\"model\":", (long long)number);
	add_string(out, r->model.n > 0 ? r->model : c->model);
	add_choices(&j, ignore_n ? 1 : c->n, charge);
	add_usage(&j, charge);
	buf_adds(out, ",\"system_fingerprint\":\"fp_test\"}\n");
}
