/**
 * @file suggest.c  What was probably meant
 */
#include <string.h>
#include <re.h>
#include "cli/cli.h"

enum { WORD_MAX = 32 };

static size_t min3(size_t a, size_t b, size_t c)
{
	const size_t m = a < b ? a : b;

	return m < c ? m : c;
}

/* Insertions, deletions, replacements from a to b; long words: far. */
static size_t distance(const char *a, const char *b)
{
	size_t row[WORD_MAX + 1], la = strlen(a), lb = strlen(b), i, j;

	if (la > WORD_MAX || lb > WORD_MAX)
		return WORD_MAX;

	for (j = 0; j <= lb; j++)
		row[j] = j;

	for (i = 1; i <= la; i++) {

		size_t diag = row[0];

		row[0] = i;
		for (j = 1; j <= lb; j++) {
			const size_t up = row[j];

			row[j] = min3(up + 1, row[j - 1] + 1,
				      diag + (a[i - 1] != b[j - 1]));
			diag = up;
		}
	}

	return row[lb];
}

/**
 * The word that comes nearest to a mistyped one
 *
 * @param word  What was typed
 * @param wordv Words that exist
 * @param wordc Number of them
 *
 * @return One of wordv, or NULL if none is near
 */
const char *suggest(const char *word, const char *const *wordv, size_t wordc)
{
	const size_t len = strlen(word);
	size_t best = len > 5 ? 3 : 2, i;
	const char *near = NULL;

	for (i = 0; i < wordc; i++) {

		size_t d = distance(word, wordv[i]);

		if (len >= 3 && !strncmp(word, wordv[i], len))
			d = 1;

		if (d < best || (d == best && !near && d < len)) {
			best = d;
			near = wordv[i];
		}
	}

	return near;
}
