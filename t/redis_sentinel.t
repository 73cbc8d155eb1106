#!/usr/bin/perl

# Redis with Sentinels: who is the master, a new master without a reload, and
# Sentinels that are dead, know nothing, or are wrong.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::FakeRedis;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;
use Test::Plum::Senders;
use Test::Plum::Sentinel;

my $PASSWORD = 'tr0ub4dor-and-3';
my $TIMEOUT = 3;

my $t = Test::Plum::Gateway->new(workers => 2);
my $set = Test::Plum::Sentinel->new(test => $t, password => $PASSWORD);
my $plain = Test::Plum::Redis->new(test => $t, name => 'plain');
my @sentinels = $set->sentinels;

# a Sentinel that names a replica, whoever is the master: one that would take
# what it is given
my $liar = Test::Plum::FakeRedis->new(test => $t, name => 'liar',
    redis => $sentinels[0]);
lie_about(($set->replicas)[0]);

$t->secret('password', $PASSWORD);
$t->secret('other', 'incorrect-horse-7');
my $pass = 'password_file=%%TESTDIR%%/password';
my $nobody = '127.0.0.1:%%PORT_nobody%%';

my %store = (
    events => [$set->seeds . '/main', $pass],
    dead => ["$nobody," . $set->seeds(@sentinels[1, 2]) . '/main', $pass],
    plain => [$set->seeds($plain, $sentinels[2]) . '/main', $pass],
    liar => [$set->seeds($liar, $sentinels[1]) . '/main', $pass],
    lies => [$set->seeds($liar) . '/main', $pass],
    unknown => [$set->seeds . '/nothere', $pass],
    nobody => ["$nobody/main", $pass],
    wrong => [$set->seeds . '/main', 'password_file=%%TESTDIR%%/other'],
    open => [$set->seeds . '/main', ''],
);
$t->gateway(
    default => 'events lease=2s in_flight=wait:1s',
    stores => join('', map { "plum_store $_ redis+sentinel://$store{$_}[0] "
        . "$store{$_}[1] timeout=${TIMEOUT}s;\n" } sort keys %store),
    locations => {'/control' => 'plum_idempotency off;',
        map { ("/$_" => "plum_idempotency $_;") } keys %store},
);
ok($t->recovers, 'a good delivery');

discovery();
refused('lies', qr/no master/);
refused('unknown', qr/does not know the master/);
refused('nobody', qr/connect\(\) failed/);
refused('wrong', qr/WRONGPASS/);
refused('open', qr/NOAUTH/);
killed_master();
failover();
under_load();
without_sentinels();

unlike($t->error_log, qr/\Q$PASSWORD\E|incorrect-horse/, 'no secret logged');
$t->done_testing;


sub lie_about {
    my ($node) = @_;

    my $port = $node->port;
    $node->command('CONFIG', 'SET', 'replica-read-only', 'no');
    return $liar->rules({on => 'SENTINEL', times => 0, reply =>
        sprintf "*2\r\n\$9\r\n127.0.0.1\r\n\$%d\r\n$port\r\n", length $port});
}


sub record {
    my ($node, $key) = @_;

    my $value = eval { $node->command('GET', stored($key)) };
    return defined $value ? $value : '';
}


sub discovery {
    for my $name (qw(events dead plain liar)) {
        my $key = $t->next_key;
        ok($t->recovers("/$name"), "$name: at work");
        is($t->forwards(sub {
            is($t->status($key, $_), 200, "$name: $_")
                for "/$name", "/$name", '/';
        }), 1, "$name: once");
        ok(poll_until(sub { record($set->master, $key) eq 'd' }, 5),
            "$name: at the master");
    }
    cmp_ok(scalar(grep { $_->[0] eq 'SENTINEL' } $liar->commands), '>', 0,
        'the wrong one was asked');
    return;
}


sub refused {
    my ($name, $regex) = @_;

    $t->status($t->next_key, "/$name");
    is($t->forwards(sub {
        for (1 .. 3) {
            my $r = $t->send_event($t->next_key, "/$name");
            is($r->status, 503, "$name: 503");
            ok($r->header('retry-after'), "$name: Retry-After");
        }
    }), 0, "$name: nothing is forwarded");
    ok($t->wait_log(qr/(?:$regex).*"$name"/), "$name: the log says why")
        or diag($t->log_lines(qr/"$name"/));
    is($t->status($t->next_key), 200, "$name: a good delivery after it");
    return;
}


# events that all nodes have

sub replicated {
    my @keys = map { $t->next_key } 1 .. 6;

    $t->status($_) for @keys;
    ok(poll_until(sub {
        return !grep { my $node = $_; grep { record($node, $_) ne 'd' } @keys }
            $set->alive;
    }, 5), 'all nodes have the records');
    return @keys;
}


sub known_at_the_new_one {
    my ($what, @keys) = @_;

    ok($t->all_recover($_), "$what: it recovers without a reload, $_")
        for qw(/ /dead /plain /liar);
    is($t->forwards(sub {
        is($t->status($_), 200, "$what: known") for @keys;
    }), 0, "$what: what was replicated is not forwarded again");

    my $key = $t->next_key;
    is($t->status($key), 200, "$what: a new event");
    ok(poll_until(sub { record($set->master, $key) eq 'd' }, 5),
        "$what: its record is at the master");
    return;
}


sub killed_master {
    my @keys = replicated();
    my $old = $set->master;

    # nobody takes over before the test says so
    $set->patience(600_000);
    $old->kill;
    ok($t->all_recover('/', undef, 503), 'a dead master: known to all');
    is($t->forwards(sub {
        ok($t->sooner($TIMEOUT, sub {
            is($t->status($t->next_key), 503, 'a dead master: refused')
                for 1 .. 4;
        }), 'in less time than the timeout of one');
    }), 1, 'nothing is forwarded');

    $set->patience;
    $set->promoted($old);
    known_at_the_new_one('killed', @keys);
    $old->start;
    $set->settled;
    known_at_the_new_one('and back', @keys);
    lie_about($old);
    return;
}


sub failover {
    my @keys = replicated();
    $sentinels[0]->kill;
    $set->failover;
    known_at_the_new_one('by command, the first Sentinel dead', @keys);
    $set->revive($sentinels[0]);
    return;
}


sub under_load {
    my $load = Test::Plum::Senders->new(test => $t);
    $set->kill_master;
    $t->all_recover('/');
    my $facts = $load->finish;

    diag("$facts->{events} events, $facts->{retried} of them retried, ",
        scalar(split / /, $facts->{doubled}), ' doubled');
    cmp_ok($facts->{events}, '>', 30, 'events');
    is($facts->{given_up}, '', 'every event was acknowledged');
    is($facts->{missing}, '', 'every acknowledged event was forwarded');
    like($facts->{status}, qr/\A200(?: 409)? 503\z/, 'refused or accepted');
    return;
}


# they are asked when a connection is made, not for every event

sub without_sentinels {
    $_->kill for @sentinels;
    is($t->status($t->next_key), 200, 'all Sentinels dead: goes on')
        for 1 .. 5;

    ok($t->reload, 'a reload');
    is($t->forwards(sub {
        is($t->status($t->next_key), 503, 'then the master is not known');
    }), 0, 'nothing is forwarded');
    $sentinels[2]->start;
    ok($t->all_recover('/'), 'one of them is back: at work');
    return;
}
