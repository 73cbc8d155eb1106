/*
 * In which format a status page is sent.
 */

#include <plum_format.h>
#include <plum_str.h>


/* how exactly a range names a type */

#define PLUM_FORMAT_ANY      1   /* all types */
#define PLUM_FORMAT_FAMILY   2   /* text, with any subtype */
#define PLUM_FORMAT_EXACT    3


typedef struct {
    plum_str_t   name;
    plum_str_t   type;
    size_t       family;         /* bytes of the type with its slash */
} plum_format_row_t;


static size_t plum_format_item(const plum_str_t *value, size_t begin,
    uint8_t delimiter);
static void plum_format_range(plum_formats_t *formats,
    const plum_str_t *range);
static unsigned plum_format_rank(const plum_format_row_t *row,
    const plum_str_t *type);
static int plum_format_quality(const plum_str_t *parameter,
    unsigned *quality);
static plum_str_t plum_format_trim(const uint8_t *data, size_t len);


static const plum_format_row_t  plum_format_rows[] = {
    { PLUM_STR("prometheus"), PLUM_STR("text/plain"), 5 },
    { PLUM_STR("json"), PLUM_STR("application/json"), 12 },
    { PLUM_STR("openmetrics"), PLUM_STR("application/openmetrics-text"), 12 },
    { PLUM_STR("html"), PLUM_STR("text/html"), 5 }
};


plum_format_t
plum_format_find(const plum_str_t *name)
{
    unsigned  i;

    for (i = 0; i < PLUM_FORMAT_MAX; i++) {
        if (plum_str_equal(name, &plum_format_rows[i].name)) {
            break;
        }
    }

    return (plum_format_t) i;
}


void
plum_format_accept(plum_formats_t *formats, const plum_str_t *value)
{
    size_t      begin, end;
    plum_str_t  range;

    for (begin = 0; begin < value->len; begin = end + 1) {
        end = plum_format_item(value, begin, ',');

        range = plum_format_trim(value->data + begin, end - begin);
        plum_format_range(formats, &range);
    }
}


plum_format_t
plum_format_choose(const plum_formats_t *formats)
{
    unsigned  i, best;

    best = PLUM_FORMAT_PROMETHEUS;

    for (i = 0; i < PLUM_FORMAT_MAX; i++) {

        if (formats->quality[i] > formats->quality[best]
            || (formats->quality[i] == formats->quality[best]
                && formats->quality[i] > 0
                && formats->rank[i] > formats->rank[best]))
        {
            best = i;
        }
    }

    return (plum_format_t) best;
}


/* the end of what begins there; a delimiter in a quoted string is none */

static size_t
plum_format_item(const plum_str_t *value, size_t begin, uint8_t delimiter)
{
    int     quoted;
    size_t  i;

    quoted = 0;

    for (i = begin; i < value->len; i++) {

        if (quoted && value->data[i] == '\\') {
            i++;

        } else if (value->data[i] == '"') {
            quoted = !quoted;

        } else if (!quoted && value->data[i] == delimiter) {
            return i;
        }
    }

    return value->len;
}


static void
plum_format_range(plum_formats_t *formats, const plum_str_t *range)
{
    size_t      begin, end;
    unsigned    i, rank, quality;
    plum_str_t  type, parameter;

    end = plum_format_item(range, 0, ';');
    type = plum_format_trim(range->data, end);
    quality = 1000;

    for (begin = end + 1; begin < range->len; begin = end + 1) {
        end = plum_format_item(range, begin, ';');
        parameter = plum_format_trim(range->data + begin, end - begin);

        if (!plum_format_quality(&parameter, &quality)) {
            return;
        }
    }

    for (i = 0; i < PLUM_FORMAT_MAX; i++) {
        rank = plum_format_rank(&plum_format_rows[i], &type);

        /* of two ranges for one type with other parameters the better one */

        if (rank > formats->rank[i]
            || (rank && rank == formats->rank[i]
                && quality > formats->quality[i]))
        {
            formats->rank[i] = rank;
            formats->quality[i] = quality;
        }
    }
}


static unsigned
plum_format_rank(const plum_format_row_t *row, const plum_str_t *type)
{
    plum_str_t               head, family;
    static const plum_str_t  any = PLUM_STR("*/*");

    if (plum_str_same(type, &row->type)) {
        return PLUM_FORMAT_EXACT;
    }

    if (plum_str_equal(type, &any)) {
        return PLUM_FORMAT_ANY;
    }

    family.data = row->type.data;
    family.len = row->family;
    head.data = type->data;
    head.len = row->family;

    return (type->len == row->family + 1
            && type->data[row->family] == '*'
            && plum_str_same(&head, &family))
           ? PLUM_FORMAT_FAMILY : 0;
}


/* 0 if it is a weight, and malformed */

static int
plum_format_quality(const plum_str_t *parameter, unsigned *quality)
{
    size_t    i;
    unsigned  unit, n;

    if (parameter->len < 2
        || (parameter->data[0] | 0x20) != 'q' || parameter->data[1] != '=')
    {
        return 1;
    }

    n = 0;
    unit = 1000;

    for (i = 2; i < parameter->len; i++) {

        if (i == 3) {
            if (parameter->data[i] != '.') {
                return 0;
            }

            continue;
        }

        if (parameter->data[i] < '0' || parameter->data[i] > '9' || !unit) {
            return 0;
        }

        n += (unsigned) (parameter->data[i] - '0') * unit;
        unit /= 10;
    }

    *quality = n;

    return i > 2 && n <= 1000;
}


static plum_str_t
plum_format_trim(const uint8_t *data, size_t len)
{
    plum_str_t  text;

    while (len && (*data == ' ' || *data == '\t')) {
        data++;
        len--;
    }

    while (len && (data[len - 1] == ' ' || data[len - 1] == '\t')) {
        len--;
    }

    text.data = data;
    text.len = len;

    return text;
}
