#include "tracer/follow/exec_log.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "format/base/line.h"
#include "format/base/names.h"
#include "format/base/proc.h"
#include "tracer/points/point_signal.h"
#include "tracer/ptrace/memory.h"
#include "tracer/ptrace/tracee.h"

enum { WINDOW = 64 * 1024, PATH_ROOM = 4096 };

struct exec_record {
	char *path;
	int directory;         /* execveat's, or AT_FDCWD */
	struct line arguments; /* each with its NUL */
	size_t count;
};

static int output = -1;
static bool as_json;

static void forget_record(struct tracee *tracee)
{
	exec_record_free(tracee->exec);
	tracee->exec = NULL;
}

enum status exec_log_open(const char *path, bool json)
{
	as_json = json;
	tracees_forget = forget_record;
	output = path ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC | O_NOCTTY, 0666)
	              : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
	if (output < 0)
		return fail(STATUS_FAILED, "--log-exec: %s: %s", path ? path : "standard error",
		            strerror(errno));
	return STATUS_OK;
}

bool exec_log_wanted(void)
{
	return output >= 0;
}

void exec_log_watch(struct call_rules *rules)
{
	call_rules_add(rules, SYS_execve, SYS_execve);
	call_rules_add(rules, SYS_execveat, SYS_execveat);
}

void exec_record_free(struct exec_record *record)
{
	if (!record)
		return;
	free(record->path);
	line_free(&record->arguments);
	free(record);
}

/* A string of the target through a window of its memory, since strings mostly follow each other. */
struct window {
	pid_t tid;
	uint64_t start;
	size_t size;
	char bytes[WINDOW];
};

/* As much as can be read from here up to the window's size; what follows may not be mapped. */
static bool move_window(struct window *window, uint64_t address)
{
	window->start = address;
	window->size = tracee_read_some(window->tid, address, window->bytes, sizeof(window->bytes));
	return window->size > 0;
}

/* Appends the string with its NUL. */
static bool append_string(struct window *window, uint64_t address, struct line *to)
{
	for (;;) {
		if (address < window->start || address >= window->start + window->size)
			if (!move_window(window, address))
				return false;
		const char *from = window->bytes + (address - window->start);
		size_t room = (size_t)(window->start + window->size - address);
		const char *end = memchr(from, '\0', room);

		line_add(to, from, end ? (size_t)(end - from) + 1 : room);
		if (end)
			return true;
		address += room;
	}
}

/* As many as can be read: where that isn't all, the call's own EFAULT is to come. */
static void read_arguments(pid_t tid, uint64_t vector, struct exec_record *record)
{
	struct window *window = calloc(1, sizeof(*window));
	uint64_t pointers[512];
	bool fine = window != NULL;

	if (window)
		window->tid = tid;
	for (size_t done = 0; fine && vector;) { /* execve takes NULL as an empty vector */
		size_t got =
		        tracee_read_some(tid, vector + done * sizeof(uint64_t), pointers, sizeof(pointers)) /
		        sizeof(uint64_t);
		size_t i = 0;

		for (; fine && i < got && pointers[i]; i++, record->count++)
			fine = append_string(window, pointers[i], &record->arguments);
		if (i < got)
			break;
		fine = fine && got > 0;
		done += got;
	}
	free(window);
}

struct exec_record *exec_record_read(pid_t tid, const struct call *call)
{
	bool at = call->number == SYS_execveat;
	struct exec_record *record;
	char path[PATH_ROOM];

	if (!at && call->number != SYS_execve)
		return NULL;
	if (!(record = calloc(1, sizeof(*record))))
		return NULL;
	record->directory = at ? (int)call->argument[0] : AT_FDCWD;
	if (tracee_read_string(tid, call->argument[at], path, sizeof(path)) < 0)
		snprintf(path, sizeof(path), "@0x%" PRIx64, call->argument[at]);
	record->path = strdup(path);
	read_arguments(tid, call->argument[1 + at], record);
	if (record->path)
		return record;
	exec_record_free(record);
	return NULL;
}

static pid_t parent_of(pid_t pid)
{
	struct proc_stat stat;

	return proc_try_read_stat(pid, &stat) == 0 ? (pid_t)stat.field[STAT_PPID] : 0;
}

static void begin(struct line *line, pid_t pid, pid_t parent, const char *what)
{
	struct timespec now;
	struct tm parts;
	char stamp[64];

	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &parts);
	strftime(stamp, sizeof(stamp), "%Y-%m-%dT%H:%M:%S", &parts);
	line_format(line,
	            as_json ? "{\"time\": \"%s.%06ldZ\", \"pid\": %d, \"parent\": %d, \"event\": \"%s\""
	                    : "%s.%06ldZ %d %d %s",
	            stamp, now.tv_nsec / 1000, pid, parent, what);
}

/* A log that can't be written is told once; the program goes on. */
static void finish(struct line *line)
{
	static bool told;

	line_add(line, as_json ? "}\n" : "\n", as_json ? 2 : 1);
	if (line->failed)
		errno = ENOMEM;
	if ((line->failed || !line_write(line, output)) && !told) {
		told = true;
		message_error("--log-exec: can't be written: %s: lines are missing", strerror(errno));
	}
	line_free(line);
}

static void add_path(struct line *line, const struct exec_record *record)
{
	bool relative = record->directory != AT_FDCWD && record->path[0] != '/';

	if (as_json) {
		line_text(line, ", \"path\": ");
		line_json(line, record->path, strlen(record->path));
		if (relative)
			line_format(line, ", \"directory\": %d", record->directory);
		return;
	}
	line_text(line, " ");
	if (relative) /* execveat(2): relative to a descriptor, "" for the descriptor itself */
		line_format(line, "fd%d:", record->directory);
	line_quoted(line, record->path, strlen(record->path));
}

static void add_arguments(struct line *line, const char *bytes, size_t size)
{
	const char *separator = "";

	if (as_json)
		line_text(line, ", \"argv\": [");
	for (size_t at = 0; at < size;) {
		size_t length = strnlen(bytes + at, size - at);

		line_text(line, as_json ? separator : " ");
		separator = ", ";
		if (as_json)
			line_json(line, bytes + at, length);
		else
			line_quoted(line, bytes + at, length);
		at += length + 1;
	}
	if (as_json)
		line_text(line, "]");
}

/* Of a process that began its exec before snaptrace was there, or in 32-bit code: what the kernel made of it.
 */
static void add_from_proc(struct line *line, pid_t pid)
{
	struct text arguments CLEANUP(text_free) = {0};
	struct proc_path path = proc_path(pid, "cmdline");
	char executable[PATH_ROOM] = "";
	ssize_t length = readlink(proc_path(pid, "exe").text, executable, sizeof(executable) - 1);
	struct exec_record record = {.path = executable, .directory = AT_FDCWD};

	executable[length > 0 ? length : 0] = '\0';
	add_path(line, &record);
	if (proc_try_read(path.text, &arguments) == 0)
		add_arguments(line, arguments.bytes, arguments.size);
}

pid_t exec_log_done(pid_t pid, const struct exec_record *record)
{
	pid_t parent = parent_of(pid);
	struct line line = {0};

	begin(&line, pid, parent, "exec");
	if (record) {
		add_path(&line, record);
		add_arguments(&line, record->arguments.bytes, record->arguments.size);
	} else {
		add_from_proc(&line, pid);
	}
	finish(&line);
	return parent;
}

void exec_log_failed(pid_t pid, const struct exec_record *record, int error)
{
	const char *name = error_name(error);
	struct line line = {0};

	begin(&line, pid, parent_of(pid), "failed");
	line_format(&line, as_json ? ", \"error\": \"%s\"" : " %s", name ? name : "unknown");
	add_path(&line, record);
	add_arguments(&line, record->arguments.bytes, record->arguments.size);
	finish(&line);
}

void exec_log_end(pid_t pid, pid_t parent, int wait_status)
{
	struct line line = {0};
	char name[32];

	if (WIFEXITED(wait_status)) {
		begin(&line, pid, parent, "exited");
		line_format(&line, as_json ? ", \"status\": %d" : " %d", WEXITSTATUS(wait_status));
	} else {
		begin(&line, pid, parent, "killed");
		signal_name(name, sizeof(name), WTERMSIG(wait_status));
		line_format(&line, as_json ? ", \"signal\": \"SIG%s\", \"core\": %s" : " SIG%s%s", name,
		            WCOREDUMP(wait_status) ? (as_json ? "true" : " core") : (as_json ? "false" : ""));
	}
	finish(&line);
}
