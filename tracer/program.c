#include "tracer/program.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	HEAD_SIZE = 256,  /* BINPRM_BUF_SIZE: what the kernel looks at (include/uapi/linux/binfmts.h) */
	SCRIPT_DEPTH = 5, /* scripts whose interpreter is a script (fs/exec.c, exec_binprm) */
};

/* 0, or the errno that execve would give for a reason that lies in the file itself. */
static int executable_error(const char *path)
{
	struct stat status;

	if (stat(path, &status) < 0)
		return errno;
	if (S_ISDIR(status.st_mode))
		return EISDIR; /* execve says EACCES; this tells more */
	if (!S_ISREG(status.st_mode))
		return EACCES;
	return faccessat(AT_FDCWD, path, X_OK, AT_EACCESS) < 0 ? errno : 0;
}

/* One try of the search: a name in a directory of PATH; the empty directory is the working directory. */
static char *join(const char *directory, size_t length, const char *name)
{
	char *path;

	if (asprintf(&path, "%.*s%s%s", (int)length, directory, length ? "/" : "./", name) < 0)
		return NULL;
	return path;
}

/* execvp goes on after a file that may not be run, and tells of it only when nothing better follows. */
static char *search(const char *name, const char *directories, int *ret_error)
{
	int refused = 0;

	for (const char *directory = directories;;) {
		size_t length = strcspn(directory, ":");
		char *path = join(directory, length, name);
		int error = path ? executable_error(path) : ENOMEM;

		if (error == 0)
			return path;
		free(path);
		if (error != ENOENT && error != ENOTDIR)
			refused = error;
		if (!directory[length])
			break;
		directory += length + 1;
	}
	*ret_error = refused ? refused : ENOENT;
	return NULL;
}

static enum status tell_error(const char *name, int error)
{
	if (error == ENOENT || error == ENOTDIR)
		return fail(STATUS_NOT_FOUND, "%s: %s", name,
		            strchr(name, '/') ? strerror(error) : "not found in PATH");
	return fail(STATUS_CANNOT_RUN, "%s: cannot be run: %s", name, strerror(error));
}

static enum status check_privilege(const char *name, const char *path, int file)
{
	struct stat status;
	const char *gain = NULL;

	if (fstat(file, &status) < 0)
		return fail(STATUS_CANNOT_RUN, "%s: %s", path, strerror(errno));
	if (status.st_mode & S_ISUID)
		gain = "set-user-ID";
	else if ((status.st_mode & (S_ISGID | S_IXGRP)) == (S_ISGID | S_IXGRP))
		gain = "set-group-ID";
	else if (fgetxattr(file, "security.capability", NULL, 0) > 0)
		gain = "with file capabilities";
	if (!gain)
		return STATUS_OK;
	return fail(STATUS_CANNOT_RUN,
	            "%s: %s is %s: a traced program gains no privilege, and neither would a restored one: "
	            "freeze a program without it",
	            name, path, gain);
}

/* The interpreter of "#! path argument", cut out of head; NULL when it is no script. */
static char *script_interpreter(char *head)
{
	char *path;

	if (strncmp(head, "#!", 2) != 0)
		return NULL;
	path = head + 2 + strspn(head + 2, " \t");
	path[strcspn(path, " \t\n")] = '\0';
	return *path ? path : NULL;
}

static bool is_32_bit(const char *head, size_t length)
{
	return length > EI_CLASS && memcmp(head, ELFMAG, SELFMAG) == 0 && head[EI_CLASS] == ELFCLASS32;
}

/* Follows a script to its interpreter: it is what the kernel runs and whose mode bits it looks at. */
static enum status check_file(const char *name, const char *path, int depth)
{
	char head[HEAD_SIZE + 1] = "";
	const char *interpreter;
	enum status status;
	ssize_t length;
	int file = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);

	if (file < 0 && errno == ENOENT && depth > 0)
		return fail(STATUS_CANNOT_RUN, "%s: its interpreter %s does not exist", name, path);
	if (file < 0)
		return fail(STATUS_CANNOT_RUN,
		            "%s: %s cannot be read: %s: only a readable program can be frozen", name, path,
		            strerror(errno));
	length = pread(file, head, HEAD_SIZE, 0);
	interpreter = length > 0 ? script_interpreter(head) : NULL;
	status = interpreter ? STATUS_OK : check_privilege(name, path, file);
	close(file);
	if (status != STATUS_OK)
		return status;
	if (length > 0 && is_32_bit(head, (size_t)length))
		return fail(STATUS_CANNOT_RUN,
		            "%s: %s is a 32-bit program: only x86-64 programs can be frozen", name, path);
	/* Deeper nesting is for the kernel to refuse (ELOOP). */
	return interpreter && depth < SCRIPT_DEPTH ? check_file(name, interpreter, depth + 1) : STATUS_OK;
}

enum status program_find(const char *name, bool to_freeze, char **ret_path)
{
	const char *directories = getenv("PATH");
	enum status status;
	char *path = NULL;
	int error;

	if (!*name)
		return fail(STATUS_NOT_FOUND, "PROG is an empty word");
	if (strchr(name, '/')) {
		error = executable_error(name);
		if (error == 0 && !(path = strdup(name)))
			error = ENOMEM;
	} else {
		path = search(name, directories ? directories : "/bin:/usr/bin", &error);
	}
	if (!path)
		return tell_error(name, error);
	if (to_freeze && (status = check_file(name, path, 0)) != STATUS_OK) {
		free(path);
		return status;
	}
	*ret_path = path;
	return STATUS_OK;
}
