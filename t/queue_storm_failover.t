#!/usr/bin/perl

# Senders post events to a queue of a replicated pair, with accepted
# replicas=1.  The primary is killed, Sentinel promotes the replica, and the old
# primary comes back as the replica of the new one: nothing that was accepted is
# missing.  While no event is delivered, the replica is cut off before.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Queue;
use Test::Plum::QueueStorm;
use Test::Plum::Sentinel;

my $t = Test::Plum::Queue->new(workers => 2);
my $set = Test::Plum::Sentinel->new(test => $t, size => 2);
$t->gateway(Test::Plum::QueueStorm->setting(
    store => 'redis+sentinel://' . $set->seeds . '/main timeout=1s',
    queue => 'accepted replicas=1;',
));
ok($t->recovers(20), 'a good delivery');
$t->{up}->answer(delay => 0.02);

my $master = $set->master;
my $storm = Test::Plum::QueueStorm->new(test => $t, lags => 1,
    redis => sub { $master });
while ($storm->rages) {
    $storm->strike(sub {
        my ($paused) = @_;

        my ($replica) = grep { $_ != $master } $set->nodes;
        if ($paused) {
            $replica->freeze;
            $master->command('CLIENT', 'KILL', 'TYPE', 'replica');
            sleep(rand 0.3);
        }
        $master->kill;
        $replica->thaw;
        my $old = $master;
        $master = $set->promoted($old);
        $old->start;
        $set->settled;
    });
}
$storm->judge;
$t->done_testing;
