#!/usr/bin/perl

# What nginx -t says of plum_queue and plum_accept: the text, the file and the
# line; and that right ones are passed over in silence.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;
use Test::Plum::Config;

my $t = Test::Plum->new;

my $TEMPLATE = <<'CONF';
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    plum_secret key %%TESTDIR%%/key;
    {list}
    {stores}
    plum_queue orders {
        {store}
        {accepted}
        {deliver}
        {publish}
    }
    {http}
    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        {server}
        location / {
            plum on;
            plum_signature standard-webhooks secret=key;
            {allow}
            {accept}
            {key}
            {more}
        }
        location /deliver/ {
            internal;
            {location}
        }
    }
}
CONF

my %PART = (
    list => 'plum_allowlist orders { event_type event; allow id; }',
    stores => 'plum_store redis redis://127.0.0.1; '
        . 'plum_store mem memory:1m;',
    store => 'store redis;',
    accepted => 'accepted fsync;',
    deliver => 'deliver billing /deliver/billing allow=orders for=a,b.* '
        . 'max=10 full=drop;',
    publish => 'publish stats allow=all for=c keep=7d group=a,b;',
    http => '',
    server => '',
    allow => 'plum_allow orders;',
    accept => 'plum_accept orders;',
    key => 'plum_idempotency_key $plum_signed_id;',
    more => '',
    location => 'plum_deliver; proxy_pass http://127.0.0.1:%%PORT_up%%;',
);

$t->secret('key', 'correct horse battery staple');
my $c = Test::Plum::Config->new(test => $t, template => $TEMPLATE,
    parts => \%PART);

$c->refused(\*DATA);

$c->silent('the whole of it');
$c->silent("accepted $_", accepted => "accepted $_;")
    for qw(memory aof fsync replicas=2);
$c->silent('the default', accepted => '');
$c->silent('shards', store => 'store redis shards=64;');
$c->silent('consumers only', publish => '');
$c->silent('a stream only', deliver => '', parts => {location =>
    'proxy_pass http://127.0.0.1:%%PORT_up%%;'});
$c->silent('parameters', accept =>
    'plum_accept orders retention=1d unavailable=refuse;');
$c->silent('forward', accept => 'plum_accept orders unavailable=forward; '
    . 'proxy_pass http://127.0.0.1:%%PORT_up%%;');
$c->silent('inherited', accept => '',
    parts => {server => 'plum_accept orders;'});
$c->silent('a queue that no location uses', http =>
    'plum_queue other { store redis; deliver a /deliver/a; }');
$c->silent('off', accept => 'plum_accept off; plum_idempotency mem; '
    . 'proxy_pass http://127.0.0.1:%%PORT_up%%;', parts => {server =>
    'plum_accept orders; location /b { plum on; plum_allow orders; '
    . 'plum_signature standard-webhooks secret=key; '
    . 'plum_idempotency_key $plum_signed_id; }'});
$c->silent('a queue before its store and lists', http =>
    'plum_queue early { store late; deliver a /deliver/a allow=later; } '
    . 'plum_store late redis://127.0.0.1; plum_allowlist later { allow a; }');
$c->silent('16 lines', deliver => join(' ',
    map { "deliver d$_ /deliver/$_;" } 1 .. 15));

$c->warned('a stream that grows', publish => 'publish stats;',
    'published stream "stats" has no "keep=": it is not trimmed and grows '
    . 'until redis is full');
$c->warned('a group without keep=', publish => 'publish stats group=a;',
    '"group=" of published stream "stats" says nothing without "keep=": it '
    . 'is not trimmed');

is(() = $c->heard =~ /correct horse/g, 0, 'no secret was said');

done_testing();

__DATA__

# the block

http plum_queue "a b" { store redis; publish p keep=1d; }
    invalid queue name "a b", it must be of letters, digits, "_" and "-", at most 64, and not "off"
http plum_queue off { store redis; publish p keep=1d; }
    invalid queue name "off", it must be of letters, digits, "_" and "-", at most 64, and not "off"
http plum_queue orders { #!\nstore redis; publish p keep=1d; }
    duplicate queue "orders"
http plum_queue q { #!\npublish p keep=1d;\n}
    no "store" in queue "q"
http plum_queue q { #!\nstore redis;\n}
    neither "deliver" nor "publish" in queue "q"
http plum_queue q { store redis;\nconsume a; #!\n}
    unknown directive "consume" in a queue

store store;
    "store" takes the name of a store and "shards=", and stands once
store store redis;\nstore redis; #!
    "store" takes the name of a store and "shards=", and stands once
store store redis shards=0;
    invalid parameter "shards=0", it must be "shards=" and a number from 1 to 64
store store redis shards=65;
    invalid parameter "shards=65", it must be "shards=" and a number from 1 to 64
store store redis parts=2;
    invalid parameter "parts=2", it must be "shards=" and a number from 1 to 64
http plum_queue q { #!\nstore mem; publish p keep=1d; }
    store "mem" of queue "q" cannot queue, a queue needs a store in Redis
http plum_queue q { #!\nstore none; publish p keep=1d; }
    unknown store "none" of queue "q"

accepted accepted;
    "accepted" takes one value, and stands once
accepted accepted aof;\naccepted aof; #!
    "accepted" takes one value, and stands once
accepted accepted disk;
    invalid value "disk", it must be "fsync", "aof", "memory" or "replicas=n"
accepted accepted replicas=0;
    invalid value "replicas=0", it must be "fsync", "aof", "memory" or "replicas=n"

# its consumers and streams

deliver deliver billing;
    "deliver" takes the name of a consumer and the URI of its location, which begins with "/"
deliver deliver billing http://billing/;
    "deliver" takes the name of a consumer and the URI of its location, which begins with "/"
deliver deliver b:c /deliver/b;
    invalid name "b:c", it must be of letters, digits, "_" and "-", at most 64
deliver deliver billing /deliver/billing;\ndeliver billing /deliver/b; #!
    duplicate name "billing" in queue "orders"
deliver deliver stats /deliver/billing;\npublish stats keep=1d; #!
    duplicate name "stats" in queue "orders"
deliver deliver billing /deliver/b allow=others;
    unknown allowlist "others"
deliver deliver billing /deliver/b allow=;
    invalid parameter "allow=", it must be the name of a "plum_allowlist"
deliver deliver billing /deliver/b allow=orders allow=all;
    duplicate parameter "allow=all"
deliver deliver billing /deliver/b for=a,,b;
    an event name is empty in "for=a,,b"
deliver deliver billing /deliver/b for=a*b;
    event pattern "a*b" has a "*" before its end
deliver deliver billing /deliver/b max=0;
    invalid parameter "max=0", it must be a number above zero
deliver deliver billing /deliver/b max=many;
    invalid parameter "max=many", it must be a number above zero
deliver deliver billing /deliver/b full=wait;
    invalid parameter "full=wait", it must be "refuse" or "drop"
deliver deliver billing /deliver/b keep=1d;
    unknown parameter "keep=1d"
publish publish;
    "publish" takes the name of a stream
publish publish stats max=5;
    unknown parameter "max=5"
publish publish stats keep=0;
    invalid parameter "keep=0", it must not be zero
publish publish stats keep=ever;
    invalid parameter "keep=ever", it must be a time
publish publish stats keep=1d group=a,;
    invalid parameter "group=a,", the name of a group is empty

# plum_accept

accept plum_accept orders;\nplum_accept orders; #!
    "plum_accept" directive is duplicate
accept plum_accept others;
    unknown queue "others"
accept plum_accept off retention=1d;
    "off" takes no parameter, "retention=1d" is one
accept plum_accept orders retention=0;
    invalid parameter "retention=0", it must not be zero
accept plum_accept orders retention=;
    invalid parameter "retention=", it must be a time
accept plum_accept orders unavailable=wait;
    invalid parameter "unavailable=wait", it must be "refuse" or "forward"
accept plum_accept orders lease=1s;
    unknown parameter "lease=1s"
accept plum_accept orders unavailable=forward;
    "unavailable=forward" of "plum_accept" needs a content handler to forward to, write "proxy_pass" or another one
key
    @accept "plum_accept" without "plum_idempotency_key"
key plum_idempotency_key $request_id;\nplum_idempotency mem;
    @accept "plum_accept" beside "plum_idempotency": a queue keeps records of its own, write "plum_idempotency off" there
more plum_mode observe;
    @accept "plum_accept" with "plum_mode observe": what is only observed cannot be accepted, write "plum_accept off" and a content handler there
more plum_max_body 9m;
    @accept "plum_max_body" of 9437184 bytes with "plum_accept": a queue takes bodies of 8m at most
list plum_allowlist orders { allow id; }
    @deliver "for=" of "billing" needs an "event_type" in allowlist "orders" of the location that accepts
