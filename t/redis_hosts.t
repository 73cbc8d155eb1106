#!/usr/bin/perl

# Several hosts of one replicated Redis in an address, and hosts by a name
# whose address changes.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Nameserver;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $TIMEOUT = 2;

my $t = Test::Plum::Gateway->new(workers => 2);
my $one = Test::Plum::Redis->new(test => $t, name => 'one');
my $two = Test::Plum::Redis->new(test => $t, name => 'two');
$two->replicate($one);

# one port at two addresses
my $here = Test::Plum::Redis->new(test => $t, name => 'here',
    address => '127.0.0.1');
my $there = Test::Plum::Redis->new(test => $t, name => 'there',
    address => '127.0.0.2', port => $here->port);
my $dns = Test::Plum::Nameserver->new(test => $t);
my %names;
dns('redis.test' => ['127.0.0.1'], 'gone.test' => ['127.0.0.1'],
    'mute.test' => []);

my ($at_one, $at_two, $nobody) = map { "127.0.0.1:%%PORT_$_%%" }
    qw(one two nobody);
my %store = (
    events => "$at_one,$at_two",
    swapped => "$at_two,$at_one",
    dead => "$nobody,$at_one,$at_two",
    third => "$at_two,$at_one/3",
    named => 'redis.test:%%PORT_here%%',
    mixed => 'mute.test:%%PORT_here%%,redis.test:%%PORT_here%%',
    gone => 'gone.test:%%PORT_here%%',
    unknown => 'unknown.test',
    literal => '127.0.0.1:%%PORT_here%%',
);
$t->gateway(
    http => 'resolver 127.0.0.1:%%PORT_dns%% ipv6=off; '
        . 'resolver_timeout 300ms;',
    stores => join('', map {
        "plum_store $_ redis://$store{$_} timeout=${TIMEOUT}s;\n"
    } sort keys %store),
    locations => {'/control' => 'plum_idempotency off;',
        map { ("/$_" => "plum_idempotency $_;") } keys %store},
);
ok($t->recovers, 'a good delivery');

first_master();
handed_over();
readonly();
no_master();
names();
changed_address();
lost_name();
mute_nameserver();
without_resolver();

$t->done_testing;


# from now on; undef: there is no such name any more

sub dns {
    %names = (%names, @_);
    $dns->names(map { $names{$_} ? ($_ => $names{$_}) : () } keys %names);
    return;
}


sub record {
    my ($redis, $key) = @_;

    my $value = $redis->command('GET', stored($key));
    return defined $value ? $value : '';
}


# the three stores with the set, whose master that is

sub set_is_at {
    my ($what, $master) = @_;

    for my $uri (qw(/ /swapped /dead)) {
        ok($t->all_recover($uri), "$what: $uri at work");
        my $key = $t->next_key;
        is($t->forwards(sub {
            is($t->status($key, $_), 200, "$what: $_") for $uri, $uri, '/';
        }), 1, "$what: once");
        ok(poll_until(sub { record($master, $key) eq 'd' }, 5),
            "$what: $master->{name} has it");
    }
    return;
}


sub refused {
    my ($what, $uri, $regex) = @_;

    ok($t->all_recover($uri, undef, 503), "$what: known to all workers");
    ok($t->sooner($TIMEOUT, sub {
        is($t->forwards(sub {
            is($t->status($t->next_key, $uri), 503, "$what: refused")
                for 1 .. 3;
        }), 0, "$what: nothing is forwarded");
    }), "$what: three in less time than the timeout of one");
    ok($t->wait_log($regex), "$what: the log says why");
    is($t->status($t->next_key, $uri eq '/' ? '/literal' : '/'), 200,
        "$what: another store");
    return;
}


sub first_master {
    set_is_at('at first', $one);

    my $key = $t->next_key;
    is($t->status($key, '/third'), 200, 'a database, of a set');
    is(join(' ', $one->keys('*', 3)), stored($key), 'its record');
    $one->command('SELECT', 0);
    return;
}


sub handed_over {
    my $key = $t->next_key;
    is($t->status($key), 200, 'before');
    ok(poll_until(sub { record($two, $key) eq 'd' }, 5), 'replicated');

    $one->kill;
    refused('only a replica is left', '/', qr/"events"/);
    $two->command('REPLICAOF', 'NO', 'ONE');
    set_is_at('promoted', $two);
    is($t->forwards(sub { is($t->status($key), 200, 'known') }), 0,
        'not forwarded again');

    $one->start;
    $one->replicate($two);
    set_is_at('the other is back', $two);
    return;
}


# the connection stays, what it leads to is no master any more

sub readonly {
    my $key = $t->next_key;
    is($t->status($key), 200, 'before');
    ok(poll_until(sub { record($one, $key) eq 'd' }, 5), 'replicated');

    $one->command('REPLICAOF', 'NO', 'ONE');
    $two->replicate($one);
    set_is_at('demoted', $one);
    is($t->forwards(sub { is($t->status($key), 200, 'known') }), 0,
        'not forwarded again');
    return;
}


sub no_master {
    # of a port where nobody listens
    $one->command('REPLICAOF', '127.0.0.1', $t->port('nobody'));
    refused('two replicas', '/', qr/(?:no master|READONLY).*"events"/);
    $one->command('REPLICAOF', 'NO', 'ONE');
    set_is_at('one of them is promoted', $one);
    return;
}


sub names {
    ok($t->all_recover('/named'), 'a name that only the resolver knows');
    my $key = $t->next_key;
    is($t->forwards(sub {
        is($t->status($key, $_), 200, $_) for qw(/named /literal);
    }), 1, 'is where it says');
    ok($t->all_recover('/mixed'), 'a name without an answer, then one with');
    refused('a name that is not there', '/unknown',
        qr/unknown\.test.*"unknown"/);
    return;
}


sub changed_address {
    dns('redis.test' => ['127.0.0.2']);
    is($t->status($t->next_key, '/named'), 200, 'a connection stays');
    $here->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    ok($t->all_recover('/named'), 'the next one leads to the new address');
    my $key = $t->next_key;
    is($t->status($key, '/named'), 200, 'a new event');
    ok(poll_until(sub { record($there, $key) eq 'd' }, 5),
        'its record is there');
    is(record($here, $key), '', 'and not here');

    # of several, one works
    dns('redis.test' => ['127.0.0.3', '127.0.0.1', '127.0.0.4']);
    $there->kill;
    ok($t->all_recover('/named'), 'of several addresses the one that works');
    return;
}


sub lost_name {
    ok($t->all_recover('/gone'), 'at work');
    dns('gone.test' => undef, 'redis.test' => ['127.0.0.1']);
    is($t->status($t->next_key, '/gone'), 200, 'a connection stays');
    $here->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');

    refused('it does not resolve any more', '/gone', qr/gone\.test/);
    dns('gone.test' => ['127.0.0.1']);
    ok($t->all_recover('/gone'), 'it does again: at work');
    return;
}


# a worker that waits for a name serves others

sub mute_nameserver {
    ok($t->all_recover('/named'), 'at work');
    dns('redis.test' => []);

    # again: those whose handshake was under way have an address already
    ok(poll_until(sub {
        $here->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
        my @clients = map { $t->start($t->next_key, '/named') } 1 .. 8;
        return !grep { $_->read_response->status != 503 } @clients;
    }, 10), 'no answer: no worker has a connection left');
    refused('no answer', '/named', qr/redis\.test/);
    dns('redis.test' => ['127.0.0.1']);
    ok($t->all_recover('/named'), 'an answer: at work');
    return;
}


sub without_resolver {
    my $resolver = 'resolver 127.0.0.1:%%PORT_dns%% ipv6=off;';

    for ([$resolver, 'redis.test', 0], ['', 'redis.test', 1],
        ['', "localhost,$at_one", 0], ['', "localhost,redis.test", 1]) {
        my ($more, $host, $status) = @$_;
        my ($got, $said) = $t->test_config("%%GLOBALS%%\nevents {}\nhttp {\n"
            . "plum_store s redis://$host;\n$more\n}\n");
        is($got, $status, ($more ? 'with' : 'without')
            . " a resolver: $host") or diag($said);
    }
    return;
}
