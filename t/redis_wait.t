#!/usr/bin/perl

# wait_replicas: an event is forwarded only once replicas have its claim.
# What a frozen, a lost and a returning replica mean for deliveries.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until unread);
use Test::Plum::Redis;

my $TIMEOUT = 2;

my $t = Test::Plum::Gateway->new(workers => 2);
my $other = Test::Plum::Gateway->new(workers => 2);
my $master = Test::Plum::Redis->new(test => $t);
my $replica = Test::Plum::Redis->new(test => $t, name => 'replica',
    conf => ['repl-diskless-sync-delay 0']);
$master->command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);
$replica->replicate($master);

my %setting = (
    default => 'events wait_replicas=1',
    stores => 'plum_store events redis://127.0.0.1:%%PORT_redis%% '
        . "timeout=${TIMEOUT}s;"
        . 'plum_store patient redis://127.0.0.1:%%PORT_redis%% timeout=60s;',
    locations => {
        '/none' => 'plum_idempotency events;',
        '/patient' => 'plum_idempotency patient wait_replicas=1;',
        '/control' => 'plum_idempotency off;',
        '/two' => 'plum_idempotency events wait_replicas=2;',
        '/brief' => 'plum_idempotency events wait_replicas=1 lease=1s;',
        '/forward' => 'plum_idempotency events wait_replicas=1 '
            . 'unavailable=forward;',
    },
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
my $up = $t->{up};
ok($_->recovers, 'a good delivery') for $t, $other;

claims();
many();
too_many();
frozen();
gone();
late_commit();
lapsed_commit();
promoted();

ok($other->finish, 'the other nginx quits in peace');
$t->done_testing;


sub record {
    my ($redis, $key) = @_;

    my $value = $redis->command('GET', stored($key));
    return defined $value ? $value : '';
}


# a delivery that the upstream holds

sub held {
    my ($key, $uri, %answer) = @_;

    $up->forget;
    $up->script({gate => $key, %answer});
    my $client = $t->start($key, $uri);
    $up->wait_for(1);
    return $client;
}


# when the upstream hears of it, the replica has known it

sub claims {
    for (1 .. 10) {
        my $key = $t->next_key;
        my $client = held($key);
        like(record($replica, $key), qr/\Ap[0-9a-f]{32}\z/,
            'the replica has the claim');
        $up->open_gate($key);
        is($client->read_response->status, 200, 'accepted');
        ok(poll_until(sub { record($replica, $key) eq 'd' }, 5),
            'and the commit');
        is($other->status($key), 200, 'a duplicate');
        is(scalar $up->requests, 1, 'once');
    }

    my $key = $t->next_key;
    my $client = held($key, '/', status => 500);
    $up->open_gate($key);
    is($client->read_response->status, 500, 'a failure');
    ok(poll_until(sub { record($replica, $key) eq '' }, 5), 'is released');
    is($other->status($key), 200, 'a retry');
    return;
}


# claims that are made while a WAIT is under way share the next one

sub many {
    my @keys = map { $t->next_key } 1 .. 40;
    my $before = waits();
    $replica->freeze;
    is($t->forwards(sub {
        my @clients = map { $t->start($_, '/patient') } @keys;
        ok(poll_until(sub { !unread($t->port(0)) }, 5), 'forty are here');
        is(scalar $up->requests, 0, 'and wait for the replica');
        $replica->thaw;
        my @bad = grep { $_->read_response->status != 200 } @clients;
        is(scalar @bad, 0, 'forty deliveries');
    }), 40, 'of forty events');

    # forty commits have followed, and perhaps a WAIT each
    my $waits = waits() - $before;
    cmp_ok($waits, '<', 2 * @keys, "not one by one: $waits WAIT");
    return;
}


# so many WAIT have been sent to the master

sub waits {
    my $info = $master->command('INFO', 'commandstats');
    return $info =~ /^cmdstat_wait:calls=(\d+)/m ? $1 : 0;
}


sub refused {
    my ($what, $uri) = @_;

    $uri ||= '/';
    my @keys = map { $t->next_key } 1 .. 4;
    is($t->forwards(sub {
        for my $key (@keys) {
            my $r;
            ok($t->sooner($TIMEOUT, sub {
                $r = $t->send_event($key, $uri);
            }), "$what: in less time than the timeout");
            is($r->status, 503, "$what: refused");
            ok($r->header('retry-after'), "$what: Retry-After");
            ok(poll_until(sub { record($master, $key) eq '' }, 3),
                "$what: the claim is released");
        }
    }, qr/@{[join '|', @keys]}/), 0, "$what: nothing is forwarded");
    ok($t->wait_log(qr/\[unavailable\] \[$keys[3]\]\z/, 3, 'access.log'),
        "$what: \$plum_dedupe");

    # who does not wait does not care, even while others do
    is($t->forwards(sub {
        my @waiting = map { $t->start($t->next_key, $uri) } 1 .. 6;
        my $key = $t->next_key;
        is($t->status($key, '/none'), 200, "$what: without it, $_")
            for qw(new duplicate);
        is($_->read_response->status, 503, "$what: they wait") for @waiting;
        is($t->status($t->next_key, '/forward'), 200,
            "$what: unavailable=forward");
    }), 2, "$what: two are forwarded");
    return @keys;
}


sub too_many {
    my @keys = refused('two replicas of one', '/two');
    is($t->forwards(sub {
        is($t->status($_), 200, 'one will do') for @keys, @keys;
    }), 4, 'forwarded once');
    is($t->status($keys[0], '/two'), 200, 'a duplicate needs no replica');
    return;
}


sub frozen {
    my $known = $t->next_key;
    is($t->status($known), 200, 'before');
    $replica->freeze;
    my @keys = refused('frozen');
    is($t->forwards(sub {
        is($t->status($known), 200, 'frozen: a duplicate is one');
    }), 0, 'not forwarded');
    $replica->thaw;
    again('thawed', @keys);
    return;
}


sub gone {
    $replica->kill;
    my @keys = refused('gone');
    $replica->start;
    $replica->replicate($master);
    again('back', @keys);
    return;
}


sub again {
    my ($what, @keys) = @_;

    ok($_->all_recover, "$what: it recovers") for $t, $other;
    is($t->forwards(sub {
        is($t->status($_), 200, "$what: comes again") for @keys, @keys;
    }), 4, "$what: each is forwarded once");
    ok(poll_until(sub { !grep { record($replica, $_) ne 'd' } @keys }, 5),
        "$what: the replica has them");
    return;
}


# the sender does not wait for it, but it is made

sub late_commit {
    my $key = $t->next_key;
    my $client = held($key);
    $replica->freeze;
    $up->open_gate($key);
    my $answer = $client->read_response;
    is($answer->status, 200, 'the answer does not wait for replicas');
    ok(poll_until(sub { record($master, $key) eq 'd' }, 3), 'the master has');
    is($t->forwards(sub { is($t->status($key), 200, 'a duplicate') }), 0,
        'not forwarded');
    $replica->thaw;
    ok(poll_until(sub { record($replica, $key) eq 'd' }, 5),
        'the replica has the commit when it is back');
    again('late commit', map { $t->next_key } 1 .. 4);
    return;
}


# not for ever: a worker that quits waits for the lease and no longer

sub lapsed_commit {

    # commits that are still tried again have longer leases
    ok($t->reload, 'new workers');
    ok(poll_until(sub { $t->workers(all => 1) == 2 }, 15),
        'the old ones had to see to nothing');

    my $key = $t->next_key;
    my $client = held($key, '/brief');
    $replica->freeze;
    $up->open_gate($key);
    is($client->read_response->status, 200, 'answered');
    ok($t->reload, 'a reload');

    # to a new connection, WAIT speaks of nothing that an old one has written
    $master->command('CLIENT', 'KILL', 'TYPE', 'normal');
    ok(poll_until(sub { $t->workers(all => 1) == 2 }, 5),
        'old workers leave within the lease');
    is(record($master, $key), 'd', 'what is committed stays so');
    ok($t->wait_log(qr/1 commits did not reach their replicas/),
        'the log says so');
    $replica->thaw;
    again('lapsed commit', map { $t->next_key } 1 .. 4);
    return;
}


# what it is for: the master is lost with a claim, and the replica knows

sub promoted {
    my $key = $t->next_key;
    my $client = held($key);
    $master->kill;
    $replica->command('REPLICAOF', 'NO', 'ONE');
    like(record($replica, $key), qr/\Ap/, 'the claim has outlived the master');
    $up->open_gate($key);
    is($client->read_response->status, 200, 'answered');

    $master->start;
    $replica->replicate($master);
    ok($t->recovers, 'at work');
    return;
}
