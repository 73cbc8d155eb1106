/*
 * The idempotency records in Redis, see plum_record.h.
 */

#include <plum_record.h>
#include <plum_encoding.h>


static void plum_record_judge_claim(const redisReply *reply,
    plum_record_result_t *result);


/*
 * KEYS[1] the record, ARGV[1] "p" and the token.  Replies:
 *
 *   claim    0: claimed; n > 0: another's lease has n - 1 ms left; -1: it has
 *            no end; a string: the record, done
 *   others   1: done as asked; 0: the token does not hold the record; 2: as
 *            0, but what is there is what this very command leaves behind.
 *            A commit then writes all the same: WAIT speaks of what its own
 *            connection has written
 */

static const plum_script_t  plum_record_scripts[] = {

    /* claim: ARGV[2] lease */

    PLUM_SCRIPT("20ebb1227715bc10571e0863e2bb2c92998bb2be",
      "local v = redis.call('GET', KEYS[1])\n"
      "if v and v ~= ARGV[1] then\n"
      "  local s = string.sub(v, 1, 1)\n"
      "  if s == 'd' then return v end\n"
      "  if s ~= 'p' then return redis.error_reply('PLUM no record') end\n"
      "  local t = redis.call('PTTL', KEYS[1])\n"
      "  if t < 0 then return -1 end\n"
      "  return t + 1\n"
      "end\n"
      "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
      "return 0\n"),

    /* renew: ARGV[2] lease */

    PLUM_SCRIPT("fa10737eb65586aa8cdcbb86c892e2c1bbc3fb1d",
      "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
      "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n"),

    /* commit: ARGV[2] "d" and the answer, ARGV[3] retention */

    PLUM_SCRIPT("2de50803ef35c21eab3b5d1ade3d44d9be4cfbc8",
      "local v = redis.call('GET', KEYS[1])\n"
      "if v and v ~= ARGV[1] then\n"
      "  if v == ARGV[2] then\n"
      "    redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
      "    return 2\n"
      "  end\n"
      "  return 0\n"
      "end\n"
      "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
      "return 1\n"),

    /* release */

    PLUM_SCRIPT("e9942c6a56debe2e1eb0857710f7c06092697c1b",
      "local v = redis.call('GET', KEYS[1])\n"
      "if not v then return 2 end\n"
      "if v ~= ARGV[1] then return 0 end\n"
      "return redis.call('DEL', KEYS[1])\n")
};


const plum_script_t *
plum_record_script(plum_record_kind_t kind)
{
    return &plum_record_scripts[kind];
}


void
plum_record_words(plum_record_kind_t kind, const plum_str_t *key,
    const uint8_t *token, uint64_t ms, const plum_str_t *answer,
    plum_record_words_t *words)
{
    uint8_t  *end;

    words->token[0] = 'p';
    plum_hex_encode(token, PLUM_RECORD_TOKEN_LEN, words->token + 1);

    words->word[0] = *key;
    words->word[1].data = words->token;
    words->word[1].len = sizeof(words->token);
    words->n = 2;

    if (kind == PLUM_RECORD_COMMIT) {
        words->word[words->n++] = *answer;
    }

    if (kind != PLUM_RECORD_RELEASE) {
        end = plum_resp_number(words->number, ms);

        words->word[words->n].data = words->number;
        words->word[words->n].len = (size_t) (end - words->number);
        words->n++;
    }
}


void
plum_record_judge(plum_record_kind_t kind, int again, const redisReply *reply,
    plum_record_result_t *result)
{
    result->outcome = PLUM_RECORD_BROKEN;
    result->left = 0;
    result->answer.data = NULL;
    result->answer.len = 0;

    if (reply->type == REDIS_REPLY_ERROR) {
        result->outcome = plum_resp_says(reply, "WRONGTYPE", 1)
                          || plum_resp_says(reply, "PLUM no record", 1)
                          ? PLUM_RECORD_FOREIGN : PLUM_RECORD_REFUSED;
        return;
    }

    if (kind == PLUM_RECORD_CLAIM) {
        plum_record_judge_claim(reply, result);
        return;
    }

    if (reply->type != REDIS_REPLY_INTEGER) {
        return;
    }

    switch (reply->integer) {

    case 0:

        /*
         * a release that was sent before may have been done, and others may
         * have come since: that is no loss
         */

        result->outcome = (again && kind == PLUM_RECORD_RELEASE)
                          ? PLUM_RECORD_OK : PLUM_RECORD_LOST;
        return;

    case 1:
        result->outcome = PLUM_RECORD_OK;
        return;

    case 2:
        if (kind != PLUM_RECORD_RENEW) {
            result->outcome = again ? PLUM_RECORD_OK : PLUM_RECORD_LOST;
        }

        return;
    }
}


static void
plum_record_judge_claim(const redisReply *reply, plum_record_result_t *result)
{
    if (reply->type == REDIS_REPLY_STRING) {

        /* hiredis takes any two bytes for the end of a line */

        if (reply->len == 0 || reply->str[0] != 'd') {
            return;
        }

        result->outcome = PLUM_RECORD_DONE;
        result->answer.data = (const uint8_t *) reply->str + 1;
        result->answer.len = (size_t) reply->len - 1;
        return;
    }

    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < -1) {
        return;
    }

    if (reply->integer == 0) {
        result->outcome = PLUM_RECORD_OK;
        return;
    }

    result->outcome = PLUM_RECORD_BUSY;

    if (reply->integer > 0) {
        result->left = (uint64_t) reply->integer - 1;
    }
}
