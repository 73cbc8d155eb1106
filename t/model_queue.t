#!/usr/bin/perl

# The protocol of a durable queue, checked by spin (docs/QUEUE.md).

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Test::Plum::Spin qw(model holds found $NEVER $FOREVER);

model('queue', 'Sender');

holds('accepted is delivered, dead or waiting; no double but for an excuse',
    'safety', qw(FAULTS=4));
holds('delivered, or a dead letter, in the end',
    'liveness', qw(FAULTS=3));
holds('... without a sweep, which only a foreign fault needs',
    'liveness', qw(FAULTS=2 SWEEP=0));
holds('... and a sweep gets over a retry that is written in two steps',
    'liveness', qw(FAULTS=2 DUE_LATE));

found('a late worker changes what another one holds',
    'safety', qr/\Q$NEVER\E \(allowance>0\)/, qw(FAULTS=2 NO_FENCE));
found('... even if nothing is late, and nothing lost',
    'safety', qr/\Q$NEVER\E \(allowance>0\)/,
    qw(FAULTS=2 NO_FENCE LATE=0 FAILOVER=0 GROUP=0));
found('a group is made from "$"',
    'safety', qr/\Q$NEVER\E .*delivered/, qw(FAULTS=1 FROM_END));
found('acknowledged before it was appended',
    'safety', qr/\Q$NEVER\E .*delivered/, qw(FAULTS=1 ACK_EARLY));
found('acknowledged before that was durable',
    'safety', qr/\Q$NEVER\E .*delivered/, qw(FAULTS=1 ACK_UNSAFE));
found('the entry leaves the queue before the attempt',
    'safety', qr/\Q$NEVER\E .*delivered/, qw(FAULTS=1 ACK_FIRST));
found('a retry drops its lease before its time is written',
    'liveness', qr/$FOREVER/, qw(FAULTS=2 DUE_LATE SWEEP=0));

done_testing();
