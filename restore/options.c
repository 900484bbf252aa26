/* The command line: options, IMAGE, and the program's arguments. */
#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"

static const char help[] =
        "Usage: snaprun [OPTION...] IMAGE [ARG...]\n"
        "Becomes the program that snaptrace froze in IMAGE.\n"
        "\n"
        "  IMAGE              keep the recorded arguments\n"
        "  IMAGE ARG...       these instead of all behind argv[0]\n"
        "  IMAGE -- [ARG...]  exactly what follows, nothing for none\n"
        "\n"
        "      --on-mismatch=fail|warn|ignore\n"
        "                     when a file that the image maps has changed (fail)\n"
        "      --fd N=close|null|inherit|file:PATH\n"
        "                     what descriptor N becomes, whatever the image says\n"
        "      --tcp=reset|refuse\n"
        "                     connections that the image has as reset ones: let the program\n"
        "                     find them so (reset), or refuse the image\n"
        "      --fallback     start the original program if the image can't be used\n"
        "      --cache=auto|off|DIR\n"
        "                     where thawed copies of frozen images are kept (auto:\n"
        "                     $XDG_CACHE_HOME/snaptrace or ~/.cache/snaptrace)\n"
        "      --verify       check all page data before the start\n"
        "      --record-hot   note in IMAGE which pages this run uses up to its end, so\n"
        "                     that later starts make them in batches\n"
        "      --record-for=DURATION\n"
        "                     the same, up to then (ms, s, m, h)\n"
        "      --ids=auto|new|same\n"
        "                     process and thread IDs: new ones, unless the program has kept\n"
        "                     its own (auto); the recorded ones, in a PID namespace (same)\n"
        "      --same-ids     --ids=same\n"
        "      --exe          with its own /proc/self/exe, in a user namespace\n"
        "  -q, --quiet        no warnings\n"
        "  -v, --verbose      say what was done\n"
        "      --help         this text\n"
        "      --version      the version\n"
        "\n"
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
	die(EXIT_REFUSED, "--on-mismatch: ", value, ": use fail, warn or ignore");
}

static void option_tcp(const char *value)
{
	loader.options.refuse_reset = text_equal(value, "refuse");
	if (!loader.options.refuse_reset && !text_equal(value, "reset"))
		die(EXIT_REFUSED, "--tcp: ", value, ": use reset or refuse");
}

static void option_fallback(const char *value)
{
	(void)value;
	loader.options.fallback = true;
}

static void option_record(const char *value)
{
	(void)value;
	loader.options.record = true;
}

static void option_record_for(const char *value)
{
	loader.options.record = true;
	loader.options.record_for = (char *)(uint64_t)value;
}

static void option_cache(const char *value)
{
	if (!text_equal(value, "off") && !text_equal(value, "auto") && *value != '/')
		die(EXIT_REFUSED, "--cache: ", value, ": use auto, off or a directory's absolute path");
	loader.options.cache = value;
}

static void option_cache_tried(const char *value)
{
	(void)value;
	loader.options.cache_tried = true;
}

static void option_verify(const char *value)
{
	(void)value;
	loader.options.verify = true;
}

static void option_ids(const char *value)
{
	static const char *const words[] = {[IDS_AUTO] = "auto", [IDS_NEW] = "new", [IDS_SAME] = "same"};
	for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
		if (text_equal(value, words[i])) {
			loader.options.ids = (enum ids)i;
			return;
		}
	die(EXIT_REFUSED, "--ids: ", value, ": use auto, new or same");
}

static void option_same_ids(const char *value)
{
	(void)value;
	loader.options.ids = IDS_SAME;
}

static void option_exe(const char *value)
{
	(void)value;
	loader.options.exe = true;
}

static void option_quiet(const char *value)
{
	(void)value;
	loader.options.quiet = true;
}

static void option_verbose(const char *value)
{
	(void)value;
	loader.options.verbose = true;
}

static void finish(bool printed)
{
	sys(__NR_exit_group, printed ? 0 : EXIT_REFUSED);
}

static void option_help(const char *value)
{
	(void)value;
	finish(print(1, help));
}

static void option_version(const char *value)
{
	(void)value;
	finish(print(1, "snaprun " SNAP_VERSION "\n"));
}

static const struct {
	const char *name; /* with its value: ends in '=' or is followed by the next word */
	void (*take)(const char *value);
	bool has_value;
} option_table[] = {
        {"--on-mismatch", option_on_mismatch, true},
        {"--fd", option_fd, true},
        {"--tcp", option_tcp, true},
        {"--fallback", option_fallback, false},
        {"--record-hot", option_record, false},
        {"--record-for", option_record_for, true},
        {"--cache", option_cache, true},
        {"--cache-tried", option_cache_tried, false}, /* by snapimg cache add */
        {"--verify", option_verify, false},
        {"--ids", option_ids, true},
        {"--same-ids", option_same_ids, false},
        {"--exe", option_exe, false},
        {"--quiet", option_quiet, false},
        {"-q", option_quiet, false},
        {"--verbose", option_verbose, false},
        {"-v", option_verbose, false},
        {"--help", option_help, false},
        {"--version", option_version, false},
};

/* Takes the option at *ret_at, and its value, and moves *ret_at behind them. */
static void take_option(char ***ret_at)
{
	const char *word = *(*ret_at)++;
	for (unsigned i = 0; i < sizeof option_table / sizeof option_table[0]; i++) {
		const char *rest = text_after(word, option_table[i].name);
		if (rest == NULL || (*rest != '\0' && !(*rest == '=' && option_table[i].has_value)))
			continue;
		const char *value = NULL;
		if (option_table[i].has_value) {
			value = *rest == '=' ? rest + 1 : **ret_at;
			if (value == NULL)
				die(EXIT_REFUSED, word, ": needs a value: see snaprun --help");
			if (*rest != '=')
				(*ret_at)++;
		}
		option_table[i].take(value);
		return;
	}
	die(EXIT_REFUSED, word, ": unknown option: see snaprun --help");
}

void options_parse(void)
{
	char **at = loader.stack.argv;
	if (*at != NULL)
		at++;
	while (*at != NULL && **at == '-' && (*at)[1] != '\0') {
		if (text_equal(*at, "--")) {
			at++;
			break;
		}
		take_option(&at);
	}
	if (*at == NULL)
		die(EXIT_REFUSED, "no image: what to start: see snaprun --help");
	loader.options.words = at;
	loader.options.image = *at++;
	loader.options.arguments_given = *at != NULL;
	if (*at != NULL && text_equal(*at, "--"))
		at++;
	loader.options.arguments = at;
	while (*at != NULL)
		at++;
	loader.options.argument_count = (uint64_t)(at - loader.options.arguments);
}
