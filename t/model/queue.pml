/*
 * The protocol of a durable queue, for spin: one event, its record and its
 * entry for one consumer in one store, a sender that sends until it is
 * answered, and two workers that deliver.  docs/QUEUE.md says what is
 * modelled, and what is not; t/model.t runs it.
 *
 * As in idempotency.pml, every fault takes one of FAULTS, which all kinds
 * share: a run covers every mix and every order of that many faults, and
 * faults run out in the end, while retries do not.
 *
 * The store has two copies of everything: what it holds now, and what has
 * been made durable (written to disk, or to the replicas that are asked for).
 * A failover, or a restart, goes back to the second.
 */

#ifndef FAULTS
#define FAULTS      3
#endif

/* the kinds of faults and settings: each run chooses */

#ifndef CRASH
#define CRASH       1       /* a worker dies, at any step */
#endif

#ifndef LATE
#define LATE        1       /* what was given up as unknown may still be on
                               its way, and executed after what was sent
                               later, on another connection */
#endif

#ifndef FAILOVER
#define FAILOVER    1       /* the store goes back to what is durable */
#endif

#ifndef GROUP
#define GROUP       1       /* somebody deletes the consumer group */
#endif

#ifndef SWEEP
#define SWEEP       1       /* the clocks are made again from what is pending */
#endif

/*
 * Faults of the protocol itself, which must be found:
 *
 * NO_FENCE     a late worker may change what another one holds
 * FROM_END     a group is made from "$", not from the first entry
 * ACK_EARLY    acknowledged before it was appended
 * ACK_UNSAFE   acknowledged before that was durable
 * ACK_FIRST    the entry leaves the queue before the attempt
 * DUE_LATE     a retry drops its lease first, and gets its time next
 */

#define WORKERS     2
#define NOBODY      WORKERS

/* of the entry */
#define NONE        0
#define WAITING     1       /* in the stream, not given to the group yet */
#define LEASED      2
#define DUE         3
#define LIMBO       4       /* pending, and in none of the two clocks */
#define SKIPPED     5       /* behind the group's last id, and not pending */
#define GONE        6       /* delivered, and removed */
#define BURIED      7       /* a dead letter */

/* operations of a worker that holds an entry; 0: none */
#define DONE        1
#define AGAIN       2
#define DEAD        3

/* what a worker does */
#define IDLE        0
#define TAKEN       1       /* the attempt is under way */
#define DELIVERED   2       /* the consumer has it, nobody knows yet */
#define SETTLE      3       /* an operation is sent until it is answered */


/* the store: entry, its delivery count, its id, its group; and the record */

byte  entry, count, id;
bool  group, record;

/* what of it is durable */

byte  safe_entry, safe_count, safe_id;
bool  safe_group, safe_record;

/* an operation on its way, given up by who sent it */

byte  late, late_count, late_id;

/* of each worker: what it does, the operation to settle, what it has taken */

byte  doing[WORKERS], op[WORKERS];
byte  taken_count[WORKERS], taken_id[WORKERS];

byte  faults = FAULTS;
byte  ids;                  /* given so far */

/* what the promises are about */

bool  promised;             /* the sender has seen an answer */
bool  delivered;            /* at least once */
byte  allowance = 1;        /* how often the consumer may still get it */


#define DURABLE     (safe_entry == entry && safe_count == count               \
                     && safe_id == id && safe_group == group                  \
                     && safe_record == record)

/* the worker w holds the entry as it is */

#define HOLDS(w)    (doing[w] != IDLE && entry == LEASED                      \
                     && taken_count[w] == count && taken_id[w] == id)

/* ... and the consumer may get it, or has got it, by that */

#define EXPOSED(w)  (doing[w] == TAKEN || doing[w] == DELIVERED               \
                     || (doing[w] == SETTLE && op[w] == DONE))


inline fault_where(condition)
{
    faults > 0 && (condition) ->
    faults--
}


inline fault()
{
    fault_where(true)
}


inline excuse()
{
    allowance++
}


/* without faults nobody goes back to what is durable */

inline written()
{
    if
    :: faults == 0 || !FAILOVER ->
        safe_entry = entry;
        safe_count = count;
        safe_id = id;
        safe_group = group;
        safe_record = record
    :: else
    fi
}


/* record and entry are written in one step, or are there already */

inline accept()
{
    d_step {
        if
        :: record
        :: else ->
            group = true;
            record = true;
            entry = WAITING;
            count = 0;
            ids++;
            id = ids
        fi;
        written()
    }
}


/* done, again and dead as the store executes them: each is atomic */

inline execute(what, by_count, by_id)
{
    d_step {
        if
        :: by_id != id || entry == NONE || entry == GONE || entry == BURIED

        :: else ->
            if
            :: what == DONE ->
                entry = GONE            /* a success is one, whoever says so */

#ifdef NO_FENCE
            :: what != DONE && entry == LEASED ->
#else
            :: what != DONE && entry == LEASED && by_count == count ->
#endif
#ifdef DUE_LATE
                entry = (what == AGAIN -> LIMBO : BURIED)
#else
                entry = (what == AGAIN -> DUE : BURIED)
#endif
            :: else
            fi
        fi;
        written()
    }
}


/* the time of a retry, where that is a step of its own */

inline write_due()
{
    d_step {
        if
        :: entry == LIMBO -> entry = DUE
        :: else
        fi;
        written()
    }
}


/* sends it until it is answered */

active proctype Sender()
{
    do
    :: promised ->
        break

    :: !promised ->
#ifdef ACK_EARLY
        promised = true;
#endif
        if
        :: accept()
        :: atomic { fault() }               /* the command is lost */
        fi;

        if
#ifdef ACK_UNSAFE
        :: atomic { record -> promised = true }
#else
        :: atomic { record && DURABLE -> promised = true }
#endif
        :: atomic { !record -> skip }       /* and so is what was written */
        :: atomic { fault() }               /* the reply is lost */
        fi
    od
}


inline leave(w)
{
    doing[w] = IDLE;
    op[w] = 0;
    taken_count[w] = 0;
    taken_id[w] = 0
}


proctype Worker(byte w)
{
end:
    do
    /* take: what is due, or the next entry.  It gets a lease */

    :: atomic {
        doing[w] == IDLE && (entry == DUE || entry == WAITING) ->

        if
        :: !group ->
            group = true;
#ifdef FROM_END
            entry = SKIPPED;
            written();
            goto end;
#endif
        :: else
        fi;

        count++;
#ifdef ACK_FIRST
        entry = GONE;
#else
        entry = LEASED;
#endif
        written();

        if
        :: doing[w] = TAKEN;
           taken_count[w] = count;
           taken_id[w] = id
        :: fault()                          /* the reply is lost */
        fi
       }

    /* the attempt */

    :: atomic {
        doing[w] == TAKEN ->

        if
        :: assert(allowance > 0);           /* promise: not once too often */
           allowance--;
           delivered = true;
           doing[w] = DELIVERED

        :: fault();                         /* no, or no connection */
           doing[w] = SETTLE;
           op[w] = AGAIN

        :: fault();                         /* no, and the waits are used up */
           doing[w] = SETTLE;
           op[w] = DEAD
        fi
       }

    :: atomic {
        doing[w] == DELIVERED ->

        doing[w] = SETTLE;

        if
        :: op[w] = DONE
        :: fault();                         /* its answer is lost */
           excuse();
           op[w] = AGAIN
        fi
       }

    /* the operation, once more until it is answered */

    :: atomic {
        doing[w] == SETTLE ->

        if
        :: execute(op[w], taken_count[w], taken_id[w]);
#ifdef DUE_LATE
           if
           :: op[w] == AGAIN -> op[w] = LIMBO
           :: else -> leave(w)
           fi
#else
           leave(w)
#endif

        :: fault()                          /* the command is lost */

        :: fault();                         /* the reply is lost */
           execute(op[w], taken_count[w], taken_id[w])

#if LATE
        :: fault_where(late == 0);
           late = op[w];
           late_count = taken_count[w];
           late_id = taken_id[w]
#endif
        fi
       }

#ifdef DUE_LATE
    :: atomic { doing[w] == SETTLE && op[w] == LIMBO -> write_due(); leave(w) }
#endif
    od
}


inline crash(w)
{
    if
    :: EXPOSED(w) && doing[w] != TAKEN -> excuse()
    :: else
    fi;
    leave(w)
}


/*
 * The store goes back: what was taken, or done, since then may be delivered
 * again.  And delivery counts are given again, so that an operation that
 * is still on its way may fit what another worker takes next: once more for
 * each of those.
 */

#define ON_ITS_WAY(w)   (doing[w] == SETTLE && op[w] != DONE -> 1 : 0)

inline back()
{
    allowance = allowance + 1 + ON_ITS_WAY(0) + ON_ITS_WAY(1);
    allowance = allowance + (late != 0 && late != DONE -> 1 : 0)
}


/* what nobody asks for */

active proctype World()
{
end:
    do
#if CRASH
    :: atomic { fault_where(doing[0] != IDLE); crash(0) }
    :: atomic { fault_where(doing[1] != IDLE); crash(1) }
#endif

    /* a lease ends: that of nobody, or of a worker that is too slow */

    :: atomic {
        entry == LEASED && !HOLDS(0) && !HOLDS(1) ->
        entry = DUE;
        written()
       }

    :: atomic {
        fault_where(HOLDS(0) || HOLDS(1));

        if
        :: (HOLDS(0) && EXPOSED(0)) || (HOLDS(1) && EXPOSED(1)) -> excuse()
        :: else
        fi;

        entry = DUE;
        written()
       }

    /* what was written becomes durable */

    :: atomic {
        !DURABLE ->
        safe_entry = entry;
        safe_count = count;
        safe_id = id;
        safe_group = group;
        safe_record = record
       }

#if FAILOVER
    :: atomic {
        fault_where(!DURABLE);
        back();
        entry = safe_entry;
        count = safe_count;
        id = safe_id;
        group = safe_group;
        record = safe_record
       }
#endif

#if GROUP
    :: atomic {                             /* nothing is pending any more */
        fault_where(group);
        group = false;

        if
        :: entry == LEASED || entry == DUE || entry == LIMBO ->
            back();
            entry = WAITING;
            count = 0
        :: else
        fi;

        written()
       }
#endif

#if SWEEP
    :: atomic { entry == LIMBO -> entry = LEASED; written() }
#endif

#if LATE
    :: atomic {                             /* comes to the store now */
        late != 0 ->
        execute(late, late_count, late_id);
        late = 0;
        late_count = 0;
        late_id = 0
       }

    :: atomic {                             /* or never */
        late != 0 ->
        late = 0;
        late_count = 0;
        late_id = 0
       }
#endif
    od
}


/* promise: what was acknowledged is delivered, a dead letter, or waiting */

#define KEPT        (delivered || entry == WAITING || entry == LEASED         \
                     || entry == DUE || entry == LIMBO || entry == BURIED)

active proctype Promise()
{
end:
    atomic { promised && !KEPT -> assert(KEPT) }
}


init {
    atomic {
        run Worker(0);
        run Worker(1)
    }
}


/* and in the end, it is one of the first two */

ltl ends { <> (promised && (delivered || entry == BURIED)) }
