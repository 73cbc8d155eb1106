/*
 * Schemes: every preset, every parameter, and each configuration error.
 */

#include "unit.h"

#include <plum_content.h>
#include <plum_scheme.h>
#include <plum_str.h>


/* sets "name=value" words on a copy of a row; PLUM_OK when all is well */

static int
configure(plum_scheme_t *scheme, const char *preset,
    const char *const *words, plum_error_t *err)
{
    plum_str_t            name, parameter, value;
    const char           *equals;
    const plum_scheme_t  *row;

    name = unit_str(preset);
    row = plum_scheme_find(&name);
    assert_non_null(row);

    *scheme = *row;
    err->text[0] = '\0';

    for ( /* void */ ; *words; words++) {
        equals = strchr(*words, '=');
        assert_non_null(equals);

        parameter.data = (const uint8_t *) *words;
        parameter.len = (size_t) (equals - *words);
        value = unit_str(equals + 1);

        if (plum_scheme_set(scheme, &parameter, &value, err) != PLUM_OK) {
            return PLUM_ERROR;
        }
    }

    return plum_scheme_finish(scheme, err);
}


static void
test_presets(void **state)
{
    size_t                i;
    plum_str_t            name, want;
    plum_error_t          err;
    plum_scheme_t         scheme;
    static const char    *none[] = { NULL };
    static const struct {
        const char  *name;
        const char  *header;
        int64_t      tolerance;
        int          replayable;
        size_t       npieces;
    } presets[] = {
        { "api-key", "x-api-key", 0, 1, 0 },
        { "standard-webhooks", "webhook-signature", 300, 0, 5 },
        { "svix", "svix-signature", 300, 0, 5 },
        { "stripe", "stripe-signature", 300, 0, 3 },
        { "github", "x-hub-signature-256", 0, 1, 1 },
        { "shopify", "x-shopify-hmac-sha256", 0, 1, 1 },
        { "slack", "x-slack-signature", 300, 0, 4 },
        { "twitch", "twitch-eventsub-message-signature", 600, 0, 3 },
        { "hubspot", "x-hubspot-signature-v3", 300, 0, 5 },
        { "zendesk", "x-zendesk-webhook-signature", 300, 0, 2 },
        { "paddle", "paddle-signature", 300, 0, 3 },
        { "zoom", "x-zm-signature", 300, 0, 4 },
        { "meta", "x-hub-signature-256", 0, 1, 1 },
        { "pagerduty", "x-pagerduty-signature", 0, 1, 1 },
        { "linear", "linear-signature", 300, 0, 1 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(presets); i++) {
        assert_int_equal(configure(&scheme, presets[i].name, none, &err),
                         PLUM_OK);

        want = unit_str(presets[i].header);
        assert_true(plum_str_equal(&scheme.header, &want));
        assert_int_equal(scheme.tolerance, presets[i].tolerance);
        assert_int_equal(plum_scheme_replayable(&scheme),
                         presets[i].replayable);
        assert_int_equal(scheme.npieces, presets[i].npieces);
    }

    name = unit_str("hmac-sha1");
    assert_null(plum_scheme_find(&name));
    name = unit_str("");
    assert_null(plum_scheme_find(&name));
    name = unit_str("Stripe");
    assert_null(plum_scheme_find(&name));
}


static void
test_good(void **state)
{
    size_t                i;
    plum_error_t          err;
    plum_scheme_t         scheme;
    static const struct {
        const char  *preset;
        const char  *words[7];
        int64_t      tolerance;
        int          replayable;
    } good[] = {
        { "api-key", { "header=X-Plum-Token" }, 0, 1 },
        { "body-token", { "path=auth.token" }, 0, 1 },
        { "hmac", { "header=x-sig" }, 0, 1 },
        { "hmac", { "header=x-sig", "tolerance=off" }, 0, 1 },
        { "hmac", { "header=x-sig", "algorithm=sha512", "encoding=base64",
                    "prefix=hmac " }, 0, 1 },
        { "hmac", { "header=x-sig", "timestamp=x-ts",
                    "content={timestamp}.{body}" }, 300, 0 },
        { "hmac", { "tolerance=2m", "content={timestamp}.{body}",
                    "timestamp=x-ts", "header=x-sig" }, 120, 0 },
        { "hmac", { "tolerance=off", "content={timestamp}.{body}",
                    "timestamp=x-ts", "header=x-sig" }, 0, 1 },
        { "hmac", { "header=x-sig", "timestamp=json:sentAt",
                    "tolerance=1h" }, 3600, 0 },
        { "hmac", { "header=x-sig", "format=list", "prefix=s=",
                    "timestamp=list:t", "content={timestamp}{body}" },
          300, 0 },
        { "hmac", { "header=x-sig", "id=x-id",
                    "content={id}|{uri}|{header:Host}|{body}" }, 0, 1 },
        { "stripe", { "tolerance=10s" }, 10, 0 },
        { "stripe", { "tolerance=999999999" }, 999999999, 0 },
        { "stripe", { "tolerance=off" }, 0, 1 },
        { "twitch", { "tolerance=off" }, 0, 1 },
        { "twitch", { "tolerance=1m" }, 60, 0 },
        { "hmac", { "header=x-sig", "encoding=base64url" }, 0, 1 },
        { "hmac", { "header=x-sig", "encoding=base64-unpadded" }, 0, 1 },
        { "hmac", { "header=x-sig", "format=list", "prefix=a b=" }, 0, 1 },
        { "svix", { "header=x-sig", "prefix=v2," }, 300, 0 },
        { "github", { "algorithm=sha512", "prefix=sha512=" }, 0, 1 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(good); i++) {
        if (configure(&scheme, good[i].preset, good[i].words, &err)
            != PLUM_OK)
        {
            fail_msg("%zu: %s", i, err.text);
        }

        assert_int_equal(scheme.tolerance, good[i].tolerance);
        assert_int_equal(plum_scheme_replayable(&scheme),
                         good[i].replayable);
    }
}


/* each error, and how it is told */

static const struct {
    const char  *preset;
    const char  *words[7];
    const char  *text;
} bad[] = {
    { "hmac", { NULL }, "no \"header\" parameter" },
    { "body-token", { NULL }, "no \"path\" parameter" },
    { "body-token", { "path=" }, "invalid path \"\"" },
    { "hmac", { "header=x-s", "content={header:X_S}.{body}" },
      "a signature cannot sign itself, header of the signature in content"
      " \"{header:X_S}.{body}\"" },
    { "hmac", { "colour=red" }, "unknown parameter \"colour\"" },
    { "hmac", { "Header=x" }, "unknown parameter \"Header\"" },
    { "hmac", { "path=a" }, "parameter does not suit the scheme"
                            " \"path\"" },
    { "api-key", { "content={body}" },
      "parameter does not suit the scheme \"content\"" },
    { "api-key", { "tolerance=5s" },
      "parameter does not suit the scheme \"tolerance\"" },
    { "body-token", { "header=x" },
      "parameter does not suit the scheme \"header\"" },
    { "hmac", { "header=a", "header=b" },
      "duplicate parameter \"header\"" },
    { "hmac", { "algorithm=sha1" }, "invalid algorithm \"sha1\"" },
    { "hmac", { "algorithm=md5" }, "invalid algorithm \"md5\"" },
    { "hmac", { "algorithm=SHA256" }, "invalid algorithm \"SHA256\"" },
    { "hmac", { "algorithm=" }, "invalid algorithm \"\"" },
    { "hmac", { "format=json" }, "invalid format \"json\"" },
    { "hmac", { "encoding=base32" }, "invalid encoding \"base32\"" },
    { "hmac", { "encoding=" }, "invalid encoding \"\"" },
    { "hmac", { "encoding=Base64url" },
      "invalid encoding \"Base64url\"" },
    { "hmac", { "prefix=a\tb" }, "invalid prefix \"a\tb\"" },
    { "hmac", { "header=" }, "invalid header name \"\"" },
    { "hmac", { "header=x sig" }, "invalid header name \"x sig\"" },
    { "hmac", { "header=x:sig" }, "invalid header name \"x:sig\"" },
    { "api-key", { "header=Cookie" },
      "header cannot be used here: \"Cookie\"" },
    { "api-key", { "header=host" },
      "header cannot be used here: \"host\"" },
    { "api-key", { "header=content-LENGTH" },
      "header cannot be used here: \"content-LENGTH\"" },
    { "hmac", { "header=x", "timestamp=Expect" },
      "header cannot be used here: \"Expect\"" },
    { "hmac", { "header=x", "id=X-Forwarded-For" },
      "header cannot be used here: \"X-Forwarded-For\"" },
    { "github", { "header=Content_Type" },
      "header cannot be used here: \"Content_Type\"" },
    { "hmac", { "header=x", "content=" }, "invalid content \"\"" },
    { "hmac", { "header=x", "content=abc" },
      "no {body} in content \"abc\"" },
    { "hmac", { "header=x", "content={body}{body}" },
      "more than one {body} in content \"{body}{body}\"" },
    { "hmac", { "header=x", "content={boby}" },
      "unknown token in content: \"boby\"" },
    { "hmac", { "header=x", "content={Body}" },
      "unknown token in content: \"Body\"" },
    { "hmac", { "header=x", "content={}{body}" },
      "unknown token in content: \"\"" },
    { "hmac", { "header=x", "content={body" },
      "unclosed token in content \"{body\"" },
    { "hmac", { "header=x", "content={body}{" },
      "unclosed token in content \"{body}{\"" },
    { "hmac", { "header=x", "content={body}}" },
      "\"}\" without \"{\" in content \"{body}}\"" },
    { "hmac", { "header=x", "content={header:}{body}" },
      "invalid header name \"\"" },
    { "hmac", { "header=x", "content={header:a b}{body}" },
      "invalid header name \"a b\"" },
    { "hmac", { "header=x", "content={body}.{id}" },
      "{id} without an id in content \"{body}.{id}\"" },
    { "hmac", { "header=x", "id=x-id" }, "no {id} in content \"{body}\"" },
    { "hmac", { "header=x", "timestamp=x-ts" },
      "no {timestamp} in content \"{body}\"" },
    { "hmac", { "header=x", "content={timestamp}{body}" },
      "{timestamp} without a timestamp from a header in content"
      " \"{timestamp}{body}\"" },
    { "hmac", { "header=x", "timestamp=json:ts",
                "content={timestamp}{body}" },
      "{timestamp} without a timestamp from a header in content"
      " \"{timestamp}{body}\"" },
    { "hmac", { "header=x", "timestamp=json:" },
      "invalid timestamp \"json:\"" },
    { "hmac", { "header=x", "timestamp=list:" },
      "invalid timestamp \"list:\"" },
    { "hmac", { "header=x", "timestamp=list:t" },
      "timestamp in a list, but no list of k=v items: \"t\"" },
    { "svix", { "timestamp=list:t" },
      "timestamp in a list, but no list of k=v items: \"t\"" },
    { "stripe", { "timestamp=list:v1" }, "invalid timestamp \"v1\"" },
    { "stripe", { "timestamp=list:a=b" }, "invalid timestamp \"a=b\"" },
    { "stripe", { "timestamp=list:a,b" }, "invalid timestamp \"a,b\"" },
    { "stripe", { "timestamp=list:a;b" }, "invalid timestamp \"a;b\"" },
    { "stripe", { "timestamp=list: t" }, "invalid timestamp \" t\"" },
    { "hmac", { "header=X", "timestamp=x",
                "content={timestamp}{body}" },
      "header named twice: \"X\"" },
    { "hmac", { "header=a", "id=A", "content={id}{body}" },
      "header named twice: \"A\"" },
    { "hmac", { "header=x-a", "id=X_A", "content={id}.{body}" },
      "header named twice: \"X_A\"" },
    { "hmac", { "header=x", "tolerance=5s" },
      "tolerance without a timestamp" },
    { "stripe", { "tolerance=0" }, "invalid tolerance \"0\"" },
    { "stripe", { "tolerance=0m" }, "invalid tolerance \"0m\"" },
    { "stripe", { "tolerance=" }, "invalid tolerance \"\"" },
    { "stripe", { "tolerance=s" }, "invalid tolerance \"s\"" },
    { "stripe", { "tolerance=-5" }, "invalid tolerance \"-5\"" },
    { "stripe", { "tolerance=5d" }, "invalid tolerance \"5d\"" },
    { "stripe", { "tolerance=5ms" }, "invalid tolerance \"5ms\"" },
    { "stripe", { "tolerance=1.5h" }, "invalid tolerance \"1.5h\"" },
    { "stripe", { "tolerance=1000000000" },
      "invalid tolerance \"1000000000\"" },
    { "stripe", { "tolerance=none" }, "invalid tolerance \"none\"" },
    { "hmac", { "header=x", "format=list" },
      "prefix of a list does not end with \"=\" or \",\": \"\"" },
    { "hmac", { "header=x", "format=list", "prefix==" },
      "prefix of a list does not end with \"=\" or \",\": \"=\"" },
    { "hmac", { "header=x", "format=list", "prefix=v1" },
      "prefix of a list does not end with \"=\" or \",\": \"v1\"" },
    { "hmac", { "header=x", "format=list", "prefix=a,b=" },
      "invalid prefix \"a,b=\"" },
    { "hmac", { "header=x", "format=list", "prefix=a;b=" },
      "invalid prefix \"a;b=\"" },
    { "hmac", { "header=x", "format=list", "prefix= v1=" },
      "invalid prefix \" v1=\"" },
    { "hmac", { "header=x", "format=list", "prefix=a b," },
      "invalid prefix \"a b,\"" },
    { "svix", { "prefix=v1=" },
      "prefix does not suit the scheme: \"v1=\"" },
    { "hmac", { "header=x", "content=a{uri}b{uri}c{uri}d{uri}e{uri}"
                            "f{uri}g{uri}h{uri}{body}" },
      "too many pieces in content \"a{uri}b{uri}c{uri}d{uri}e{uri}"
      "f{uri}g{uri}h{uri}{body}\"" }
};


static void
test_bad(void **state)
{
    size_t         i;
    plum_error_t   err;
    plum_scheme_t  scheme;

    (void) state;

    for (i = 0; i < unit_nelts(bad); i++) {
        assert_int_equal(configure(&scheme, bad[i].preset, bad[i].words,
                                   &err),
                         PLUM_ERROR);
        assert_string_equal(err.text, bad[i].text);
    }
}


/* what a recorded request cannot be changed in */

static void
test_covers(void **state)
{
    size_t                i;
    plum_str_t            name;
    plum_error_t          err;
    plum_scheme_t         scheme;
    static const struct {
        const char  *preset;
        const char  *words[7];
        const char  *header;
        int          covers;
        int          uri;
    } tests[] = {
        { "github", { NULL }, "X-GitHub-Event", 0, 0 },
        { "github", { NULL }, "X-Hub-Signature-256", 0, 0 },
        { "api-key", { NULL }, "x-api-key", 0, 0 },
        { "body-token", { "path=a" }, "a", 0, 0 },
        { "svix", { NULL }, "Svix-Id", 1, 0 },
        { "svix", { NULL }, "svix-timestamp", 1, 0 },
        { "svix", { NULL }, "svix-signature", 0, 0 },
        { "svix", { NULL }, "svix", 0, 0 },
        { "stripe", { NULL }, "t", 0, 0 },
        { "linear", { NULL }, "webhookTimestamp", 0, 0 },
        { "hubspot", { NULL }, "host", 1, 1 },
        { "hmac", { "header=x-sig", "content={header:X-A}|{uri}|{body}" },
          "x-a", 1, 1 },
        { "hmac", { "header=x-sig", "content={header:X-A}|{body}" }, "x-b",
          0, 0 }
    };

    (void) state;

    for (i = 0; i < unit_nelts(tests); i++) {
        assert_int_equal(configure(&scheme, tests[i].preset, tests[i].words,
                                   &err),
                         PLUM_OK);
        name = unit_str(tests[i].header);
        assert_int_equal(plum_scheme_covers(&scheme, &name),
                         tests[i].covers);
        assert_int_equal(plum_scheme_covers_uri(&scheme), tests[i].uri);
    }
}


/* a value of any length is quoted in part, and never runs over */

static void
test_long_error(void **state)
{
    char           word[2000];
    plum_error_t   err;
    plum_scheme_t  scheme;
    const char    *words[2] = { word, NULL };

    (void) state;

    memset(word, 'x', sizeof(word));
    memcpy(word, "algorithm=", 10);
    word[sizeof(word) - 1] = '\0';

    assert_int_equal(configure(&scheme, "hmac", words, &err), PLUM_ERROR);
    assert_int_equal(strlen(err.text), sizeof(err.text) - 1);
}


static void
test_content(void **state)
{
    size_t                   i, n;
    plum_str_t               content, text;
    plum_piece_t             pieces[PLUM_SCHEME_PIECES];
    plum_error_t             err;
    static const plum_piece_kind_t  kinds[] = {
        PLUM_PIECE_TEXT, PLUM_PIECE_ID, PLUM_PIECE_TEXT,
        PLUM_PIECE_HEADER, PLUM_PIECE_URI, PLUM_PIECE_TIMESTAMP,
        PLUM_PIECE_TEXT, PLUM_PIECE_BODY, PLUM_PIECE_TEXT
    };

    (void) state;

    content = unit_str("v0:{id}.{header:X-Day}{uri}{timestamp}\n{body}end");
    assert_int_equal(plum_content_parse(&content, pieces, &n, &err),
                     PLUM_OK);
    assert_int_equal(n, unit_nelts(kinds));

    for (i = 0; i < n; i++) {
        assert_int_equal(pieces[i].kind, kinds[i]);
    }

    text = unit_str("X-Day");
    assert_true(plum_str_equal(&pieces[3].text, &text));
    text = unit_str("\n");
    assert_true(plum_str_equal(&pieces[6].text, &text));

    content = unit_str("a{uri}b{uri}c{uri}d{uri}e{uri}f{uri}g{uri}h{body}");
    assert_int_equal(plum_content_parse(&content, pieces, &n, &err),
                     PLUM_OK);
    assert_int_equal(n, PLUM_SCHEME_PIECES);

    content.data = NULL;
    content.len = 0;
    assert_int_equal(plum_content_parse(&content, pieces, &n, &err),
                     PLUM_ERROR);
}


int
main(void)
{
    static const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_presets),
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_bad),
        cmocka_unit_test(test_covers),
        cmocka_unit_test(test_long_error),
        cmocka_unit_test(test_content)
    };

    cmocka_set_message_output(CM_OUTPUT_TAP);

    return cmocka_run_group_tests(tests, NULL, NULL);
}
