#!/usr/bin/perl

# Senders post events to a queue, and the consumer is killed and restarted:
# nothing that was accepted is missing.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep);

use Test::Plum::Queue;
use Test::Plum::QueueStorm;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->gateway(Test::Plum::QueueStorm->setting);
my $up = $t->{up};
ok($t->recovers, 'a good delivery');
$up->answer(delay => 0.02);

my $storm = Test::Plum::QueueStorm->new(test => $t, answered => 1);
while ($storm->rages) {
    $storm->strike(sub {
        $up->stop;
        sleep(rand 0.5);
        $up->start;
    });
}
$storm->judge;
$t->done_testing;
