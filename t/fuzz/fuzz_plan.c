/*
 * Allowlists: the first line is rules in the manner of t/unit/project.h, the
 * rest is texts apart by a record separator (0x1e).  A second grammar says
 * which lines are rules, a slow filter what they let through.
 */

#include "projection.h"


#define LINE_MAX_LENGTH   256


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


/* the paths alone; those of the rules have been copied by then */

static void
check_paths(const char *line)
{
    int             ok;
    size_t          len;
    plum_str_t      path;
    plum_error_t    err;
    oracle_rule_t   rule;

    for ( /* void */ ; *line != '\0'; line += len + (line[len] == ' ')) {
        len = strcspn(line, " ");

        memset(&rule, 0, sizeof(oracle_rule_t));
        memset(&err, 'x', sizeof(plum_error_t));
        path.data = (const uint8_t *) line;
        path.len = len;

        ok = oracle_path(path.data, len, &rule);
        free(rule.names);

        check((plum_path_check(&path, &err) == PLUM_OK) == ok,
              "the grammars differ");
        check(ok || memchr(err.text, '\0', sizeof(err.text)) != NULL,
              "an error without an end");
    }
}


/* a byte that counts as an item or an event */

static size_t
count(const char *line, const char *of)
{
    size_t  n;

    for (n = 0; *line != '\0'; line++) {
        n += (strchr(of, *line) != NULL);
    }

    return n;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int               ok;
    char              line[LINE_MAX_LENGTH];
    size_t            len;
    plum_plan_t      *plan;
    plum_error_t      err;
    oracle_rules_t    rules;
    const uint8_t    *end;

    end = size ? memchr(data, '\n', size) : NULL;
    len = end ? (size_t) (end - data) : size;

    if (len >= LINE_MAX_LENGTH || (len && memchr(data, '\0', len) != NULL)) {
        return 0;
    }

    memcpy(line, data, len);
    line[len] = '\0';

    check_paths(line);

    /* the oracle knows no event type that the caller knows */

    if (strchr(line, '!') != NULL || count(line, " ") >= ORACLE_RULES
        || count(line, "@,") >= ORACLE_EVENTS)
    {
        return 0;
    }

    memset(&err, 'x', sizeof(plum_error_t));
    ok = oracle_rules(line, &rules);
    plan = project_plan(line, &err);

    check((plan != NULL) == ok, ok ? "a plan is refused" : "a plan is made");
    check(ok || memchr(err.text, '\0', sizeof(err.text)) != NULL,
          "an error without an end");

    if (ok && end != NULL) {
        projection_texts(plan, &rules, end + 1, size - len - 1);
    }

    plum_plan_destroy(plan);
    oracle_free(&rules);

    return 0;
}
