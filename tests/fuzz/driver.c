/**
 * @file driver.c  Runs a fuzz target over files, for builds without libFuzzer
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *buf, size_t len);


int main(int argc, char **argv)
{
	enum { MAX = 1 << 20 };

	for (int i = 1; i < argc; i++) {
		FILE *f = fopen(argv[i], "rb");
		uint8_t *buf, *exact;
		size_t n;

		if (!f) {
			perror(argv[i]);
			return 1;
		}

		buf = malloc(MAX);
		if (!buf)
			return 1;
		n = fread(buf, 1, MAX, f);
		fclose(f);

		/* Of the exact size, so that sanitizers see overruns. */
		exact = realloc(buf, n ? n : 1);
		if (!exact)
			return 1;
		LLVMFuzzerTestOneInput(exact, n);
		free(exact);
	}

	printf("%d inputs\n", argc - 1);

	return 0;
}
