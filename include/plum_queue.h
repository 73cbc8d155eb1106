/*
 * A durable queue in Redis Streams: its keys, the scripts that change them,
 * and what their replies mean.  Pure: no connection, no clock of ours.
 *
 * The keys of a queue Q, behind the prefix of its store.  T is a hash tag, so
 * that all keys of a shard are in one slot of a cluster and one script may
 * touch them all.  T is {Q} with one shard; else {Q.n}, see plum_queue_tag().
 *
 *     T:k:KEY         string   "d" for the retention: accepted before
 *     T:s:NAME        stream   what consumer NAME waits for: k key, e event
 *                              type, t time of accept in ms, b its view of
 *                              the body.  Its group is "plum"
 *     T:lease:NAME    zset     id by the end of its lease, ms
 *     T:due:NAME      zset     id by the time of its next attempt, ms
 *     T:dead:NAME     stream   dead letters: i first id, a attempts, s status,
 *                              r reason, k, e, t, b as above
 *     T:ctl:NAME      hash     paused (by whom), until (ms, 0: for ever),
 *                              l:ID leases in a row that lapsed, f:ID takes
 *                              that were no attempt, dropped (events that it
 *                              was left out of, full=drop)
 *
 * A published stream has no group of ours, and only T:s:NAME.
 *
 * An entry is in one of three states, and the group's pending list is what
 * tells them apart; the two sorted sets are clocks beside it, which the
 * sweep script makes again from it:
 *
 *     waiting   not yet given to the group
 *     leased    pending, with an end in T:lease
 *     due       pending, with a time in T:due
 *
 *     waiting --take--> leased --done, dead--> gone
 *                       leased --again(wait), back--> due --take--> leased
 *                       leased --its lease lapses, take--> leased, or dead
 *
 * The delivery count of the pending entry is the fencing token: each take
 * raises it, and renew, again, back and dead of another count change nothing.
 * done is not fenced: a consumer that has the event has it.  Redis's TIME is
 * the only clock.  A script checks everything before its first write.
 */

#ifndef _PLUM_QUEUE_H_INCLUDED_
#define _PLUM_QUEUE_H_INCLUDED_


#include <plum_resp.h>


#define PLUM_QUEUE_NAME_MAX      64      /* bytes: letters, digits, "_", "-" */
#define PLUM_QUEUE_TARGETS       16      /* consumers and streams of a queue */
#define PLUM_QUEUE_SHARDS        64
#define PLUM_QUEUE_BATCH         16      /* entries of a take, at most */
#define PLUM_QUEUE_BYTES         (1024 * 1024)   /* after which a take ends */
#define PLUM_QUEUE_BODY          (8 * 1024 * 1024)   /* largest body */
#define PLUM_QUEUE_AHEAD         4       /* entries that are read before a
                                            take looks at their bytes */
#define PLUM_QUEUE_ID            48      /* bytes of an id, at most */
#define PLUM_QUEUE_DEATHS        3       /* lapsed leases in a row: poison */


typedef enum {
    PLUM_QUEUE_ACCEPT = 0,
    PLUM_QUEUE_TAKE,
    PLUM_QUEUE_RENEW,
    PLUM_QUEUE_DONE,
    PLUM_QUEUE_AGAIN,
    PLUM_QUEUE_DEAD,
    PLUM_QUEUE_SWEEP,
    PLUM_QUEUE_TRIM,
    PLUM_QUEUE_WATCH,
    PLUM_QUEUE_OPS
} plum_queue_op_t;


/*
 * Keys and arguments of the scripts, in this order.  Numbers are decimal;
 * STREAM, LEASE, DUE, CTL and DEAD are the consumer's keys.
 *
 * accept  KEYS record, then STREAM, DEAD and CTL of each target (of a
 *         published stream STREAM each time)
 *         ARGV retention ms, KEY, event type, "1" to write the record again
 *         where it exists (so that WAIT and WAITAOF speak of it), the number
 *         of targets, then for each: kind ("r" refuse when full, "d" drop,
 *         "p" published), max entries, number of its body (from 1); then the
 *         bodies, each once
 *         -> {0, entries waiting and dead of each target (-1: dropped)}
 *            {1} accepted before
 *            {2, number of the target that is full}
 * take    KEYS STREAM LEASE DUE CTL DEAD
 *         ARGV lease ms, entries at most, bytes after which to stop
 *         -> {0, ms until the next one is due (-1: none is), entries ...}
 *            {1, ms until the pause ends (-1: it does not), by whom}
 *         an entry is {id, count, attempt, age ms, KEY, event type, body};
 *         no more entries than asked for: there may be more to take
 * renew   KEYS STREAM LEASE DUE             ARGV lease ms, id, count
 * done    KEYS STREAM LEASE DUE CTL         ARGV id
 * again   KEYS STREAM LEASE DUE CTL         ARGV id, count, wait ms, "1" where
 *         it was no attempt (given back), pause ms (0: none, -1: for ever),
 *         by whom
 * dead    KEYS STREAM LEASE DUE CTL DEAD    ARGV id, count, attempts, status,
 *         reason
 *         -> 1, or 0: the entry is not held with this count any more
 * sweep   KEYS STREAM LEASE DUE             ARGV lease ms, id to begin behind
 *         ("-": at first)
 *         -> {id to begin behind the next time, or "-"; entries that had
 *            neither lease nor time}.  It looks at 1,000 entries
 * trim    KEYS STREAM                       ARGV age ms, groups ...
 *         -> entries that were taken away
 * watch   KEYS STREAM LEASE CTL DEAD
 *         -> {entries that wait; that are leased; dead letters; ms since the
 *            oldest was accepted (0: none waits or is leased); 1: paused}
 */

const plum_script_t *plum_queue_script(plum_queue_op_t op);


/* whether a name can be a part of a key: 1 or 0 */

int plum_queue_name(const plum_str_t *name);

/*
 * Writes the tag of a shard (0 to shards - 1) with its braces, and returns
 * its length; out holds PLUM_QUEUE_TAG_MAX bytes.  The slots of the tags of a
 * queue lie in as many equal parts of the 16,384 as there are shards, so that
 * the nodes of a cluster share them.  shard() says which one a record is in:
 * key is its name as it stands behind "T:k:", with its owner.
 */

#define PLUM_QUEUE_TAG_MAX       (PLUM_QUEUE_NAME_MAX + 16)

size_t plum_queue_tag(const plum_str_t *queue, unsigned shard,
    unsigned shards, uint8_t *out);
unsigned plum_queue_shard(const plum_str_t *key, unsigned shards);


/* the replies; PLUM_ERROR: that is no reply of the script */

typedef enum {
    PLUM_QUEUE_ACCEPTED = 0,
    PLUM_QUEUE_BEFORE,
    PLUM_QUEUE_FULL
} plum_queue_accepted_t;

typedef struct {
    plum_queue_accepted_t    result;
    size_t                   ntargets;
    int64_t                  targets[PLUM_QUEUE_TARGETS];    /* ACCEPTED */
    size_t                   full;       /* FULL: the target, from 0 */
} plum_queue_accept_reply_t;

int plum_queue_accept_reply(const redisReply *reply, size_t ntargets,
    plum_queue_accept_reply_t *result);

/* strings point into the reply */

typedef struct {
    plum_str_t               id;
    uint64_t                 count;
    uint64_t                 attempt;    /* this is the attempt-th, from 1 */
    uint64_t                 age;        /* ms since it was accepted */
    plum_str_t               key;
    plum_str_t               event;
    plum_str_t               body;
} plum_queue_entry_t;

typedef struct {
    unsigned                 paused:1;
    int64_t                  next;       /* ms, -1: none; of a pause: its end,
                                            -1: it has none */
    plum_str_t               by;         /* of a pause */
    size_t                   nentries;
    plum_queue_entry_t       entries[PLUM_QUEUE_BATCH];
} plum_queue_take_reply_t;

int plum_queue_take_reply(const redisReply *reply,
    plum_queue_take_reply_t *result);


#endif /* _PLUM_QUEUE_H_INCLUDED_ */
