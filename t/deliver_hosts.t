#!/usr/bin/perl

# Two hosts with one Redis, and a queue of several shards: they share the work
# without knowing of each other.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $other = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');

my %setting = (
    shards => 'shards=4',
    consumers => ['deliver billing /deliver/billing;'],
    deliver => 'plum_deliver concurrency=2 breaker=off; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
);
$t->gateway(%setting);
my $up = $t->{up};
$up->answer(delay => 0.1);
$other->gateway(%setting, of => $t);

# both are connected to Redis
ok($_->accepted({id => $_->next_key}), 'accepted') for $t, $other;
$up->wait_for(2, 20);
$up->forget;

my @answers = $t->parallel({}, map { {$t->event({id => "e$_"})} } 1 .. 60);
is(scalar(grep { $_->status == 200 } @answers), 60, 'accepted by one host');

my @got = $up->wait_for(60, 20);
my %keys;
$keys{$up->header($_, 'Idempotency-Key')}++ for @got;
is(scalar keys %keys, 60, 'all delivered');
is(scalar(grep { $_ != 1 } values %keys), 0, 'each once');

my ($here, $there) = map { scalar $_->attempts(1) } $t, $other;
cmp_ok($here, '>', 0, "by the one ($here)");
cmp_ok($there, '>', 0, "and by the other ($there)");

# what one host has accepted and cannot deliver any more, the other one does
$t->stop;
$up->answer(status => 200);
ok($other->accepted({id => 'late'}), 'accepted by the other');
is($other->ends('late', 1), '1:200:delivered', 'and delivered');

ok($other->quit, 'the other nginx quits in peace');
$t->done_testing;
