#!/usr/bin/perl

# plum_accept while Redis is away, hangs, is full, or loses what it has; and
# senders that hang up.  Nothing is acknowledged that is not there.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

# one worker: what one connection has found is so for all
my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->gateway(
    store => 'redis://127.0.0.1:%%PORT_redis%% timeout=400ms',
    consumers => ['deliver billing /deliver/billing;'],
    more => <<'MORE',
        location /forward {
            plum on;
            plum_accept orders unavailable=forward;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
MORE
);
my $up = $t->{up};
ok($t->recovers, 'a good delivery');
$t->pause('billing');

away();
hangs();
hung_up();
full();
foreign();
emptied();
reloads();

$t->done_testing;


sub has {
    my ($key) = @_;
    return scalar grep { $_->{k} eq $key } $t->entries('billing');
}


sub refused {
    my ($what, $key) = @_;

    my $r = $t->accept({id => $key});
    is($r->status, 503, "$what: refused");
    is($r->header('retry-after'), 1, "$what: Retry-After");
    ok($t->logged($key, qr/\[refused\] \[store_unavailable\] \[unavail/),
        "$what: so");
    return;
}


# inline, with the clean body and the key

sub forwarded {
    my ($what, $key, $expected) = @_;

    $up->forget;
    my $r = $t->accept({id => $key}, uri => '/forward');
    is($r->status, $expected ? 200 : 503, "$what: unavailable=forward");
    my @requests = $up->requests;
    is(scalar @requests, $expected, "$what: $expected forwarded");
    is($requests[0]{body}, qq({"id":"$key"}), "$what: it is the event")
        if $expected;
    return;
}


sub comes_back {
    my ($what, @keys) = @_;

    ok($t->recovers, "$what: a new event is accepted");
    for my $key (@keys) {
        is($t->accept({id => $key})->status, 200, "$what: the retry");
        is(has($key), 1, "$what: is there once");
    }
    return;
}


sub away {
    my $key = $t->next_key;
    $redis->kill;
    refused('away', $key);
    forwarded('away', $t->next_key, 1);
    $redis->start;
    comes_back('away', $key);
    return;
}


# what was sent may be done: it is not forwarded, the sender comes again

sub hangs {
    my $key = $t->next_key;
    my $other = $t->next_key;
    $redis->freeze;
    my @clients = map { $t->client(0) } 1 .. 4;
    $_->request($t->event({id => $key}), no_read => 1) for @clients;
    is($_->read_response->status, 503, 'hangs: refused') for @clients;
    $redis->thaw;
    ok($t->recovers, 'hangs: it recovers');

    $redis->freeze;
    forwarded('hangs', $other, 0);
    $redis->thaw;
    comes_back('hangs', $key);
    is($t->accept({id => $other}, uri => '/forward')->status, 200,
        'hangs: the retry of that');
    is(has($other), 1, 'hangs: is there once');
    return;
}


# nobody waits for the reply any more, and it comes

sub hung_up {
    my @keys = map { $t->next_key } 1 .. 6;
    $redis->freeze;
    for my $key (@keys) {
        my $client = $t->client(0);
        $client->request($t->event({id => $key}), no_read => 1);
        $client->close;
    }
    $redis->thaw;
    comes_back('hung up', @keys);
    return;
}


# OOM: nothing is accepted, and what empties it works

sub full {
    my $key = $t->next_key;
    $redis->command('CONFIG', 'SET', 'maxmemory', '1mb');
    refused('full', $key);
    forwarded('full', $t->next_key, 1);
    ok($t->wait_log(qr/OOM command not allowed/), 'full: the log says so');
    is(has($key), 0, 'full: nothing was written');
    is(scalar(grep { /:\Q$key\E\z/ } $t->records), 0, 'full: no record');
    $redis->command('CONFIG', 'SET', 'maxmemory', 0);
    comes_back('full', $key);
    return;
}


sub foreign {
    my $key = $t->next_key;
    my $stream = $t->key('s', 'billing');
    $redis->command('RENAME', $stream, 'aside');
    $redis->command('SET', $stream, 'a text');
    refused('no stream', $key);
    ok($t->wait_log(qr/a key of the queue holds something else: "WRONGTYPE/),
        'the log says so');
    is(scalar(grep { /:\Q$key\E\z/ } $t->records), 0, 'no record');
    $redis->command('RENAME', 'aside', $stream);
    comes_back('no stream', $key);
    return;
}


# by an empty one: the group is made again, from the beginning

sub emptied {
    my $key = $t->next_key;
    $redis->command('FLUSHALL');
    $t->pause('billing');
    comes_back('emptied', $key);
    my $group = $redis->command('XINFO', 'GROUPS', $t->key('s', 'billing'));
    my %group = @{$group->[0]};
    is($group{name}, 'plum', 'the group is there');
    is($group{'last-delivered-id'}, '0-0', 'from the beginning');

    # somebody has removed it: what waits is not lost to it
    $redis->command('XGROUP', 'DESTROY', $t->key('s', 'billing'), 'plum');
    comes_back('no group', $t->next_key);
    %group = @{$redis->command('XINFO', 'GROUPS',
        $t->key('s', 'billing'))->[0]};
    is($group{'last-delivered-id'}, '0-0', 'from the beginning, again');
    return;
}


# all that was answered with 200 is there

sub reloads {
    my (@keys, @good);
    for my $round (1 .. 5) {
        my @clients = map {
            my $key = $t->next_key;
            my $client = $t->client(0);
            $client->request($t->event({id => $key}), no_read => 1);
            [$key, $client];
        } 1 .. 10;
        ok($t->reload, "reload $round");
        push @good, map { $_->[0] }
            grep { $_->[1]->read_response->status == 200 } @clients;
    }
    is(scalar @good, 50, 'each delivery is accepted');
    is(scalar(grep { has($_) != 1 } @good), 0, 'and there once');
    comes_back('reloads', $t->next_key);
    return;
}
