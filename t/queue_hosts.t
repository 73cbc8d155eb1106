#!/usr/bin/perl

# Two hosts on one Redis, with different consumers; a reload that adds, renames
# and removes consumers and queues: what waits stays, and is warned of.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new;
my $other = Test::Plum::Queue->new;
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
my $small = 'plum_queue small { store events; publish p keep=1h; }';
my @CONSUMERS = ('deliver a /deliver/a;', 'deliver b /deliver/b;');
$t->gateway(consumers => \@CONSUMERS, http => $small);
$other->gateway(of => $t, consumers => ['deliver b /deliver/b;',
    'deliver c /deliver/c;', 'publish p keep=1h;']);
$t->pause($_) for qw(a b c new);

hosts();
reloads();

ok($other->quit, 'the other nginx quits in peace');
$t->done_testing;


sub keys_of { return join ' ', sort map { $_->{k} } $t->entries($_[0]) }


# each event goes to the consumers of the host that accepts it

sub hosts {
    is($t->accept({id => 'one'})->status, 200, 'accepted by one');
    is($other->accept({id => 'two'})->status, 200, 'accepted by the other');
    is($t->accept({id => 'two'})->status, 200, 'a copy at another host');
    is($other->accept({id => 'one'})->status, 200, 'and the other way');
    is(keys_of('a'), 'one', 'a consumer of one host');
    is(keys_of('b'), 'one two', 'of both');
    is(keys_of($_), 'two', 'of the other') for qw(c p);
    return;
}


sub warned {
    my ($text) = @_;
    return scalar $t->log_lines(qr/\[warn\].*\Q$text\E/);
}


sub reloads {
    $t->configure(consumers => ['deliver new /deliver/new;', $CONSUMERS[1]],
        http => $small);
    ok($t->reload, 'a reload that renames a consumer');
    is(warned('consumer "a" of queue "orders" is not configured any more: '
        . 'what waits for it stays in Redis and is not delivered'), 1,
        'is warned of');
    is($t->accept({id => 'three'})->status, 200, 'accepted');
    is(keys_of('a'), 'one', 'what waited stays');
    is(keys_of('new'), 'three', 'the new one gets what comes');
    is(keys_of('b'), 'one three two', 'as does the other');

    $t->configure(consumers => [@CONSUMERS, 'deliver new /deliver/new;']);
    ok($t->reload, 'a reload that adds one, and removes a queue');
    is(warned('queue "small" is not configured any more: what waits in it '
        . 'stays in Redis and is not delivered'), 1, 'is warned of');
    is(warned('consumer "'), 1, 'nothing else is');
    is($t->accept({id => 'four'})->status, 200, 'accepted');
    is(keys_of('a'), 'four one', 'it is back, with what waited');

    $t->configure(consumers => [@CONSUMERS, 'deliver new /deliver/new;'],
        shards => 'shards=2');
    ok($t->reload, 'a reload with more shards');
    is(warned('queue "orders" has 2 shards instead of 1: what waits in the '
        . 'old ones is not delivered until "plum-queue move" has moved it'),
        1, 'is warned of');
    is($t->accept({id => 'five'})->status, 200, 'accepted');

    ok($t->reload, 'a reload that changes nothing');
    is(warned('not delivered'), 3, 'is not warned of');
    return;
}
