#include "format/base/duration.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

bool duration_parse(const char *text, double *ret_seconds)
{
	static const struct {
		const char *unit;
		double seconds;
	} units[] = {{"", 1}, {"ms", 1e-3}, {"s", 1}, {"m", 60}, {"h", 3600}};
	char *end;
	double number;

	if (*text < '0' || *text > '9' || strpbrk(text, "xXpPeE"))
		return false;
	errno = 0;
	number = strtod(text, &end);
	for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
		if (errno || strcmp(end, units[i].unit) != 0 ||
		    number * units[i].seconds > 10 * 366 * 86400.0)
			continue;
		*ret_seconds = number * units[i].seconds;
		return true;
	}
	return false;
}
