#!/usr/bin/perl

# A consumer in trouble costs the other one nothing: while all its places are
# taken by what hangs, trickles or breaks off, the other one gets its events,
# and when it is well again it gets all of its own.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->gateway(
    consumers => ['deliver bad /deliver/bad;', 'deliver good /deliver/good;'],
    deliver => 'plum_deliver concurrency=2 '
        . 'retry=50ms,100ms,200ms,400ms,1s,2s,4s breaker=5:200ms; '
        . 'proxy_http_version 1.1; proxy_set_header Connection "";',
    locations => {
        '/deliver/bad' => 'proxy_read_timeout 1s;
            proxy_pass http://127.0.0.1:%%PORT_bad%%;',
    },
);
my $good = $t->{up};
my $bad = $t->upstream('bad');
ok($t->recovers, 'a good delivery');
ok($t->empty($_), "to $_") for qw(bad good);

# a name, an answer, and whether it means that the consumer has the event
my @troubles = (
    ['hangs', {action => 'hang'}],
    ['resets before it answers', {action => 'reset'}],
    ['closes within the head', {action => 'raw', raw => 'HTTP/1.1 20'}],
    ['answers 200 and resets', {action => 'half_reset', body => 'x' x 1000},
        1],
    ['sends a large answer', {body => 'x' x 1_000_000, repeat => 20}, 1],
    ['answers 500 with a large body', {status => 500, body => 'x' x 1_000_000,
        repeat => 5}],
    ['redirects', {status => 307, headers => [['Location', '/']]}],
    ['speaks HTTP/0.9', {action => 'raw', raw => "yes\n"}],
    ['answers 200 with no end', {headers => [['Content-Length', 100]],
        body => 'x'}, 1],
);
trouble(@$_) for @troubles;
$t->done_testing;


sub trouble {
    my ($what, $answer, $takes) = @_;

    $_->forget for $good, $bad;
    $bad->answer(%$answer);
    my @keys = map { $t->next_key } 1 .. 10;
    is(scalar(grep { !$t->accepted({id => $_}) } @keys), 0,
        "$what: ten events are accepted");
    $bad->wait_for(1);
    ok($t->empty('good'), 'the other consumer has its own');
    is(scalar(my @got = $good->requests), 10, 'each once');
    is($t->entries('bad') ? 1 : 0, 1, 'while this one has not') if !$takes;

    $bad->answer(status => 200);
    $t->resume('bad');
    ok($t->empty('bad', 20), 'it is well: all is delivered');
    my %has = map { ($bad->header($_, 'Idempotency-Key') || '') => 1 }
        $bad->requests;
    is(scalar(grep { !$has{$_} } @keys), 0, 'each event');
    is(scalar(my @dead = $t->entries('bad', 'dead')), 0, 'none is dead');
    return;
}
