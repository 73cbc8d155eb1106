/*
 * The format of a status page: by name and by Accept.
 */

#include "unit.h"

#include <plum_format.h>


static void
test_names(void **state)
{
    size_t       i;
    plum_str_t   name;
    static const struct {
        const char     *name;
        plum_format_t   format;
    }  cases[] = {
        { "html", PLUM_FORMAT_HTML }, { "json", PLUM_FORMAT_JSON },
        { "prometheus", PLUM_FORMAT_PROMETHEUS },
        { "openmetrics", PLUM_FORMAT_OPENMETRICS },
        { "", PLUM_FORMAT_MAX }, { "HTML", PLUM_FORMAT_MAX },
        { "jso", PLUM_FORMAT_MAX }, { "jsonp", PLUM_FORMAT_MAX }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        name = unit_str(cases[i].name);
        assert_int_equal(plum_format_find(&name), cases[i].format);
    }
}


static void
test_accept(void **state)
{
    size_t          i;
    plum_str_t      value;
    plum_formats_t  formats;
    static const struct {
        const char     *accept;
        plum_format_t   format;
    }  cases[] = {

        /* nothing, anything, and nothing that there is */

        { "", PLUM_FORMAT_PROMETHEUS },
        { "*/*", PLUM_FORMAT_PROMETHEUS },
        { "text/*", PLUM_FORMAT_PROMETHEUS },
        { "application/*", PLUM_FORMAT_JSON },
        { "image/png", PLUM_FORMAT_PROMETHEUS },
        { "*/*;q=0", PLUM_FORMAT_PROMETHEUS },

        /* browsers, and what people write for curl */

        { "text/html,application/xhtml+xml,application/xml;q=0.9,"
          "image/avif,image/webp,*/*;q=0.8", PLUM_FORMAT_HTML },
        { "text/html", PLUM_FORMAT_HTML },
        { "TEXT/HTML", PLUM_FORMAT_HTML },
        { "application/json", PLUM_FORMAT_JSON },
        { "application/json, */*", PLUM_FORMAT_JSON },
        { "application/json, text/plain, */*", PLUM_FORMAT_PROMETHEUS },

        /* Prometheus 2, and 3 */

        { "application/openmetrics-text;version=1.0.0,"
          "application/openmetrics-text;version=0.0.1;q=0.75,"
          "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
          PLUM_FORMAT_OPENMETRICS },
        { "application/vnd.google.protobuf;proto=io.prometheus.client."
          "MetricFamily;encoding=delimited;q=0.6,"
          "application/openmetrics-text;version=1.0.0;escaping=allow-utf-8;"
          "q=0.5,text/plain;version=0.0.4;q=0.3,*/*;q=0.2",
          PLUM_FORMAT_OPENMETRICS },
        { "text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
          PLUM_FORMAT_PROMETHEUS },

        /* weights */

        { "text/html;q=0.2, application/json;q=0.3", PLUM_FORMAT_JSON },
        { "text/html;q=0.201,application/json;q=0.2", PLUM_FORMAT_HTML },
        { "text/html ; q=1 , */* ; q=0.9", PLUM_FORMAT_HTML },
        { "text/html;q=0, */*;q=0.1", PLUM_FORMAT_PROMETHEUS },
        { "text/plain;q=0, */*;q=0.1", PLUM_FORMAT_JSON },
        { "text/plain;q=0, application/*;q=0.1", PLUM_FORMAT_JSON },
        { "application/json;q=0,application/*;q=0.1",
          PLUM_FORMAT_OPENMETRICS },
        { "*/*;q=0.9,text/html;q=0.1", PLUM_FORMAT_PROMETHEUS },
        { "text/html;Q=0.5,application/json", PLUM_FORMAT_JSON },
        { "text/html;level=\"1,2;q=0\",*/*;q=0.5", PLUM_FORMAT_HTML },
        { "text/html;level=\"\\\",\";q=0,application/json;q=0.1",
          PLUM_FORMAT_JSON },

        /* malformed ranges are skipped */

        { "text/html;q=2,application/json", PLUM_FORMAT_JSON },
        { "text/html;q=,application/json;q=0.1", PLUM_FORMAT_JSON },
        { "text/html;q=0.1234,application/json;q=0.1", PLUM_FORMAT_JSON },
        { "text/html;q=1x,application/json;q=0.1", PLUM_FORMAT_JSON },
        { ",,;q=1, text/htmlx, text/html/x, text, application/json;q=0.1,",
          PLUM_FORMAT_JSON },
        { "text/html;a=\"", PLUM_FORMAT_HTML },
        { "text/html;a=\"\\", PLUM_FORMAT_HTML }
    };

    (void) state;

    for (i = 0; i < unit_nelts(cases); i++) {
        memset(&formats, 0, sizeof(formats));
        value = unit_str(cases[i].accept);

        plum_format_accept(&formats, &value);

        if (plum_format_choose(&formats) != cases[i].format) {
            fail_msg("\"%s\": %d", cases[i].accept,
                     plum_format_choose(&formats));
        }
    }
}


/* several headers are one list */

static void
test_several(void **state)
{
    plum_str_t      value;
    plum_formats_t  formats;

    (void) state;

    memset(&formats, 0, sizeof(formats));

    value = unit_str("text/html;q=0.3");
    plum_format_accept(&formats, &value);
    value = unit_str("application/json;q=0.4, text/html;q=0.5");
    plum_format_accept(&formats, &value);

    assert_int_equal(plum_format_choose(&formats), PLUM_FORMAT_HTML);
}


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_accept),
        cmocka_unit_test(test_several)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
