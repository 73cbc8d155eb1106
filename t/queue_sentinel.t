#!/usr/bin/perl

# A failover to a node with other settings: accepted= is looked at again, and
# nothing is accepted until that node keeps the promise, too.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Sentinel;

my $t = Test::Plum::Queue->new;
my $set = Test::Plum::Sentinel->new(test => $t);
durable($set->master);
$t->gateway(
    store => 'redis+sentinel://' . $set->seeds . '/main timeout=400ms',
    consumers => ['publish ledger keep=1h;'],
);

my @keys = map { $t->next_key } 1 .. 10;
ok($t->recovers, 'a good delivery');
is($t->accept({id => $_})->status, 200, 'accepted') for @keys;

my $before = $set->master;
$set->failover;
my $now = $set->master;
isnt($now, $before, 'another node is master');

ok(poll_until(sub { $t->accept({id => $t->next_key})->status == 503 }, 15),
    'it does not keep the promise: refused');
my $line = 'it cannot keep "accepted fsync", as it writes no append-only file';
ok($t->wait_log(qr/\Q$line\E.*plum store: "events", redis: "[^"]*:@{[
    $now->port]}"/, 10), 'the log names it, and says why');

durable($now);
ok($t->recovers(20), 'it does: accepted');
is($t->accept({id => $_})->status, 200, 'a copy of before') for @keys;
my %times;
for my $entry (@{$now->command('XRANGE', $t->key('s', 'ledger'), '-', '+')}) {
    my %fields = @{$entry->[1]};
    $times{$fields{k}}++;
}
is(scalar(grep { ($times{$_} || 0) != 1 } @keys), 0, 'each is there once');

$t->done_testing;


sub durable {
    my ($node) = @_;
    return $node->command('CONFIG', 'SET', 'appendonly', 'yes',
        'appendfsync', 'always');
}
