/*
 * tune_plot.c -- cost against quality: the frontier, each model alone, and the
 * coin toss between two of them.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/money.h"
#include "cmd/output.h"
#include "cmd/tune.h"

#define COLUMNS 64
#define ROWS 16
#define LOG_FROM 8.0 /* the cost is on a logarithmic axis if it spans more */

struct mark {
	double cost, right;
	struct str name; /* of a single model; empty: a cascade */
};

struct plot {
	struct mark *v;
	size_t n, cascades;   /* cascades first, by cost */
	double low, high;     /* cost */
	double worst, best;   /* quality */
	bool log;
};

static int
collect(struct plot *p, const struct tune_cmd *c, struct err *e)
{
	const struct lesson **l = calloc(c->t.lessons + 1, sizeof(*l));

	*p = (struct plot){ .low = INFINITY, .worst = 1 };
	p->v = calloc(c->t.lessons + c->h.tiers + 1, sizeof(*p->v));
	if (!l || !p->v) {
		free(l);
		free(p->v);
		return err_nomem(e);
	}
	p->n = p->cascades = tune_staircase(&c->t, l);
	for (size_t i = 0; i < p->n; i++)
		p->v[i] = (struct mark){ l[i]->cost, l[i]->right,
		    { NULL, 0 } };
	free(l);
	for (size_t i = 0; i < c->h.tiers; i++) {
		size_t k = c->h.tier[i].first;
		p->v[p->n++] = (struct mark){ matrix_mean_cost(c->h.m, k),
		    matrix_accuracy(c->h.m, k), c->h.tier[i].tier.name };
	}
	for (size_t i = 0; i < p->n; i++) {
		p->low = fmin(p->low, p->v[i].cost);
		p->high = fmax(p->high, p->v[i].cost);
		p->worst = fmin(p->worst, p->v[i].right);
		p->best = fmax(p->best, p->v[i].right);
	}
	p->log = p->low > 0 && p->high > LOG_FROM * p->low;
	if (p->best <= p->worst)
		p->best = p->worst + 0.01;
	return 0;
}

/* Places on the axes, 0 to 1. */
static double
across(const struct plot *p, double cost)
{
	if (p->high <= p->low)
		return 0;
	if (p->log)
		return log(cost / p->low) / log(p->high / p->low);
	return (cost - p->low) / (p->high - p->low);
}

static double
cost_at(const struct plot *p, double x)
{
	return p->log ? p->low * pow(p->high / p->low, x)
	    : p->low + x * (p->high - p->low);
}

static double
up(const struct plot *p, double right)
{
	return (right - p->worst) / (p->best - p->worst);
}

/* What a coin toss between two single models gives at a cost. */
static double
toss_at(const struct plot *p, double cost)
{
	double best = -INFINITY;

	for (size_t i = p->cascades; i < p->n; i++)
		for (size_t j = p->cascades; j < p->n; j++) {
			const struct mark *a = &p->v[i], *b = &p->v[j];
			double share = 0;
			if (a->cost > cost * (1 + 1e-9))
				continue;
			if (b->cost > cost)
				share = (cost - a->cost) / (b->cost - a->cost);
			best = fmax(best, a->right
			    + share * (b->right - a->right));
		}
	return best;
}

/* --- the terminal -------------------------------------------------------- */

static void
put(char grid[ROWS][COLUMNS + 1], const struct plot *p, double x,
    double right, char c)
{
	int col = (int)lround(x * (COLUMNS - 1));
	int row = ROWS - 1 - (int)lround(up(p, right) * (ROWS - 1));

	if (row >= 0 && row < ROWS && col >= 0 && col < COLUMNS)
		grid[row][col] = c;
}

int
tune_plot_terminal(const struct tune_cmd *c, struct err *e)
{
	char grid[ROWS][COLUMNS + 1];
	struct buf b;
	struct plot p;
	int rc;

	if (collect(&p, c, e) < 0)
		return -1;
	memset(grid, ' ', sizeof(grid));
	for (int i = 0; i < COLUMNS; i++) {
		double x = (double)i / (COLUMNS - 1);
		put(grid, &p, x, toss_at(&p, cost_at(&p, x)), '.');
	}
	for (size_t i = 0; i < p.n; i++)
		put(grid, &p, across(&p, p.v[i].cost), p.v[i].right,
		    i < p.cascades ? '*' : 'o');
	buf_init(&b, BUF_MAX);
	buf_addf(&b, "\n%s; * frontier, o one model, . coin toss; cost%s\n",
	    tune_right_word(c), p.log ? " by equal factors" : "");
	for (int r = 0; r < ROWS; r++) {
		grid[r][COLUMNS] = '\0';
		if (r % 5 == 0)
			buf_addf(&b, "%6.1f %% |", 100 * (p.best - (double)r
			    / (ROWS - 1) * (p.best - p.worst)));
		else
			buf_adds(&b, "         |");
		buf_addf(&b, "%.*s\n", COLUMNS, grid[r]);
	}
	buf_adds(&b, "         +");
	for (int i = 0; i < COLUMNS; i++)
		buf_addc(&b, '-');
	buf_adds(&b, "\n          ");
	money_show(&b, llround(p.low));
	buf_adds(&b, "  ...  ");
	money_show(&b, llround(p.high));
	buf_adds(&b, " a task\n");
	rc = b.failed ? err_nomem(e) : out_write(buf_str(&b), e);
	buf_release(&b);
	free(p.v);
	return rc;
}

/* --- SVG ----------------------------------------------------------------- */

#define WIDTH 720
#define HEIGHT 440
#define LEFT 70
#define RIGHT 130 /* room for names */
#define TOP 40
#define BOTTOM 60

static double
svg_x(double x)
{
	return LEFT + x * (WIDTH - LEFT - RIGHT);
}

static double
svg_y(double y)
{
	return TOP + (1 - y) * (HEIGHT - TOP - BOTTOM);
}

static void
svg_text(struct buf *b, struct str s)
{
	for (size_t i = 0; i < s.n; i++)
		switch (s.p[i]) {
		case '<':
			buf_adds(b, "&lt;");
			break;
		case '>':
			buf_adds(b, "&gt;");
			break;
		case '&':
			buf_adds(b, "&amp;");
			break;
		default:
			buf_addc(b, (unsigned char)s.p[i] < ' ' ? ' '
			    : s.p[i]);
		}
}

static void
svg_axes(struct buf *b, const struct plot *p, const struct tune_cmd *c)
{
	buf_addf(b, "<path d=\"M%d %d V%d H%d\" fill=\"none\" "
	    "stroke=\"#444\"/>\n", LEFT, TOP, HEIGHT - BOTTOM,
	    WIDTH - RIGHT);
	for (int i = 0; i <= 4; i++) {
		double x = svg_x(i / 4.0), y = svg_y(i / 4.0);
		buf_addf(b, "<text x=\"%.1f\" y=\"%d\" "
		    "text-anchor=\"middle\">", x, HEIGHT - BOTTOM + 18);
		money_show(b, llround(cost_at(p, i / 4.0)));
		buf_addf(b, "</text>\n<text x=\"%d\" y=\"%.1f\" "
		    "text-anchor=\"end\">%.1f %%</text>\n", LEFT - 8, y + 4,
		    100 * (p->worst + i / 4.0 * (p->best - p->worst)));
	}
	buf_addf(b, "<text x=\"%d\" y=\"%d\" text-anchor=\"middle\">cost a "
	    "task%s</text>\n<text x=\"%d\" y=\"%d\">", LEFT + (WIDTH - LEFT
	    - RIGHT) / 2, HEIGHT - 14, p->log ? " (by equal factors)" : "",
	    LEFT, TOP - 16);
	buf_addf(b, "%zu tasks, ", c->h.m->tasks);
	{
		struct buf labels;
		buf_init(&labels, BUF_MAX);
		tune_labels(c, &labels);
		svg_text(b, buf_str(&labels));
		buf_release(&labels);
	}
	buf_adds(b, "</text>\n");
}

static void
svg_toss(struct buf *b, const struct plot *p)
{
	buf_adds(b, "<polyline fill=\"none\" stroke=\"#999\" "
	    "stroke-dasharray=\"5 4\" points=\"");
	for (int i = 0; i <= 100; i++) {
		double x = i / 100.0;
		buf_addf(b, "%.1f,%.1f ", svg_x(x),
		    svg_y(up(p, toss_at(p, cost_at(p, x)))));
	}
	buf_adds(b, "\"><title>coin toss between two models</title>"
	    "</polyline>\n");
}

static void
svg_marks(struct buf *b, const struct plot *p)
{
	buf_adds(b, "<polyline fill=\"none\" stroke=\"#0a6\" "
	    "stroke-width=\"2\" points=\"");
	for (size_t i = 0; i < p->cascades; i++)
		buf_addf(b, "%.1f,%.1f ", svg_x(across(p, p->v[i].cost)),
		    svg_y(up(p, p->v[i].right)));
	buf_adds(b, "\"><title>frontier</title></polyline>\n");
	for (size_t i = 0; i < p->n; i++) {
		double x = svg_x(across(p, p->v[i].cost));
		double y = svg_y(up(p, p->v[i].right));
		bool single = i >= p->cascades;
		buf_addf(b, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%d\" "
		    "fill=\"%s\"/>\n", x, y, single ? 4 : 2,
		    single ? "#c33" : "#0a6");
		if (!single)
			continue;
		buf_addf(b, "<text x=\"%.1f\" y=\"%.1f\">", x + 7, y + 4);
		svg_text(b, p->v[i].name);
		buf_adds(b, "</text>\n");
	}
}

int
tune_plot_svg(const struct tune_cmd *c, const char *path, struct err *e)
{
	struct output *out = NULL;
	struct plot p;
	struct buf b;
	int rc;

	if (collect(&p, c, e) < 0)
		return -1;
	buf_init(&b, BUF_MAX);
	buf_addf(&b, "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" "
	    "height=\"%d\" viewBox=\"0 0 %d %d\" font-family=\"sans-serif\" "
	    "font-size=\"12\">\n<rect width=\"100%%\" height=\"100%%\" "
	    "fill=\"#fff\"/>\n", WIDTH, HEIGHT, WIDTH, HEIGHT);
	svg_axes(&b, &p, c);
	svg_toss(&b, &p);
	svg_marks(&b, &p);
	buf_adds(&b, "</svg>\n");
	rc = b.failed ? err_nomem(e) : output_open(&out, path, OUTPUT_REPLACE,
	    e);
	if (rc == 0)
		rc = output_add(out, buf_str(&b), e);
	if (rc == 0)
		rc = output_finish(out, e);
	output_free(out);
	buf_release(&b);
	free(p.v);
	return rc;
}
