#!/usr/bin/perl

# max= and full=: who is refused, who is left out, and what the log says at
# 50 and 80 %; an event that nobody wants.

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
    allow => 'all_of_them',
    consumers => [
        'deliver strict /deliver/strict max=10 for=s.*;',
        'deliver loose /deliver/loose max=10 full=drop for=l.*,s.*;',
        'deliver small /deliver/small max=1 full=drop for=only.small;',
        'publish stats keep=1h for=s.*;',
    ],
);
$t->pause($_) for qw(strict loose small);

refused();
emptied();
dropped();
unwanted();

$t->done_testing;


sub status {
    my ($type, $id) = @_;

    $id = $t->next_key if !defined $id;
    return $t->accept({id => $id, type => $type})->status;
}


sub says {
    my ($text) = @_;
    return scalar $t->log_lines(qr/\Q$text\E/);
}


sub refused {
    my $half = 'the queue of consumer "strict" of "orders" is 50 % full: '
        . '5 of 10 entries wait or are dead';
    my $nearly = 'the queue of consumer "strict" of "orders" is 80 % full: '
        . '8 of 10 entries wait or are dead';
    my %mark = (5 => $half, 8 => $nearly);
    for my $n (1 .. 10) {
        is(says($_) ? 1 : 0, 0, "not before entry $n")
            for grep { defined } $mark{$n};
        is(status('s.a'), 200, "entry $n is accepted");
        ok($t->wait_log(qr/\Q$_\E/), "entry $n: the log warns")
            for grep { defined } $mark{$n};
    }
    is(says($half) . says($nearly), '11', 'once');

    my $r = $t->accept({id => 'more', type => 's.a'});
    is($r->status, 503, 'then the sender is refused');
    is($r->header('retry-after'), 1, 'and told to come again');
    ok($t->logged('more', qr/ 503 \[refused\] \[queue_full\] \[new\]/), 'so');
    is(status('s.a'), 503, 'again');
    ok($t->wait_log(qr/consumer "strict" of "orders" is full: 10 entries/),
        'the log says it');
    is(says('"strict" of "orders" is full: 10 entries wait or are dead, '
        . 'senders are refused until there is room'), 1, 'once');
    is(scalar(grep { /:more\z/ } $t->records), 0, 'nothing is recorded');
    is(scalar($t->entries($_)), 10, "nothing is appended to $_")
        for qw(strict loose stats);
    is(status('l.a'), 200, 'events for others are accepted');
    return;
}


# dead letters count, too; the sender's retry is accepted once there is room

sub emptied {
    my @ids = map { $_->{_id} } $t->entries('strict');
    $redis->command('XDEL', $t->key('s', 'strict'), @ids[0 .. 7]);
    $redis->command('XADD', $t->key('dead', 'strict'), '*', 'k', $_)
        for 1 .. 8;
    is(status('s.a', 'more'), 503, 'dead letters fill it');
    $redis->command('DEL', $t->key('dead', 'strict'));
    is(status('s.a', 'more'), 200, 'with room the retry is accepted');
    is((grep { $_->{k} eq 'more' } $t->entries('strict')), 1, 'once');

    is(status('s.a'), 200, 'up to the half') for 4 .. 7;
    ok(poll_until(sub { says('"strict" of "orders" is 50 % full') == 2 }, 3),
        'which is said again');
    return;
}


sub dropped {
    my $n = $t->entries('loose');
    is($n, 10, 'it is full');
    my $count = sub {
        return $redis->command('HGET', $t->key('ctl', $_[0]), 'dropped');
    };
    my $before = $count->('loose');
    my $key = $t->next_key;
    is(status('s.a', $key), 200, 'the event is accepted for others');
    ok($t->logged($key, qr/\[accepted\] \[-\] \[new\]/), 'so');
    my $line = 'the queue of consumer "loose" of "orders" is full (max=10), '
        . qq(the event with the key "$key" is dropped for it);
    ok($t->wait_log(qr/\Q$line\E/), 'the log has the key');
    is(scalar($t->entries('loose')), 10, 'it is left out');
    is((grep { $_->{k} eq $key } $t->entries($_)), 1, "$_ has it")
        for qw(strict stats);
    is(status('s.a', $key), 200, 'a copy');
    ok($t->logged($key, qr/\[duplicate\]/), 'is a duplicate');

    is($count->('loose'), $before + 1, 'and counted');
    is($count->('strict'), undef, 'for it only');

    is(status('only.small'), 200, 'the one place');
    is(status('only.small', 'b'), 200, 'an event that all leave out');
    ok($t->logged('b', qr/ 200 \[dropped\] \[-\] \[new\]/), 'is dropped');
    is((grep { /:b\z/ } $t->records), 1, 'and recorded');
    return;
}


sub unwanted {
    is(status('other', 'nobody'), 200, 'an event that nobody wants');
    ok($t->logged('nobody', qr/ 200 \[dropped\] \[-\] \[new\]/), 'so');
    is((grep { /:nobody\z/ } $t->records), 1, 'is recorded');
    is(status('other', 'nobody'), 200, 'a copy');
    ok($t->logged('nobody', qr/ 200 \[duplicate\]/), 'is a duplicate');
    is($t->accept({id => 'untyped'})->status, 200, 'one without a type');
    ok($t->logged('untyped', qr/ 200 \[dropped\]/), 'is for no for=');
    return;
}
