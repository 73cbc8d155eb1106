/*
 * Why a request was not forwarded: one list, used by the enum, the log line,
 * $plum_reason, plum_refuse and the documents.
 *
 *     X(ENUM, name, default status, what the log says)
 */

#ifndef _PLUM_REASON_H_INCLUDED_
#define _PLUM_REASON_H_INCLUDED_


#include <plum_types.h>


#define PLUM_REASONS(X)                                                       \
    X(TLS_REQUIRED, "tls_required", 403,                                      \
      "the request did not come over TLS")                                    \
    X(TLS_VERSION, "tls_version", 403,                                        \
      "the TLS version is lower than plum_tls demands")                       \
    X(CLIENT_CERTIFICATE, "client_certificate", 403,                          \
      "no verified client certificate")                                       \
    X(SUBREQUEST, "subrequest", 403,                                          \
      "a subrequest or redirect led into rules it was not judged by")         \
    X(EARLY_DATA, "early_data", 425,                                          \
      "the request came as TLS early data, which can be replayed")            \
    X(METHOD, "method", 405, "the method is not POST")                        \
    X(CONTENT_TYPE, "content_type", 415,                                      \
      "the content type is not one of JSON in UTF-8")                         \
    X(CONTENT_ENCODING, "content_encoding", 415,                              \
      "the body has a content coding")                                        \
    X(BODY_TOO_LARGE, "body_too_large", 413,                                  \
      "the body is larger than plum_max_body")                                \
    X(HEADER_SPELLING, "header_spelling", 400,                                \
      "a header is spelt with \"_\" where another spelling is read")          \
    X(BODY_BUDGET, "body_budget", 503,                                        \
      "plum_body_budget has no memory left for the body")                     \
    X(CREDENTIAL_MISSING, "credential_missing", 401,                          \
      "a credential is missing")                                              \
    X(CREDENTIAL_MALFORMED, "credential_malformed", 401,                      \
      "a credential is malformed")                                            \
    X(CREDENTIAL_MISMATCH, "credential_mismatch", 401,                        \
      "no live secret fits the credential")                                   \
    X(TIMESTAMP_STALE, "timestamp_stale", 401,                                \
      "the timestamp is outside of the tolerance")                            \
    X(JSON_INVALID, "json_invalid", 400, "the body is not acceptable JSON")   \
    X(EVENT_UNLISTED, "event_unlisted", 422,                                  \
      "the event type is not on the allowlist")                               \
    X(KEY_MISSING, "key_missing", 400,                                        \
      "a part of the idempotency key is empty")                               \
    X(IN_FLIGHT, "in_flight", 409,                                            \
      "another copy of the delivery is being forwarded")                      \
    X(ANSWER_MISSING, "answer_missing", 409,                                  \
      "the delivery was accepted before, and its answer was not kept")        \
    X(STORE_UNAVAILABLE, "store_unavailable", 503,                            \
      "the idempotency store cannot answer")                                  \
    X(QUEUE_FULL, "queue_full", 503,                                          \
      "the queue of a consumer is full")


typedef enum {
    PLUM_REASON_NONE = 0,

#define PLUM_REASON_ENUM(id, name, status, text)  PLUM_REASON_##id,
    PLUM_REASONS(PLUM_REASON_ENUM)
#undef PLUM_REASON_ENUM

    PLUM_REASON_MAX
} plum_reason_t;


/* NULs follow the names and texts, so these are C strings */

const char *plum_reason_name(plum_reason_t reason);
const char *plum_reason_text(plum_reason_t reason);
unsigned plum_reason_status(plum_reason_t reason);

/* PLUM_REASON_NONE where there is none of that name */

plum_reason_t plum_reason_find(const plum_str_t *name);


#endif /* _PLUM_REASON_H_INCLUDED_ */
