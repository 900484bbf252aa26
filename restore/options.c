/* The command line: options, IMAGE, and the program's arguments. */
#include "format/facts/command_line.h"
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/launcher.h"
#include "restore/look/own_file.h"
#include "restore/look/words.h"

static const char usage[] = "Usage: snaprun [OPTION...] IMAGE [ARG...]\n"
                            "Becomes the program that snaptrace froze in IMAGE.\n"
                            "\n"
                            "  IMAGE                  keep the recorded arguments\n"
                            "  IMAGE ARG...           these instead of all after argv[0]\n"
                            "  IMAGE -- [ARG...]      exactly what follows, nothing for none\n"
                            "\n";
static const char endings[] = "\n"
                              "The exit status is the program's; 125: the image is damaged or refused;\n"
                              "126, 127: it cannot be read, is not there.\n";

static void option_on_mismatch(const char *value)
{
	static const char *const words[] = {
	        [MISMATCH_FAIL] = "fail",
	        [MISMATCH_WARN] = "warn",
	        [MISMATCH_IGNORE] = "ignore",
	};
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_equal(value, words[i])) {
			loader.options.on_mismatch = (enum on_mismatch)i;
			return;
		}
	die(EXIT_REFUSED, "--on-mismatch: ", value, ": give fail, warn or ignore");
}

static void option_tcp(const char *value)
{
	loader.options.refuse_reset = text_equal(value, "refuse");
	if (!loader.options.refuse_reset && !text_equal(value, "reset"))
		die(EXIT_REFUSED, "--tcp: ", value, ": give reset or refuse");
}

static void option_record_for(const char *value)
{
	loader.options.record = true;
	loader.options.record_for = (char *)(uint64_t)value;
}

static void option_cache(const char *value)
{
	if (!text_equal(value, "off") && !text_equal(value, "auto") && *value != '/')
		die(EXIT_REFUSED, "--cache: ", value, ": give auto, off or a directory's absolute path");
	loader.options.cache = value;
}

static void option_ids(const char *value)
{
	static const char *const words[] = {[IDS_AUTO] = "auto", [IDS_NEW] = "new", [IDS_SAME] = "same"};
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_equal(value, words[i])) {
			loader.options.ids = (enum ids)i;
			return;
		}
	die(EXIT_REFUSED, "--ids: ", value, ": give auto, new or same");
}

static void option_root(const char *value)
{
	loader.options.root_of_image = text_equal(value, "image");
	if (!loader.options.root_of_image && !text_equal(value, "caller"))
		die(EXIT_REFUSED, "--root: ", value, ": give image or caller");
}

static void option_same_ids(const char *value)
{
	(void)value;
	loader.options.ids = IDS_SAME;
}

static void option_key(const char *value)
{
	loader.options.key = value;
}

/* "N:DIGITS" */
static void option_verified(const char *value)
{
	int number = 0;
	for (; *value >= '0' && *value <= '9' && number < 1 << 20; value++)
		number = number * 10 + (*value - '0');
	if (*value != ':' || strlen(value + 1) != (size_t)2 * SNAPIMG_SHA256_SIZE)
		die(EXIT_REFUSED, "--verified: it is snapimg that gives it: leave it out");
	loader.options.verified_file = number;
	loader.options.verified = value + 1;
}

static void option_launcher(const char *value)
{
	loader.options.launcher = value;
	launcher_read(value);
}

static void option_inputs(const char *value)
{
	loader.options.inputs = text_equal(value, "check");
	if (!loader.options.inputs && !text_equal(value, "ignore"))
		die(EXIT_REFUSED, "--inputs: ", value, ": give check or ignore");
}

static void option_help(const char *value);
static void option_version(const char *value);

/* All options, in the order of --help. The manual has the same (install.options checks that). */
static const struct row {
	struct option_words words;
	void (*take)(const char *value); /* NULL: sets the flag */
	bool *flag;
} rows[] = {
        {{0, "on-mismatch", "fail|warn|ignore", "when a file that the image maps has changed (fail)"},
         option_on_mismatch,
         NULL},
        {{0, "fd", "N=close|null|inherit|file:PATH", "what descriptor N becomes, whatever the image says"},
         option_fd,
         NULL},
        {{0, "tcp", "reset|refuse",
          "connections that the image has as reset ones: let the program find them so (reset), or refuse "
          "the image"},
         option_tcp,
         NULL},
        {{0, "fallback", NULL, "start the original program if the image can't be used"},
         NULL,
         &loader.options.fallback},
        {{0, "inputs", "ignore|check",
          "of a program that snaptrace --warm froze: start it only if all that it had read is as it was "
          "(ignore)"},
         option_inputs,
         NULL},
        {{0, "launcher", "FILE",
          "of the first line of a file that snaptrace --launcher made: start its image, or else its program"},
         option_launcher,
         NULL},
        {{0, "cache", "auto|off|DIR",
          "where thawed copies of frozen images are kept (auto: $XDG_CACHE_HOME/snaptrace or "
          "~/.cache/snaptrace)"},
         option_cache,
         NULL},
        {{0, "cache-tried", NULL, NULL}, NULL, &loader.options.cache_tried}, /* by snapimg cache add */
        {{0, "verify", NULL, "check all page data before the start"}, NULL, &loader.options.verify},
        {{0, "key", "FILE",
          "start only what was signed with this Ed25519 key (its public half, PEM; or the variable "
          "SNAP_KEY)"},
         option_key,
         NULL},
        {{0, "verified", "FD:SHA256", NULL}, option_verified, NULL}, /* by snapimg start */
        {{0, "check", NULL, "start nothing: say whether IMAGE will start here, and if not, each reason"},
         NULL,
         &loader.options.check},
        {{0, "json", NULL, "of --check: the answer as one JSON object"}, NULL, &loader.options.json},
        {{0, "record-hot", NULL,
          "note in IMAGE which pages this run uses up to its end, so that later starts make them in "
          "batches"},
         NULL,
         &loader.options.record},
        {{0, "record-for", "DURATION", "the same, up to then (ms, s, m, h)"}, option_record_for, NULL},
        {{0, "ids", "auto|new|same",
          "process and thread IDs: new ones, unless the program has kept its own (auto); the recorded ones, "
          "in a PID namespace (same)"},
         option_ids,
         NULL},
        {{0, "same-ids", NULL, "--ids=same"}, option_same_ids, NULL},
        {{0, "exe", NULL, "with its own /proc/self/exe, in a user namespace"}, NULL, &loader.options.exe},
        {{0, "root", "caller|image",
          "which files the program finds: the caller's (caller), and before them those that are embedded in "
          "IMAGE, in a mount namespace (image)"},
         option_root,
         NULL},
        {{'q', "quiet", NULL, "no warnings"}, NULL, &loader.options.quiet},
        {{'v', "verbose", NULL, "say what was done"}, NULL, &loader.options.verbose},
        {{0, "help", NULL, "this text"}, option_help, NULL},
        {{0, "version", NULL, "the version"}, option_version, NULL},
};

enum { ROW_COUNT = sizeof rows / sizeof rows[0], HELP_COLUMN = 25 };

static void finish(bool printed)
{
	sys(__NR_exit_group, printed ? 0 : EXIT_REFUSED);
}

static bool put_line(void *context, const char *line)
{
	(void)context;
	return print(1, line);
}

static void option_help(const char *value)
{
	const struct help form = {HELP_COLUMN, put_line, NULL};
	(void)value;
	bool printed = print(1, usage);
	for (unsigned i = 0; i < ROW_COUNT; i++)
		printed = help_put_option(&form, &rows[i].words) && printed;
	finish(print(1, endings) && printed);
}

static void option_version(const char *value)
{
	(void)value;
	finish(print(1, "snaprun " SNAP_VERSION "\n"));
}

/* What follows the option's name in the word, "" or "=VALUE"; NULL: it is another option. */
static const char *rest_of(const char *word, const struct option_words *option)
{
	if (word[0] == '-' && option->letter != 0 && word[1] == option->letter && word[2] == '\0')
		return word + 2;
	const char *name = text_after(word, "--");
	const char *rest = name == NULL ? NULL : text_after(name, option->name);
	return rest != NULL && (*rest == '\0' || (*rest == '=' && option->argument != NULL)) ? rest : NULL;
}

/* Takes the option at *ret_at, and its value, and moves *ret_at past them. */
static void take_option(char ***ret_at)
{
	const char *word = *(*ret_at)++;
	for (unsigned i = 0; i < ROW_COUNT; i++) {
		const char *rest = rest_of(word, &rows[i].words), *value = NULL;
		if (rest == NULL)
			continue;
		if (rows[i].words.argument != NULL) {
			value = *rest == '=' ? rest + 1 : **ret_at;
			if (value == NULL)
				die(EXIT_REFUSED, word, ": needs a value: see snaprun --help");
			if (*rest != '=')
				(*ret_at)++;
		}
		if (rows[i].take != NULL)
			rows[i].take(value);
		else
			*rows[i].flag = true;
		return;
	}
	die(EXIT_REFUSED, word, ": unknown option: see snaprun --help");
}

/* Moves *ret_at past the options; whether a "--" ended them. */
static bool take_options(char ***ret_at)
{
	while (loader.options.launcher == NULL && **ret_at != NULL && ***ret_at == '-' &&
	       (**ret_at)[1] != '\0') {
		if (text_equal(**ret_at, "--")) {
			(*ret_at)++;
			return true;
		}
		take_option(ret_at);
	}
	return false;
}

/* SNAP_OPTIONS; true: it ends in "--", so that the arguments are exactly those of the command line. */
static bool take_environment(void)
{
	char **at = words_of_environment();
	bool exactly = take_options(&at);
	if (*at != NULL)
		die(EXIT_REFUSED, "SNAP_OPTIONS: ", *at, ": not an option: see snaprun --help");
	return exactly;
}

/* All after the options, which are known now. */
static void take_arguments(char **from, bool exactly)
{
	char **end = from;
	if (loader.options.json && !loader.options.check)
		die(EXIT_REFUSED, "--json: is the form of what --check says: give that, too");
	while (*end != NULL)
		end++;
	loader.options.arguments = from;
	loader.options.argument_count = (uint64_t)(end - from);
	loader.options.arguments_given = exactly || end > from;
}

void options_parse(void)
{
	loader.options.is_own = own_file_has_image();
	char **at = loader.stack.argv;
	bool exactly = take_environment();
	if (*at != NULL)
		at++;
	if (loader.options.is_own) {
		loader.options.image = loader.stack.file != NULL ? loader.stack.file : "the image";
		take_arguments(at, exactly);
		return;
	}
	(void)take_options(&at);
	if (loader.options.launcher != NULL) {
		at[-1] = (char *)(uint64_t)loader.options.image;
		loader.options.words = at - 1;
		take_arguments(at, true);
		if (loader.options.key != NULL || environment("SNAP_KEY") != NULL) {
			loader.refresh_is_useless = true;
			die(EXIT_REFUSED, loader.options.image, ": a launcher's image is not signed");
		}
		return;
	}
	if (*at == NULL)
		die(EXIT_REFUSED, "no image: what to start: see snaprun --help");
	loader.options.words = at;
	loader.options.image = *at++;
	exactly = exactly || (*at != NULL && text_equal(*at, "--"));
	take_arguments(*at != NULL && text_equal(*at, "--") ? at + 1 : at, exactly);
}
