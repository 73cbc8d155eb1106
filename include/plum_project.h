/*
 * The projector: from the bytes of one JSON text to the bytes of its
 * allowlisted part.
 *
 * A plan is built once, at configuration time: allow rules, and probes
 * (places whose scalar somebody wants to see: captures, the event type, a
 * token or timestamp in the body).  It is compiled to a trie, is constant
 * afterwards, and may be shared.  A scratch belongs to one thread (one
 * worker) and one plan, and is used for one text after another.
 *
 * Paths are those of plum_path.h.
 *
 * Rules of the result:
 *  - kept values are the sender's bytes, in the sender's order; between them
 *    the output has no white space; kept member names are copied as spelt;
 *  - containers on the way to a kept path stay, even when they end up empty;
 *    a container of the other kind than the path wants (an array where a
 *    member name follows, an object where "[]" follows), and a scalar on the
 *    way, are dropped; the root always stays ({} or []);
 *  - array elements that cannot hold a kept path are dropped;
 *  - names are matched after decoding escapes.
 *
 * Input: one RFC 8259 text, an object or array, valid UTF-8 (RFC 3629: no
 * surrogates, no overlong forms), no byte order mark, at most
 * PLUM_JSON_DEPTH containers deep, and no name twice in one object where a
 * rule or a probe looks at that name (literal names, and every name of an
 * object whose members a "*" looks at; a "**" by itself looks at none inside
 * of its value).  A rule looks whatever its events are, so that the verdict
 * does not depend on where in the text the event type stands.  Lone
 * surrogates in \u escapes are valid, as is \u0000.
 *
 * Time is linear in the length of the text; there is no recursion and no
 * allocation per member.
 */

#ifndef _PLUM_PROJECT_H_INCLUDED_
#define _PLUM_PROJECT_H_INCLUDED_


#include <plum_path.h>
#include <plum_types.h>


/* limits of a plan: beyond them the functions below return PLUM_ERROR */

#define PLUM_PLAN_PROBES     64       /* probes, the event type among them */
#define PLUM_PLAN_EVENTS     63       /* distinct event patterns */
#define PLUM_PLAN_NODES      65535    /* nodes, wildcards merged */
#define PLUM_PLAN_SECRETS    16       /* secrets of pseudonyms */

#define PLUM_PSEUDONYMS_MAX  65536    /* values of a text that become one; a
                                         text with more is invalid */


typedef struct plum_plan_s     plum_plan_t;
typedef struct plum_scratch_s  plum_scratch_t;


typedef enum {
    PLUM_VALUE_NONE = 0,     /* no such member in the text */
    PLUM_VALUE_STRING,
    PLUM_VALUE_NUMBER,
    PLUM_VALUE_TRUE,
    PLUM_VALUE_FALSE,
    PLUM_VALUE_NULL,
    PLUM_VALUE_CONTAINER     /* an object or array stands there */
} plum_value_kind_t;


/*
 * A value that a probe found.  raw points into the input: the bytes between
 * the quotes for a string, the spelling for a number or literal, empty for
 * a container.
 */

typedef struct {
    plum_str_t           raw;
    plum_value_kind_t    kind;
    unsigned             escaped:1;      /* a string with a backslash in it */
} plum_value_t;


typedef enum {
    PLUM_PROJECT_OK = 0,
    PLUM_PROJECT_INVALID,    /* see the rules above */
    PLUM_PROJECT_NOMEM
} plum_project_rc_t;


typedef struct {
    size_t               length;         /* bytes written to out */
    size_t               pseudonyms;     /* values in them that must be
                                            replaced: see plum_pseudonym.h */
    size_t               dropped;        /* object members that were left out
                                            (each once; what stood inside one
                                            or inside of a left-out element
                                            does not count) */
    unsigned             listed:1;       /* 0: the event type is missing, is
                                            no string (or one with a lone
                                            surrogate), is empty where the
                                            caller gives it, or matches no
                                            pattern
                                            of any rule with events; always 1
                                            where no rule has events */
} plum_projection_t;


/*
 * Configuration time.  A plan is allocated by malloc() and owned by the
 * caller; plum_plan_destroy(NULL) is allowed.  The strings given are copied.
 * Functions return PLUM_OK, or PLUM_ERROR with err filled in.
 */

plum_plan_t *plum_plan_create(void);
void plum_plan_destroy(plum_plan_t *plan);

/*
 * Adds a rule.  events: patterns of event types, each literal or with one
 * final "*" ("offer.*", "*"); nevents of 0: for every event.  The same path
 * may be allowed several times, also for different events.
 */

int plum_plan_allow(plum_plan_t *plan, const plum_str_t *path,
    const plum_str_t *events, size_t nevents, plum_error_t *err);

/*
 * Asks for the scalar at a path that names exactly one value ("[]", "*" and
 * "**" are errors).  *slot is its index in the probes array of
 * plum_project().  The same path asked for twice gives the same slot.
 */

int plum_plan_probe(plum_plan_t *plan, const plum_str_t *path,
    unsigned *slot, plum_error_t *err);

/*
 * Names the place of the event type; a probe too.  Needed where a rule has
 * events (else plum_plan_compile() fails); may be called once.
 */

int plum_plan_event_type(plum_plan_t *plan, const plum_str_t *path,
    unsigned *slot, plum_error_t *err);

/*
 * A string or number at that path is written to the output, and marked there:
 * plum_pseudonyms_write() puts pseudonyms in the place of what is marked.
 * Whatever else stands there (true, false, null, a container) is left out, as
 * if this rule did not exist.  secret is the caller's number of the secret,
 * less than PLUM_PLAN_SECRETS.  The path must not end with "**".
 *
 * plum_plan_compile() fails where a path is both allowed (by itself or within
 * a "**") and a pseudonym, or is a pseudonym by two secrets, whatever the
 * events of the rules are.
 */

int plum_plan_pseudonym(plum_plan_t *plan, const plum_str_t *path,
    const plum_str_t *events, size_t nevents, unsigned secret,
    plum_error_t *err);

/*
 * Instead of plum_plan_event_type(): the event type does not stand in the
 * text; plum_project_typed() is told.
 */

int plum_plan_event_given(plum_plan_t *plan, plum_error_t *err);

int plum_plan_compile(plum_plan_t *plan, plum_error_t *err);

/* the number of slots that plum_project() fills */

size_t plum_plan_slots(const plum_plan_t *plan);

/*
 * A scratch for one worker and one compiled plan; NULL if out of memory.
 * Never larger than what the largest text so far needed.
 */

plum_scratch_t *plum_scratch_create(const plum_plan_t *plan);
void plum_scratch_destroy(plum_scratch_t *scratch);


/*
 * Projects one text.  out holds at least len bytes and does not overlap in;
 * it is written even when the result is not PLUM_PROJECT_OK (then its
 * content means nothing).  probes holds plum_plan_slots() entries; each is
 * set, also when the event is not listed.  If the text is invalid, *result
 * and the probes are cleared.
 */

plum_project_rc_t plum_project(const plum_plan_t *plan,
    plum_scratch_t *scratch, const uint8_t *in, size_t len, uint8_t *out,
    plum_value_t *probes, plum_projection_t *result);


/*
 * The same for a plan with plum_plan_event_given(); type is the event type,
 * as it stands, empty if there is none.
 */

plum_project_rc_t plum_project_typed(const plum_plan_t *plan,
    plum_scratch_t *scratch, const plum_str_t *type, const uint8_t *in,
    size_t len, uint8_t *out, plum_value_t *probes,
    plum_projection_t *result);


/*
 * Decodes a probe's scalar into buf: a string to UTF-8, a number or literal
 * as spelt.  PLUM_ERROR (and *len = 0) where there is none, where it is
 * null or a container, longer than size bytes, or a string that has no
 * UTF-8 form (a lone surrogate), or where memory is exhausted.
 */

int plum_value_decode(const plum_value_t *value, uint8_t *buf, size_t size,
    size_t *len);


#endif /* _PLUM_PROJECT_H_INCLUDED_ */
