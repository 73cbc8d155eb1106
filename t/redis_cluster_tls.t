#!/usr/bin/perl

# Redis Cluster and Sentinels over TLS: by address and by name, redirections
# too; with a password and certificates of ours.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Certificates;
use Test::Plum::Cluster;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Nameserver;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Sentinel;

my $PASSWORD = 'tr0ub4dor-and-3';

my $t = Test::Plum::Gateway->new(workers => 2);
my $dir = $t->certificates;
Test::Plum::Certificates::leaf($dir, 'node', 'DNS:node.test');
Test::Plum::Certificates::leaf($dir, 'local', 'DNS:localhost');
Test::Plum::Certificates::leaf($dir, 'number', 'IP:127.0.0.1');
$t->secret('password', $PASSWORD);

# nodes that are to be called by a name, and nodes that have none but want a
# password and a certificate
my $named = Test::Plum::Cluster->new(test => $t, name => 'named',
    announce => 'node.test', tls => {certificate => 'node'});
my $numbered = Test::Plum::Cluster->new(test => $t, name => 'numbered',
    password => $PASSWORD, masters => 2,
    tls => {certificate => 'number', client => 1});
my $watched = Test::Plum::Sentinel->new(test => $t, announce => 'localhost',
    tls => {certificate => 'local'}, password => $PASSWORD);
my $dns = Test::Plum::Nameserver->new(test => $t);
$dns->names(map { $_ => ['127.0.0.1'] } qw(localhost node.test));

my $ca = 'ca=%%TESTDIR%%/ca.crt';
my $pass = 'password_file=%%TESTDIR%%/password';
my $mine = 'certificate=%%TESTDIR%%/client.crt '
    . 'certificate_key=%%TESTDIR%%/client.key';
my $by_number = $named->seeds =~ s/node\.test/127.0.0.1/gr;
my $by_name = $numbered->seeds =~ s/127\.0\.0\.1/localhost/gr;
my $watchers = $watched->seeds . '/main';
my $wrong_name = qr/certificate.*(?:name|match)|(?:name|match).*certificate/i;

# name, address, what the log says of those that fail
my @stores = (
    ['named', 'rediss+cluster://' . $named->seeds(($named->nodes)[0])
        . " $ca"],
    ['numbered', 'rediss+cluster://' . $numbered->seeds
        . " $ca $mine $pass"],
    ['watched', "rediss+sentinel://$watchers $ca $pass"],

    ['by_number', "rediss+cluster://$by_number $ca", $wrong_name],
    ['by_name', "rediss+cluster://$by_name $ca $mine $pass", $wrong_name],
    ['other_ca', 'rediss+cluster://' . $named->seeds
        . ' ca=%%TESTDIR%%/other-ca.crt', qr/certificate|issuer/i],
    ['no_password', 'rediss+cluster://' . $numbered->seeds . " $ca $mine",
        qr/NOAUTH/],
    ['no_certificate', 'rediss+cluster://' . $numbered->seeds . " $ca $pass",
        qr/certificate required|reset by peer|closed/],
    ['plain', 'redis+cluster://' . $named->seeds, qr/closed|reset/],
    ['watched_ca', "rediss+sentinel://$watchers $pass "
        . 'ca=%%TESTDIR%%/other-ca.crt', qr/certificate|issuer/i],
    ['watched_plain', "redis+sentinel://$watchers $pass", qr/closed|reset/],
);
$t->gateway(
    default => 'named',
    http => 'resolver 127.0.0.1:%%PORT_dns%% ipv6=off;',
    stores => join('', map { "plum_store $_->[0] $_->[1];\n" } @stores),
    locations => {map { ("/$_->[0]" => "plum_idempotency $_->[0];") }
        @stores},
);

accepted($_->[0]) for grep { !$_->[2] } @stores;
refused(@$_) for grep { $_->[2] } @stores;
spread('named', $named);
spread('numbered', $numbered);
redirected();
killed();
sentinel_failover();

unlike($t->error_log, qr/\Q$PASSWORD\E/, 'no secret in the log');
$t->done_testing;


sub accepted {
    my ($name) = @_;

    my $key = $t->next_key;
    ok($t->all_recover("/$name"), "$name: at work");
    is($t->forwards(sub {
        is($t->status($key, "/$name"), 200, "$name: $_")
            for qw(new duplicate);
    }), 1, "$name: forwarded once");
    return;
}


sub refused {
    my ($name, $address, $regex) = @_;

    # the first may come before the connection is judged
    $t->status($t->next_key, "/$name");
    is($t->forwards(sub {
        is($t->status($t->next_key, "/$name"), 503, "$name: refused")
            for 1 .. 3;
    }), 0, "$name: nothing is forwarded");
    ok($t->wait_log(qr/(?:$regex).*"$name"/),
        "$name: the log says why") or diag($t->log_lines(qr/"$name"/));
    is($t->status($t->next_key), 200, "$name: a good delivery after it");
    return;
}


# to all masters, of whom but one was named to start with

sub spread {
    my ($name, $cluster) = @_;

    my @keys = map { $t->next_key } 1 .. 24;
    is($t->forwards(sub {
        is($t->status($_, "/$name"), 200, "$name: accepted") for @keys, @keys;
    }), 24, "$name: each once");

    my %at;
    for my $key (@keys) {
        my $node = $cluster->node_of(stored($key));
        $at{$node->{name}}++;
        ok(poll_until(sub {
            return ($node->command('GET', stored($key)) || '') eq 'd';
        }, 5), "$name: its record");
    }
    is(scalar keys %at, scalar(my @all = $cluster->masters),
        "$name: all masters have some");
    return;
}


# MOVED names a node by its name; ASK, too

sub redirected {
    my ($master) = $named->masters;
    my @keys = map { $named->key_at($master, sub { $t->next_key }) } 1 .. 4;
    is($t->status($_), 200, 'before') for @keys;
    $named->failover($master);
    is($t->forwards(sub {
        is($t->status($_), 200, 'MOVED: a duplicate') for @keys;
        is($t->status($named->key_at($named->node_of(stored($keys[0])),
            sub { $t->next_key })), 200, 'MOVED: a new one');
    }), 1, 'only the new one is forwarded');

    my $slot = $named->slot('plum:{way}');
    my ($to) = grep { $_ != $named->owner($slot) } $named->masters;
    $named->begin_migration($slot, $to);
    my $asked = $named->sum(qr/^errorstat_ASK:count=(\d+)/m);
    my @way = map { '{way}' . $t->next_key } 1 .. 3;
    is($t->forwards(sub {
        is($t->status($_), 200, 'ASK') for @way, @way;
    }), 3, 'ASK: each once');
    cmp_ok($named->sum(qr/^errorstat_ASK:count=(\d+)/m), '>', $asked,
        'they were redirected');
    $named->end_migration($slot, $to);
    is($t->status($_), 200, 'moved: a duplicate') for @way;
    return;
}


sub killed {
    my ($master) = $named->masters;
    my $key = $named->key_at($master, sub { $t->next_key });
    $master->kill;
    $named->settled;
    ok(poll_until(sub { $t->status($key) == 200 }, 5),
        'a promoted replica, by its name');
    $master->start;
    $named->settled;
    return;
}


sub sentinel_failover {
    my $key = $t->next_key;
    is($t->status($key, '/watched'), 200, 'before');
    ok(poll_until(sub {
        return !grep { ($_->command('GET', stored($key)) || '') ne 'd' }
            $watched->nodes;
    }, 5), 'replicated');
    $watched->failover;
    ok($t->all_recover('/watched'), 'a new master, by its name');
    is($t->forwards(sub {
        is($t->status($key, '/watched'), 200, 'a duplicate');
    }), 0, 'not forwarded again');
    return;
}
