/*
 * store.c -- the file: where it is, opening and closing it, transactions, and
 * what SQLite's failures mean.
 *
 * The file is made here, not by SQLite, so that it is 0600 from its first
 * moment; SQLite gives its -wal and -shm the permissions of the file itself.
 * An existing file is never opened by us: closing the descriptor would drop
 * the locks that another handle of this process holds on it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <threads.h>
#include <unistd.h>

#include "cache/ahead.h"
#include "cache/keys.h"
#include "cache/segments.h"

#define BUSY_MS 60000
#define AUTOCHECKPOINT_PAGES 4096
#define LEFT_LOG_PAGES 64 /* in a log that is left behind, of 4096 bytes */

static int
fail_errno(struct store *s, const char *doing, int error, struct err *e)
{
	errno = error;
	return err_sys(e, ERR_STORE, "cannot %s store '%s'", doing, s->path);
}

static int
fail_full(struct store *s, struct err *e)
{
	return err_set(e, ERR_STORE, "disk full: nothing more can be kept in "
	    "'%s'", s->path);
}

static int
fail_io(struct store *s, int rc, const char *doing, struct err *e)
{
	int error = s->db ? sqlite3_system_errno(s->db) : 0;

	if (rc == SQLITE_IOERR_NOMEM)
		return err_nomem(e);
	if (!error)
		error = s->error;
	if (error == ENOSPC || error == EDQUOT || error == EFBIG)
		return fail_full(s, e);
	if (error)
		return fail_errno(s, doing, error, e);
	return err_set(e, ERR_STORE, "cannot %s store '%s': %s", doing,
	    s->path, sqlite3_errstr(rc));
}

int
store_fail(struct store *s, int rc, const char *doing, struct err *e)
{
	switch (rc & 0xff) {
	case SQLITE_NOMEM:
		return err_nomem(e);
	case SQLITE_FULL:
		return fail_full(s, e);
	case SQLITE_CANTOPEN:
	case SQLITE_IOERR:
		return fail_io(s, rc, doing, e);
	case SQLITE_READONLY:
		if (rc == SQLITE_READONLY_DBMOVED)
			return err_set(e, ERR_STORE, "store '%s' was moved or "
			    "deleted while it was in use", s->path);
		return err_set(e, ERR_STORE, "store '%s' is read-only: "
		    "nothing can be kept in it; check the permissions of the "
		    "file and its folder", s->path);
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
		s->damaged = true;
		if (!s->is_open)
			return err_set(e, ERR_STORE, "store '%s' is damaged, "
			    "and nothing of it can be read; move it away, or "
			    "choose another file", s->path);
		return err_set(e, ERR_STORE, "store '%s' is damaged; " SALVAGE,
		    s->path, s->path);
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return err_set(e, ERR_STORE, "store '%s' was held by another "
		    "process for a minute; try again when it has ended",
		    s->path);
	default:
		return err_set(e, ERR_STORE, "cannot %s store '%s': %s", doing,
		    s->path, s->db ? sqlite3_errmsg(s->db) :
		    sqlite3_errstr(rc));
	}
}

int
store_stmt(struct store *s, enum stmt_id id, const char *sql,
    struct params *out, struct err *e)
{
	int rc;

	*out = (struct params){ 0 };
	if (!s->stmt[id]) {
		rc = sqlite3_prepare_v3(s->db, sql, -1,
		    SQLITE_PREPARE_PERSISTENT, &s->stmt[id], NULL);
		if (rc != SQLITE_OK)
			return store_fail(s, rc, "use", e);
	}
	out->stmt = s->stmt[id];
	return 0;
}

int
store_prepare(struct store *s, const char *sql, struct params *out,
    struct err *e)
{
	int rc;

	*out = (struct params){ 0 };
	rc = sqlite3_prepare_v2(s->db, sql, -1, &out->stmt, NULL);
	return rc == SQLITE_OK ? 0 : store_fail(s, rc, "use", e);
}

int
store_step(struct store *s, struct params *p, const char *doing,
    struct err *e)
{
	int rc = p->rc;

	errno = 0;
	if (rc == SQLITE_OK)
		rc = sqlite3_step(p->stmt);
	if (rc == SQLITE_ROW)
		return 1;
	if (rc == SQLITE_DONE)
		return 0;
	s->error = errno; /* SQLite does not always remember it */
	return store_fail(s, rc, doing, e);
}

void
store_reset(struct params *p)
{
	sqlite3_reset(p->stmt); /* repeats the error of the last step */
}

int
store_run(struct store *s, struct params *p, const char *doing, struct err *e)
{
	int rc = store_step(s, p, doing, e);

	store_reset(p);
	return rc < 0 ? -1 : 0;
}

int
store_exec(struct store *s, const char *sql, const char *doing, struct err *e)
{
	int rc = sqlite3_exec(s->db, sql, NULL, NULL, NULL);

	return rc == SQLITE_OK ? 0 : store_fail(s, rc, doing, e);
}

int
store_int(struct store *s, const char *sql, int64_t *out, struct err *e)
{
	struct params p;
	int rc = -1;

	if (store_prepare(s, sql, &p, e) == 0)
		rc = store_step(s, &p, "read", e);
	if (rc >= 0)
		*out = rc ? sqlite3_column_int64(p.stmt, 0) : 0;
	sqlite3_finalize(p.stmt);
	return rc < 0 ? -1 : 0;
}

/* "a/b/c" makes "a" and "a/b". What exists already is left as it is. */
static int
make_folders(const char *path, struct err *e)
{
	char *copy = str_dup(str_of(path));
	int rc = 0;

	if (!copy)
		return err_nomem(e);
	for (char *p = copy + 1; rc == 0 && *p; p++) {
		if (*p != '/')
			continue;
		*p = '\0';
		if (mkdir(copy, 0700) < 0 && errno != EEXIST)
			rc = err_sys(e, ERR_STORE, "cannot make folder '%s' "
			    "for the store", copy);
		*p = '/';
	}
	free(copy);
	return rc;
}

static int
make_file(struct store *s, struct err *e)
{
	const int how = O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC;
	int fd = open(s->path, how, 0600);
	int rc = 0;

	if (fd < 0 && errno == ENOENT) {
		if (make_folders(s->path, e) < 0)
			return -1;
		fd = open(s->path, how, 0600);
	}
	if (fd < 0 && errno == EEXIST)
		return 0; /* another process was quicker */
	if (fd < 0)
		return fail_errno(s, "make", errno, e);
	if (fchmod(fd, 0600) < 0) /* whatever the umask took away */
		rc = fail_errno(s, "make", errno, e);
	close(fd);
	return rc;
}

/* See that there is a file for SQLite to open, and that it is one. */
static int
check_file(struct store *s, bool create, struct err *e)
{
	struct stat st;

	if (stat(s->path, &st) < 0) {
		if (errno != ENOENT)
			return fail_errno(s, "open", errno, e);
		if (!create)
			return err_set(e, ERR_STORE, "no store at '%s' yet: "
			    "nothing has been kept", s->path);
		s->fresh = true;
		return make_file(s, e);
	}
	s->fresh = st.st_size == 0;
	if (!S_ISREG(st.st_mode))
		return err_set(e, ERR_STORE, "cannot open store '%s': it is "
		    "not a file", s->path);
	/* An empty file is about to become a store; a store that its owner
	 * chose to share stays shared. */
	if (create && st.st_size == 0 && chmod(s->path, 0600) < 0)
		return fail_errno(s, "make", errno, e);
	return 0;
}

/* A name such as "file:x?mode=ro" is a file of that name, not a URI. */
static char *
name_for_sqlite(const char *path)
{
	struct buf b;

	buf_init(&b, BUF_MAX);
	if (str_starts(str_of(path), "file:"))
		buf_adds(&b, "./");
	buf_adds(&b, path);
	return buf_take(&b);
}

/* SQLite's count of the memory that it uses costs two locks an allocation, and
 * nobody asks for it. */
static void
do_not_count(void)
{
	(void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
}

static int
open_file(struct store *s, struct err *e)
{
	static once_flag once = ONCE_FLAG_INIT;

	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
	char *name = name_for_sqlite(s->path);
	int rc;

	if (!name)
		return err_nomem(e);
	call_once(&once, do_not_count);
	flags |= s->readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE;
	rc = sqlite3_open_v2(name, &s->db, flags, NULL);
	free(name);
	if (rc == SQLITE_OK)
		rc = sqlite3_busy_timeout(s->db, BUSY_MS);
	if (rc == SQLITE_OK)
		rc = sqlite3_wal_autocheckpoint(s->db, AUTOCHECKPOINT_PAGES);
	if (rc != SQLITE_OK)
		return store_fail(s, rc, "open", e);
	/* SQLite falls back to reading when writing is not permitted. */
	if (!s->readonly && sqlite3_db_readonly(s->db, "main") == 1)
		return store_fail(s, SQLITE_READONLY, "open", e);
	return 0;
}

int
store_open(struct store **out, const char *path, unsigned flags, struct err *e)
{
	bool memory = strcmp(path, ":memory:") == 0;
	bool readonly = !memory && (flags & STORE_READONLY);
	bool create = memory || (!readonly && (flags & STORE_CREATE));
	struct store *s;

	if (!path[0])
		return err_set(e, ERR_STORE, "the store has an empty name");
	s = calloc(1, sizeof(*s));
	if (!s)
		return err_nomem(e);
	s->readonly = readonly;
	buf_init(&s->pending.asks, BUF_MAX);
	buf_init(&s->pending.tasks, BUF_MAX);
	buf_init(&s->run_word, BUF_MAX);
	buf_init(&s->run_source, BUF_MAX);
	s->live = -1;
	s->full = true;
	s->path = str_dup(str_of(path));
	if (!s->path) {
		err_nomem(e);
		goto err;
	}
	if (!memory && check_file(s, create, e) < 0)
		goto err;
	if (open_file(s, e) < 0 ||
	    store_exec(s, "PRAGMA synchronous = FULL", "open", e) < 0 ||
	    schema_open(s, create, e) < 0)
		goto err;
	s->is_open = true;
	*out = s;
	return 0;
err:
	store_close(s);
	return -1;
}

/* How long the write-ahead log is; -1: not open. */
static int64_t
log_bytes(struct store *s)
{
	sqlite3_file *f = NULL;
	sqlite3_int64 n = -1;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER,
	    &f) != SQLITE_OK || !f || !f->pMethods
	    || f->pMethods->xFileSize(f, &n) != SQLITE_OK)
		return -1;
	return n;
}

/*
 * The last one to close a store empties the log into the file and deletes it,
 * which costs four syncs together with those of the next log's beginning: more
 * than a cached answer takes otherwise. A short log is left to a later close,
 * but not that of a new store, whose file would be next to nothing without it.
 * Reading it costs the next open less than making a new one.
 */
static void
leave_short_log(struct store *s)
{
	int64_t n = s->db && !s->fresh ? log_bytes(s) : -1;

	if (n > 0 && n <= LEFT_LOG_PAGES * (4096 + 24))
		(void)sqlite3_db_config(s->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE,
		    1, NULL);
}

void
store_close(struct store *s)
{
	if (!s)
		return;
	if (s->writing)
		store_rollback(s);
	for (size_t i = 0; i < STMT_COUNT; i++)
		sqlite3_finalize(s->stmt[i]);
	leave_short_log(s);
	sqlite3_close(s->db);
	if (s->live >= 0)
		close(s->live); /* and nobody waits for us any more */
	asks_free(s);
	summaries_forget(s);
	ahead_free(s);
	keys_free(s);
	buf_release(&s->pending.asks);
	buf_release(&s->pending.tasks);
	buf_release(&s->run_word);
	buf_release(&s->run_source);
	free(s->path);
	free(s);
}

const char *
store_path(const struct store *s)
{
	return s->path;
}

/* The value of a variable, or NULL if it is unset or empty. */
static const char *
variable(const char *name)
{
	const char *v = getenv(name);

	return v && v[0] ? v : NULL;
}

int
store_default_path(struct buf *out, struct err *e)
{
	const char *file = variable("FRUGAL_STORE");
	const char *state = variable("XDG_STATE_HOME");
	const char *home = variable("HOME");

	buf_clear(out);
	if (file)
		buf_adds(out, file);
	else if (state && state[0] == '/') /* XDG: a relative one is ignored */
		buf_addf(out, "%s/frugal/store.db", state);
	else if (home)
		buf_addf(out, "%s/.local/state/frugal/store.db", home);
	else
		return err_set(e, ERR_STORE, "cannot tell where the store is: "
		    "HOME is not set; set FRUGAL_STORE to a file");
	return out->failed ? err_nomem(e) : 0;
}

int
store_must_write(struct store *s, struct err *e)
{
	if (!s->writing)
		return err_set(e, ERR_STORE, "bug: a write to store '%s' "
		    "outside a transaction", s->path);
	/* After some failures, also of reading, SQLite itself rolls back:
	 * what follows would be committed piece by piece. */
	if (s->spoiled || sqlite3_get_autocommit(s->db))
		return err_set(e, ERR_STORE, "nothing more can be kept in "
		    "store '%s': an earlier write of the same transaction "
		    "failed", s->path);
	return 0;
}

int
store_must_not_write(struct store *s, struct err *e)
{
	if (!s->writing)
		return 0;
	return err_set(e, ERR_STORE, "bug: a transaction of store '%s' is "
	    "open already", s->path);
}

static int
run_simple(struct store *s, enum stmt_id id, const char *sql, struct err *e)
{
	struct params p;

	if (store_stmt(s, id, sql, &p, e) < 0)
		return -1;
	return store_run(s, &p, "write to", e);
}

/* What is written to a file that has no name any more is lost. */
static int
check_place(struct store *s, struct err *e)
{
	int moved = 0;

	if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_HAS_MOVED,
	    &moved) == SQLITE_OK && moved)
		return store_fail(s, SQLITE_READONLY_DBMOVED, "write to", e);
	return 0;
}

static int
set_sync(struct store *s, bool full, struct err *e)
{
	int rc;

	if (s->full == full)
		return 0;
	rc = full ? run_simple(s, STMT_SYNC_FULL, "PRAGMA synchronous = FULL",
	    e) : run_simple(s, STMT_SYNC_NORMAL,
	    "PRAGMA synchronous = NORMAL", e);
	if (rc == 0)
		s->full = full;
	return rc;
}

static int
begin(struct store *s, bool full, struct err *e)
{
	if (store_must_not_write(s, e) < 0)
		return -1;
	if (s->readonly)
		return err_set(e, ERR_STORE, "store '%s' was opened for "
		    "reading alone", s->path);
	if (check_place(s, e) < 0 || set_sync(s, full, e) < 0
	    || run_simple(s, STMT_BEGIN, "BEGIN IMMEDIATE", e) < 0)
		return -1;
	s->writing = true;
	s->spoiled = false;
	s->txn++;
	s->snapshot++;
	return 0;
}

int
store_begin(struct store *s, struct err *e)
{
	return begin(s, true, e);
}

int
store_begin_unsynced(struct store *s, struct err *e)
{
	return begin(s, false, e);
}

int
store_hold(struct store *s, struct err *e)
{
	if (store_must_not_write(s, e) < 0)
		return -1;
	s->snapshot++;
	return run_simple(s, STMT_HOLD, "BEGIN", e);
}

int
store_let_go(struct store *s, struct err *e)
{
	if (sqlite3_get_autocommit(s->db)) /* an error has ended it */
		return 0;
	return run_simple(s, STMT_COMMIT, "COMMIT", e);
}

int
store_look(struct store *s, bool *mine, struct err *e)
{
	*mine = sqlite3_get_autocommit(s->db) != 0;
	return *mine ? store_hold(s, e) : 0;
}

int
store_looked(struct store *s, bool mine, struct err *e)
{
	return mine ? store_let_go(s, e) : 0;
}

int
store_commit(struct store *s, struct err *e)
{
	if (store_must_write(s, e) < 0 || asks_flush(s, e) < 0 ||
	    segments_flush(s, e) < 0 || keys_flush(s, e) < 0 ||
	    run_simple(s, STMT_COMMIT, "COMMIT", e) < 0) {
		store_rollback(s);
		return -1;
	}
	s->writing = false;
	s->new_run = 0;
	asks_committed(s);
	return 0;
}

void
store_rollback(struct store *s)
{
	/* Where this fails SQLite has rolled back before, or will on close. */
	if (!sqlite3_get_autocommit(s->db))
		run_simple(s, STMT_ROLLBACK, "ROLLBACK", NULL);
	s->writing = false;
	s->day_change = 0;
	segments_forget(s);
	summaries_forget(s);
	keys_forget(s);
	asks_rolled_back(s);
	s->next_segment = 0; /* to be read again */
	if (s->run_of == s->txn)
		s->run_id = 0; /* its row is gone, its number somebody else's */
	if (s->new_run) {
		if (s->live >= 0)
			close(s->live);
		s->live = -1;
		s->run = s->new_run = 0;
		asks_free(s);
	}
}
