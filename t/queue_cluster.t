#!/usr/bin/perl

# A queue in a Redis Cluster: its shards lie on all masters, entry and record
# of an event in one of them, known to both hosts; a master that is lost.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Cluster;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;

my $SHARDS = 6;

my $t = Test::Plum::Queue->new(workers => 2);
my $other = Test::Plum::Queue->new;
my $cluster = Test::Plum::Cluster->new(test => $t, aof => 'always');
my %setting = (
    allow => 'all_of_them',
    store => 'redis+cluster://' . $cluster->seeds,
    shards => "shards=$SHARDS",
    consumers => ['publish ledger keep=1h;',
        'publish stats keep=1h for=counted;'],
);
$t->gateway(%setting);
$other->gateway(%setting, of => $t);
ok($_->recovers, 'a good delivery') for $t, $other;

spread();
lost_master();

ok($other->quit, 'the other nginx quits in peace');
$t->done_testing;


# all keys of all masters

sub keys_of {
    my ($pattern) = @_;
    return map { my $node = $_; map { [$node, $_] } $node->keys($pattern) }
        $cluster->masters;
}


sub tag { return $_[0] =~ /(\{[^}]*\})/ ? $1 : '' }


# tags of the streams that hold an entry of that key

sub where {
    my ($key, $stream) = @_;

    my @tags;
    for (keys_of("plum:{orders*}:s:$stream")) {
        my ($node, $name) = @$_;
        my $entries = $node->command('XRANGE', $name, '-', '+');
        push @tags, map { tag($name) } grep { $_->[1][1] eq $key } @$entries;
    }
    return @tags;
}


sub spread {
    my @keys = map { $t->next_key } 1 .. 60;
    is(scalar(grep { $t->accept({id => $_, type => 'counted'})->status != 200
        || $other->accept({id => $_, type => 'counted'})->status != 200 }
        @keys), 0, 'each is accepted, then a duplicate at the other host');

    my %tags = map { tag($_->[1]) => $_->[0] } keys_of('plum:{orders*}:s:*');
    is(scalar keys %tags, $SHARDS, 'all shards are used');
    my %nodes = map { $_->port => 1 } values %tags;
    is(scalar keys %nodes, 3, 'on all masters');

    for my $key (@keys[0 .. 9]) {
        my ($record) = grep { $_->[1] =~ /:\Q$key\E\z/ }
            keys_of('plum:{orders*}:k:*');
        my $tag = tag($record->[1]);
        is(join(' ', where($key, 'ledger'), where($key, 'stats')),
            "$tag $tag", 'entries and record are in one shard, once');
    }
    return;
}


sub lost_master {
    my @keys = map { $t->next_key } 1 .. 30;
    ($cluster->masters)[0]->kill;
    my %status = map { $_ => $t->accept({id => $_, type => 'x'})->status }
        @keys;
    ok((grep { $_ == 200 } values %status), 'other shards go on');
    $cluster->settled;
    ok(poll_until(sub {
        $status{$_} = $t->accept({id => $_, type => 'x'})->status
            for grep { $status{$_} != 200 } @keys;
        return !grep { $_ != 200 } values %status;
    }, 20), 'and those of the lost master, once its replica is master');
    is(scalar(grep { my @w = where($_, 'ledger'); @w != 1 } @keys), 0,
        'each is there once');
    return;
}
