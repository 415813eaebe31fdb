/**
 * @file junctord.c  The server
 */
#include <re.h>

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;

	return 0;
}
