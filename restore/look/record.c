/*
 * --record-hot: snaptrace, beside snaprun, starts the image and notes which
 * pages it uses. The loader becomes it, so nothing of this costs a start.
 */
#include <linux/fcntl.h>
#include <linux/mman.h>

#include "restore/base/memory.h"
#include "restore/base/message.h"
#include "restore/base/syscall_x86_64.h"
#include "restore/loader.h"
#include "restore/look/words.h"

enum { PATH_SIZE = 4096 };

static void exec_sibling(const char *name, char **arguments)
{
	static char path[PATH_SIZE + 64];
	long length = sys(__NR_readlink, "/proc/self/exe", path, PATH_SIZE);
	while (length > 0 && path[length - 1] != '/')
		length--;
	if (length <= 0)
		return;
	memcpy(path + length, name, strlen(name) + 1);
	sys(__NR_execve, path, arguments, loader.stack.envp);
}

/* What would be lost on the way to snaptrace must not be lost in silence. */
static void check_options(void)
{
	const struct options *options = &loader.options;
	if (options->is_own)
		die(EXIT_REFUSED,
		    "--record-hot: not of a runnable file: record its image, and make the file again");
	if (options->ids != IDS_AUTO || options->exe || options->fallback || options->refuse_reset ||
	    options->verify || options->override_count > 0 || options->on_mismatch != MISMATCH_FAIL)
		die(EXIT_REFUSED,
		    "--record-hot: goes with --record-for, --cache, -q and -v only: leave the others out");
}

void record_start(void)
{
	static char words[][16] = {"snaptrace", "--record-hot", "-q", "-v", "--timeout", "--"};
	enum { FIXED = 8 };
	check_options();
	uint64_t size = page_ceil((loader.stack.argc + FIXED) * sizeof(char *));
	long memory = sys(__NR_mmap, 0, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory < 0)
		die(EXIT_REFUSED, "no memory for the arguments: ", error_text(memory));
	char **arguments = (char **)memory, **at = arguments;
	*at++ = words[0];
	*at++ = words[1];
	if (loader.options.quiet)
		*at++ = words[2];
	if (loader.options.verbose)
		*at++ = words[3];
	if (loader.options.record_for != NULL) {
		*at++ = words[4];
		*at++ = loader.options.record_for;
	}
	*at++ = words[5];
	for (char **from = loader.options.words; *from != NULL; from++)
		*at++ = *from;
	words_hide();
	exec_sibling("snaptrace", arguments);
	die(EXIT_REFUSED, "snaptrace: is not beside snaprun, and it is what records: install both");
}
