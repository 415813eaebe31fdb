/**
 * @file test_move_message.c  Messages between servers that move a conference
 */
#include <string.h>
#include <check.h>
#include <re.h>
#include "noc/client.h"
#include "noc/name.h"
#include "move/message.h"
#include "../suite.h"


static struct odict *json(const char *text)
{
	struct odict *od;

	ck_assert_int_eq(0, json_decode_odict(&od, 16, text, strlen(text),
					      8));

	return od;
}


static void messages_rejected(void)
{
	static const char *const badv[] = {
		"{}",
		"{\"op\":\"steal\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":1,\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"a\"}",
		"{\"op\":\"end\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"\",\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":7,\"from\":\"m1\"}",
		"{\"op\":\"end\",\"conference\":\"a\",\"from\":\"m1\","
			"\"abort\":1}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":[]}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"participants\":-1}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"participants\":4294967296}",
		"{\"op\":\"seat\",\"conference\":\"a\",\"from\":\"m1\","
			"\"seat\":{}}",
		"{\"op\":\"seat\",\"conference\":\"a\",\"from\":\"m1\","
			"\"callid\":\"x\"}",
		"{\"op\":\"gone\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"from\":\"m1\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"from\":\"m1\","
			"\"texts\":\"x\"}",
		"{\"op\":\"share\",\"conference\":\"a\",\"texts\":{}}",
		"{\"op\":\"begin\",\"conference\":\"a\",\"from\":\"m1\","
			"\"room\":{},\"link\":\"xxxxxxxxxxxxxxxxxxxxxxxxxxxx"
			"xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\"}",
	};
	struct move_msg msg;
	struct odict *od;

	for (size_t i = 0; i < ARRAY_SIZE(badv); i++) {
		od = json(badv[i]);
		ck_assert_msg(move_msg_decode(&msg, od) == EBADMSG, "%zu", i);
		mem_deref(od);
	}
}


static void message_there_and_back(void)
{
	struct move_msg msg, back;
	struct odict *od, *room;

	memset(&msg, 0, sizeof(msg));
	ck_assert_int_eq(EINVAL, move_msg_encode(&od, &msg));
	room = json("{\"v\":1}");
	msg.op = MOVE_BEGIN;
	msg.room = room;
	msg.participants = 300;
	msg.merge = true;
	str_ncpy(msg.conference, "team a", sizeof(msg.conference));
	str_ncpy(msg.from, "m1", sizeof(msg.from));
	str_ncpy(msg.link, "127.0.0.1:9", sizeof(msg.link));
	ck_assert_int_eq(0, move_msg_encode(&od, &msg));
	ck_assert_int_eq(0, move_msg_decode(&back, od));
	ck_assert_int_eq(MOVE_BEGIN, back.op);
	ck_assert_str_eq("team a", back.conference);
	ck_assert_str_eq("m1", back.from);
	ck_assert_str_eq("127.0.0.1:9", back.link);
	ck_assert_uint_eq(300, back.participants);
	ck_assert(back.merge);
	ck_assert(!back.abort);
	ck_assert_ptr_nonnull(back.room);
	ck_assert_ptr_null(back.seat);
	mem_deref(od);
	mem_deref(room);
}


static void reply_there_and_back(void)
{
	struct move_reply r, rback;
	struct odict *od;

	memset(&r, 0, sizeof(r));
	r.error = MOVE_RETRY;
	r.scode = 491;
	r.cseq = 77;
	str_ncpy(r.reason, "not now", sizeof(r.reason));
	ck_assert_int_eq(0, move_reply_encode(&od, &r));
	ck_assert_int_eq(0, move_reply_decode(&rback, od));
	ck_assert_int_eq(MOVE_RETRY, rback.error);
	ck_assert_uint_eq(491, rback.scode);
	ck_assert_uint_eq(77, rback.cseq);
	ck_assert_str_eq("not now", rback.reason);
	mem_deref(od);

	od = json("{\"error\":\"perhaps\"}");
	ck_assert_int_eq(EBADMSG, move_reply_decode(&rback, od));
	mem_deref(od);
	od = json("{}");
	ck_assert_int_eq(EBADMSG, move_reply_decode(&rback, od));
	mem_deref(od);
}


START_TEST(test_messages)
{
	ck_assert_int_eq(0, libre_init());
	messages_rejected();
	message_there_and_back();
	reply_there_and_back();
	libre_close();
}
END_TEST


int main(void)
{
	TCase *tc = tcase_create("move message");

	tcase_set_timeout(tc, 240);
	tcase_add_test(tc, test_messages);

	return suite_run("move message", tc);
}
