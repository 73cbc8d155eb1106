/*
 * What watched processes have used: their CPU clocks count all threads, ended
 * ones too, in nanoseconds.  The kernel brings such a clock up to date when a
 * thread goes to sleep, so samples are exact while the process is idle.
 */

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "load.h"


static load_watch_t  watches[LOAD_WATCHES];
static size_t        nwatches;


void
load_watch_add(const char *text)
{
    char          *end;
    const char    *p;
    load_watch_t  *w;

    p = strchr(text, '=');

    if (p == NULL || nwatches == LOAD_WATCHES) {
        load_die("\"%s\": NAME=PID,PID expected, at most %d times", text,
                 LOAD_WATCHES);
    }

    w = &watches[nwatches++];
    w->name = strndup(text, (size_t) (p - text));

    do {
        if (w->npids == sizeof(w->pids) / sizeof(w->pids[0])) {
            load_die("\"%s\": too many processes", text);
        }

        w->pids[w->npids] = (int) strtol(p + 1, &end, 10);

        if (w->pids[w->npids] <= 0) {
            load_die("\"%s\": no process id", text);
        }

        w->npids++;
        p = end;

    } while (*p == ',');
}


static double
cpu(int pid)
{
    clockid_t        clock;
    struct timespec  used;

    if (clock_getcpuclockid(pid, &clock) != 0
        || clock_gettime(clock, &used) != 0)
    {
        load_die("process %d has gone", pid);
    }

    return (double) used.tv_sec + (double) used.tv_nsec / 1e9;
}


static void
memory(int pid, load_sample_t *s)
{
    FILE  *file;
    char   line[256], path[64];
    long   value;

    snprintf(path, sizeof(path), "/proc/%d/status", pid);
    file = fopen(path, "r");

    if (file == NULL) {
        load_die("process %d has gone", pid);
    }

    while (fgets(line, sizeof(line), file) != NULL) {
        if (sscanf(line, "VmRSS: %ld", &value) == 1) {
            s->rss += value;

        } else if (sscanf(line, "VmHWM: %ld", &value) == 1) {
            s->peak += value;

        } else if (sscanf(line, "RssAnon: %ld", &value) == 1) {
            s->private += value;

        } else if (sscanf(line, "RssShmem: %ld", &value) == 1) {
            s->shared += value;
        }
    }

    fclose(file);
}


static long
descriptors(int pid)
{
    DIR   *dir;
    char   path[64];
    long   n;

    snprintf(path, sizeof(path), "/proc/%d/fd", pid);
    dir = opendir(path);

    if (dir == NULL) {
        return 0;
    }

    for (n = 0; readdir(dir) != NULL; n++) { /* void */ }

    closedir(dir);

    return n - 2;
}


void
load_watch_sample(load_sample_t *samples)
{
    int             pid;
    size_t          i, k;
    load_sample_t  *s;

    for (i = 0; i < nwatches; i++) {
        s = &samples[i];
        memset(s, 0, sizeof(*s));

        for (k = 0; k < watches[i].npids; k++) {
            pid = watches[i].pids[k];

            s->cpu += cpu(pid);
            s->descriptors += descriptors(pid);
            memory(pid, s);
        }
    }
}


void
load_watch_print(const load_sample_t *before, const load_sample_t *after,
    uint64_t events)
{
    size_t  i;
    double  used;

    for (i = 0; i < nwatches; i++) {
        used = after[i].cpu - before[i].cpu;

        printf("%s\"%s\":{\"cpu_us\":%.3f,\"cpu_s\":%.6f,\"rss_kb\":%ld,"
               "\"private_kb\":%ld,\"shared_kb\":%ld,\"peak_kb\":%ld,"
               "\"descriptors\":%ld}",
               i == 0 ? "" : ",", watches[i].name,
               events ? used * 1e6 / (double) events : 0, used,
               after[i].rss, after[i].private, after[i].shared,
               after[i].peak, after[i].descriptors);
    }
}
