/*
 * fuzz_redact.c -- a key in what a server sends back.
 *
 * Input: the key up to the first line end; the text. Into the text the key is
 * put in one of its guises, which the length of the text chooses: none of it
 * may be left.
 */
#include <openssl/evp.h>

#include "base/secret.h"
#include "tests/fuzz/fuzz.h"

enum { PLAIN, UPPER, JSON, URL, HTML, SPREAD, BASE64, HEX, GUISES };

static void
add_guise(struct buf *b, struct str key, int guise, size_t seed)
{
	char *text = malloc(2 * key.n + 8);

	must(text != NULL);
	if (guise == BASE64)
		must(EVP_EncodeBlock((unsigned char *)text,
		    (const unsigned char *)key.p, (int)key.n) > 0);
	for (size_t i = 0; i < key.n; i++, seed = seed * 5 + 1) {
		char c = key.p[i];
		bool escape = seed % 3 == 0 && c > 0x20 && c < 0x7f;

		if (guise == HEX)
			buf_addf(b, seed % 2 ? "%02x" : "%02X",
			    (unsigned)(unsigned char)c);
		else if (guise == UPPER && c >= 'a' && c <= 'z')
			buf_addc(b, (char)(c - 'a' + 'A'));
		else if (guise == JSON && escape)
			buf_addf(b, "\\u%04x", (unsigned)c);
		else if (guise == URL && escape)
			buf_addf(b, "%%%02X", (unsigned)c);
		else if (guise == HTML && escape)
			buf_addf(b, seed % 2 ? "&#%u;" : "&#x%X;", (unsigned)c);
		else if (guise != BASE64)
			buf_addc(b, c);
		if (guise == SPREAD && seed % 4 == 0 && i + 1 < key.n)
			buf_adds(b, seed % 8 ? "\n  " : "\\n");
	}
	if (guise == BASE64)
		buf_adds(b, text);
	free(text);
}

/* A key of characters that no guise could begin or end with by itself. */
static bool
is_plain(struct str key)
{
	for (size_t i = 0; i < key.n; i++)
		if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVW"
		    "XYZ0123456789-_.+/=", key.p[i]))
			return false;
	return key.n >= 16;
}

static void
check_guise(const struct secret *s, struct str text)
{
	struct str key = secret_text(s);
	int guise = (int)(text.n % GUISES);
	size_t half = text.n / 2, from, to;
	struct buf b;

	if (!is_plain(key))
		return;
	buf_init(&b, BUF_MAX);
	buf_add(&b, str_sub(text, 0, half));
	buf_addc(&b, '\n');
	from = b.n;
	add_guise(&b, key, guise, text.n);
	to = b.n;
	buf_addc(&b, '\n');
	buf_add(&b, str_sub(text, half, text.n));
	must(!b.failed);
	secret_redact(s, b.p, b.n);
	/* The last digit of base64 is not all the key's. */
	for (size_t i = from; i < to - (guise == BASE64 ? 3 : 0); i++)
		must(b.p[i] == '*');
	buf_release(&b);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str text = { (const char *)data, size }, key;
	struct secret s;
	struct err e = { 0 };
	char *copy;

	key = fuzz_take_line(&text);
	if (secret_set(&s, key, &e) < 0) {
		must(e.code == ERR_CONFIG);
		fuzz_error(&e);
		return 0;
	}
	copy = str_dup(text);
	must(copy != NULL);
	secret_redact(&s, copy, text.n);
	for (size_t i = 0; i < text.n; i++)
		must(copy[i] == text.p[i] || copy[i] == '*');
	if (!memchr(s.p, '*', s.n))
		must(str_find((struct str){ copy, text.n }, secret_text(&s))
		    < 0);
	free(copy);
	check_guise(&s, text);
	secret_wipe(&s);
	return 0;
}
