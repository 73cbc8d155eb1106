/*
 * An upstream's answer as it is kept for duplicates.
 */

#include <plum_idempotency.h>

#include <stdlib.h>
#include <string.h>

#include <jansson.h>


static int plum_answer_read(json_t *object, plum_answer_t *answer);
static int plum_answer_copy(json_t *string, plum_str_t *copy);


uint8_t *
plum_answer_encode(const plum_answer_t *answer, size_t *len)
{
    int      rc;
    char    *text;
    json_t  *object;

    object = json_object();
    if (object == NULL) {
        return NULL;
    }

    /* the setters fail, and free their argument, where a value is NULL */

    rc = json_object_set_new(object, "status",
                             json_integer((json_int_t) answer->status));

    if (answer->type.len != 0) {
        rc |= json_object_set_new(object, "type",
                           json_stringn((const char *) answer->type.data,
                                        answer->type.len));
    }

    rc |= json_object_set_new(object, "body",
                           json_stringn(answer->body.len
                                        ? (const char *) answer->body.data
                                        : "",
                                        answer->body.len));

    text = (rc == 0) ? json_dumps(object, JSON_COMPACT) : NULL;

    json_decref(object);

    if (text != NULL) {
        *len = strlen(text);
    }

    return (uint8_t *) text;
}


int
plum_answer_decode(const plum_str_t *text, plum_answer_t *answer)
{
    int           rc;
    json_t       *object;
    json_error_t  error;

    (void) memset(answer, 0, sizeof(plum_answer_t));

    if (text->len == 0) {
        return PLUM_ERROR;
    }

    object = json_loadb((const char *) text->data, text->len,
                        JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &error);
    if (object == NULL) {
        return PLUM_ERROR;
    }

    rc = plum_answer_read(object, answer);

    json_decref(object);

    if (rc != PLUM_OK) {
        plum_answer_free(answer);
    }

    return rc;
}


void
plum_answer_free(plum_answer_t *answer)
{
    free((void *) answer->type.data);
    free((void *) answer->body.data);

    (void) memset(answer, 0, sizeof(plum_answer_t));
}


static int
plum_answer_read(json_t *object, plum_answer_t *answer)
{
    size_t       i;
    json_t      *status, *type;
    json_int_t   code;

    status = json_object_get(object, "status");
    type = json_object_get(object, "type");

    code = json_is_integer(status) ? json_integer_value(status) : 0;

    if (code < 100 || code > 599) {
        return PLUM_ERROR;
    }

    answer->status = (unsigned) code;

    if (type != NULL && plum_answer_copy(type, &answer->type) != PLUM_OK) {
        return PLUM_ERROR;
    }

    /* the type becomes a header: a line end in it would add more headers */

    for (i = 0; i < answer->type.len; i++) {
        if (answer->type.data[i] < 0x20 || answer->type.data[i] == 0x7f) {
            return PLUM_ERROR;
        }
    }

    return plum_answer_copy(json_object_get(object, "body"), &answer->body);
}


static int
plum_answer_copy(json_t *string, plum_str_t *copy)
{
    size_t    len;
    uint8_t  *data;

    if (!json_is_string(string)) {
        return PLUM_ERROR;
    }

    len = json_string_length(string);

    data = malloc(len + 1);
    if (data == NULL) {
        return PLUM_ERROR;
    }

    (void) memcpy(data, json_string_value(string), len);

    copy->data = data;
    copy->len = len;

    return PLUM_OK;
}
