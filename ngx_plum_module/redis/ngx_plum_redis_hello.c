
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * The queries that are sent over each new connection, one after the other:
 * those of the table below, then the checks of the user of the client.
 *
 * words()  sets the words of the command and returns their number; 0: the
 *          query is left out
 * judge()  returns NULL if the reply is as expected, else what is wrong
 */

typedef struct {
    char                 *action;
    ngx_uint_t          (*words)(ngx_plum_redis_conn_t *conn, plum_str_t *word);
    const char         *(*judge)(ngx_plum_redis_conn_t *conn,
                                 const redisReply *reply, u_char *text);
} ngx_plum_redis_query_t;


static ngx_int_t ngx_plum_redis_hello_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
static void ngx_plum_redis_hello_next(ngx_plum_redis_conn_t *conn);
static const char *ngx_plum_redis_hello_check(ngx_plum_redis_conn_t *conn,
    const redisReply *reply, u_char *text);
static ngx_uint_t ngx_plum_redis_words_select(ngx_plum_redis_conn_t *conn,
    plum_str_t *word);
static ngx_uint_t ngx_plum_redis_words_role(ngx_plum_redis_conn_t *conn,
    plum_str_t *word);
static const char *ngx_plum_redis_judge_ok(ngx_plum_redis_conn_t *conn,
    const redisReply *reply, u_char *text);
static const char *ngx_plum_redis_judge_role(ngx_plum_redis_conn_t *conn,
    const redisReply *reply, u_char *text);


static const ngx_plum_redis_query_t  ngx_plum_redis_queries[] = {
    { "authenticating", ngx_plum_redis_auth, ngx_plum_redis_judge_ok },
    { "selecting the database", ngx_plum_redis_words_select,
      ngx_plum_redis_judge_ok },
    { "asking for the role", ngx_plum_redis_words_role,
      ngx_plum_redis_judge_role }
};

#define NGX_PLUM_REDIS_QUERIES                                              \
    (sizeof(ngx_plum_redis_queries) / sizeof(ngx_plum_redis_query_t))


void
ngx_plum_redis_hello(ngx_plum_redis_conn_t *conn)
{
    conn->step = 0;

    ngx_plum_redis_hello_next(conn);
}


static void
ngx_plum_redis_hello_next(ngx_plum_redis_conn_t *conn)
{
    char                             *action;
    ngx_uint_t                        i;
    ngx_plum_redis_call_t            *call;
    const ngx_plum_redis_user_t      *user;
    const ngx_plum_redis_query_t  *query;

    call = &conn->hello;
    user = conn->client->user;

    ngx_memzero(call, sizeof(ngx_plum_redis_call_t));

    call->argv = conn->words;
    call->array = 1;
    call->done = ngx_plum_redis_hello_done;

    for ( /* void */ ; conn->step < NGX_PLUM_REDIS_QUERIES; conn->step++) {
        query = &ngx_plum_redis_queries[conn->step];

        call->argc = query->words(conn, conn->words);

        if (call->argc) {
            conn->io.secret = 1;
            (void) ngx_plum_redis_conn_query(conn, call, query->action);
            return;
        }
    }

    i = conn->step - NGX_PLUM_REDIS_QUERIES;

    if (i < user->nchecks) {
        call->argv = user->checks[i].argv;
        call->argc = user->checks[i].argc;
        action = user->checks[i].action;

        (void) ngx_plum_redis_conn_query(conn, call, action);
        return;
    }

    ngx_plum_redis_conn_ready(conn);
}


static ngx_int_t
ngx_plum_redis_hello_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    u_char       text[NGX_PLUM_REDIS_TEXT];
    const char  *why;

    if (status != NGX_PLUM_REDIS_OK) {
        return NGX_OK;
    }

    why = (conn->step < NGX_PLUM_REDIS_QUERIES)
          ? ngx_plum_redis_queries[conn->step].judge(conn, *reply, text)
          : ngx_plum_redis_hello_check(conn, *reply, text);

    if (why) {
        ngx_plum_redis_conn_lost(conn, 0, why);
        return NGX_OK;
    }

    conn->step++;
    ngx_plum_redis_hello_next(conn);

    return NGX_OK;
}


static const char *
ngx_plum_redis_hello_check(ngx_plum_redis_conn_t *conn,
    const redisReply *reply, u_char *text)
{
    const char                    *why;
    ngx_plum_redis_t              *client;
    const ngx_plum_redis_check_t  *check;

    client = conn->client;
    check = &client->user->checks[conn->step - NGX_PLUM_REDIS_QUERIES];

    if (plum_resp_says(reply, "NOAUTH", 0)) {
        return ngx_plum_redis_judge_ok(conn, reply, text);
    }

    why = NULL;

    switch (check->judge(client->data, &conn->checked, reply, &conn->log,
                         &why))
    {

    case NGX_DECLINED:
        return why;

    case NGX_DONE:
        conn->step = NGX_PLUM_REDIS_QUERIES + client->user->nchecks - 1;
        return NULL;

    default: /* NGX_OK */
        return NULL;
    }
}


ngx_uint_t
ngx_plum_redis_auth(ngx_plum_redis_conn_t *conn, plum_str_t *word)
{
    ngx_uint_t                    n;
    const plum_str_t              auth = PLUM_STR("AUTH");
    const ngx_plum_redis_conf_t  *conf;

    conf = conn->conf;

    if (conf->password.len == 0) {
        return 0;
    }

    n = 0;
    word[n++] = auth;

    if (conf->user.len) {
        word[n].data = conf->user.data;
        word[n++].len = conf->user.len;
    }

    word[n].data = conf->password.data;
    word[n++].len = conf->password.len;

    return n;
}


static ngx_uint_t
ngx_plum_redis_words_select(ngx_plum_redis_conn_t *conn, plum_str_t *word)
{
    const plum_str_t  select = PLUM_STR("SELECT");

    if (conn->conf->database.len == 0) {
        return 0;
    }

    word[0] = select;
    word[1].data = conn->conf->database.data;
    word[1].len = conn->conf->database.len;

    return 2;
}


/* where several nodes are configured, or a Sentinel has named the node */

static ngx_uint_t
ngx_plum_redis_words_role(ngx_plum_redis_conn_t *conn, plum_str_t *word)
{
    const plum_str_t  role = PLUM_STR("ROLE");

    word[0] = role;

    return conn->role ? 1 : 0;
}


static const char *
ngx_plum_redis_judge_ok(ngx_plum_redis_conn_t *conn, const redisReply *reply,
    u_char *text)
{
    if (reply->type == REDIS_REPLY_STATUS) {
        return NULL;
    }

    ngx_snprintf(text, NGX_PLUM_REDIS_TEXT, "it refuses: %*s%Z",
                 reply->type == REDIS_REPLY_ERROR ? (size_t) reply->len : 0,
                 reply->str);
    text[NGX_PLUM_REDIS_TEXT - 1] = '\0';

    return (char *) text;
}


static const char *
ngx_plum_redis_judge_role(ngx_plum_redis_conn_t *conn,
    const redisReply *reply, u_char *text)
{
    switch (plum_role_master(reply)) {

    case 1:
        return NULL;

    case 0:
        return "it is no master";

    default:

        /* an ACL may forbid ROLE: the only node is used all the same */

        return conn->nhosts == 1 && conn->pool == NULL
               ? NULL : ngx_plum_redis_judge_ok(conn, reply, text);
    }
}
