/**
 * @file scene.h  A server with the service `remote`, and somebody who asks it
 *
 * The server runs in the main thread; a script in a thread beside it asks
 * what is to be asked and then stops the server the way an operator does.
 */
#ifndef JUNCTOR_TESTS_MODULES_SCENE_H
#define JUNCTOR_TESTS_MODULES_SCENE_H

#include "talk.h"

struct command;
struct command_req;
struct server;

enum { COMMANDS = 9 };

struct scene {
	struct server *srv;
	struct command *cmdv[COMMANDS];
	struct command_req *late;
	struct tmr tmr;
	char dir[64];
	char token[300];
	struct sa addr;
	void (*script)(struct scene *sc);
	unsigned calls;          /* of test.change                         */
};

void nap(unsigned ms);
void scene_play(void (*script)(struct scene *sc), const char *set);
void ask_raw(struct scene *sc, struct talk *t, const char *text);
unsigned ask(struct scene *sc, struct talk *t, const char *method,
	     const char *path, const char *body);
void stop(struct scene *sc);

#endif
