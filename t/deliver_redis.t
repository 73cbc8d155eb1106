#!/usr/bin/perl

# Trouble of Redis while events wait and are delivered: it is full, restarts,
# hangs, is emptied, is replaced by an empty one, or evicts.

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
$t->gateway(
    store => 'redis://127.0.0.1:%%PORT_redis%% timeout=500ms',
    consumers => ['deliver billing /deliver/billing;'],
    deliver => 'plum_deliver concurrency=4 retry=50ms,100ms breaker=off; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
);
my $up = $t->{up};
ok($t->recovers, 'a good delivery');
ok($t->empty('billing'), 'and delivered');

full();
restarted();
hangs();
evicts();
emptied();
replaced();

$t->done_testing;


sub good {
    my ($what) = @_;

    ok($t->recovers(20), "$what: a new event is accepted");
    ok($t->empty('billing', 20), "$what: and delivered");
    return;
}


# by key

sub counts {
    my %times;
    $times{$up->header($_, 'Idempotency-Key')}++ for $up->requests;
    return \%times;
}


# a full Redis is emptied: what is delivered leaves, what fails is tried again,
# what fails for ever becomes a dead letter

sub full {
    $t->pause('billing');
    $t->accepted({id => "f$_"}) for 1 .. 20;
    $up->forget;
    $redis->command('CONFIG', 'SET', 'maxmemory', '1mb');
    is($t->accept({id => 'more'})->status, 503, 'full: none is accepted');
    # three attempts of four events each fail
    $up->script(map { {status => 500} } 1 .. 12);
    $redis->command('HDEL', $t->key('ctl', 'billing'), 'paused', 'until');
    ok($t->empty('billing', 20), 'full: nothing waits any more');
    is($t->accept({id => 'more'})->status, 503, 'full: it still is');

    my @dead = map { $_->{k} } $t->entries('billing', 'dead');
    my $got = counts();
    is(scalar(grep { !$got->{"f$_"} } 1 .. 20), 0, 'full: each was tried');
    my $sum = 0;
    $sum += $_ for values %$got;
    is($sum, 20 + 12 - @dead, 'full: each is delivered, or dead');
    $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    $redis->command('DEL', $t->key('dead', 'billing'));
    good('full');
    return;
}


# attempts end while it is away: that is written down when it is back

sub restarted {
    $up->forget;
    $up->answer(gate => 'restart');
    $t->accepted({id => "r$_"}) for 1 .. 10;
    $up->wait_for(4);
    $redis->kill;
    $up->open_gate('restart');
    $up->answer(status => 200);
    ok($t->wait_log(qr/redis is unavailable/), 'restarted: it is away');
    $redis->start;
    ok($t->empty('billing', 20), 'restarted: all is delivered');
    my $times = counts();
    is(join(' ', map { $times->{"r$_"} || 0 } 1 .. 10),
        join(' ', (1) x 10), 'restarted: each once');
    good('restarted');
    return;
}


sub hangs {
    $up->forget;
    $up->answer(gate => 'hang');
    $t->accepted({id => "h$_"}) for 1 .. 10;
    $up->wait_for(4);
    $redis->freeze;
    $up->open_gate('hang');
    $up->answer(status => 200);
    ok(poll_until(sub { $t->log_lines(qr/it did not answer/) }, 10),
        'hangs: so it is');
    $redis->thaw;
    ok(settled(), 'hangs: all is delivered');
    my $times = counts();
    is(scalar(grep { !$times->{"h$_"} } 1 .. 10), 0, 'hangs: each event');
    good('hangs');
    return;
}


# a take whose reply was lost is a lease that nobody holds: it ends now

sub settled {
    my $leases = $t->key('lease', 'billing');
    return 1 if $t->empty('billing', 1);
    $redis->command('ZADD', $leases, 'XX', 1, $_)
        for @{$redis->command('ZRANGE', $leases, 0, -1)};
    return $t->empty('billing', 20);
}


# nothing new is accepted, and what waits is delivered

sub evicts {
    $t->pause('billing');
    $t->accepted({id => "v$_"}) for 1 .. 10;
    $up->forget;
    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'allkeys-lru');
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    ok(poll_until(sub { $t->accept({id => 'v'})->status == 503 }, 10),
        'evicts: nothing is accepted');
    $t->resume('billing');
    ok(settled(), 'evicts: what waits is delivered');
    is(scalar keys %{counts()}, 10, 'evicts: each event');
    $redis->command('CONFIG', 'SET', 'maxmemory-policy', 'noeviction');
    good('evicts');
    return;
}


# what is under way ends, and is no entry any more

sub emptied {
    $up->forget;
    $up->answer(gate => 'empty');
    $t->accepted({id => "e$_"}) for 1 .. 4;
    $up->wait_for(4);
    $redis->command('FLUSHALL');
    $up->open_gate('empty');
    $up->answer(status => 200);
    good('emptied');
    ok($t->accepted({id => 'e1'}), 'emptied: a copy');
    ok($t->empty('billing'), 'emptied: is a new event');
    return;
}


sub replaced {
    $up->forget;
    $up->answer(gate => 'replace');
    $t->accepted({id => "p$_"}) for 1 .. 4;
    $up->wait_for(4);
    $redis->kill;
    rename "$redis->{dir}/appendonlydir", "$redis->{dir}/before";
    $redis->start;
    is($redis->command('DBSIZE'), 0, 'replaced: by an empty one');
    $up->open_gate('replace');
    $up->answer(status => 200);
    good('replaced');
    is(scalar(my @dead = $t->entries('billing', 'dead')), 0,
        'replaced: no dead letter');
    return;
}
