#include "tracer/warm/launcher.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "format/base/array.h"
#include "format/base/output_file.h"
#include "format/convert/image_file.h"
#include "format/convert/thaw.h"
#include "tracer/options.h"
#include "tracer/warm/launcher_place.h"
#include "tracer/warm/warm.h"

enum { LINE_MAX_ = 1 << 15, FIRST_LINE_MAX = 255 /* BINPRM_BUF_SIZE less the newline */ };

static bool add(char ***list, size_t *count, const char *text)
{
	char **room = array_add(*list, *count);

	return room && (*room = strdup(text)) != NULL;
}

static char *absolute(const char *path)
{
	char *directory, *joined = NULL;

	if (path[0] == '/')
		return strdup(path);
	if (!(directory = getcwd(NULL, 0)))
		return NULL;
	if (strncmp(path, "./", 2) == 0)
		path += 2;
	if (asprintf(&joined, "%s/%s", directory, path) < 0)
		joined = NULL;
	free(directory);
	return joined;
}

static enum status no_memory(void)
{
	return fail(STATUS_FAILED, "out of memory");
}

/* PROG may be found in PATH as the launcher that is made again: its program is meant. */
static enum status pass_launcher(char **path)
{
	struct launcher other;
	enum status status = STATUS_OK;

	if (!launcher_load(*path, &other))
		return STATUS_OK;
	if (other.word_count != 1)
		status = fail(STATUS_CANNOT_RUN, "%s: is a launcher itself: give the program that it starts",
		              *path);
	free(*path);
	*path = strdup(other.program);
	launcher_free(&other);
	return status != STATUS_OK || *path ? status : no_memory();
}

enum status launcher_begin(struct options *options, char **path, struct launcher *ret_launcher)
{
	struct launcher *launcher = ret_launcher;
	size_t file;
	bool is_file;
	enum status status;

	*launcher = (struct launcher){0};
	if ((status = pass_launcher(path)) != STATUS_OK)
		return status;
	char *whole = absolute(*path);
	if (!whole)
		return no_memory();
	free(*path);
	*path = whole;
	file = warm_find_file(options, *path, &is_file);
	launcher->file = absolute(options->launcher);
	launcher->program = strdup(*path);
	launcher->warm = strdup(options->warm);
	launcher->warm_exit = strdup(options->warm_exits_fully ? "full" : "quick");
	if (!launcher->file || !launcher->program || !launcher->warm || !launcher->warm_exit)
		return no_memory();
	bool ok = true;
	if (is_file)
		ok = (options->program[file] = absolute(options->program[file])) !=
		     NULL; /* kept to the end */
	for (size_t i = 0; i <= file && ok; i++)
		ok = add(&launcher->word, &launcher->word_count, file > 0 ? options->program[i] : *path);
	for (size_t i = file + 1; ok && options->program[i]; i++)
		ok = add(&launcher->argument, &launcher->argument_count, options->program[i]);
	if (!ok)
		return no_memory();
	return launcher_place(launcher->file, base_name(launcher->word[file]), &launcher->image);
}

static enum status cannot_write(const char *path, int error)
{
	return fail(STATUS_FAILED, "can't write the launcher: %s: %s: %s", path, output_file_reason(error),
	            output_file_advice(error));
}

/* What is there under its name may only be a launcher. */
static enum status check_file(const struct launcher *launcher)
{
	struct launcher other;
	struct stat status;

	if (stat(launcher->file, &status) < 0)
		return STATUS_OK;
	if (!launcher_load(launcher->file, &other))
		return fail(STATUS_FAILED, "--launcher: %s: is there, and no launcher: give another name",
		            launcher->file);
	launcher_free(&other);
	return STATUS_OK;
}

static bool put(char **text, size_t *length, const char *word, const char *value)
{
	size_t room = LINE_MAX_ - *length;
	int written = snprintf(*text + *length, room, "%s %s\n", word, value);

	*length += written > 0 ? (size_t)written : 0;
	return written > 0 && (size_t)written < room && !strchr(value, '\n');
}

/* NULL: too long, or a word has a line's end in it. */
static char *compose(const struct launcher *launcher, size_t *ret_length)
{
	char *text = malloc(LINE_MAX_);
	char loader[4200], own[4200];
	size_t length = 0;

	if (!text)
		return NULL;
	launcher_tool("snaprun", loader, sizeof(loader));
	launcher_tool("snaptrace", own, sizeof(own));
	bool ok = strlen(loader) + sizeof("#! --launcher") < FIRST_LINE_MAX && !strpbrk(loader, " \t\n");
	length += (size_t)snprintf(
	        text, LINE_MAX_,
	        "#!%s --launcher\n"
	        "# Starts %s from an image where that is right here and now, and else as it is: "
	        "snaptrace-launcher(7).\n",
	        loader, launcher->program);
	ok = ok && put(&text, &length, "image", launcher->image) && put(&text, &length, "snaptrace", own) &&
	     put(&text, &length, "warm", launcher->warm) &&
	     put(&text, &length, "warm-exit", launcher->warm_exit) &&
	     put(&text, &length, "program", launcher->program);
	for (size_t i = 0; i < launcher->word_count && ok; i++)
		ok = put(&text, &length, "word", launcher->word[i]);
	for (size_t i = 0; i < launcher->argument_count && ok; i++)
		ok = put(&text, &length, "argument", launcher->argument[i]);
	if (!ok) {
		free(text);
		return NULL;
	}
	*ret_length = length;
	return text;
}

/* A file that is being written can't be executed, so one that is as it should be is left alone. */
static bool is_written(const char *path, const char *text, size_t length)
{
	char *found = malloc(length + 1);
	FILE *file = fopen(path, "re");
	bool same = found && file && fread(found, 1, length + 1, file) == length &&
	            memcmp(found, text, length) == 0;

	if (file)
		fclose(file);
	free(found);
	return same && access(path, X_OK) == 0;
}

static enum status write_file(const struct launcher *launcher)
{
	struct output_file output;
	size_t length = 0;
	mode_t mask = umask(0);
	char *text = compose(launcher, &length);
	enum status status = STATUS_OK;

	umask(mask);
	if (!text)
		return fail(STATUS_FAILED,
		            "--launcher: %s: a path or word is too long, or has a line's end or a blank "
		            "where a first "
		            "line can have none: use shorter ones",
		            launcher->file);
	if (is_written(launcher->file, text, length)) {
		free(text);
		return STATUS_OK;
	}
	if (!output_file_begin(&output, launcher->file, 0) || !output_file_set_mode(&output, 0755 & ~mask) ||
	    output_file_sink(&output, 0, text, length) != 0 || !output_file_finish(&output))
		status = cannot_write(launcher->file, output.error);
	output_file_end(&output);
	free(text);
	return status;
}

static enum status thaw(const char *path)
{
	enum snapimg_error error = SNAPIMG_ERR_SINK;
	struct image_failure failure;
	struct output_file output;
	struct image_file image;
	char text[IMAGE_FAILURE_SIZE];
	enum status status = STATUS_OK;

	if (!image_file_open(&image, path, IMAGE_WHOLE, &failure))
		return fail(STATUS_FAILED, "%s", image_failure_text(&failure, path, text));
	if (output_file_begin(&output, path, 0))
		error = image_thaw(&image.image, output_file_sink, &output);
	if (error != SNAPIMG_OK || !output_file_finish(&output))
		status = cannot_write(path, output.error);
	output_file_end(&output);
	image_file_close(&image);
	return status;
}

enum status launcher_check(const struct launcher *launcher)
{
	return check_file(launcher);
}

enum status launcher_finish(const struct launcher *launcher)
{
	enum status status;

	if ((status = thaw(launcher->image)) != STATUS_OK || (status = check_file(launcher)) != STATUS_OK ||
	    (status = write_file(launcher)) != STATUS_OK)
		return status;
	return launcher_link(launcher->file, launcher->image);
}

static bool take_line(struct launcher *launcher, char *line)
{
	const struct {
		const char *word;
		char **text;
	} texts[] = {{"image ", &launcher->image},
	             {"program ", &launcher->program},
	             {"warm ", &launcher->warm},
	             {"warm-exit ", &launcher->warm_exit}};

	for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
		if (strncmp(line, texts[i].word, strlen(texts[i].word)) == 0 && !*texts[i].text)
			return (*texts[i].text = strdup(line + strlen(texts[i].word))) != NULL;
	if (strncmp(line, "word ", 5) == 0)
		return add(&launcher->word, &launcher->word_count, line + 5);
	if (strncmp(line, "argument ", 9) == 0)
		return add(&launcher->argument, &launcher->argument_count, line + 9);
	return true;
}

bool launcher_load(const char *name, struct launcher *ret_launcher)
{
	struct launcher launcher = {0};
	char *file = launcher_of_image(name), *line = NULL;
	FILE *stream = fopen(file ? file : name, "re");
	size_t room = 0;
	ssize_t length;
	bool ok = stream && getline(&line, &room, stream) > 0 && strncmp(line, "#!", 2) == 0 &&
	          strstr(line, "snaprun --launcher\n");

	while (ok && (length = getline(&line, &room, stream)) > 0) {
		if (line[length - 1] == '\n')
			line[length - 1] = '\0';
		ok = take_line(&launcher, line);
	}
	if (ok)
		launcher.file = absolute(file ? file : name);
	if (stream)
		fclose(stream);
	free(line);
	free(file);
	if (ok && launcher.file && launcher.image && launcher.program && launcher.word_count > 0 &&
	    launcher.warm && launcher.warm_exit) {
		*ret_launcher = launcher;
		return true;
	}
	launcher_free(&launcher);
	return false;
}

void launcher_free(struct launcher *launcher)
{
	for (size_t i = 0; i < launcher->word_count; i++)
		free(launcher->word[i]);
	for (size_t i = 0; i < launcher->argument_count; i++)
		free(launcher->argument[i]);
	free(launcher->word);
	free(launcher->argument);
	free(launcher->file);
	free(launcher->image);
	free(launcher->program);
	free(launcher->warm);
	free(launcher->warm_exit);
	*launcher = (struct launcher){0};
}
