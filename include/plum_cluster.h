/*
 * What the nodes of a Redis Cluster and the Sentinels say about who holds
 * what: pure parsers.  All of it comes from the network and is checked.
 *
 * Formats: https://redis.io/docs/latest/operate/oss_and_stack/reference/
 * cluster-spec/, .../develop/reference/sentinel-clients/, and the commands
 * CLUSTER SLOTS, SENTINEL GET-MASTER-ADDR-BY-NAME and ROLE.
 */

#ifndef _PLUM_CLUSTER_H_INCLUDED_
#define _PLUM_CLUSTER_H_INCLUDED_


#include <plum_types.h>

#include <hiredis/hiredis.h>


#define PLUM_SLOTS               16384
#define PLUM_NODE_HOST_MAX       255


/* where a node listens; host.len is 0 where it is that of who says so */

typedef struct {
    plum_str_t            host;          /* lives as long as its source */
    uint16_t              port;
} plum_host_t;


/* of a key: CRC16 modulo 16384 of it, or of what stands in its first {} */

uint16_t plum_slot(const plum_str_t *key);

/*
 * The text of an error reply, "MOVED 3999 127.0.0.1:6381" or "ASK 3999 ...":
 * the port follows the last colon, as the host may be an IPv6 address.
 * PLUM_ERROR: neither of them, a slot or a port out of range, a host with
 * bytes that no host has or longer than PLUM_NODE_HOST_MAX.
 */

int plum_redirect_parse(const plum_str_t *text, uint16_t *slot,
    plum_host_t *node);

/*
 * A range of the reply to CLUSTER SLOTS, i from 0 to reply->elements - 1, and
 * its master; replicas and metadata are skipped.  PLUM_ERROR: the reply is no
 * array, or that element is not [first, last, [host, port, ...], ...] with
 * first <= last < PLUM_SLOTS.  A host of nil, "" or "?" is empty (see above).
 */

typedef struct {
    uint16_t              first;
    uint16_t              last;
    plum_host_t           node;
} plum_slot_range_t;

int plum_slots_range(const redisReply *reply, size_t i,
    plum_slot_range_t *range);

/*
 * PLUM_OK: the reply is an array of such ranges, of PLUM_SLOTS slots together
 * at most, so that what there is to do has a limit
 */

int plum_slots_check(const redisReply *reply);

/*
 * The reply to SENTINEL GET-MASTER-ADDR-BY-NAME: [host, port] as strings.
 * PLUM_OK with host.len 0: nil, no such master.  PLUM_ERROR: no such reply.
 */

int plum_sentinel_master(const redisReply *reply, plum_host_t *node);

/*
 * The reply to ROLE.  1: a master; 0: something else ("slave", "sentinel");
 * -1: no such reply.
 */

int plum_role_master(const redisReply *reply);


#endif /* _PLUM_CLUSTER_H_INCLUDED_ */
