#!/usr/bin/perl

# Connections that die: silently, as when a NAT or a balancer has forgotten
# them while they were idle, or cut in the middle of the work.  Redis is there
# all the while, so it costs a delivery a delay within the timeout and no
# refusal.  A Redis that is away is another matter: it is refused at once.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::FakeRedis;
use Test::Plum::Gateway;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $IDLE = 1.2;
my $LUA = 'EVAL|EVALSHA';

my $t = Test::Plum::Gateway->new;
my $redis = Test::Plum::Redis->new(test => $t);
my $fake = Test::Plum::FakeRedis->new(test => $t, redis => $redis);

$t->gateway(
    default => 'events',
    stores => 'plum_store events redis://127.0.0.1:%%PORT_fake%% timeout=3s;'
        . 'plum_store other redis://127.0.0.1:%%PORT_redis%%;',
    locations => {
        '/other' => 'plum_idempotency other;',
        '/away' => 'plum_idempotency events lease=1s;',
    },
);
my $up = $t->{up};
ok($t->recovers, 'a good delivery');

silent();
reset_at_first_use();
commit();
ping_refused();
cut();
cut_again();
often();
unsent();
away();

$t->done_testing;


sub committed {
    my ($key) = @_;
    return poll_until(sub {
        return grep { ($redis->command('GET', $_) || '') eq 'd' }
            $redis->keys("*$key");
    }, 10);
}


sub passes {
    my ($what, $n) = @_;

    my @keys = map { $t->next_key } 1 .. $n || 1;
    is($t->forwards(sub {
        my @clients = map { $t->start($_) } @keys;
        is($_->read_response->status, 200, "$what: accepted") for @clients;
        is($t->status($keys[0]), 200, "$what: a copy");
    }), scalar @keys, "$what: forwarded, once");
    ok(committed($_), "$what: committed") for @keys;
    return;
}


# nothing that was sent over the old connection was ever answered

sub silent {
    for my $n (1, 20) {
        sleep($IDLE);
        $fake->rules({mute => 1});
        passes("a connection that is silent, $n at once", $n);
    }
    $fake->rules;
    ok(!grep({ /redis is unavailable/ } split /\n/, $t->error_log),
        'Redis was not called unavailable');
    return;
}


sub reset_at_first_use {
    for my $then (qw(reset close)) {
        sleep($IDLE);
        $fake->rules({mute => 1, then => $then});
        passes("the first byte is answered by a $then", 5);
    }
    $fake->rules;
    return;
}


# an upstream that takes its time, and a connection that dies meanwhile

sub commit {
    my $key = $t->next_key;
    $up->script({gate => $key});
    is($t->forwards(sub {
        my $client = $t->start($key);
        $up->wait_for(1);
        sleep($IDLE);
        $fake->rules({mute => 1});
        $up->open_gate($key);
        is($client->read_response->status, 200, 'a slow upstream');
        ok(committed($key), 'the commit is written');
    }), 1, 'forwarded once');
    $fake->rules;
    return;
}


# a rule of Redis that forbids PING: an error is an answer, too

sub ping_refused {
    sleep($IDLE);
    my $before = grep { $_->[0] eq 'PING' } $fake->commands;
    $fake->rules({on => 'PING', times => 0, reply => "-NOPERM no\r\n"});
    passes('PING is forbidden');
    $fake->rules;
    my $after = grep { $_->[0] eq 'PING' } $fake->commands;
    cmp_ok($after, '>', $before, 'it was asked');
    return;
}


# a claim is on its way and the connection goes, whether it was executed or not

sub cut {
    for my $execute (0, 1) {
        sleep($IDLE);
        $fake->rules({on => $LUA, reply => '', execute => $execute,
            then => 'reset'});
        passes("cut under a claim, executed: $execute", 8);
    }
    $fake->rules;
    return;
}


# soon after it was made, which is no reason to give up

sub cut_again {
    sleep($IDLE);
    $fake->rules({on => $LUA, reply => '', then => 'close'},
        {on => $LUA, skip => 1, reply => '', then => 'close'});
    passes('cut, and cut again', 3);
    $fake->rules;
    return;
}


# each connection that has done its work is cut: a delivery each

sub often {
    for my $n (1 .. 8) {
        $fake->rules({on => $LUA, reply => '', then => 'close'});
        passes("cut once more, $n");
    }
    $fake->rules;
    for my $n (1 .. 8) {
        $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        is($t->status($t->next_key, '/other'), 200, "killed, $n: accepted");
    }
    return;
}


# those that come while there is no connection wait for it

sub unsent {
    sleep($IDLE);
    $fake->rules({mute => 1, then => 'close'},
        {on => 'CONFIG', delay => 0.3, times => 0});
    passes('while it connects', 10);
    $fake->rules;
    return;
}


# a Redis that does not answer, over new connections neither

sub away {
    sleep($IDLE);
    $fake->rules({mute => 1}, {on => '.*', reply => '', times => 0});
    is($t->forwards(sub {
        is($t->status($t->next_key, '/away'), 503, 'silent for good: refused');

        my $n = 0;
        $n++ while $t->status($t->next_key, '/away') == 503 && $n < 30;
        is($n, 30, 'then at once');
    }), 0, 'nothing is forwarded');
    is($t->status($t->next_key, '/other'), 200, 'another store');
    $fake->rules;
    ok($t->recovers('/away'), 'at work when it answers again');

    $fake->stop;
    ok(poll_until(sub { $t->status($t->next_key, '/away') == 503 }, 10),
        'it is gone');
    return;
}
