#!/usr/bin/perl

# A Redis that misbehaves, in every way that a real one will not on demand.
# Whatever it does, a worker survives it, no descriptor is left open, nothing
# is forwarded without a claim, and the sender's retries get the event through
# exactly once.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum::FakeRedis;
use Test::Plum::Gateway;
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

my $t = Test::Plum::Gateway->new;
my $redis = Test::Plum::Redis->new(test => $t);
my $fake = Test::Plum::FakeRedis->new(test => $t, redis => $redis);
$t->port('closed');

$t->gateway(
    default => 'events lease=1s in_flight=wait:3s',
    stores => 'plum_store events redis://127.0.0.1:%%PORT_fake%% '
        . 'timeout=300ms;',
    # a commit has so long to be written
    locations => {'/long' => 'plum_idempotency events lease=15s;'},
);
my $up = $t->{up};

ok($t->recovers, 'a good delivery');
my @workers = $t->workers;
my $descriptors = $t->descriptors;

my ($BYTES, $BYTES_OF_DUPLICATE) = reply_bytes();
my $MOVED = '127.0.0.1:' . $t->port('closed');

# what, its rule, and the status where only one is right.  An integer that is
# not negative and a string are replies that a claim may have
my @claims = (
    (map { ["cut at byte $_", {cut => $_, execute => 1}] } 0 .. $BYTES),
    (map { ["split at byte $_", {split => $_}, 200] } 1 .. $BYTES - 1),
    ['byte by byte', {drip => 1}, 200],
    ['closed, not executed', {reply => '', then => 'close'}],
    ['reset, not executed', {reply => '', then => 'reset'}],
    ['closed, executed', {reply => '', execute => 1, then => 'close'}],
    ['reset, executed', {reply => '', execute => 1, then => 'reset'}],
    ['too late, executed', {execute => 1, delay => 0.6}],
    ['never', {reply => ''}],
    ['half a reply, then nothing', {reply => "\$10\r\nabc"}],

    (map { ["-$_", {reply => "-$_\r\n", times => 0}, 503] }
        'LOADING Redis is loading the dataset in memory',
        'BUSY Redis is busy running a script',
        "READONLY You can't write against a read only replica.",
        'NOSCRIPT No matching script. Please use EVAL.',
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MOVED 3999 $MOVED", "ASK 3999 $MOVED",
        'CLUSTERDOWN The cluster is down', 'TRYAGAIN Multiple keys',
        'MASTERDOWN Link with MASTER is down', 'NOAUTH Authentication required',
        'NOREPLICAS Not enough good replicas to write.',
        'MISCONF Redis is configured to save RDB snapshots',
        'WRONGTYPE Operation against a key holding the wrong kind of value',
        "ERR unknown command '\x01\x02\x7f'", 'ERR ' . 'x' x 100_000, ''),
    ['-NOSCRIPT once', {reply => "-NOSCRIPT No matching script.\r\n"}, 200],

    (map { ["wrong type: " . $_->[0], {reply => $_->[1], times => 0}, 503] }
        ['a status', "+QUEUED\r\n"], ['nil', "\$-1\r\n"],
        ['a negative integer', ":-7\r\n"],
        ['a most negative integer', ":-9223372036854775808\r\n"],
        ['a null array', "*-1\r\n"], ['an empty array', "*0\r\n"],
        ['an array of nils', "*3\r\n\$-1\r\n\$-1\r\n\$-1\r\n"],
        ['arrays', "*2\r\n*1\r\n:1\r\n*1\r\n:0\r\n"],
        ['an array of errors', "*2\r\n-ERR a\r\n-ERR b\r\n"],
        ['seven deep', "*1\r\n" x 7 . ":1\r\n"]),

    (map { ["no reply: " . $_->[0], {reply => $_->[1]}] }
        ['nested too deep', "*1\r\n" x 64 . ":1\r\n"],
        ['a huge array', "*1000000\r\n"], ['a huge string',
            "\$536870912\r\n" . 'y' x 65536],
        ['a negative array', "*-7\r\n"], ['a negative string', "\$-7\r\n"],
        ['too large a length', "\$99999999999999999999\r\n"],
        ['too large a count', "*99999999999999999999\r\n"],
        ['not a length', "\$abc\r\n"], ['not an integer', ":abc\r\n"],
        ['no end of line', '+' . 'w' x 200_000],
        ['HTTP', "HTTP/1.1 400 Bad Request\r\n\r\n"],
        ['zeros', "\0" x 64], ['an alert of TLS', "\x15\x03\x01\x00\x02\x02P"],
        ['garbage', join '', map { chr } 128 .. 255]),

    ['a second reply', {after => "+OK\r\n"}],
    ['a second claim granted', {after => ":1\r\n"}],
    ['a push message', {after => ">2\r\n+invalidate\r\n*0\r\n"}],
    ['a reply before it', {before => "+OK\r\n"}],
    ['half a reply before it', {before => "\$2\r\nO"}],
);

# what meets a connection, or its first commands
my @connects = (
    ['closed at once', {greet => 1, times => 2, then => 'close'}],
    ['reset at once', {greet => 1, times => 2, then => 'reset'}],
    ['a greeting', {greet => 1, reply => "+HELLO\r\n"}],
    ['garbage as a greeting', {greet => 1, reply => "\xff" x 64}],
    ['a greeting too large', {greet => 1, reply => '*' . '9' x 5000}],
    (map { ["the handshake: $_->[0]", {on => '.*', %{$_->[1]}, times => 2}] }
        ['-LOADING', {reply => "-LOADING x\r\n"}],
        ['-ERR', {reply => "-ERR unknown command\r\n"}],
        ['-NOAUTH', {reply => "-NOAUTH x\r\n"}],
        ['silence', {reply => ''}], ['cut', {cut => 2}],
        ['wrong type', {reply => ":1\r\n"}]),
);

claim(@$_) for @claims;
for my $case (@connects) {
    # the connection that stands is lost first
    claim("connecting, $case->[0]", $case->[1], 503,
        {reply => '', then => 'close'});
}
duplicate($_) for 0 .. $BYTES_OF_DUPLICATE;
commit(@$_) for grep { $_->[0] !~ /split|deep|large|huge|long|end/ } @claims;

is("@{[$t->workers]}", "@workers", 'no worker was lost');
$t->done_testing;


# of a claim's reply, and of a duplicate's

sub reply_bytes {
    my $key = $t->next_key;
    return map {
        my $before = my @all = $fake->commands;
        is($t->status($key), 200, "a $_ delivery to measure");
        ok(committed($key), 'committed');
        ($fake->commands)[$before][2];
    } qw(first second);
}


sub committed {
    my ($key) = @_;
    return poll_until(sub {
        return ($redis->command('GET', "plum:$key") || '') eq 'd';
    }, 10);
}


# retries as a sender does; the statuses it got

sub until_accepted {
    my ($key) = @_;

    my @status;
    poll_until(sub {
        push @status, $t->status($key);
        return $status[-1] == 200;
    }, 10);
    return @status;
}


# a misbehaviour meets a claim; only: the one right status; first: a rule
# before it

sub claim {
    my ($what, $rule, $only, $first) = @_;

    my $key = $t->next_key;
    my $lasts = defined $rule->{times} && $rule->{times} == 0;
    my @status;
    my $early;
    $fake->rules($first || (), $rule);

    is($t->forwards(sub {
        @status = map { $t->status($key) } $lasts ? (1, 2) : 1;
        $early = $up->requests;
        $fake->rules if $lasts;
        push @status, until_accepted($key);
    }), 1, "$what: forwarded once, in the end") or diag("@status");

    is($early, $status[0] == 200 ? 1 : 0, "$what: not without a claim");
    is($status[0], $only, "$what: $only") if $only;
    my @odd = grep { !/\A(?:200|409|503)\z/ } @status;
    is("@odd", '', "$what: 200, 409 or 503");
    good($what);
    return;
}


sub good {
    my ($what) = @_;

    $fake->rules;
    is((until_accepted($t->next_key))[-1], 200, "$what: a good delivery");
    ok(poll_until(sub { $t->descriptors <= $descriptors }, 5),
        "$what: no descriptor is left open") or diag($t->descriptors);
    return;
}


# the reply to a duplicate's claim is cut

sub duplicate {
    my ($cut) = @_;

    my $key = $t->next_key;
    until_accepted($key);
    ok(committed($key), 'an event');
    $fake->rules({cut => $cut, execute => 1});
    is($t->forwards(sub {
        my @status = until_accepted($key);
        my @odd = grep { !/\A(?:200|503)\z/ } @status;
        is("@odd", '', "duplicate, cut at $cut: 200 or 503");
        is($status[-1], 200, "duplicate, cut at $cut: 200 in the end");
    }), 0, 'not forwarded');
    return;
}


# the same to what comes after the claim: the sender has its answer, the
# record follows

sub commit {
    my ($what, $rule) = @_;

    my $key = $t->next_key;
    $fake->rules({%$rule, skip => 1, times => 1});
    is($t->forwards(sub {
        is($t->status($key, '/long'), 200, "commit, $what: answered");
        ok(committed($key), "commit, $what: written in the end");
        is((until_accepted($key))[-1], 200, "commit, $what: a duplicate");
    }), 1, "commit, $what: once");
    good("commit, $what");
    return;
}
