#!/usr/bin/perl

# What was accepted for a consumer is delivered to it: the request that the
# consumer gets, in which order, over which connections, and what is logged.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

$t->gateway(
    server => 'server_name gateway.test;',
    lists => <<'LISTS',
        plum_allowlist narrow { allow id; }
LISTS
    consumers => [
        'deliver billing /deliver/billing;',
        'deliver crm /deliver/crm allow=narrow for=order.*;',
        'deliver stats /deliver/stats for=never;',
    ],
    allow => 'all_of_them',
    deliver => 'plum_deliver concurrency=4 retry=100ms,200ms; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
    locations => {
        '/deliver/billing' => <<'CONF',
            proxy_set_header X-Attempt "$plum_consumer/$plum_attempt";
            proxy_set_header X-Event "$plum_key/$plum_event_type";
            proxy_pass http://keep/events;
CONF
        '/deliver/crm' => 'proxy_pass http://127.0.0.1:%%PORT_crm%%;',
        '/deliver/stats' => 'proxy_pass http://127.0.0.1:%%PORT_crm%%;',
    },
    http => 'upstream keep { server 127.0.0.1:%%PORT_up%%; keepalive 4; }',
);

my $up = $t->{up};
my $crm = $t->upstream('crm');

one();
view();
connections();
order();
burst();

$t->done_testing;


sub one {
    ok($t->accepted({id => 'a', type => 'user.new', x => 1}), 'accepted');

    my ($got) = $up->wait_for(1);
    is($got->{method}, 'POST', 'delivered by POST');
    is($got->{uri}, '/events', 'to where proxy_pass says');
    is($got->{body}, '{"id":"a","type":"user.new","x":"1"}', 'the body');
    is($up->header($got, 'Host'), 'keep', 'Host is that of proxy_pass');
    is($up->header($got, 'Content-Type'), 'application/json', 'its type');
    is($up->header($got, 'Content-Length'), length $got->{body}, 'its length');
    is($up->header($got, 'Idempotency-Key'), 'a', 'the key');
    is($up->header($got, 'X-Attempt'), 'billing/1', 'variables in a header');
    is($up->header($got, 'X-Event'), 'a/user.new', 'those of the event, too');
    is($up->header($got, 'X-Hub-Signature-256'), undef,
        'nothing of the sender');

    ok($t->empty('billing'), 'it has left the queue');
    is_deeply([$t->attempts(1)],
        ['/deliver/billing 200 [billing] [1] [delivered] [a] [user.new]'],
        'one line in the log');
    is(scalar $crm->requests, 0, 'nobody else wants it');
    return;
}


sub view {
    $t->accepted({id => 'b', type => 'order.paid', secret => 'x'});
    my ($got) = $crm->wait_for(1);
    is($got->{body}, '{"id":"b"}', 'what the consumer may see');
    is($got->{uri}, '/deliver/crm', 'without a path it is that of the location');
    my @got = $up->wait_for(2);
    is(scalar @got, 2, 'the other one has its own');
    ok($t->empty('crm'), 'it has left the queue');
    return;
}


sub connections {
    my $before = $up->connections;
    for my $n (1 .. 5) {
        $t->accepted({id => "keep$n", type => 'user.new'});
        $up->wait_for(2 + $n);
    }
    is(scalar $up->connections, $before, 'no new connection is made');
    ok($t->empty('billing'), 'all delivered');
    return;
}


# one after the other where there is one place

sub order {
    $up->forget;
    $t->pause('billing');
    $t->accepted({id => "o$_", type => 'user.new'}) for 1 .. 40;
    is(scalar $up->requests, 0, 'a consumer that is paused gets nothing');
    is(scalar(grep { $_->{k} =~ /^o/ } $t->entries('billing')), 40,
        'what is for it waits');
    $t->resume('billing');
    my @got = $up->wait_for(40, 10);
    my %keys = map { $up->header($_, 'Idempotency-Key') => 1 } @got;
    is(scalar keys %keys, 40, 'then it gets all, each once');
    ok($t->empty('billing'), 'nothing is left');
    return;
}


sub burst {
    $up->forget;
    my $before = descriptors();
    my @answers = $t->parallel({}, map { {$t->event({id => "p$_"})} } 1 .. 60);
    is(scalar(grep { $_->status == 200 } @answers), 60, 'accepted at once');
    my @got = $up->wait_for(60, 10);
    is(scalar @got, 60, 'delivered');
    ok($t->empty('billing'), 'nothing is left');

    is(scalar $redis->command('ZCARD', $t->key('lease', 'billing')), 0,
        'no lease is left');
    cmp_ok(descriptors(), '<', $before + 20, 'no descriptor is left');
    return;
}


# that the worker has open

sub descriptors {
    my ($worker) = $t->workers;

    return scalar(my @open = glob "/proc/$worker/fd/*");
}
