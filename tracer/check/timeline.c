#include "tracer/check/timeline.h"

#include <stdlib.h>
#include <string.h>

#include "format/base/array.h"
#include "format/base/json.h"
#include "format/base/proc.h"
#include "format/base/text.h"
#include "tracer/check/machine.h"

const char *const timeline_points[] = {"entry",  "main",   "effect", "read:0", "output",
                                       "listen", "accept", "idle",   NULL};

/* A look and the lines that it was told. */
struct row {
	struct look look;
	char **lines;
	size_t count;
};

static struct row *rows; /* of the run; they live as long as snaptrace */
static size_t row_count;
static struct row heard; /* what is told at present */

static void hear(const char *line)
{
	char *copy = strdup(line);
	char **place = copy ? array_add(heard.lines, heard.count) : NULL;

	if (place)
		*place = copy;
	else
		free(copy);
}

void timeline_listen(void)
{
	message_taker = hear;
}

static void read_name(struct look *look)
{
	struct text comm CLEANUP(text_free) = {0};

	snprintf(look->name, sizeof(look->name), "?");
	if (proc_try_read(proc_path(look->pid, "comm").text, &comm) == 0)
		snprintf(look->name, sizeof(look->name), "%.*s", (int)strcspn(comm.bytes, "\n"), comm.bytes);
}

enum status timeline_add(struct look look)
{
	struct row *row = array_add(rows, row_count);

	message_taker = NULL;
	read_name(&look);
	if (!row)
		return fail(STATUS_FAILED, "out of memory");
	heard.look = look;
	*row = heard;
	heard = (struct row){0};
	return STATUS_OK;
}

static const struct row *find(const struct point *point)
{
	for (size_t i = 0; i < row_count; i++)
		if (rows[i].look.point == point)
			return &rows[i];
	return NULL;
}

/* The asked points, or where none was asked for the best of all. */
static enum status outcome_of(const struct points *points, unsigned asked)
{
	enum status worst = STATUS_OK, best = STATUS_ENDED;

	for (unsigned i = 0; i < points->count; i++) {
		const struct row *row = find(&points->point[i]);
		enum status status = row ? row->look.status : STATUS_ENDED;

		if (i < asked && (worst == STATUS_OK || status == STATUS_FAILED))
			worst = status;
		if (status == STATUS_OK || (status == STATUS_FAILED && best == STATUS_ENDED))
			best = status;
	}
	return points->count == 0 ? STATUS_OK : asked ? worst : best;
}

static void print_machine(FILE *out)
{
	struct machine_fact fact;

	fputs("This machine:\n", out);
	for (unsigned i = 0; machine_try(i, &fact); i++)
		fprintf(out, "  %-34s %-3s  %s\n", fact.name, fact.works ? "yes" : "no", fact.text);
}

static void print_row(FILE *out, const struct row *row)
{
	const struct look *look = &row->look;
	char saved[32];

	snprintf(saved, sizeof(saved), look->saved < 10 ? "%.0f ms" : "%.1f s",
	         look->saved < 10 ? look->saved * 1e3 : look->saved);
	fprintf(out, "  %-20s %10s  ", look->point->text, saved);
	if (look->status == STATUS_OK)
		fprintf(out, "works in %s: %llu pages, %u thread%s\n", look->name,
		        (unsigned long long)look->pages, look->threads, look->threads == 1 ? "" : "s");
	else
		fprintf(out, "refused in %s:\n", look->name);
	for (size_t i = 0; i < row->count; i++) {
		fputs("      ", out);
		text_print(out, row->lines[i]);
		fputc('\n', out);
	}
}

/* What comes before the first effect happens again in each start, or is in the image: no later point has
 * that. */
static void print_advice(FILE *out)
{
	const struct row *best = NULL;

	for (size_t i = 0; i < row_count; i++) {
		if (rows[i].look.status == STATUS_OK)
			best = &rows[i];
		if (rows[i].look.point->kind == &point_effect)
			break;
	}
	if (best)
		fprintf(out, "Of those before any effect outside, --%s%s saves most.\n",
		        best->look.point->kind == &point_warm ? "" : "at ", best->look.point->text);
}

static void print_points(const struct points *points, const char *end, FILE *out)
{
	fprintf(out, "The program:\n  %-20s %10s\n", "point", "saves");
	for (size_t i = 0; i < row_count; i++)
		print_row(out, &rows[i]);
	for (unsigned i = 0; i < points->count; i++)
		if (!find(&points->point[i]))
			fprintf(out, "  %-20s %10s  not met\n", points->point[i].text, "-");
	fprintf(out, "It %s.\n", end);
	print_advice(out);
}

static void put_machine(struct json *json)
{
	struct machine_fact fact;

	json_open(json, "machine", '[');
	for (unsigned i = 0; machine_try(i, &fact); i++) {
		json_open(json, NULL, '{');
		json_string(json, "name", fact.name);
		json_bool(json, "works", fact.works);
		json_bool(json, "needed", fact.is_needed);
		json_string(json, "text", fact.text);
		json_close(json, '}');
	}
	json_close(json, ']');
}

static void put_look(struct json *json, const struct row *row)
{
	const struct look *look = &row->look;

	json_bool(json, "works", look->status == STATUS_OK);
	json_real(json, "saved_milliseconds", look->saved * 1e3);
	json_number(json, "process", (uint64_t)look->pid);
	json_string(json, "name", look->name);
	json_number(json, "threads", look->threads);
	json_number(json, "pages", look->pages);
	json_open(json, "told", '[');
	for (size_t i = 0; i < row->count; i++)
		json_string(json, NULL, row->lines[i]);
	json_close(json, ']');
}

static void put_points(struct json *json, const struct points *points)
{
	json_open(json, "points", '[');
	for (size_t i = 0; i < row_count; i++) {
		json_open(json, NULL, '{');
		json_string(json, "point", rows[i].look.point->text);
		json_bool(json, "met", true);
		put_look(json, &rows[i]);
		json_close(json, '}');
	}
	for (unsigned i = 0; i < points->count; i++) {
		if (find(&points->point[i]))
			continue;
		json_open(json, NULL, '{');
		json_string(json, "point", points->point[i].text);
		json_bool(json, "met", false);
		json_close(json, '}');
	}
	json_close(json, ']');
}

enum status timeline_report(const struct points *points, unsigned asked, const char *end, bool json,
                            FILE *out)
{
	struct json document = {.out = out};

	if (json) {
		json_open(&document, NULL, '{');
		put_machine(&document);
		if (points->count > 0) {
			put_points(&document, points);
			json_string(&document, "end", end);
		}
		json_close(&document, '}');
	} else {
		print_machine(out);
		if (points->count > 0)
			print_points(points, end, out);
	}
	return outcome_of(points, asked);
}
