#include <cpuid.h>
#include <stddef.h>
#include <string.h>

#include "format/facts/model.h"

/* CPUID's brand string; /proc/cpuinfo of a large machine takes long to read. */
void processor_model(char model[PROCESSOR_MODEL])
{
	unsigned int words[12] = {0};

	for (unsigned int i = 0; i < 3; i++)
		__get_cpuid(0x80000002 + i, &words[i * 4], &words[i * 4 + 1], &words[i * 4 + 2],
		            &words[i * 4 + 3]);
	memcpy(model, words, 48);
	size_t length = 48; /* it may be padded with blanks or NULs */
	while (length > 0 && (model[length - 1] == ' ' || model[length - 1] == '\0'))
		length--;
	model[length] = '\0';
}
