#!/usr/bin/perl

# Senders post events to a queue, and workers are killed while they accept and
# deliver: nothing that was accepted is missing.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::QueueStorm;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->gateway(Test::Plum::QueueStorm->setting);
ok($t->recovers, 'a good delivery');
$t->{up}->answer(delay => 0.02);

my $storm = Test::Plum::QueueStorm->new(test => $t);
while ($storm->rages) {
    $storm->strike(sub {
        my @workers = $t->workers;
        $t->kill_worker($workers[rand @workers]);
    });
}
$storm->judge;
$t->done_testing;
