/*
 * Media types, as the Content-Type header has them.
 */

#include <plum_media.h>
#include <plum_str.h>

#include <string.h>


#define PLUM_MEDIA_TREE    (sizeof("application/") - 1)
#define PLUM_MEDIA_SUFFIX  (sizeof("+json") - 1)


/* the beginning of a value, without quotes, and the length of all of it */

typedef struct {
    uint8_t  data[sizeof("utf-8") - 1];
    size_t   len;
} plum_media_value_t;


static size_t plum_media_space(const plum_str_t *text, size_t i);
static size_t plum_media_token(const plum_str_t *text, size_t i);
static size_t plum_media_parameter(const plum_str_t *text, size_t i,
    plum_media_t *media);
static size_t plum_media_value(const plum_str_t *text, size_t i,
    plum_media_value_t *value);
static size_t plum_media_quoted(const plum_str_t *text, size_t i,
    plum_media_value_t *value);
static void plum_media_append(plum_media_value_t *value, uint8_t ch);
static int plum_media_charset(plum_media_t *media, const plum_str_t *name,
    const plum_media_value_t *value);
static int plum_media_tchar(uint8_t ch);


int
plum_media_parse(const plum_str_t *text, plum_media_t *media)
{
    size_t  i, start, end;

    start = plum_media_space(text, 0);
    i = plum_media_token(text, start);

    if (i == start || i == text->len || text->data[i] != '/') {
        return PLUM_ERROR;
    }

    end = plum_media_token(text, i + 1);

    if (end == i + 1) {
        return PLUM_ERROR;
    }

    media->type.data = text->data + start;
    media->type.len = end - start;
    media->charset = PLUM_CHARSET_NONE;

    i = plum_media_space(text, end);

    while (i < text->len) {

        if (text->data[i] != ';') {
            return PLUM_ERROR;
        }

        i = plum_media_space(text, i + 1);

        if (i == text->len || text->data[i] == ';') {
            continue;
        }

        i = plum_media_parameter(text, i, media);

        if (i == 0) {
            return PLUM_ERROR;
        }

        i = plum_media_space(text, i);
    }

    return PLUM_OK;
}


int
plum_media_json(const plum_str_t *type)
{
    plum_str_t               part;
    static const plum_str_t  json = PLUM_STR("application/json");
    static const plum_str_t  tree = PLUM_STR("application/");
    static const plum_str_t  suffix = PLUM_STR("+json");

    if (plum_str_same(type, &json)) {
        return 1;
    }

    if (type->len <= PLUM_MEDIA_TREE + PLUM_MEDIA_SUFFIX) {
        return 0;
    }

    part.data = type->data;
    part.len = PLUM_MEDIA_TREE;

    if (!plum_str_same(&part, &tree)) {
        return 0;
    }

    part.data = type->data + type->len - PLUM_MEDIA_SUFFIX;
    part.len = PLUM_MEDIA_SUFFIX;

    return plum_str_same(&part, &suffix);
}


/* these return the index behind what they have read */

static size_t
plum_media_space(const plum_str_t *text, size_t i)
{
    while (i < text->len && (text->data[i] == ' ' || text->data[i] == '\t')) {
        i++;
    }

    return i;
}


static size_t
plum_media_token(const plum_str_t *text, size_t i)
{
    while (i < text->len && plum_media_tchar(text->data[i])) {
        i++;
    }

    return i;
}


/* these return 0 if there is no parameter or no value, which is never at 0 */

static size_t
plum_media_parameter(const plum_str_t *text, size_t i, plum_media_t *media)
{
    plum_str_t          name;
    plum_media_value_t  value;

    name.data = text->data + i;
    name.len = plum_media_token(text, i) - i;

    i += name.len;

    if (name.len == 0 || i == text->len || text->data[i] != '=') {
        return 0;
    }

    i = plum_media_value(text, i + 1, &value);

    return (i != 0 && plum_media_charset(media, &name, &value) == PLUM_OK)
           ? i : 0;
}


static size_t
plum_media_value(const plum_str_t *text, size_t i, plum_media_value_t *value)
{
    size_t  end;

    value->len = 0;

    if (i < text->len && text->data[i] == '"') {
        return plum_media_quoted(text, i + 1, value);
    }

    end = plum_media_token(text, i);

    if (end == i) {
        return 0;
    }

    for ( /* void */ ; i < end; i++) {
        plum_media_append(value, text->data[i]);
    }

    return end;
}


/* behind the opening quote; bytes of 0x80 and more are obs-text */

static size_t
plum_media_quoted(const plum_str_t *text, size_t i, plum_media_value_t *value)
{
    uint8_t  ch;

    for ( /* void */ ; i < text->len; i++) {
        ch = text->data[i];

        if (ch == '"') {
            return i + 1;
        }

        if (ch == '\\') {
            if (++i == text->len) {
                return 0;
            }

            ch = text->data[i];
        }

        if ((ch < 0x20 && ch != '\t') || ch == 0x7f) {
            return 0;
        }

        plum_media_append(value, ch);
    }

    return 0;
}


static void
plum_media_append(plum_media_value_t *value, uint8_t ch)
{
    if (value->len < sizeof(value->data)) {
        value->data[value->len] = ch;
    }

    value->len++;
}


static int
plum_media_charset(plum_media_t *media, const plum_str_t *name,
    const plum_media_value_t *value)
{
    plum_str_t               text;
    static const plum_str_t  charset = PLUM_STR("charset");
    static const plum_str_t  utf_8 = PLUM_STR("utf-8");

    text = *name;

    if (text.len > charset.len && text.data[charset.len] == '*') {
        text.len = charset.len;
    }

    if (!plum_str_same(&text, &charset)) {
        return PLUM_OK;
    }

    if (media->charset != PLUM_CHARSET_NONE) {
        return PLUM_ERROR;
    }

    media->charset = PLUM_CHARSET_OTHER;

    if (name->len == charset.len && value->len == utf_8.len) {
        text.data = value->data;
        text.len = value->len;

        if (plum_str_same(&text, &utf_8)) {
            media->charset = PLUM_CHARSET_UTF_8;
        }
    }

    return PLUM_OK;
}


/* RFC 9110, section 5.6.2 */

static int
plum_media_tchar(uint8_t ch)
{
    static const char  marks[] = "!#$%&'*+-.^_`|~";

    return (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z')
           || (ch >= '0' && ch <= '9')
           || memchr(marks, ch, sizeof(marks) - 1) != NULL;
}
