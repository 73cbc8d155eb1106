
/*
 * The idempotency protocol, for spin: one event, its record in one store,
 * SENDERS deliveries of it at a time, each sent again until it is
 * acknowledged, and two workers that take them.  docs/PROTOCOL.md says what
 * is modelled, and what is not; t/model.t runs it.
 *
 * A delivery and the request that serves it are one process, as the sender
 * does nothing meanwhile but wait.  A worker is a number: what dies with it
 * is marked with it.
 *
 * Every fault takes one of FAULTS, which all kinds share, so a run covers
 * every mix and every order of that many faults, and "the upstream is healthy
 * in the end" needs no words: faults run out, retries do not.
 */

#ifndef FAULTS
#define FAULTS      3
#endif

#ifndef SENDERS
#define SENDERS     2
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
#define FAILOVER    1       /* the store goes back to an older record */
#endif

#ifndef LAPSE
#define LAPSE       2       /* 0: leases last for ever; 1: those that nobody
                               sees to any more end; 2: any may, as a fault */
#endif

#ifndef HOLD
#define HOLD        1       /* in doubt: 0: released, 1: released or held */
#endif

#ifndef FORWARD
#define FORWARD     0       /* unavailable=: 0: refuse, 1: forward */
#endif

/*
 * Faults of the protocol itself, which must be found:
 *
 * NO_RELEASE   a failed forward leaves its claim
 * NO_CANCEL    a claim that may have been made for nobody is left
 * FORGETFUL    so is one whose repetition could not be sent
 * NO_TOKEN     a release ends whatever claim is there
 * ACK_COPY     a copy of a pending claim is acknowledged
 * ACK_DOUBT    no answer is taken for success
 */

#define WORKERS     2
#define TOKENS      (3 * SENDERS + 3)   /* more than can be about */

/* of the record */
#define ABSENT      0
#define PENDING     1
#define COMMITTED   2

/* operations; 0: none */
#define CLAIM       1
#define COMMIT      2
#define RELEASE     3

/* what became of an operation, as in ngx_plum_store.h */
#define OK          1
#define BUSY        2
#define DONE        3
#define LOST        4
#define NOT_SENT    5
#define UNKNOWN     6

/* what became of a forward, as in plum_idempotency.h */
#define SUCCESS     1
#define FAILURE     2
#define IN_DOUBT    3

#define NOBODY      WORKERS


/* the store, and the record before its last change */

byte  record, record_token;
byte  older, older_token;

/* an operation on its way, given up by who sent it */

byte  late, late_token;

/* of each delivery: its worker, and the token of its request; 0: none */

byte  worker[SENDERS] = NOBODY;
byte  token[SENDERS];
bool  killed[SENDERS];
bool  acked[SENDERS];

/* the commit or release that its worker sees through in the background */

byte  settle[SENDERS], settle_token[SENDERS], settle_worker[SENDERS];

byte  faults = FAULTS;

/*
 * What the promises are about.  The upstream may accept the event once, and
 * once more for each fault that is an excuse: so not only is there none
 * without an excuse, an excuse is not good for two either.
 */

bool  answered;             /* with success, and a worker has seen it */
byte  allowance = 1;


/*
 * What only a fault would look at is forgotten with the last one, as are the
 * workers, see take(): most states are behind it.
 */

inline fault_where(condition)
{
    faults > 0 && (condition) ->
    faults--;

    if
    :: faults == 0 ->
        older = ABSENT;
        older_token = 0
    :: else
    fi
}


inline fault()
{
    fault_where(true)
}


inline excuse()
{
    allowance++
}


/* claim, commit and release as the store executes them: each is atomic */

inline write(state, by)
{
#if FAILOVER
    if
    :: faults > 0 ->
        older = record;
        older_token = record_token
    :: else
    fi;
#endif
    record = state;
    record_token = by
}


inline execute(op, by, outcome)
{
    d_step {
        if
        :: op == CLAIM && record == COMMITTED ->
            outcome = DONE

        :: op == CLAIM && record == PENDING ->
            /* its own: a command that is repeated */
            outcome = (record_token == by -> OK : BUSY)

        :: op == CLAIM && record == ABSENT ->
            write(PENDING, by);
            outcome = OK

        :: op == COMMIT && record == PENDING && record_token != by ->
            outcome = LOST

        :: op == COMMIT && record == COMMITTED ->
            outcome = OK

        :: op == COMMIT && (record == ABSENT ||
                            (record == PENDING && record_token == by)) ->
            /* lapsed, but it was forwarded, and nobody else holds it */
            write(COMMITTED, 0);
            outcome = OK

#ifdef NO_TOKEN
        :: op == RELEASE && record == PENDING ->
#else
        :: op == RELEASE && record == PENDING && record_token == by ->
#endif
            write(ABSENT, 0);
            outcome = OK

        :: else ->
            outcome = LOST
        fi
    }
}


/* an operation as a worker sees it */

inline ask(op, by, outcome)
{
    atomic {
        if
        :: execute(op, by, outcome)

        :: fault();
           outcome = NOT_SENT

        :: fault();                         /* the reply is lost */
           execute(op, by, outcome);
           outcome = UNKNOWN

        :: fault();                         /* the command is lost */
           outcome = UNKNOWN

#if LATE
        :: fault_where(late == 0);
           late = op;
           late_token = by;
           outcome = UNKNOWN
#endif
        fi
    }
}


/* of the token t: is it of a delivery that is served, or being settled? */

#define OF(s, t)        (t == token[s] || t == settle_token[s])

#if SENDERS > 2
#define SEEN_TO(t)      (OF(0, t) || OF(1, t) || OF(2, t))
#else
#define SEEN_TO(t)      (OF(0, t) || OF(1, t))
#endif

#define TAKEN(t)        (t == record_token || t == older_token                \
                         || t == late_token || SEEN_TO(t))


/* the lowest that nothing in the world refers to: as good as a random one */

inline fresh(result)
{
    d_step {
        result = 1;

        do
        :: TAKEN(result) ->
            result++
        :: else ->
            break
        od;

        assert(result <= TOKENS);
        token[s] = result;
        result = 0
    }
}


/* hands an operation to the worker's background, when that is free */

inline see_through(op)
{
    atomic {
        settle[s] == 0 ->
        settle[s] = op;
        settle_token[s] = token[s];
        settle_worker[s] = worker[s];
        token[s] = 0
    }
}


/*
 * A request begins.  Which of two idle workers takes it makes no difference,
 * nor does any where none can die.
 */

#define BUSY_WITH(i)    (worker[i] != NOBODY || settle[i] != 0)

#if SENDERS > 2
#define ANY_BUSY        (BUSY_WITH(0) || BUSY_WITH(1) || BUSY_WITH(2))
#else
#define ANY_BUSY        (BUSY_WITH(0) || BUSY_WITH(1))
#endif

inline take()
{
    if
    :: worker[s] = 0
    :: CRASH && faults > 0 && ANY_BUSY -> worker[s] = 1
    fi;

    fresh(rc)
}


inline leave()
{
    unsure = false;
    worker[s] = NOBODY;
    token[s] = 0
}


inline acknowledge()
{
    assert(answered);                       /* promise: never for nothing */

    if
    :: acked[s] = true
    :: fault()                              /* the sender does not see it */
    fi
}


/* what the upstream does */

inline forward()
{
    if
    :: assert(allowance > 0);               /* promise: not once too often */
       allowance--;
       rc = SUCCESS

    :: fault();                             /* no connection, or an error */
       rc = FAILURE

    :: fault();                             /* died before it did anything */
       rc = IN_DOUBT
    fi
}


/* and what is known of it */

inline answer()
{
    if
    :: rc == SUCCESS ->
        if
        :: answered = true

        :: fault();                         /* did it, and does not answer */
           excuse();
           rc = IN_DOUBT
        fi

    :: else
    fi
}


/*
 * A step is what other processes, and death, cannot come in between.  What a
 * worker does after a reply, until it waits again, is one with it: dead in
 * between it is as if it had died before the reply.
 */

inline serve()
{
    do
    :: atomic {

        if
        :: token[s] == 0 -> take()
        :: else                             /* it asks again */
        fi;

        ask(CLAIM, token[s], rc);

        if
        :: rc == OK ->
            rc = 0;
            unsure = false;
            if
            :: break
            :: fault();                     /* the sender has hung up */
               goto vanished
            fi

        :: rc == DONE ->
            rc = 0;
            acknowledge();
            leave();
            goto out

        :: rc == BUSY ->
            rc = 0;
            unsure = false;
#ifdef ACK_COPY
            acknowledge();
            leave();
            goto out
#else
            if
            :: true                         /* in_flight=wait */
            :: leave(); goto out            /* 409 */
            fi
#endif

        :: rc == NOT_SENT ->
            rc = 0;
#ifndef FORGETFUL
            if
            :: unsure -> goto vanished
            :: else
            fi;
#endif
#if FORWARD
            goto unclaimed
#else
            leave();
            goto out                        /* 503 */
#endif

        :: rc == UNKNOWN ->
            rc = 0;
            if
            :: unsure = true                /* the command is repeated */
            :: goto vanished                /* 503 */
            fi
        fi
       }
    od;

    atomic { forward() };

    atomic {
        answer();

        /* settled first, answered next: the answer does not wait for it */

        if
#ifndef ACK_DOUBT
        :: rc == SUCCESS ->
#else
        :: rc == SUCCESS || rc == IN_DOUBT ->
#endif
            rc = 0;
            see_through(COMMIT)

        :: rc == FAILURE || rc == IN_DOUBT ->
            rc = 0;
#ifndef NO_RELEASE
            see_through(RELEASE);
#endif
            leave();
            goto out

#if HOLD
        :: rc == IN_DOUBT ->
            rc = 0;
            leave();
            goto out
#endif
        fi
    };

    atomic { acknowledge(); leave() };

    goto out;

vanished:

    atomic {
        unsure = false;
#ifndef NO_CANCEL
        see_through(RELEASE);
#endif

#if FORWARD
        /* by order of the configuration, so a second one is excused */

unclaimed:

        excuse();
        token[s] = 0;
        forward()
    };

    atomic {
        answer();

        if
        :: rc == SUCCESS -> acknowledge()
        :: else
        fi;

        rc = 0;
#endif

        leave()
    };

out:

    skip
}


/* a delivery, sent again until it is acknowledged */

proctype Sender(byte s)
{
    byte  rc;
    bool  unsure;           /* an earlier try of this claim may have made it */

    do
    :: acked[s] ->
        break

    :: !acked[s] ->

        {
            serve()

        } unless {

            atomic { killed[s] -> killed[s] = false; rc = 0; unsure = false }
        }
    od
}


/* the background of a worker: once more, until the store has said a word */

proctype Settler(byte s)
{
    byte  rc;

end:
    do
    :: atomic {
        settle[s] != 0 ->

        if
        :: ask(settle[s], settle_token[s], rc)

#if LAPSE == 2
        :: fault();                         /* not before the lease ended */
           excuse();
           rc = LOST
#endif
        fi;

        if
        :: rc == OK || rc == LOST ->
            settle[s] = 0;
            settle_token[s] = 0;
            settle_worker[s] = 0
        :: else
        fi;

        rc = 0
       }
    od
}


/* a worker that has something to lose */

#define WITH(i, w)      (worker[i] == w || (settle[i] && settle_worker[i] == w))

#if SENDERS > 2
#define RUNS(w)         (WITH(0, w) || WITH(1, w) || WITH(2, w))
#else
#define RUNS(w)         (WITH(0, w) || WITH(1, w))
#endif

inline crash(w)
{
    for (i : 0 .. SENDERS - 1) {
        if
        :: worker[i] == w ->
            worker[i] = NOBODY;
            token[i] = 0;
            killed[i] = true
        :: else
        fi;

        if
        :: settle[i] != 0 && settle_worker[i] == w ->
            settle[i] = 0;
            settle_token[i] = 0;
            settle_worker[i] = 0
        :: else
        fi
    }

    i = 0
}


/* what nobody asks for */

proctype World()
{
    byte  i, rc;

end:
    do
#if CRASH
    :: atomic { fault_where(RUNS(0)); excuse(); crash(0) }
    :: atomic { fault_where(RUNS(1)); excuse(); crash(1) }
#endif

#if LAPSE
    :: atomic {
        record == PENDING && !SEEN_TO(record_token) ->
        write(ABSENT, 0)
       }
#endif

#if LAPSE == 2
    :: atomic {
        fault_where(record == PENDING && SEEN_TO(record_token));
        excuse();
        write(ABSENT, 0)
       }
#endif

#if FAILOVER
    :: atomic {                             /* the last change is lost */
        faults > 0 && (record != older || record_token != older_token) ->
        record = older;
        record_token = older_token;
        fault();
        excuse()
       }

    :: atomic {                             /* everything is lost */
        fault_where(record != ABSENT);
        excuse();
        write(ABSENT, 0);
        older = ABSENT;
        older_token = 0
       }
#endif

#if LATE
    :: atomic {                             /* comes to the store now */
        late != 0 ->
        execute(late, late_token, rc);
        late = 0;
        late_token = 0;
        rc = 0
       }

    :: atomic {                             /* or never */
        late != 0 ->
        late = 0;
        late_token = 0
       }
#endif

    /* where no fault is chosen there is nothing to do */

    :: false ->
        skip
    od
}


init {
    byte  i;

    atomic {
        for (i : 0 .. SENDERS - 1) {
            run Sender(i);
            run Settler(i)
        }

        run World();
        i = 0
    }
}


#if SENDERS > 2
#define ALL_ACKED   (acked[0] && acked[1] && acked[2])
#else
#define ALL_ACKED   (acked[0] && acked[1])
#endif

ltl acknowledged { <> ALL_ACKED }
