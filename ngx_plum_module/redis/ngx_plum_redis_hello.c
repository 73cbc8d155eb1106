
/*
 * Copyright (C) 2026 The ngx_plum_module authors
 */


#include <ngx_plum_redis_client.h>


/*
 * The queries that are sent over each new connection, one after the other:
 * those of the table below, then the checks of the user of the client.  The
 * checks are repeated every NGX_PLUM_REDIS_CHECK, in front of the next call, as
 * the settings of a node may change while the connection lives.
 *
 * words()  sets the words of the command and returns their number; 0: the
 *          query is left out
 * judge()  returns NULL if the reply is as expected, else what is wrong
 */

#define NGX_PLUM_REDIS_CHECK     5000    /* ms */


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
    ngx_uint_t *n, const redisReply *reply, u_char *text);
static ngx_int_t ngx_plum_redis_hello_checked(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply);
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
    conn->checks = 0;

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

    conn->check_n = 0;
    conn->check_due = ngx_current_msec + NGX_PLUM_REDIS_CHECK;
    conn->checks = (user->nchecks != 0);

    ngx_plum_redis_conn_ready(conn);
}


static ngx_int_t
ngx_plum_redis_hello_done(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    u_char       text[NGX_PLUM_REDIS_TEXT];
    ngx_uint_t   n;
    const char  *why;

    if (status != NGX_PLUM_REDIS_OK) {
        return NGX_OK;
    }

    if (conn->step < NGX_PLUM_REDIS_QUERIES) {
        why = ngx_plum_redis_queries[conn->step].judge(conn, *reply, text);
        conn->step++;

    } else {
        n = conn->step - NGX_PLUM_REDIS_QUERIES;
        why = ngx_plum_redis_hello_check(conn, &n, *reply, text);
        conn->step = NGX_PLUM_REDIS_QUERIES + n;
    }

    if (why) {
        ngx_plum_redis_conn_lost(conn, 0, why);
        return NGX_OK;
    }

    ngx_plum_redis_hello_next(conn);

    return NGX_OK;
}


/* judges the reply to check *n of the user, and sets *n to the next one */

static const char *
ngx_plum_redis_hello_check(ngx_plum_redis_conn_t *conn, ngx_uint_t *n,
    const redisReply *reply, u_char *text)
{
    ngx_int_t                      rc;
    const char                    *why;
    ngx_plum_redis_t              *client;
    const ngx_plum_redis_check_t  *check;

    client = conn->client;
    check = &client->user->checks[*n];

    if (plum_resp_says(reply, "NOAUTH", 0)) {
        return ngx_plum_redis_judge_ok(conn, reply, text);
    }

    why = NULL;

    rc = check->judge(client->data, &conn->checked, reply, &conn->log, &why);

    *n = (rc == NGX_DONE) ? client->user->nchecks : *n + 1;

    return (rc == NGX_DECLINED) ? why : NULL;
}


void
ngx_plum_redis_hello_again(ngx_plum_redis_conn_t *conn)
{
    ngx_plum_redis_call_t         *call;
    const ngx_plum_redis_check_t  *check;

    call = &conn->check;

    if (conn->state != NGX_PLUM_REDIS_READY
        || call->conn
        || (ngx_msec_int_t) (conn->check_due - ngx_current_msec) > 0)
    {
        return;
    }

    /* calls_put() comes here again for the check itself */

    conn->check_due = ngx_current_msec + NGX_PLUM_REDIS_CHECK;

    check = &conn->client->user->checks[conn->check_n];

    ngx_memzero(call, sizeof(ngx_plum_redis_call_t));

    call->argv = check->argv;
    call->argc = check->argc;
    call->limit = ngx_current_msec + conn->conf->timeout;
    call->array = 1;
    call->done = ngx_plum_redis_hello_checked;

    if (ngx_plum_redis_calls_put(conn, call) == NGX_OK) {
        ngx_plum_redis_calls_given(conn, call);
    }
}


/*
 * Where a check fails, the connection is closed.  Calls that were sent behind
 * the check end as UNKNOWN: what they wrote is not as safe as the user needs.
 * The next connection begins with all queries.
 */

static ngx_int_t
ngx_plum_redis_hello_checked(ngx_plum_redis_conn_t *conn,
    ngx_plum_redis_call_t *call, ngx_plum_redis_status_e status,
    redisReply **reply)
{
    u_char       text[NGX_PLUM_REDIS_TEXT];
    const char  *why;

    if (status != NGX_PLUM_REDIS_OK || *reply == NULL) {
        return NGX_OK;
    }

    why = ngx_plum_redis_hello_check(conn, &conn->check_n, *reply, text);

    if (why) {
        ngx_plum_redis_conn_lost(conn, 0, why);
        return NGX_OK;
    }

    if (conn->check_n == conn->client->user->nchecks) {
        conn->check_n = 0;

    } else {
        conn->check_due = ngx_current_msec;
    }

    return NGX_OK;
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
