/**
 * @file junctor.c  The operator's command
 */
#include <re.h>

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;

	return 0;
}
