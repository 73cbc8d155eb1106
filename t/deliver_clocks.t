#!/usr/bin/perl

# Two hosts whose clocks are an hour apart: the clock of Redis is the only one,
# so neither takes what the other one holds or what is not due yet, and
# $plum_waited is what has passed.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my ($FAKETIME) = glob '/usr/lib/{*/,}faketime/libfaketime.so.1';
plan(skip_all => 'no libfaketime (Debian: faketime)') if !$FAKETIME;

# looks that a host takes at the queue while nothing may happen, one a second
my $LOOKS = 3;

my $t = Test::Plum::Queue->new;
my $ahead = Test::Plum::Queue->new(env => {LD_PRELOAD => $FAKETIME,
    FAKETIME => '+3600', FAKETIME_DONT_FAKE_MONOTONIC => 1});
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
my @hosts = ($t, $ahead);

my %setting = (
    consumers => ['deliver billing /deliver/billing;'],
    deliver => 'plum_deliver concurrency=1 retry=10m breaker=off; '
        . 'proxy_set_header X-Waited $plum_waited; '
        . 'proxy_set_header X-Attempt $plum_attempt; ',
    globals => 'env LD_PRELOAD; env FAKETIME; '
        . 'env FAKETIME_DONT_FAKE_MONOTONIC;',
);
$t->gateway(%setting,
    more => 'location /date { plum off; return 200 $msec; }');
$ahead->gateway(%setting, of => $t,
    more => 'location /date { plum off; return 200 $msec; }');
my $up = $t->{up};

my ($here, $there) = map { $_->request(uri => '/date')->body } @hosts;
cmp_ok($there - $here, '>', 3000, 'the clocks are far apart');

ok($_->accepted({id => $_->next_key}), 'a good delivery') for @hosts;
ok($t->empty('billing'), 'both delivered');

waited();
leases();
due();

ok($ahead->quit, 'the other nginx quits in peace');
$t->done_testing;


sub waited {
    $up->forget;
    $up->answer(delay => 0.02);
    $t->pause('billing');
    for my $host (@hosts) {
        is($host->accept({id => $host->next_key})->status, 200, 'accepted')
            for 1 .. 10;
    }
    $t->resume('billing');
    ok($t->empty('billing', 20), 'delivered');
    my @waited = map { $up->header($_, 'X-Waited') } $up->requests;
    is(scalar @waited, 20, 'each once');
    is(scalar(grep { $_ > 1_000_000 || $_ < 0 } @waited), 0,
        '$plum_waited is what has passed');
    ok(scalar $_->attempts(1), 'each host has delivered some') for @hosts;
    return;
}


# while one host is at it, the other one, which has a free place, leaves it

sub leases {
    for my $n (1 .. 2) {
        $up->forget;
        $up->answer(gate => "lease$n");
        $hosts[$n - 1]->accept({id => "lease$n"});
        is(scalar(my @first = $up->wait_for(1)), 1, 'an attempt is made');
        sleep($LOOKS);
        is(scalar(my @got = $up->requests), 1, 'and no other one');
        $up->open_gate("lease$n");
        ok($t->empty('billing'), 'which delivers it');
    }
    $up->answer(status => 200);
    return;
}


# a wait of ten minutes is one for both

sub due {
    for my $n (1 .. 2) {
        my $key = "due$n";
        $up->forget;
        $up->script({status => 500});
        $hosts[$n - 1]->accept({id => $key});
        my $due = $t->key('due', 'billing');
        ok(poll_until(sub { $redis->command('ZCARD', $due) }, 5),
            'it is to be tried again');
        my $at = $redis->command('ZRANGE', $due, 0, 0, 'WITHSCORES');
        my $now = $redis->command('TIME');
        my $left = $at->[1] / 1000 - $now->[0];
        cmp_ok($left, '<', 800, 'in ten minutes, not in an hour');
        cmp_ok($left, '>', 400, 'nor at once');
        sleep($LOOKS);
        is(scalar(my @got = $up->requests), 1, 'not earlier');
        $redis->command('ZADD', $due, 1, $at->[0]);
        ok($t->empty('billing'), 'then it is delivered');
        my ($last) = reverse $up->requests;
        is($up->header($last, 'X-Attempt'), 2, 'as the second attempt');
    }
    return;
}
