#!/usr/bin/perl

# Redis Cluster loses nodes: what deliveries of its slots get meanwhile, that
# the others do not notice, and that nothing has to be done afterwards.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Test::Plum::Cluster;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;
use Test::Plum::Senders;

my $TIMEOUT = 2;

my $t = Test::Plum::Gateway->new(workers => 2);
my $cluster = Test::Plum::Cluster->new(test => $t, aof => 1);
my $plain = Test::Plum::Redis->new(test => $t, name => 'plain');

my @nodes = $cluster->nodes;
my $nobody = '127.0.0.1:%%PORT_nobody%%';
my %seeds = (
    events => $cluster->seeds,
    dead => "$nobody," . $cluster->seeds($nodes[1]),
    replica => $cluster->seeds($nodes[3]),
    plain => $cluster->seeds($plain, $nodes[2]),
    none => $cluster->seeds($plain),
);
$t->gateway(
    default => 'events lease=2s in_flight=wait:1s',
    stores => join('', map {
        "plum_store $_ redis+cluster://$seeds{$_} timeout=${TIMEOUT}s;\n"
    } sort keys %seeds),
    locations => {'/control' => 'plum_idempotency off;',
        map { ("/$_" => "plum_idempotency $_;") } keys %seeds},
);
ok($t->recovers, 'a good delivery');

seeds();
lost('kill', $nodes[0]);
lost('freeze', $nodes[1]);
under_load();
unserved();
all_lost();

$t->done_testing;


# any node will do that is one of a cluster

sub seeds {
    for my $name (qw(dead replica plain)) {
        my $key = $t->next_key;
        ok($t->recovers("/$name"), "$name: at work");
        is($t->forwards(sub {
            is($t->status($key, $_), 200, "$name: $_")
                for "/$name", "/$name", '/';
        }), 1, "$name: once");
    }

    $t->status($t->next_key, '/none');
    is($t->forwards(sub {
        is($t->status($t->next_key, '/none'), 503, 'no cluster: refused');
    }), 0, 'not forwarded');
    ok($t->wait_log(qr/cluster support disabled.*"none"/),
        'and the log says why');
    is($t->status($t->next_key), 200, 'a good delivery after it');
    return;
}


sub new_keys {
    my ($node, $count) = @_;
    return map { $cluster->key_at($node, sub { $t->next_key }) } 1 .. $count;
}


sub lost {
    my ($how, $node) = @_;

    my ($other) = grep { $_ != $node } $cluster->masters;
    my @kept = new_keys($node, 5);
    my @new = new_keys($node, 6);
    my @others = new_keys($other, 6);

    is($t->status($_), 200, "$how: before") for @kept;
    _replicated($node, @kept);

    # nobody takes over before the test says so
    my ($heir) = $cluster->replicas($node);
    $heir->command('CONFIG', 'SET', 'cluster-replica-no-failover', 'yes');
    $node->$how;

    # while those of its slots wait for the timeout, others do not
    is($t->forwards(sub {
        my @waiting = map { $t->start($_) } @new;
        ok($t->sooner($TIMEOUT, sub {
            is($t->status($_), 200, "$how, others: 200") for @others;
        }), "$how, others: in less time than the timeout of one");
        is($_->read_response->status, 503, "$how, its slots: 503")
            for @waiting;
    }), 7, "$how: only the others are forwarded");

    # and once it is known to be down, nobody waits
    ok($t->all_recover('/', $new[0], 503), "$how: known to all workers");
    is($t->forwards(sub {
        ok($t->sooner($TIMEOUT, sub {
            for my $i (0 .. 5) {
                _refused("$how, its slots", $new[$i]);
                is($t->status($others[$i]), 200, "$how, others: known");
            }
        }), "$how: all in less time than the timeout of one");
    }), 1, "$how: nothing more is forwarded");

    $heir->command('CONFIG', 'SET', 'cluster-replica-no-failover', 'no');
    $cluster->settled;
    ok($t->all_recover('/', $_), "$how: promoted, it recovers")
        for $new[0], @kept;
    is($t->forwards(sub {
        is($t->status($_), 200, "$how: known") for @kept;
    }), 0, "$how: what was replicated is not forwarded again");

    $how eq 'kill' ? $node->start : $node->thaw;
    $cluster->settled;
    is($t->forwards(sub {
        is($t->status($_), 200, "$how: back") for @kept, @new, @others;
    }), 5, "$how: forwarded are those that were refused");
    return;
}


sub _refused {
    my ($what, $key) = @_;

    my $r = $t->send_event($key);
    is($r->status, 503, "$what: refused");
    ok($r->header('retry-after'), "$what: Retry-After");
    return;
}


sub _replicated {
    my ($master, @keys) = @_;

    my ($replica) = $cluster->replicas($master);
    $replica->command('READONLY');
    ok(poll_until(sub {
        return !grep { ($replica->command('GET', stored($_)) || '') ne 'd' }
            @keys;
    }, 5), 'the replica has their records');
    return;
}


# two masters die, one after the other

sub under_load {
    my $load = Test::Plum::Senders->new(test => $t, count => 6);
    my %heir;

    for (1, 2) {
        $load->acknowledges(50);
        my ($node) = grep { !$heir{$_->{name}} } $cluster->masters;
        my ($heir) = $cluster->replicas($node);
        $heir{$heir->{name}} = 1;
        $node->kill;
        $cluster->settled;
        $node->start;
        $cluster->settled;
    }
    my $facts = $load->finish;

    my @doubled = split / /, $facts->{doubled};
    my @odd = grep { !$heir{$cluster->node_of(stored($_))->{name}} } @doubled;
    diag("$facts->{events} events, $facts->{retried} of them retried, ",
        scalar(@doubled), ' doubled');
    cmp_ok($facts->{events}, '>', 50, 'events');
    is($facts->{given_up}, '', 'every event was acknowledged');
    is($facts->{missing}, '', 'every acknowledged event was forwarded');
    like($facts->{status}, qr/\A200(?: 409)? 503\z/, 'refused or accepted');
    is("@odd", '', 'doubled are only those of a master that died');
    return;
}


# CLUSTERDOWN: for one slot, for all

sub unserved {
    my $key = $t->next_key;
    my $slot = $cluster->slot(stored($key));
    my $owner = $cluster->owner($slot);
    my ($other) = grep { $_ != $owner } $cluster->masters;

    $_->command('CLUSTER', 'DELSLOTS', $slot) for $cluster->masters;
    is($t->forwards(sub {
        for (new_keys($other, 3)) {
            is($t->status($key), 503, 'a slot of nobody: refused');
            is($t->status($_), 200, 'another slot');
        }
    }), 3, 'only the other slot is forwarded');

    # a node of that mind looks at it when something has changed
    my ($neighbour, $last) = new_keys($owner, 2);
    my @slots = ($slot, $cluster->slot(stored($last)));
    $owner->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'yes');
    $owner->command('CLUSTER', 'DELSLOTS', $slots[1]);
    ok(poll_until(sub {
        return $owner->command('CLUSTER', 'INFO') =~ /^cluster_state:fail/m;
    }, 5), 'a node that serves only a whole cluster');
    is($t->status($neighbour), 503, 'its other slots: refused');
    ok($t->wait_log(qr/CLUSTERDOWN.*"events"/), 'the log says why');

    $owner->command('CONFIG', 'SET', 'cluster-require-full-coverage', 'no');
    $owner->command('CLUSTER', 'ADDSLOTS', @slots);
    $cluster->settled;
    ok($t->all_recover('/', $_), 'served again')
        for $key, $neighbour, $last;
    return;
}


sub all_lost {
    my @keys = map { $t->next_key } 1 .. 6;
    is($t->status($_), 200, 'before') for @keys;

    # whichever is promoted in the end
    for my $master ($cluster->masters) {
        _replicated($master, grep { $cluster->node_of(stored($_)) == $master }
            @keys);
    }
    $_->kill for $cluster->nodes;

    is($t->forwards(sub {
        _refused('all are down', $t->next_key) for 1 .. 5;
        is($t->status($_), 503, 'all are down: nothing is known') for @keys;
    }), 0, 'nothing is forwarded');

    $_->start for $cluster->nodes;
    $cluster->settled;
    for my $master ($cluster->masters) {
        ok($t->all_recover('/', new_keys($master, 1)), 'they are back');
    }
    is($t->forwards(sub {
        is($t->status($_), 200, 'a duplicate') for @keys;
    }), 0, 'with their records');
    return;
}
