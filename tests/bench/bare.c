/*
 * bare.c -- the least that must be done for a file of prompts: libcurl's
 * curl_multi_socket_action on epoll, cJSON for the answers, and nothing else.
 * What `make bench` measures frugal by.
 *
 *	bare URL PROMPTS IN_FLIGHT OUT [STORE]
 *
 * A prompt a line; the same request bodies as frugal's for the model "m";
 * answers' texts are written to OUT as they come. No retries, no timeouts: an
 * error ends it. This is the loop "P" of docs/performance.md.
 *
 * With a STORE it is "K": each body's SHA-256 is looked up there first, and
 * each answer kept there: one table with a plain index on 64 bits of the key,
 * synchronous=FULL, 64 rows a commit. No ledger. What is found is not asked.
 */
#include <cJSON.h>
#include <curl/curl.h>
#include <endian.h>
#include <errno.h>
#include <openssl/evp.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/types.h>

#define EVENTS 256
#define ROWS 64 /* a commit */
#define KEY 32

/* One request in flight; used again for the next. */
struct slot {
	CURL *easy;
	char *body;
	size_t body_size, body_n;
	unsigned char key[KEY]; /* with a store */
	char *answer;
	size_t n, cap;
};

static CURLM *multi;
static int epoll;
static long timeout_ms = -1;
static struct curl_slist *headers;
static FILE *prompts, *out;
static long in_flight;

static void
die(const char *what)
{
	fprintf(stderr, "bare: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* --- libcurl and epoll ------------------------------------------------------ */

static int
on_socket(CURL *easy, curl_socket_t fd, int what, void *cookie, void *known)
{
	struct epoll_event ev = { .data.fd = fd };

	(void)easy;
	(void)cookie;
	if (what == CURL_POLL_REMOVE) {
		epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &ev);
		return 0;
	}
	ev.events = (what & CURL_POLL_IN ? EPOLLIN : 0u)
	    | (what & CURL_POLL_OUT ? EPOLLOUT : 0u);
	if (epoll_ctl(epoll, known ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, fd, &ev))
		die("epoll_ctl");
	curl_multi_assign(multi, fd, &epoll);
	return 0;
}

static int
on_timer(CURLM *m, long ms, void *cookie)
{
	(void)m;
	(void)cookie;
	timeout_ms = ms;
	return 0;
}

static size_t
on_write(char *from, size_t size, size_t count, void *cookie)
{
	struct slot *s = cookie;
	size_t n = size * count;

	if (s->cap - s->n <= n) {
		s->cap = 2 * (s->cap + n);
		s->answer = realloc(s->answer, s->cap);
		if (!s->answer)
			die("memory");
	}
	memcpy(s->answer + s->n, from, n);
	s->n += n;
	s->answer[s->n] = '\0';
	return n;
}

/* --- the store of K --------------------------------------------------------- */

static sqlite3 *db;
static sqlite3_stmt *find, *keep;
static EVP_MD *sha256;
static int kept; /* rows of the open transaction */

static void
sql(const char *text)
{
	if (sqlite3_exec(db, text, NULL, NULL, NULL) != SQLITE_OK) {
		fprintf(stderr, "bare: %s: %s\n", text, sqlite3_errmsg(db));
		exit(1);
	}
}

static sqlite3_stmt *
statement(const char *text)
{
	sqlite3_stmt *s = NULL;

	if (sqlite3_prepare_v3(db, text, -1, SQLITE_PREPARE_PERSISTENT, &s,
	    NULL) != SQLITE_OK)
		die(sqlite3_errmsg(db));
	return s;
}

static void
open_store(const char *path)
{
	sha256 = EVP_MD_fetch(NULL, "SHA256", NULL);
	if (!sha256 || sqlite3_open_v2(path, &db, SQLITE_OPEN_NOMUTEX
	    | SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL) != SQLITE_OK)
		die(path);
	sql("PRAGMA journal_mode = WAL");
	sql("PRAGMA synchronous = FULL");
	sql("PRAGMA wal_autocheckpoint = 4096");
	sql("CREATE TABLE IF NOT EXISTS answers (id INTEGER PRIMARY KEY,"
	    " key64 INTEGER NOT NULL, key BLOB NOT NULL, text TEXT NOT NULL)");
	sql("CREATE INDEX IF NOT EXISTS answers_key64 ON answers (key64)");
	find = statement("SELECT text FROM answers WHERE key64 = ?1"
	    " AND key = ?2");
	keep = statement("INSERT INTO answers (key64, key, text)"
	    " VALUES (?1, ?2, ?3)");
	sql("BEGIN");
}

static void
close_store(void)
{
	sql("COMMIT");
	sqlite3_finalize(find);
	sqlite3_finalize(keep);
	sqlite3_close(db);
	EVP_MD_free(sha256);
}

static void
bind_key(sqlite3_stmt *s, const unsigned char *key)
{
	uint64_t first;

	memcpy(&first, key, sizeof(first));
	sqlite3_bind_int64(s, 1, (sqlite3_int64)be64toh(first));
	sqlite3_bind_blob(s, 2, key, KEY, SQLITE_STATIC);
}

static int
find_answer(struct slot *s)
{
	int rc;

	if (EVP_Digest(s->body, s->body_n, s->key, NULL, sha256, NULL) != 1)
		die("SHA-256");
	bind_key(find, s->key);
	rc = sqlite3_step(find);
	if (rc == SQLITE_ROW) {
		fwrite(sqlite3_column_text(find, 0), 1,
		    (size_t)sqlite3_column_bytes(find, 0), out);
		fputc('\n', out);
	} else if (rc != SQLITE_DONE) {
		die(sqlite3_errmsg(db));
	}
	sqlite3_reset(find);
	return rc == SQLITE_ROW;
}

static void
keep_answer(const struct slot *s, const char *text)
{
	bind_key(keep, s->key);
	sqlite3_bind_text(keep, 3, text, -1, SQLITE_STATIC);
	if (sqlite3_step(keep) != SQLITE_DONE)
		die(sqlite3_errmsg(db));
	sqlite3_reset(keep);
	if (++kept < ROWS)
		return;
	kept = 0;
	sql("COMMIT");
	sql("BEGIN");
}

/* --- requests and answers ---------------------------------------------------- */

/* Prompts of the benchmark have quotes and backslashes to escape, no more. */
static void
write_body(struct slot *s, const char *prompt, size_t n)
{
	static const char start[] = "{\"model\":\"m\",\"messages\":[{\"role\":"
	    "\"user\",\"content\":\"", end[] = "\"}]}";
	char *to;

	if (s->body_size < 2 * n + sizeof(start) + sizeof(end)) {
		s->body_size = 2 * n + sizeof(start) + sizeof(end);
		s->body = realloc(s->body, s->body_size);
		if (!s->body)
			die("memory");
	}
	to = stpcpy(s->body, start);
	for (size_t i = 0; i < n; i++) {
		if (prompt[i] == '"' || prompt[i] == '\\')
			*to++ = '\\';
		*to++ = prompt[i];
	}
	strcpy(to, end);
	s->body_n = (size_t)(to - s->body) + strlen(end);
}

/* The next prompt's body into the slot; 0: there is none. */
static int
read_body(struct slot *s)
{
	static char *line;
	static size_t size;
	ssize_t n = getline(&line, &size, prompts);

	if (n <= 0) {
		if (ferror(prompts))
			die("prompts");
		return 0;
	}
	write_body(s, line, (size_t)n - (line[n - 1] == '\n'));
	return 1;
}

/* Send the next prompt that has no answer yet from this slot. */
static void
next(struct slot *s)
{
	do {
		if (!read_body(s))
			return;
	} while (db && find_answer(s));
	s->n = 0;
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDS, s->body);
	curl_easy_setopt(s->easy, CURLOPT_POSTFIELDSIZE, (long)s->body_n);
	if (curl_multi_add_handle(multi, s->easy) != CURLM_OK)
		die("curl_multi_add_handle");
	in_flight++;
}

static void
finished(struct slot *s, CURLcode code)
{
	cJSON *doc, *text;
	long status = 0;

	curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
	if (code != CURLE_OK || status != 200) {
		fprintf(stderr, "bare: status %ld: %s\n", status,
		    curl_easy_strerror(code));
		exit(1);
	}
	doc = cJSON_ParseWithLength(s->answer, s->n);
	text = cJSON_GetObjectItem(cJSON_GetObjectItem(cJSON_GetArrayItem(
	    cJSON_GetObjectItem(doc, "choices"), 0), "message"), "content");
	if (!cJSON_IsString(text))
		die("an answer has no text");
	if (db)
		keep_answer(s, text->valuestring);
	fputs(text->valuestring, out);
	fputc('\n', out);
	cJSON_Delete(doc);
}

static void
take_finished(void)
{
	CURLMsg *m;
	int left;

	while ((m = curl_multi_info_read(multi, &left))) {
		char *cookie = NULL;
		CURLcode code = m->data.result;
		CURL *easy = m->easy_handle;

		curl_easy_getinfo(easy, CURLINFO_PRIVATE, &cookie);
		finished((struct slot *)cookie, code);
		curl_multi_remove_handle(multi, easy);
		in_flight--;
		next((struct slot *)cookie);
	}
}

/* --- the loop ----------------------------------------------------------------- */

static void
turn(void)
{
	struct epoll_event ev[EVENTS];
	int running, n = epoll_wait(epoll, ev, EVENTS, (int)timeout_ms);

	if (n < 0 && errno != EINTR)
		die("epoll_wait");
	for (int i = 0; i < n; i++) {
		int what = (ev[i].events & (EPOLLIN | EPOLLHUP)
		    ? CURL_CSELECT_IN : 0)
		    | (ev[i].events & EPOLLOUT ? CURL_CSELECT_OUT : 0)
		    | (ev[i].events & EPOLLERR ? CURL_CSELECT_ERR : 0);
		curl_multi_socket_action(multi, ev[i].data.fd, what, &running);
	}
	if (n == 0 || timeout_ms == 0) {
		timeout_ms = -1;
		curl_multi_socket_action(multi, CURL_SOCKET_TIMEOUT, 0,
		    &running);
	}
	take_finished();
}

static void
open_slot(struct slot *s, const char *url)
{
	s->easy = curl_easy_init();
	if (!s->easy)
		die("curl_easy_init");
	curl_easy_setopt(s->easy, CURLOPT_URL, url);
	curl_easy_setopt(s->easy, CURLOPT_HTTPHEADER, headers);
	curl_easy_setopt(s->easy, CURLOPT_WRITEFUNCTION, on_write);
	curl_easy_setopt(s->easy, CURLOPT_WRITEDATA, s);
	curl_easy_setopt(s->easy, CURLOPT_PRIVATE, s);
	curl_easy_setopt(s->easy, CURLOPT_NOSIGNAL, 1L);
}

int
main(int argc, char **argv)
{
	long slots = argc == 5 || argc == 6 ? strtol(argv[3], NULL, 10) : 0;
	struct slot *slot = slots > 0 ? calloc((size_t)slots, sizeof(*slot))
	    : NULL;

	if (!slot) {
		fputs("usage: bare URL PROMPTS IN_FLIGHT OUT [STORE]\n", stderr);
		return 2;
	}
	prompts = fopen(argv[2], "re");
	out = fopen(argv[4], "we");
	epoll = epoll_create1(EPOLL_CLOEXEC);
	if (!prompts || !out || epoll < 0)
		die("cannot start");
	if (argc == 6)
		open_store(argv[5]);
	curl_global_init(CURL_GLOBAL_DEFAULT);
	multi = curl_multi_init();
	headers = curl_slist_append(NULL, "Content-Type: application/json");
	curl_multi_setopt(multi, CURLMOPT_SOCKETFUNCTION, on_socket);
	curl_multi_setopt(multi, CURLMOPT_TIMERFUNCTION, on_timer);
	curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, slots);
	for (long i = 0; i < slots; i++) {
		open_slot(&slot[i], argv[1]);
		next(&slot[i]);
	}
	while (in_flight)
		turn();
	if (db)
		close_store();
	if (fclose(out) != 0)
		die(argv[4]);
	for (long i = 0; i < slots; i++) {
		curl_easy_cleanup(slot[i].easy);
		free(slot[i].body);
		free(slot[i].answer);
	}
	curl_multi_cleanup(multi);
	curl_slist_free_all(headers);
	free(slot);
	return 0;
}
