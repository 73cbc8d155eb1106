#!/usr/bin/perl

# Two hosts on one Redis with different settings of one queue: one knows a
# consumer more, max= and retry= differ.  Nothing is lost, and nothing is
# delivered by a host that does not know the consumer; what waits for a
# consumer that was removed can be seen, and is delivered when it is back.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Process qw(poll_until run_command);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $one = Test::Plum::Queue->new;
my $two = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $one, aof => 'always');
my %setting = (
    one => {
        consumers => ['deliver billing /deliver/billing max=1000;',
            'deliver crm /deliver/crm;'],
        deliver => deliver('one', '50ms,100ms,150ms,200ms,250ms,10m'),
    },
    two => {
        consumers => ['deliver billing /deliver/billing max=12;'],
        deliver => deliver('two', '50ms,100ms'),
    },
);
$one->gateway(%{$setting{one}});
$two->gateway(%{$setting{two}}, of => $one);
my $up = $one->{up};
ok($_->accepted({id => $_->next_key}), 'a good delivery') for $one, $two;
ok($one->empty($_), "to $_") for qw(billing crm);

unknown();
max();
retry();
removed();

ok($two->quit, 'the other nginx quits in peace');
$one->done_testing;


sub deliver {
    my ($host, $retry) = @_;

    return "plum_deliver concurrency=4 retry=$retry breaker=off; "
        . "proxy_set_header X-Host $host; proxy_http_version 1.1; "
        . 'proxy_set_header Connection "";';
}


# what a host has delivered to a consumer: keys

sub by {
    my ($host, $name) = @_;

    return map { $up->header($_, 'Idempotency-Key') } grep {
        $_->{uri} eq "/deliver/$name" && $up->header($_, 'X-Host') eq $host
    } $up->requests;
}


sub unknown {
    $up->forget;
    $up->answer(delay => 0.05);
    my @first = map { $one->next_key } 1 .. 20;
    my @second = map { $two->next_key } 1 .. 20;
    is(scalar(grep { !$one->accepted({id => $_}) } @first), 0,
        'accepted by the host that knows both');
    is(scalar(grep { !$two->accepted({id => $_}) } @second), 0,
        'accepted by the other');
    ok($one->empty($_, 20), "all is delivered to $_") for qw(billing crm);
    is(join(' ', sort(by('one', 'crm'))), join(' ', sort @first),
        'crm gets what was accepted for it, each once, by one');
    is(scalar(my @none = by('two', 'crm')), 0, 'and nothing by the other');
    is(join(' ', sort(map { by($_, 'billing') } qw(one two))),
        join(' ', sort @first, @second), 'billing gets all, each once');
    $up->answer(status => 200);
    return;
}


# each host refuses by its own bound

sub max {
    $one->pause('billing');
    my @keys = map { $one->next_key } 1 .. 12;
    is($one->accept({id => $_})->status, 200, 'accepted') for @keys;
    is($two->accept({id => $two->next_key})->status, 503,
        'more wait than the other host allows: refused');
    is($two->accept({id => $keys[0]})->status, 200, 'not so a copy');
    is($one->accept({id => $one->next_key})->status, 200, 'nor by the first');
    $one->resume('billing');
    ok($one->empty('billing'), 'all are delivered');
    ok($two->recovers, 'then the other accepts, too');
    return;
}


# the host with fewer waits may give an event up, and nothing but that

sub retry {
    ok($one->empty($_), "nothing waits for $_") for qw(billing crm);
    $up->forget;
    $up->on('/deliver/billing', status => 500);
    my @keys = map { $one->next_key } 1 .. 8;
    is(($_ % 2 ? $one : $two)->accepted({id => $keys[$_]}) ? 1 : 0, 1,
        'accepted') for 0 .. 7;

    # each is dead, or waits for ten minutes
    my $due = $one->key('due', 'billing');
    my ($dead, $late);
    poll_until(sub {
        my $now = $redis->command('TIME');
        $dead = $redis->command('XLEN', $one->key('dead', 'billing'));
        $late = $redis->command('ZCOUNT', $due, 1000 * $now->[0] + 100_000,
            '+inf');
        return $dead + $late == 8;
    }, 20);
    is($dead + $late, 8, "$dead are dead letters, $late wait for the first");

    $up->on('/deliver/billing', status => 200);
    $redis->command('ZADD', $due, 1, $_)
        for @{$redis->command('ZRANGE', $due, 0, -1)};
    ok($one->empty('billing'), 'those that waited leave the queue');
    my %dead = map { $_->{k} => $_->{a} } $one->entries('billing', 'dead');
    my %done = map { / \[delivered\] \[([^\]]+)\]/ ? ($1 => 1) : () }
        grep { / \[billing\] / } map { $_->attempts(0) } $one, $two;
    is(scalar(grep { !$dead{$_} && !$done{$_} } @keys), 0,
        'each is delivered or dead');
    is(scalar(grep { $_ < 3 } values %dead), 0,
        'none was given up before the waits of a host were used up');
    $redis->command('DEL', $one->key('dead', 'billing'));
    return;
}


sub removed {
    $one->pause('crm');
    ok($one->accepted({id => "removed$_"}), 'accepted') for 1 .. 3;
    $one->configure(%{$setting{one}},
        consumers => [$setting{one}{consumers}[0]]);
    ok($one->reload, 'a reload that removes a consumer');
    $one->resume('crm');
    $up->forget;

    my @tool = ($^X, $one->root . '/tools/plum-queue', '--queue', 'orders',
        '-p', $redis->port, '--json', 'list');
    my ($status, $text) = run_command(@tool);
    like($text, qr/"crm"/, 'plum-queue still lists it');
    (undef, $text) = run_command(@tool, 'crm');
    is(scalar(() = $text =~ /"removed\d"/g), 3, 'and what waits for it');
    ok($one->recovers, 'events are accepted');
    ok($one->empty('billing'), 'and delivered');
    is(scalar(grep { $_->{uri} eq '/deliver/crm' } $up->requests), 0,
        'but not to the one that was removed');

    $one->configure(%{$setting{one}});
    ok($one->reload, 'a reload that puts it back');
    ok($one->empty('crm'), 'what waited is delivered');
    is(scalar(grep {/^removed/} by('one', 'crm')), 3, 'each event');
    return;
}
