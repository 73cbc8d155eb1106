/*
 * Who holds what in a Redis Cluster or behind Sentinels, see plum_cluster.h.
 */

#include <plum_cluster.h>
#include <plum_str.h>


#define PLUM_RANGE_PARTS         3       /* first, last, master */
#define PLUM_NODE_PARTS          2       /* host, port */
#define PLUM_NUMBER_LEN          5       /* digits of a slot or a port */


static uint16_t plum_cluster_crc16(const uint8_t *data, size_t len);
static size_t plum_cluster_find(const plum_str_t *text, size_t from,
    uint8_t ch);
static int plum_cluster_string(const redisReply *reply, plum_str_t *text);
static int plum_cluster_digits(const plum_str_t *text, int64_t *number);
static int plum_cluster_port(int64_t number, plum_host_t *node);
static int plum_cluster_host(const plum_str_t *text, plum_host_t *node);
static int plum_cluster_node(const redisReply *reply, plum_host_t *node);


/* CRC16/XMODEM: polynomial 0x1021, starts at 0, nothing reflected */

static const uint16_t  plum_cluster_crc[256] = {
    0x0000, 0x1021, 0x2042, 0x3063, 0x4084, 0x50a5, 0x60c6, 0x70e7,
    0x8108, 0x9129, 0xa14a, 0xb16b, 0xc18c, 0xd1ad, 0xe1ce, 0xf1ef,
    0x1231, 0x0210, 0x3273, 0x2252, 0x52b5, 0x4294, 0x72f7, 0x62d6,
    0x9339, 0x8318, 0xb37b, 0xa35a, 0xd3bd, 0xc39c, 0xf3ff, 0xe3de,
    0x2462, 0x3443, 0x0420, 0x1401, 0x64e6, 0x74c7, 0x44a4, 0x5485,
    0xa56a, 0xb54b, 0x8528, 0x9509, 0xe5ee, 0xf5cf, 0xc5ac, 0xd58d,
    0x3653, 0x2672, 0x1611, 0x0630, 0x76d7, 0x66f6, 0x5695, 0x46b4,
    0xb75b, 0xa77a, 0x9719, 0x8738, 0xf7df, 0xe7fe, 0xd79d, 0xc7bc,
    0x48c4, 0x58e5, 0x6886, 0x78a7, 0x0840, 0x1861, 0x2802, 0x3823,
    0xc9cc, 0xd9ed, 0xe98e, 0xf9af, 0x8948, 0x9969, 0xa90a, 0xb92b,
    0x5af5, 0x4ad4, 0x7ab7, 0x6a96, 0x1a71, 0x0a50, 0x3a33, 0x2a12,
    0xdbfd, 0xcbdc, 0xfbbf, 0xeb9e, 0x9b79, 0x8b58, 0xbb3b, 0xab1a,
    0x6ca6, 0x7c87, 0x4ce4, 0x5cc5, 0x2c22, 0x3c03, 0x0c60, 0x1c41,
    0xedae, 0xfd8f, 0xcdec, 0xddcd, 0xad2a, 0xbd0b, 0x8d68, 0x9d49,
    0x7e97, 0x6eb6, 0x5ed5, 0x4ef4, 0x3e13, 0x2e32, 0x1e51, 0x0e70,
    0xff9f, 0xefbe, 0xdfdd, 0xcffc, 0xbf1b, 0xaf3a, 0x9f59, 0x8f78,
    0x9188, 0x81a9, 0xb1ca, 0xa1eb, 0xd10c, 0xc12d, 0xf14e, 0xe16f,
    0x1080, 0x00a1, 0x30c2, 0x20e3, 0x5004, 0x4025, 0x7046, 0x6067,
    0x83b9, 0x9398, 0xa3fb, 0xb3da, 0xc33d, 0xd31c, 0xe37f, 0xf35e,
    0x02b1, 0x1290, 0x22f3, 0x32d2, 0x4235, 0x5214, 0x6277, 0x7256,
    0xb5ea, 0xa5cb, 0x95a8, 0x8589, 0xf56e, 0xe54f, 0xd52c, 0xc50d,
    0x34e2, 0x24c3, 0x14a0, 0x0481, 0x7466, 0x6447, 0x5424, 0x4405,
    0xa7db, 0xb7fa, 0x8799, 0x97b8, 0xe75f, 0xf77e, 0xc71d, 0xd73c,
    0x26d3, 0x36f2, 0x0691, 0x16b0, 0x6657, 0x7676, 0x4615, 0x5634,
    0xd94c, 0xc96d, 0xf90e, 0xe92f, 0x99c8, 0x89e9, 0xb98a, 0xa9ab,
    0x5844, 0x4865, 0x7806, 0x6827, 0x18c0, 0x08e1, 0x3882, 0x28a3,
    0xcb7d, 0xdb5c, 0xeb3f, 0xfb1e, 0x8bf9, 0x9bd8, 0xabbb, 0xbb9a,
    0x4a75, 0x5a54, 0x6a37, 0x7a16, 0x0af1, 0x1ad0, 0x2ab3, 0x3a92,
    0xfd2e, 0xed0f, 0xdd6c, 0xcd4d, 0xbdaa, 0xad8b, 0x9de8, 0x8dc9,
    0x7c26, 0x6c07, 0x5c64, 0x4c45, 0x3ca2, 0x2c83, 0x1ce0, 0x0cc1,
    0xef1f, 0xff3e, 0xcf5d, 0xdf7c, 0xaf9b, 0xbfba, 0x8fd9, 0x9ff8,
    0x6e17, 0x7e36, 0x4e55, 0x5e74, 0x2e93, 0x3eb2, 0x0ed1, 0x1ef0
};


uint16_t
plum_slot(const plum_str_t *key)
{
    size_t  open, end;

    open = plum_cluster_find(key, 0, '{');
    end = plum_cluster_find(key, open, '}');

    /* "{}" makes no tag, whatever follows it */

    if (end == key->len || end == open + 1) {
        return plum_cluster_crc16(key->data, key->len) % PLUM_SLOTS;
    }

    return plum_cluster_crc16(key->data + open + 1, end - open - 1)
           % PLUM_SLOTS;
}


static uint16_t
plum_cluster_crc16(const uint8_t *data, size_t len)
{
    size_t    i;
    uint32_t  crc;

    crc = 0;

    for (i = 0; i < len; i++) {
        crc = ((crc << 8) & 0xffff) ^ plum_cluster_crc[(crc >> 8) ^ data[i]];
    }

    return (uint16_t) crc;
}


/* text->len where there is none */

static size_t
plum_cluster_find(const plum_str_t *text, size_t from, uint8_t ch)
{
    size_t  i;

    for (i = from; i < text->len; i++) {
        if (text->data[i] == ch) {
            break;
        }
    }

    return i;
}


int
plum_redirect_parse(const plum_str_t *text, uint16_t *slot, plum_host_t *node)
{
    size_t             start, space, colon, i;
    int64_t          number, port;
    plum_str_t         digits, host, tail;
    const plum_str_t   moved = PLUM_STR("MOVED ");
    const plum_str_t   ask = PLUM_STR("ASK ");

    if (plum_str_starts(text, &moved)) {
        start = moved.len;

    } else if (plum_str_starts(text, &ask)) {
        start = ask.len;

    } else {
        return PLUM_ERROR;
    }

    space = plum_cluster_find(text, start, ' ');
    colon = text->len;

    for (i = space; i < text->len; i++) {
        if (text->data[i] == ':') {
            colon = i;
        }
    }

    if (colon == text->len) {
        return PLUM_ERROR;
    }

    digits.data = text->data + start;
    digits.len = space - start;
    host.data = text->data + space + 1;
    host.len = colon - space - 1;
    tail.data = text->data + colon + 1;
    tail.len = text->len - colon - 1;

    if (plum_cluster_digits(&digits, &number) != PLUM_OK
        || number >= PLUM_SLOTS
        || plum_cluster_host(&host, node) != PLUM_OK
        || plum_cluster_digits(&tail, &port) != PLUM_OK
        || plum_cluster_port(port, node) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    *slot = (uint16_t) number;

    return PLUM_OK;
}


int
plum_slots_range(const redisReply *reply, size_t i, plum_slot_range_t *range)
{
    const redisReply  *element, *first, *last;

    if (reply->type != REDIS_REPLY_ARRAY || i >= reply->elements) {
        return PLUM_ERROR;
    }

    element = reply->element[i];

    if (element->type != REDIS_REPLY_ARRAY
        || element->elements < PLUM_RANGE_PARTS)
    {
        return PLUM_ERROR;
    }

    first = element->element[0];
    last = element->element[1];

    if (first->type != REDIS_REPLY_INTEGER
        || last->type != REDIS_REPLY_INTEGER
        || first->integer < 0
        || first->integer > last->integer
        || last->integer >= PLUM_SLOTS)
    {
        return PLUM_ERROR;
    }

    range->first = (uint16_t) first->integer;
    range->last = (uint16_t) last->integer;

    return plum_cluster_node(element->element[2], &range->node);
}


int
plum_slots_check(const redisReply *reply)
{
    size_t             i, n, left;
    plum_slot_range_t  range;

    if (reply->type != REDIS_REPLY_ARRAY) {
        return PLUM_ERROR;
    }

    left = PLUM_SLOTS;

    for (i = 0; i < reply->elements; i++) {
        if (plum_slots_range(reply, i, &range) != PLUM_OK) {
            return PLUM_ERROR;
        }

        n = (size_t) (range.last - range.first) + 1;

        if (n > left) {
            return PLUM_ERROR;
        }

        left -= n;
    }

    return PLUM_OK;
}


static int
plum_cluster_node(const redisReply *reply, plum_host_t *node)
{
    plum_str_t         host;
    const redisReply  *port;

    if (reply->type != REDIS_REPLY_ARRAY || reply->elements < PLUM_NODE_PARTS)
    {
        return PLUM_ERROR;
    }

    port = reply->element[1];

    if (port->type != REDIS_REPLY_INTEGER) {
        return PLUM_ERROR;
    }

    if (reply->element[0]->type == REDIS_REPLY_NIL) {
        node->host.data = NULL;
        node->host.len = 0;

        return plum_cluster_port(port->integer, node);
    }

    if (plum_cluster_string(reply->element[0], &host) != PLUM_OK
        || plum_cluster_host(&host, node) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    return plum_cluster_port(port->integer, node);
}


int
plum_sentinel_master(const redisReply *reply, plum_host_t *node)
{
    int64_t   number;
    plum_str_t  host, port;

    if (reply->type == REDIS_REPLY_NIL) {
        node->host.data = NULL;
        node->host.len = 0;
        node->port = 0;

        return PLUM_OK;
    }

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements != PLUM_NODE_PARTS
        || plum_cluster_string(reply->element[0], &host) != PLUM_OK
        || plum_cluster_string(reply->element[1], &port) != PLUM_OK
        || plum_cluster_host(&host, node) != PLUM_OK
        || node->host.len == 0
        || plum_cluster_digits(&port, &number) != PLUM_OK)
    {
        return PLUM_ERROR;
    }

    return plum_cluster_port(number, node);
}


int
plum_role_master(const redisReply *reply)
{
    plum_str_t         role;
    const plum_str_t   master = PLUM_STR("master");

    if (reply->type != REDIS_REPLY_ARRAY
        || reply->elements == 0
        || plum_cluster_string(reply->element[0], &role) != PLUM_OK)
    {
        return -1;
    }

    return plum_str_equal(&role, &master);
}


static int
plum_cluster_string(const redisReply *reply, plum_str_t *text)
{
    if (reply->type != REDIS_REPLY_STRING) {
        return PLUM_ERROR;
    }

    text->data = (const uint8_t *) reply->str;
    text->len = (size_t) reply->len;

    return PLUM_OK;
}


static int
plum_cluster_digits(const plum_str_t *text, int64_t *number)
{
    if (text->len == 0 || text->len > PLUM_NUMBER_LEN
        || plum_str_number(text, number) != text->len)
    {
        return PLUM_ERROR;
    }

    return PLUM_OK;
}


static int
plum_cluster_port(int64_t number, plum_host_t *node)
{
    if (number < 1 || number > UINT16_MAX) {
        return PLUM_ERROR;
    }

    node->port = (uint16_t) number;

    return PLUM_OK;
}


/* of a name, an IPv4 or an IPv6 address; which of them is not looked at */

static int
plum_cluster_host(const plum_str_t *text, plum_host_t *node)
{
    size_t             i;
    uint8_t            ch;
    const plum_str_t   unknown = PLUM_STR("?");

    node->host = *text;

    /* a node that is to give its name and has none */

    if (plum_str_equal(text, &unknown)) {
        node->host.len = 0;
        return PLUM_OK;
    }

    if (text->len > PLUM_NODE_HOST_MAX) {
        return PLUM_ERROR;
    }

    for (i = 0; i < text->len; i++) {
        ch = text->data[i];

        if ((ch < '0' || ch > '9')
            && ((ch | 0x20) < 'a' || (ch | 0x20) > 'z')
            && ch != '.' && ch != '-' && ch != '_' && ch != ':')
        {
            return PLUM_ERROR;
        }
    }

    return PLUM_OK;
}
