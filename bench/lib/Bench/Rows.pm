package Bench::Rows;

# The rows of the tables: what is measured, and what it is compared with.
#
# name => {
#   title   in the tables
#   conf    file in bench/conf, without .conf; or
#   node    the Node.js peer: a file of bench/peers/node, without .mjs
#   vars    words of the file
#   ref     row that it is a multiple of ("plain")
#   tls     1: over TLS
#   copies  share of duplicates among the deliveries
#   may     what bench/check demands: "forward" (the body as received, and
#           nothing refused), "verify" (refuses, forwards the whole body),
#           "project" (also strips), "store" (also keeps events apart),
#           "accept" (the same, and the upstream has it later)
#   peer    1: not our module
#   queue   1: what is accepted waits in a Redis of its own, which writes to
#           disk every second; "paused": and nothing is delivered
#   fsync   1: that Redis waits for its disk before it answers
# }

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(row row_names standard_rows);

my $MEMORY = 'memory:64m';
my $REDIS = 'unix:%%REDIS%%';

my @ROWS = (
    plain => {title => 'NGINX proxy_pass', conf => 'plain',
        may => 'forward'},
    off => {title => 'module loaded, plum off', conf => 'off',
        may => 'forward'},
    observe => {title => 'plum_mode observe, memory store', conf => 'store',
        vars => {STORE => $MEMORY, MODE => 'observe'}, may => 'forward'},
    verify => {title => 'verify', conf => 'verify', may => 'verify'},
    project => {title => 'verify, project', conf => 'project',
        may => 'project'},
    memory => {title => 'all checks, memory store', conf => 'store',
        vars => {STORE => $MEMORY}, may => 'store'},
    counted => {title => 'the same, with a plum_status', conf => 'store',
        vars => {STORE => $MEMORY,
            STATUS => 'location = /status { plum_status; }'},
        may => 'store'},
    redis => {title => 'all checks, Redis (unix socket)', conf => 'store',
        vars => {STORE => $REDIS}, may => 'store'},
    'redis-tcp' => {title => 'all checks, Redis (TCP)', conf => 'store',
        vars => {STORE => 'redis://127.0.0.1:%%PORT_redis%%'},
        may => 'store'},
    'memory-copies' => {title => 'the same, 10 % duplicates',
        conf => 'store', vars => {STORE => $MEMORY}, copies => 0.1,
        may => 'store'},
    'redis-copies' => {title => 'the same, 10 % duplicates',
        conf => 'store', vars => {STORE => $REDIS}, copies => 0.1,
        may => 'store'},
    accept => {title => 'accepted into a queue (append-only file)',
        conf => 'queue', queue => 'paused', may => 'accept'},
    'accept-fsync' => {title => 'accepted into a queue (on disk)',
        conf => 'queue', queue => 'paused', fsync => 1,
        vars => {ACCEPTED => 'fsync'}, may => 'accept'},
    queue => {title => 'accepted, and delivered', conf => 'queue',
        queue => 1, may => 'accept'},
    'plain-tls' => {title => 'NGINX proxy_pass, TLS', conf => 'plain',
        tls => 1, may => 'forward'},
    'memory-tls' => {title => 'all checks, memory store, TLS',
        conf => 'store', tls => 1, ref => 'plain-tls',
        vars => {STORE => $MEMORY, TLS => 'TLSv1.2'}, may => 'store'},
    'redis-tls' => {title => 'all checks, Redis, TLS to the gateway',
        conf => 'store', tls => 1, ref => 'plain-tls',
        vars => {STORE => $REDIS, TLS => 'TLSv1.2'}, may => 'store'},
    'lua-project' => {title => 'Lua: verify, project', conf => 'lua',
        vars => {LUA_STORE => 'none'}, may => 'project', peer => 1},
    'lua-memory' => {title => 'Lua: all checks, shared dictionary',
        conf => 'lua', vars => {LUA_STORE => 'memory'}, may => 'store',
        peer => 1},
    'lua-redis' => {title => 'Lua: all checks, Redis', conf => 'lua',
        vars => {LUA_STORE => 'redis'}, may => 'store', peer => 1},
    njs => {title => 'njs: verify, project (no store)', conf => 'njs',
        may => 'project', peer => 1},
    node => {title => 'Node.js: all checks, Redis', node => 'gateway',
        may => 'store', peer => 1},
    'node-queue' => {title => 'Node.js, BullMQ: accepted, and delivered',
        node => 'queue', queue => 1, may => 'accept', peer => 1},
);
my %ROW = @ROWS;

# measured by make bench, in this order: rows of one reference side by side
my @STANDARD = qw(off verify project memory memory-copies redis redis-copies
    accept accept-fsync queue lua-memory lua-redis njs node node-queue
    memory-tls);


sub row {
    my ($name) = @_;

    my $row = $ROW{$name} or die "unknown row \"$name\"; known are: "
        . join(' ', row_names()) . "\n";
    return {name => $name, ref => 'plain', vars => {}, copies => 0, tls => 0,
        %$row};
}


sub row_names { return grep { !ref } @ROWS }
sub standard_rows { return @STANDARD }

1;
