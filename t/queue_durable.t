#!/usr/bin/perl

# accepted=: a Redis that does not keep the promise accepts nothing, and the
# log says what to set or which word to write; what replicas must have; what
# was accepted outlives a redis-server that is killed.

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
my $replica = Test::Plum::Redis->new(test => $t, name => 'replica',
    conf => ['repl-diskless-sync-delay 0']);
$redis->command('CONFIG', 'SET', 'repl-diskless-sync-delay', 0);

my @LEVELS = qw(fsync aof memory replicas);
my $queues = join "\n", map {
    my $word = $_ eq 'replicas' ? 'replicas=1' : $_;
    "plum_queue $_ { store events; accepted $word; publish p keep=1h; }"
} @LEVELS;
$t->gateway(
    consumers => ['publish stats keep=1h;'],
    store => 'redis://127.0.0.1:%%PORT_redis%% timeout=400ms',
    http => $queues,
    more => join("\n", map { "location /$_ { plum on; plum_accept $_; }" }
        @LEVELS) . '
        location /forward {
            plum on;
            plum_accept fsync unavailable=forward;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }',
);

settings();
killed();
replicas();

$t->done_testing;


sub status {
    my ($level, $key) = @_;

    $key = $t->next_key if !defined $key;
    return $t->accept({id => $key}, uri => "/$level")->status;
}


# the setting is looked at on each new connection

sub set {
    my (%setting) = @_;

    $redis->command('CONFIG', 'SET', %setting);
    $redis->command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes');
    return;
}


sub settles {
    my ($level, $expected, $what) = @_;
    return ok(poll_until(sub { status($level) == $expected }, 10), $what);
}


sub settings {
    my @all = (appendonly => 'yes', appendfsync => 'always',
        'no-appendfsync-on-rewrite' => 'no',
        'maxmemory-policy' => 'noeviction');
    my $cannot = 'it cannot keep "accepted %s"';
    my @cases = (
        [['appendfsync', 'everysec'], 'aof memory', 'fsync', 'fsync, as it '
            . 'answers before the disk has it: set "appendfsync always" in '
            . 'redis, or write "accepted aof"'],
        [['no-appendfsync-on-rewrite', 'yes'], 'aof memory', 'fsync',
            'fsync while it rewrites its append-only file: set '
            . '"no-appendfsync-on-rewrite no" in redis, or write '
            . '"accepted aof"'],
        [['appendonly', 'no'], 'memory', 'fsync aof', 'fsync, as it writes '
            . 'no append-only file: set "appendonly yes" and "appendfsync '
            . 'always" in redis, or write "accepted memory"',
            'aof, as it writes no append-only file: set "appendonly yes" in '
            . 'redis, or write "accepted memory"'],
    );

    is(status($_), 200, "$_: all is set") for qw(fsync aof memory);
    for my $case (@cases) {
        my ($setting, $good, $bad, @texts) = @$case;
        set(@all, @$setting);
        settles($_, 503, "@$setting: $_ refuses") for split ' ', $bad;
        settles($_, 200, "@$setting: $_ does not") for split ' ', $good;
        for my $text (@texts) {
            my ($level, $rest) = $text =~ /\A(\w+)(.*)\z/;
            my $line = "redis is unavailable: it cannot keep "
                . qq("accepted $level"$rest);
            ok($t->wait_log(qr/\Q$line\E/, 5), "the log says: $text");
        }
        set(@all);
        settles($_, 200, "$_ recovers") for qw(fsync aof memory);
    }

    set(@all, 'maxmemory-policy' => 'volatile-lru');
    settles($_, 503, "evicting: $_ refuses") for qw(fsync memory);
    my $line = 'its maxmemory-policy may throw away what was accepted: set '
        . '"maxmemory-policy noeviction" in redis';
    ok($t->wait_log(qr/\Q$line\E/), 'the log says what to set');

    $t->{up}->forget;
    my $key = $t->next_key;
    is($t->accept({id => $key}, uri => '/forward')->status, 200,
        'unavailable=forward');
    is(scalar $t->{up}->requests, 1, 'is forwarded inline');
    ok($t->logged($key, qr/\[accepted\] \[-\] \[unavailable\]/), 'so');
    set(@all);
    settles('fsync', 200, 'it recovers');
    $t->{up}->forget;
    settles('forward', 200, 'and accepts');
    is(scalar $t->{up}->requests, 0, 'without the upstream');
    return;
}


sub killed {
    my @keys = map { $t->next_key } 1 .. 50;
    my @answers = $t->parallel({}, map { {$t->event({id => $_},
        uri => '/fsync')} } @keys);
    my @good = map { $answers[$_]->status == 200 ? $keys[$_] : () } 0 .. 49;
    is(scalar @good, 50, 'fifty are accepted');
    $redis->kill;
    is(status('fsync'), 503, 'without redis none is');
    $redis->start;
    my %has = map { $_->{k} => 1 } $t->entries('p', 's', '{fsync}');
    is(scalar(grep { !$has{$_} } @good), 0, 'redis is back with all of them');
    settles('fsync', 200, 'and accepts more');
    is(status('fsync', $keys[0]), 200, 'a copy');
    is(scalar(grep { $_->{k} eq $keys[0] }
        $t->entries('p', 's', '{fsync}')), 1, 'is one');
    return;
}


sub replicas {
    my $key = $t->next_key;
    my $entries = sub { scalar(grep { $_->{k} eq $key }
        $t->entries('p', 's', '{replicas}')) };
    ok(poll_until(sub {
        is(status('replicas', $key), 503, 'no replica');
        return $entries->();
    }, 10), 'yet the entry is there');
    is(status('replicas', $key), 503, 'the retry waits for one, too');
    $replica->replicate($redis);
    ok(poll_until(sub { status('replicas', $key) == 200 }, 10),
        'a replica: the retry is a duplicate');
    is($entries->(), 1, 'and appends nothing');
    my ($record) = grep { /:\Q$key\E\z/ }
        $replica->keys('plum:{replicas}:k:*');
    ok($record, 'the replica has the record');
    is($replica->command('XLEN', 'plum:{replicas}:s:p'), 1, 'and the entry');
    return;
}
