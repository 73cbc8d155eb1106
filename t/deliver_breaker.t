#!/usr/bin/perl

# A consumer that fails: the breaker pauses it and spends no attempts of what
# waits, tries it with one event, then starts slowly; and it costs no other
# consumer anything.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use List::Util qw(max);
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

$t->gateway(
    consumers => ['deliver sick /deliver/sick;', 'deliver well /deliver/well;'],
    deliver => 'plum_deliver concurrency=8 retry=50ms,100ms,10m '
        . 'breaker=3:1500ms; proxy_http_version 1.1; '
        . 'proxy_set_header Connection "";',
    locations => {
        '/deliver/well' => 'proxy_pass http://127.0.0.1:%%PORT_well%%;',
    },
);
my $up = $t->{up};
my $well = $t->upstream('well');

$up->answer(status => 500);
$t->accepted({id => "a$_"}) for 1 .. 60;

is(scalar(my @all = $well->wait_for(60, 10)), 60,
    'the other consumer has everything');
ok($t->empty('well'), 'and nothing waits for it');

my @opened;
ok(poll_until(sub { @opened = $t->log_lines(qr/times in a row/) }, 10),
    'the breaker opens');
like($opened[0], qr/consumer "sick" of queue "orders" has failed \d+ times/,
    'it is logged');
my $spent = $up->requests;
cmp_ok($spent, '<=', 11, "after $spent attempts: those that were under way");

# a probe: one at a time, and no more until it succeeds
ok(poll_until(sub { $up->requests > $spent }, 10), 'then it is tried with one');
my @requests = $up->requests;
my $gap = max(map { $requests[$_]{time} - $requests[$_ - 1]{time} }
    1 .. $#requests);
cmp_ok($gap, '>', 1.4, 'after the pause');

$up->answer(status => 200);
$up->forget;
ok($t->empty('sick', 20), 'it is well again and gets all that has waited');

my %keys;
$keys{$up->header($_, 'Idempotency-Key')}++ for $up->requests;
is(scalar keys %keys, 60, 'each event');
is(scalar(grep { $_ != 1 } values %keys), 0, 'once');
is(scalar(my @dead = $t->entries('sick', 'dead')), 0, 'no dead letter');
is(scalar $t->log_lines(qr/"sick".*accepts events again/), 1,
    'the log says that it accepts again');

$t->done_testing;
