#!/usr/bin/perl

# Reloads, shutdowns and deaths of workers while attempts are under way: what
# is in flight is finished or given back, and nothing is lost.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

my %setting = (
    consumers => ['deliver billing /deliver/billing;'],
    deliver => 'plum_deliver concurrency=4 retry=100ms,200ms,400ms '
        . 'breaker=off; proxy_http_version 1.1; '
        . 'proxy_set_header Connection "";',
);
$t->gateway(%setting);
my $up = $t->{up};

reload_in_flight();
quit_in_flight();
dead_worker();
poison();
timeout();
new_consumer();

$t->done_testing;


sub keys_of {
    my %keys;
    $keys{$up->header($_, 'Idempotency-Key') || ''}++ for $up->requests;
    return \%keys;
}


# the old workers finish theirs, the new ones take what waits

sub reload_in_flight {
    $up->answer(gate => 'reload');
    $t->accepted({id => "r$_"}) for 1 .. 10;
    $up->wait_for(4, 10);
    ok($t->reload, 'reloaded with four attempts under way');
    is(scalar $up->requests, 4, 'the places are those of the host');
    $up->open_gate('reload');
    ok($t->empty('billing', 20), 'all delivered');
    my $keys = keys_of();
    is(scalar keys %$keys, 10, 'each event');
    is(scalar(grep { $_ != 1 } values %$keys), 0, 'once');
    return;
}


sub quit_in_flight {
    $up->forget;
    $up->answer(gate => 'quit');
    $t->accepted({id => "q$_"}) for 1 .. 4;
    $up->wait_for(4, 10);
    $t->signal('QUIT');
    $up->open_gate('quit');
    ok($t->quit, 'it quits when the attempts have ended');
    is(scalar(my @left = $t->entries('billing')), 0, 'all delivered');
    $up->answer(status => 200);
    $t->run;
    return;
}


# what a worker had when it died comes again when its lease has lapsed

sub dead_worker {
    $up->forget;
    $up->answer(gate => 'dead');
    $t->accepted({id => "d$_"}) for 1 .. 4;
    $up->wait_for(4, 10);
    $up->answer(status => 200);
    $t->kill_worker($_) for $t->workers;

    leases_end();
    ok($t->empty('billing', 20), 'delivered by other workers');
    my $keys = keys_of();
    is(scalar keys %$keys, 4, 'each event');

    $t->accepted({id => "after$_"}) for 1 .. 20;
    ok($t->empty('billing', 20), 'no place is lost');
    return;
}


# 30 seconds are long: the leases end now

sub leases_end {
    my $leases = $t->key('lease', 'billing');
    $redis->command('ZADD', $leases, 1, $_)
        for @{$redis->command('ZRANGE', $leases, 0, -1)};
    return;
}


# an event over which a worker dies three times in a row

sub poison {
    $up->forget;
    $up->answer(action => 'hang');
    $t->accepted({id => 'poison'});
    for my $n (1 .. 3) {
        is(scalar(my @got = $up->wait_for($n, 10)), $n, "attempt $n");
        $t->kill_worker($_) for $t->workers;
        leases_end();
    }

    my @dead;
    ok(poll_until(sub { @dead = $t->entries('billing', 'dead') }, 10),
        'it becomes a dead letter');
    is($dead[0]{k}, 'poison', 'that one');
    is($dead[0]{r}, 'poison', 'and the reason is said');
    $up->answer(status => 200);
    $t->accepted({id => 'well'});
    ok($t->empty('billing'), 'others are delivered');
    return;
}


# worker_shutdown_timeout: what is not finished is given back, as no attempt

sub timeout {
    $t->configure(%setting, globals => 'worker_shutdown_timeout 1s;');
    ok($t->reload, 'with worker_shutdown_timeout');
    $up->forget;
    $up->answer(action => 'hang');
    $t->accepted({id => "t$_"}) for 1 .. 4;
    $up->wait_for(4, 10);
    $up->answer(status => 200);
    ok($t->reload, 'reloaded');
    ok($t->empty('billing', 10), 'the new workers deliver it at once');
    my %attempt = map { / \[billing\] \[(\d+)\] \[delivered\] \[(t\d)\]/
        ? ($2 => $1) : () } $t->attempts(1);
    is(join(' ', map { $attempt{"t$_"} || '' } 1 .. 4), '1 1 1 1',
        'as the first attempt');
    return;
}


# a reload that adds a consumer, one that changes concurrency=

sub new_consumer {
    $t->configure(%setting, consumers => ['deliver billing /deliver/billing;',
        'deliver crm /deliver/crm;'],
        deliver => $setting{deliver} =~ s/concurrency=4/concurrency=1/r);
    ok($t->reload, 'a consumer more');
    $up->forget;
    $t->accepted({id => "n$_"}) for 1 .. 5;
    ok($t->empty($_), "$_ has its own") for qw(billing crm);
    is(scalar $up->requests, 10, 'both have all');
    return;
}
