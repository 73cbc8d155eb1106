/*
 * What the Redis store says and hears: scripts, commands, the meaning of
 * replies, the pause before a connection is tried again; see plum_redis.h.
 * Replies are cut out of the stream in plum_redis_reader.c.
 */

#include <plum_redis.h>
#include <plum_encoding.h>
#include <plum_str.h>

#include <string.h>
#include <openssl/crypto.h>


#define PLUM_REDIS_BACKOFF_MIN   100
#define PLUM_REDIS_BACKOFF_MAX   5000
#define PLUM_REDIS_BACKOFF_STEPS 6       /* doublings until the maximum */

#define PLUM_REDIS_NUMBER_LEN    20      /* of 64 bits, in digits */
#define PLUM_REDIS_BULK_MAX      (1 + PLUM_REDIS_NUMBER_LEN + 2 + 2)
#define PLUM_REDIS_WORDS         3       /* EVALSHA, the SHA-1, 1 */
#define PLUM_REDIS_HEAD_MAX      96      /* they take 71 bytes */


typedef struct {
    const char  *text;
    const char  *sha;                    /* checked by t/unit/test_redis.c */
    size_t       args;                   /* with the key */
} plum_redis_script_t;


/* what differs between the commands of a kind; word points to the others */

typedef struct {
    plum_str_t   word[PLUM_REDIS_ARGS_MAX - PLUM_REDIS_WORDS];
    size_t       n;
    uint8_t      token[1 + 2 * PLUM_REDIS_TOKEN_LEN];
    uint8_t      number[PLUM_REDIS_NUMBER_LEN];
} plum_redis_args_t;


typedef struct {
    plum_str_t            word;
    int                   anywhere;      /* else the text starts with it */
    plum_redis_outcome_t  outcome;
} plum_redis_refusal_t;


static void plum_redis_args(plum_redis_command_t *command,
    plum_redis_args_t *args);
static uint8_t *plum_redis_bulk(uint8_t *out, const plum_str_t *word);
static uint8_t *plum_redis_number(uint8_t *out, uint64_t n);
static int plum_redis_contains(const plum_str_t *text,
    const plum_str_t *word);
static void plum_redis_judge_claim(const redisReply *reply,
    plum_redis_result_t *result);
static void plum_redis_judge_error(const redisReply *reply,
    plum_redis_result_t *result);


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

static const plum_redis_script_t  plum_redis_scripts[] = {

    /* claim: ARGV[2] lease */

    { "local v = redis.call('GET', KEYS[1])\n"
      "if v and v ~= ARGV[1] then\n"
      "  local s = string.sub(v, 1, 1)\n"
      "  if s == 'd' then return v end\n"
      "  if s ~= 'p' then return redis.error_reply('PLUM no record') end\n"
      "  local t = redis.call('PTTL', KEYS[1])\n"
      "  if t < 0 then return -1 end\n"
      "  return t + 1\n"
      "end\n"
      "redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])\n"
      "return 0\n",
      "20ebb1227715bc10571e0863e2bb2c92998bb2be", 3 },

    /* renew: ARGV[2] lease */

    { "if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end\n"
      "return redis.call('PEXPIRE', KEYS[1], ARGV[2])\n",
      "fa10737eb65586aa8cdcbb86c892e2c1bbc3fb1d", 3 },

    /* commit: ARGV[2] "d" and the answer, ARGV[3] retention */

    { "local v = redis.call('GET', KEYS[1])\n"
      "if v and v ~= ARGV[1] then\n"
      "  if v == ARGV[2] then\n"
      "    redis.call('PEXPIRE', KEYS[1], ARGV[3])\n"
      "    return 2\n"
      "  end\n"
      "  return 0\n"
      "end\n"
      "redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])\n"
      "return 1\n",
      "2de50803ef35c21eab3b5d1ade3d44d9be4cfbc8", 4 },

    /* release */

    { "local v = redis.call('GET', KEYS[1])\n"
      "if not v then return 2 end\n"
      "if v ~= ARGV[1] then return 0 end\n"
      "return redis.call('DEL', KEYS[1])\n",
      "e9942c6a56debe2e1eb0857710f7c06092697c1b", 2 }
};


static const plum_str_t  plum_redis_one = PLUM_STR("1");
static const plum_str_t  plum_redis_empty = PLUM_STR("");


/* EVALSHA of each kind, up to its arguments; see plum_redis_prepare() */

static char    plum_redis_heads[PLUM_REDIS_KINDS][PLUM_REDIS_HEAD_MAX];
static size_t  plum_redis_head_len[PLUM_REDIS_KINDS];


/*
 * Error replies, the first row that fits.  Before Redis 7 the error of a
 * command in a script has other words in front.
 */

static const plum_redis_refusal_t  plum_redis_refusals[] = {
    { PLUM_STR("NOSCRIPT"), 0, PLUM_REDIS_NOSCRIPT },
    { PLUM_STR("MOVED "), 0, PLUM_REDIS_MOVED },
    { PLUM_STR("ASK "), 0, PLUM_REDIS_ASK },
    { PLUM_STR("TRYAGAIN"), 0, PLUM_REDIS_TRYAGAIN },
    { PLUM_STR("CLUSTERDOWN"), 0, PLUM_REDIS_TRYAGAIN },
    { PLUM_STR("MASTERDOWN"), 0, PLUM_REDIS_READONLY },
    { PLUM_STR("READONLY"), 1, PLUM_REDIS_READONLY },
    { PLUM_STR("WRONGTYPE"), 1, PLUM_REDIS_FOREIGN },
    { PLUM_STR("PLUM no record"), 1, PLUM_REDIS_FOREIGN }
};

#define PLUM_REDIS_REFUSALS                                                   \
    (sizeof(plum_redis_refusals) / sizeof(plum_redis_refusals[0]))


const char *
plum_redis_script(plum_redis_kind_t kind)
{
    return plum_redis_scripts[kind].text;
}


const char *
plum_redis_sha(plum_redis_kind_t kind)
{
    return plum_redis_scripts[kind].sha;
}


int
plum_redis_prepare(void)
{
    int          kind;
    char        *out;
    size_t       i, n, len;
    plum_str_t   word[PLUM_REDIS_ARGS_MAX] = { PLUM_STR("EVALSHA") };

    word[2] = plum_redis_one;

    for (kind = 0; kind < PLUM_REDIS_KINDS; kind++) {
        word[1].data = (const uint8_t *) plum_redis_scripts[kind].sha;
        word[1].len = PLUM_REDIS_SHA_LEN;

        n = plum_redis_scripts[kind].args;

        for (i = 0; i < n; i++) {
            word[PLUM_REDIS_WORDS + i] = plum_redis_empty;
        }

        if (plum_redis_words(word, PLUM_REDIS_WORDS + n, &out, &len)
            != PLUM_OK)
        {
            return PLUM_ERROR;
        }

        /* the arguments, which are empty, are the end of it */

        len -= n * (sizeof("$0\r\n\r\n") - 1);

        memcpy(plum_redis_heads[kind], out, len);
        plum_redis_head_len[kind] = len;

        redisFreeCommand(out);
    }

    return PLUM_OK;
}


size_t
plum_redis_room(const plum_redis_command_t *command)
{
    return PLUM_REDIS_HEAD_MAX + command->key.len + command->answer.len
           + 1 + 1 + 2 * PLUM_REDIS_TOKEN_LEN + PLUM_REDIS_NUMBER_LEN
           + PLUM_REDIS_ARGS_MAX * PLUM_REDIS_BULK_MAX;
}


size_t
plum_redis_evalsha(plum_redis_command_t *command, uint8_t *out)
{
    size_t             i;
    uint8_t           *p;
    plum_redis_args_t  args;

    plum_redis_args(command, &args);

    memcpy(out, plum_redis_heads[command->kind],
           plum_redis_head_len[command->kind]);

    p = out + plum_redis_head_len[command->kind];

    for (i = 0; i < args.n; i++) {
        p = plum_redis_bulk(p, &args.word[i]);
    }

    return (size_t) (p - out);
}


int
plum_redis_eval(plum_redis_command_t *command, char **out, size_t *len)
{
    const char         *script;
    plum_str_t          word[PLUM_REDIS_ARGS_MAX] = { PLUM_STR("EVAL") };
    plum_redis_args_t   args;

    plum_redis_args(command, &args);

    script = plum_redis_script(command->kind);

    word[1].data = (const uint8_t *) script;
    word[1].len = strlen(script);
    word[2] = plum_redis_one;

    memcpy(&word[PLUM_REDIS_WORDS], args.word, args.n * sizeof(plum_str_t));

    return plum_redis_words(word, PLUM_REDIS_WORDS + args.n, out, len);
}


static void
plum_redis_args(plum_redis_command_t *command, plum_redis_args_t *args)
{
    uint8_t  *state, *end;
    uint64_t  ms;

    args->token[0] = 'p';
    plum_hex_encode(command->token, PLUM_REDIS_TOKEN_LEN, args->token + 1);

    args->word[0] = command->key;
    args->word[1].data = args->token;
    args->word[1].len = sizeof(args->token);

    args->n = 2;
    ms = command->lease;

    if (command->kind == PLUM_REDIS_COMMIT) {
        ms = command->retention;

        state = (uint8_t *) (uintptr_t) (command->answer.data - 1);
        *state = 'd';

        args->word[args->n].data = state;
        args->word[args->n].len = command->answer.len + 1;
        args->n++;
    }

    if (command->kind != PLUM_REDIS_RELEASE) {
        end = plum_redis_number(args->number, ms);

        args->word[args->n].data = args->number;
        args->word[args->n].len = (size_t) (end - args->number);
        args->n++;
    }
}


/* a bulk string: what redisFormatCommandArgv() makes of an argument */

static uint8_t *
plum_redis_bulk(uint8_t *out, const plum_str_t *word)
{
    *out++ = '$';
    out = plum_redis_number(out, word->len);
    *out++ = '\r';
    *out++ = '\n';

    memcpy(out, word->data, word->len);
    out += word->len;

    *out++ = '\r';
    *out++ = '\n';

    return out;
}


static uint8_t *
plum_redis_number(uint8_t *out, uint64_t n)
{
    size_t   len;
    uint8_t  digits[PLUM_REDIS_NUMBER_LEN];

    len = 0;

    do {
        len++;
        digits[sizeof(digits) - len] = (uint8_t) ('0' + n % 10);
        n /= 10;
    } while (n);

    memcpy(out, digits + sizeof(digits) - len, len);

    return out + len;
}


int
plum_redis_words(const plum_str_t *word, size_t n, char **out, size_t *len)
{
    size_t        i, argvlen[PLUM_REDIS_ARGS_MAX];
    long long     rc;
    const char   *argv[PLUM_REDIS_ARGS_MAX];

    if (n == 0 || n > PLUM_REDIS_ARGS_MAX) {
        return PLUM_ERROR;
    }

    for (i = 0; i < n; i++) {
        argv[i] = (const char *) word[i].data;
        argvlen[i] = word[i].len;
    }

    /* an int before hiredis 1.1 */

    rc = redisFormatCommandArgv(out, (int) n, argv, argvlen);

    if (rc <= 0) {
        return PLUM_ERROR;
    }

    *len = (size_t) rc;

    return PLUM_OK;
}


void
plum_redis_free(char *out, size_t len)
{
    OPENSSL_cleanse(out, len);
    redisFreeCommand(out);
}


void
plum_redis_judge(plum_redis_kind_t kind, int again, const redisReply *reply,
    plum_redis_result_t *result)
{
    result->outcome = PLUM_REDIS_BROKEN;
    result->left = 0;
    result->text.data = NULL;
    result->text.len = 0;

    if (reply->type == REDIS_REPLY_ERROR) {
        plum_redis_judge_error(reply, result);
        return;
    }

    if (kind == PLUM_REDIS_CLAIM) {
        plum_redis_judge_claim(reply, result);
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

        result->outcome = (again && kind == PLUM_REDIS_RELEASE)
                          ? PLUM_REDIS_OK : PLUM_REDIS_LOST;
        return;

    case 1:
        result->outcome = PLUM_REDIS_OK;
        return;

    case 2:
        if (kind != PLUM_REDIS_RENEW) {
            result->outcome = again ? PLUM_REDIS_OK : PLUM_REDIS_LOST;
        }

        return;
    }
}


static void
plum_redis_judge_claim(const redisReply *reply, plum_redis_result_t *result)
{
    if (reply->type == REDIS_REPLY_STRING) {

        /* hiredis takes any two bytes for the end of a line */

        if (reply->len == 0 || reply->str[0] != 'd') {
            return;
        }

        result->outcome = PLUM_REDIS_DONE;
        result->text.data = (const uint8_t *) reply->str + 1;
        result->text.len = (size_t) reply->len - 1;
        return;
    }

    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < -1) {
        return;
    }

    if (reply->integer == 0) {
        result->outcome = PLUM_REDIS_OK;
        return;
    }

    result->outcome = PLUM_REDIS_BUSY;

    if (reply->integer > 0) {
        result->left = (uint64_t) reply->integer - 1;
    }
}


static void
plum_redis_judge_error(const redisReply *reply, plum_redis_result_t *result)
{
    size_t                       i;
    const plum_redis_refusal_t  *refusal;

    result->outcome = PLUM_REDIS_REFUSED;
    result->text.data = (const uint8_t *) reply->str;
    result->text.len = (size_t) reply->len;

    for (i = 0; i < PLUM_REDIS_REFUSALS; i++) {
        refusal = &plum_redis_refusals[i];

        if (refusal->anywhere
            ? plum_redis_contains(&result->text, &refusal->word)
            : plum_str_starts(&result->text, &refusal->word))
        {
            result->outcome = refusal->outcome;
            return;
        }
    }
}


static int
plum_redis_contains(const plum_str_t *text, const plum_str_t *word)
{
    size_t  i;

    for (i = 0; i + word->len <= text->len; i++) {
        if (memcmp(text->data + i, word->data, word->len) == 0) {
            return 1;
        }
    }

    return 0;
}


int
plum_redis_wait(const redisReply *reply, uint64_t *replicas)
{
    if (reply->type != REDIS_REPLY_INTEGER || reply->integer < 0) {
        return PLUM_ERROR;
    }

    *replicas = (uint64_t) reply->integer;

    return PLUM_OK;
}


uint32_t
plum_redis_backoff(uint32_t attempts, uint32_t random)
{
    uint32_t  steps, delay;

    steps = attempts ? attempts - 1 : 0;

    delay = (steps < PLUM_REDIS_BACKOFF_STEPS)
            ? (uint32_t) PLUM_REDIS_BACKOFF_MIN << steps
            : PLUM_REDIS_BACKOFF_MAX;

    return delay - delay / 2 + random % (delay + 1);
}
