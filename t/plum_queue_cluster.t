#!/usr/bin/perl

# tools/plum-queue in a cluster: a queue of several shards is one queue, and
# can be moved to another number of them.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use JSON::PP ();
use Test::More;

use Test::Plum::Cluster;
use Test::Plum::Process qw(run_command);
use Test::Plum::Queue;

my $TOOL = dirname(__FILE__) . '/../tools/plum-queue';
my $EVENTS = 12;

my $t = Test::Plum::Queue->new;
my $cluster = Test::Plum::Cluster->new(test => $t, aof => 'always');

my %conf = (
    store => 'redis+cluster://' . $cluster->seeds,
    consumers => [
        'deliver billing /deliver/billing;',
        'publish warehouse keep=1h;',
    ],
);
$t->gateway(%conf, shards => 'shards=3');
said('--shards', 3, 'pause', 'billing');

my @keys = map { "event-$_" } 1 .. $EVENTS;
is($t->accept({id => $_})->status, 200, "accepted: $_") for @keys;

shards();
moved(5);
moved(1);

$t->done_testing;


sub said {
    my (@argv) = @_;

    my ($status, $text) = run_command($^X, $TOOL, '--queue', 'orders', '-c',
        '-p', ($cluster->alive)[0]->port, '--json', @argv);
    is($status, 0, "plum-queue @argv") or diag($text);
    return map { JSON::PP->new->decode($_) } split /\n/, $text;
}


sub total {
    my %of = map { $_->{name} => $_ } said('list');
    return \%of;
}


sub shards {
    my $of = total();
    is($of->{billing}{waiting}, $EVENTS, 'all shards are one consumer');
    is($of->{billing}{paused_by}, 'operator', '... that is paused');
    is($of->{warehouse}{waiting}, $EVENTS, '... and one published stream');
    cmp_ok($of->{billing}{shards}, '>', 1, 'more than one shard has some');

    my @entries = said('list', 'billing');
    is_deeply([sort map { $_->{key} } @entries], [sort @keys],
        'every event is there once');
    my %tag = map { $_->{tag} => 1 } @entries;
    my %node = map { $cluster->slot($_) ? ($cluster->owner($cluster->slot($_))
        ->port => 1) : () } keys %tag;
    cmp_ok(scalar keys %node, '>', 1, 'on more than one master');

    my ($shown) = said('show', $entries[0]{id}, '--consumer', 'billing');
    is($shown->{key}, $entries[0]{key}, 'an entry is found in its shard');
    return;
}


# to so many shards, and events that were accepted are still known

sub moved {
    my ($shards) = @_;

    my ($moved) = said('--yes', 'move', '--to', $shards);
    is($moved->{left}, 0, 'nothing was in flight');
    cmp_ok($moved->{records}, '>', 0, 'records have moved');

    my @entries = said('list', 'billing');
    is_deeply([sort map { $_->{key} } @entries], [sort @keys],
        "with $shards shards every event is there once");
    is(total()->{warehouse}{waiting}, $EVENTS, 'the published ones, too');

    said('--shards', $shards, 'pause', 'billing');
    $t->configure(%conf, shards => "shards=$shards");
    $t->reload;
    is($t->accept({id => $_})->status, 200, "accepted before: $_") for @keys;
    is(scalar said('list', 'billing'), $EVENTS, 'and not appended again');
    return;
}
