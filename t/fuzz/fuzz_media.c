/*
 * Media types.  What holds of each one that is taken, and of the same one with
 * white space around it, without its parameters, and with another charset.
 */

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <plum_media.h>


#define MEDIA_MAX  4096


int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);


static void
check(int holds)
{
    if (!holds) {
        abort();
    }
}


/* type "/" subtype, of the bytes of a token (RFC 9110, section 5.6.2) */

static void
check_type(const plum_str_t *type)
{
    size_t             i, slashes;
    static const char  bytes[] = "0123456789abcdefghijklmnopqrstuvwxyz"
                                 "ABCDEFGHIJKLMNOPQRSTUVWXYZ!#$%&'*+-.^_`|~/";

    slashes = 0;

    for (i = 0; i < type->len; i++) {
        check(memchr(bytes, type->data[i], sizeof(bytes) - 1) != NULL);
        slashes += (type->data[i] == '/');
    }

    check(slashes == 1 && type->data[0] != '/'
          && type->data[type->len - 1] != '/');
}


static int
has_charset(const uint8_t *data, size_t size)
{
    size_t  i;

    for (i = 0; i + 7 <= size; i++) {
        if (strncasecmp((const char *) data + i, "charset", 7) == 0) {
            return 1;
        }
    }

    return 0;
}


/* the text with something before and after it: the type must be the same */

static int
parse_with(const char *before, const plum_str_t *text, const char *after,
    const plum_media_t *media, plum_media_t *result)
{
    int             rc;
    plum_str_t      whole;
    static uint8_t  buf[MEDIA_MAX + 64];

    memcpy(buf, before, strlen(before));
    memcpy(buf + strlen(before), text->data, text->len);
    memcpy(buf + strlen(before) + text->len, after, strlen(after));

    whole.data = buf;
    whole.len = strlen(before) + text->len + strlen(after);

    rc = plum_media_parse(&whole, result);

    check(rc != PLUM_OK
          || (result->type.len == media->type.len
              && memcmp(result->type.data, media->type.data, media->type.len)
                 == 0
              && plum_media_json(&result->type)
                 == plum_media_json(&media->type)));

    return rc;
}


int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    plum_str_t    text;
    plum_media_t  media, other;

    text.data = data;
    text.len = size;

    if (size > MEDIA_MAX || plum_media_parse(&text, &media) != PLUM_OK) {
        return 0;
    }

    check(media.type.data >= data
          && media.type.data + media.type.len <= data + size);
    check_type(&media.type);
    check(media.charset <= PLUM_CHARSET_OTHER);
    check(media.charset == PLUM_CHARSET_NONE || has_charset(data, size));

    check(parse_with(" \t", &text, "\t ", &media, &other) == PLUM_OK
          && other.charset == media.charset);
    check(parse_with("", &text, "; a=b", &media, &other) == PLUM_OK
          && other.charset == media.charset);
    check(parse_with("", &media.type, "", &media, &other) == PLUM_OK
          && other.charset == PLUM_CHARSET_NONE);
    check(parse_with("", &text, ", a/b", &media, &other) != PLUM_OK);

    /* one charset, or none that is taken */

    check(parse_with("", &text, ";Charset=\"utf-\\7\"", &media, &other)
          != PLUM_OK
          || (media.charset == PLUM_CHARSET_NONE
              && other.charset == PLUM_CHARSET_OTHER));

    return 0;
}
