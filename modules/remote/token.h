/**
 * @file token.h  The secret that lets an operator in
 */
#ifndef JUNCTOR_REMOTE_TOKEN_H
#define JUNCTOR_REMOTE_TOKEN_H

struct pl;

enum {
	TOKEN_BYTES = 32,                /* of randomness                  */
	TOKEN_MIN   = 16,                /* of one set by hand [characters] */
	TOKEN_MAX   = 256,
};

struct token {
	char str[TOKEN_MAX + 1];
};

int  token_load(struct token *tok, const char *path);
bool token_match(const struct token *tok, const struct pl *authorization);

#endif
