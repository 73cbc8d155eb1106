#!/usr/bin/perl

# Senders post events to a queue, and redis-server is killed and restarted with
# what it had on disk: nothing that was accepted is missing.

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
ok($t->recovers, 'a good delivery');
$t->{up}->answer(delay => 0.02);

my $storm = Test::Plum::QueueStorm->new(test => $t);
while ($storm->rages) {
    $storm->strike(sub {
        $redis->kill;
        sleep(rand 0.5);
        $redis->start;
    });
}
$storm->judge;
$t->done_testing;
