#include "tracer/hot/sibling.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

void sibling_path(const char *name, char *path, size_t size)
{
	char self[PATH_MAX];
	ssize_t length = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (length <= 0) {
		snprintf(path, size, "%s", name);
		return;
	}
	self[length] = '\0';
	strrchr(self, '/')[1] = '\0';
	snprintf(path, size, "%s%s", self, name);
}
