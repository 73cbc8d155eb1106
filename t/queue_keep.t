#!/usr/bin/perl

# Housekeeping: entries without a clock are found again, a published stream is
# trimmed by age, never past a group that is named, never while one of them is
# missing.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(time);

use Test::Plum::Process qw(poll_until);
use Test::Plum::Queue;
use Test::Plum::Redis;

my $t = Test::Plum::Queue->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 'always');
$t->configure(
    allow => 'all_of_them',
    consumers => [
        'deliver lost /deliver/lost;',
        'publish free keep=1h;',
        'publish read keep=1h group=readers;',
        'publish both keep=1h group=readers,others;',
        'publish ever;',
    ],
);
$t->pause('lost');

my $now = int(1000 * time());
my @OLD = map { ($now - 7_200_000) . "-$_" } 1 .. 250;
my @NEW = map { ($now - 60_000) . "-$_" } 1 .. 20;

lost_entries();
streams();
$t->run;
trimmed();
found();
is($t->accept({id => 'good', type => 'a'})->status, 200, 'a good delivery');

$t->done_testing;


sub key { return $t->key('s', $_[0]) }


sub ids { return map { $_->{_id} } $t->entries($_[0]) }


sub append {
    my ($name, @ids) = @_;

    $redis->command('XADD', key($name), $_, 'k', $_, 'e', '', 't', 1,
        'b', '{}') for @ids;
    return;
}


sub streams {
    append($_, @OLD, @NEW) for qw(free read both ever);

    # the readers have all but one of the first hundred
    for my $name (qw(read both)) {
        $redis->command('XGROUP', 'CREATE', key($name), 'readers', 0);
        $redis->command('XREADGROUP', 'GROUP', 'readers', 'one', 'COUNT',
            120, 'STREAMS', key($name), '>');
        $redis->command('XACK', key($name), 'readers',
            @OLD[0 .. 98, 100 .. 119]);
    }
    return;
}


# 1,500 that are pending: more than one round, of which two have a clock

sub lost_entries {
    my @ids = map { "$now-$_" } 1 .. 1500;
    append('lost', @ids);
    $redis->command('XGROUP', 'CREATE', key('lost'), 'plum', 0);
    $redis->command('XREADGROUP', 'GROUP', 'plum', 'plum', 'COUNT', 1500,
        'STREAMS', key('lost'), '>');
    $redis->command('ZADD', $t->key('lease', 'lost'), 1, $ids[0]);
    $redis->command('ZADD', $t->key('due', 'lost'), 2, $ids[1]);
    return;
}


sub trimmed {
    ok(poll_until(sub { ids('free') == 20 }, 15), 'what is old is trimmed');
    is((ids('free'))[0], $NEW[0], 'and no more');
    ok(poll_until(sub { ids('read') == 171 }, 15),
        'as far as readers have acknowledged');
    is((ids('read'))[0], $OLD[99], 'up to what one still works at');
    is(scalar(ids('both')), 270, 'not while a group is missing');
    is(scalar(ids('ever')), 270, 'not without keep=');
    return;
}


sub found {
    my $lease = $t->key('lease', 'lost');
    ok(poll_until(sub { $redis->command('ZCARD', $lease) == 1499 }, 15),
        'each entry has a clock');
    is($redis->command('ZCARD', $t->key('due', 'lost')), 1, 'one of its own');
    is($redis->command('ZSCORE', $lease, "$now-1"), 1, 'as it was');
    my $score = $redis->command('ZSCORE', $lease, "$now-1500");
    my $left = $score - 1000 * time();
    cmp_ok($left, '>', 0, 'the others get a lease');
    cmp_ok($left, '<=', 31_000, 'of half a minute');
    my $line = '1498 entries of consumer "lost" of "orders" had neither a '
        . 'lease nor a time; they are taken again';
    ok($t->wait_log(qr/\Q$line\E/), 'the log says so');
    is($t->log_lines(qr/had neither a lease/), 1, 'once, by one worker');
    return;
}
