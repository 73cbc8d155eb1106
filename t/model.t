#!/usr/bin/perl

# The idempotency protocol, checked by spin (docs/PROTOCOL.md): what is
# promised holds in every order of steps and faults, and where a rule of the
# protocol is taken out, or broken, it does not.

use strict;
use warnings;

use File::Basename qw(dirname);
use Test::More;

use lib dirname(__FILE__) . '/lib';
use Test::Plum::Spin qw(model holds found $NEVER $FOREVER);

# faults that the protocol itself must get over, as no lease ever ends
my @UNAIDED = qw(LAPSE=0 CRASH=0 LATE=0 FAILOVER=0 HOLD=0);

model('idempotency', 'Sender');

holds('no double but for an excuse, acknowledged is forwarded',
    'safety', qw(FAULTS=3));
holds('... with three deliveries at a time',
    'safety', qw(FAULTS=1 SENDERS=3));
holds('... with unavailable=forward, where each such is an excuse',
    'safety', qw(FAULTS=2 FORWARD=1));
holds('acknowledged in the end',
    'liveness', qw(FAULTS=2));
holds('... with no lease that ends',
    'liveness', qw(FAULTS=2), @UNAIDED);

found('a copy of a pending claim is acknowledged',
    'safety', qr/\Q$NEVER\E answered/, qw(FAULTS=1 ACK_COPY));
found('no answer is taken for success',
    'safety', qr/\Q$NEVER\E answered/, qw(FAULTS=1 ACK_DOUBT));
found('a release ends whatever claim is there',
    'safety', qr/\Q$NEVER\E \(allowance>0\)/, qw(FAULTS=2 NO_TOKEN));
found('a failed forward does not release its claim',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 NO_RELEASE), @UNAIDED);
found('a claim made for nobody is not released',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 NO_CANCEL), @UNAIDED);
found('nor is one whose repetition was not sent',
    'liveness', qr/$FOREVER/, qw(FAULTS=2 FORGETFUL), @UNAIDED);

# a dead worker's claim is nobody's to release
found('a worker dies, and leases last for ever',
    'liveness', qr/$FOREVER/, qw(FAULTS=1 LAPSE=0));

done_testing();
