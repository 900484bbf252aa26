/* Process state that has no file and no memory: umask, working directory, name, and the prctl settings. */
#include <string.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "../check.h"

int main(void)
{
	char name[16] = "", directory[4096] = "";
	CHECK(mkdir("inner", 0700) == 0 || access("inner", X_OK) == 0);
	CHECK(chdir("inner") == 0 && getcwd(directory, sizeof(directory)));
	umask(0137);
	CHECK(prctl(PR_SET_NAME, "a new name") == 0);
	CHECK(prctl(PR_SET_TIMERSLACK, 123456ul) == 0);
	CHECK(prctl(PR_SET_CHILD_SUBREAPER, 1ul) == 0);
	CHECK(prctl(PR_SET_THP_DISABLE, 1ul, 0ul, 0ul, 0ul) == 0);
	CHECK(prctl(PR_SET_PDEATHSIG, 10ul) == 0);
	snapshot_point();
	char now[4096];
	int value = 0;
	CHECK(getcwd(now, sizeof(now)) && strcmp(now, directory) == 0);
	CHECK(umask(0) == 0137);
	CHECK(prctl(PR_GET_NAME, name) == 0 && strcmp(name, "a new name") == 0);
	CHECK(prctl(PR_GET_TIMERSLACK) == 123456);
	CHECK(prctl(PR_GET_CHILD_SUBREAPER, &value) == 0 && value == 1);
	CHECK(prctl(PR_GET_THP_DISABLE, 0ul, 0ul, 0ul, 0ul) == 1);
	CHECK(prctl(PR_GET_PDEATHSIG, &value) == 0 && value == 10);
	CHECK(prctl(PR_GET_DUMPABLE) == 1);
	return 0;
}
