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
use Time::HiRes qw(sleep);

use Test::Plum::FakeRedis;
use Test::Plum::Gateway qw(stored);
use Test::Plum::Process qw(poll_until);
use Test::Plum::Redis;

# a connection that breaks soon after the last one broke is not tried again at
# once; so each of these stores meets one case at a time, all of them together
my $STORES = 30;
my $CALM = 1.1;

my $t = Test::Plum::Gateway->new;
my $redis = Test::Plum::Redis->new(test => $t);
my @fakes = map {
    Test::Plum::FakeRedis->new(test => $t, redis => $redis, name => "fake$_")
} 0 .. $STORES - 1;

$t->gateway(
    default => 's0',
    stores => join('', map {
        "plum_store s$_ redis://127.0.0.1:%%PORT_fake$_%% timeout=800ms;\n"
    } 0 .. $STORES - 1),
    locations => {map {
        ("/s$_" => "plum_idempotency s$_ lease=1s in_flight=wait:3s;",
        # a commit has so long to be written
        "/long$_" => "plum_idempotency s$_ lease=15s;")
    } 0 .. $STORES - 1},
);
my $up = $t->{up};
ok($t->recovers("/s$_"), "store $_ is at work") for 0 .. $STORES - 1;

my @workers = $t->workers;
my $descriptors = $t->descriptors;
my ($BYTES, $BYTES_OF_DUPLICATE) = reply_bytes();
my $NOWHERE = '127.0.0.1:' . $t->port('closed');

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
    ['too late, executed', {execute => 1, delay => 1.5}],
    ['never', {reply => ''}],
    ['half a reply, then nothing', {reply => "\$10\r\nabc"}],

    (map { ["-$_", {reply => "-$_\r\n", times => 0}, 503] }
        'LOADING Redis is loading the dataset in memory',
        'BUSY Redis is busy running a script',
        "READONLY You can't write against a read only replica.",
        'NOSCRIPT No matching script. Please use EVAL.',
        "OOM command not allowed when used memory > 'maxmemory'.",
        "MOVED 3999 $NOWHERE", "ASK 3999 $NOWHERE",
        'CLUSTERDOWN The cluster is down', 'TRYAGAIN Multiple keys',
        'MASTERDOWN Link with MASTER is down',
        'NOAUTH Authentication required',
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

# what was connected before is lost first; the claim is repeated
push @claims, map { ["connecting, $_->[0]", $_->[1], undef,
    {reply => '', then => 'close'}] } @connects;

batch(\&claims, map { {what => $_->[0], rule => $_->[1], only => $_->[2],
    first => $_->[3]} } @claims);
batch(\&duplicates, map { {what => "duplicate, cut at byte $_",
    rule => {cut => $_, execute => 1}} } 0 .. $BYTES_OF_DUPLICATE);
batch(\&commits, map { {what => "commit, $_->[0]", rule => $_->[1]} }
    grep { !$_->[3] && $_->[0] !~ /split|deep|large|huge|end|WRONGTYPE/ }
    @claims);

is("@{[$t->workers]}", "@workers", 'no worker was lost');
$t->done_testing;


# of a claim's reply, and of a duplicate's

sub reply_bytes {
    my $key = $t->next_key;
    return map {
        my $before = my @all = $fakes[0]->commands;
        is($t->status($key, '/s0'), 200, "a $_ delivery to measure");
        ok(committed($key), 'committed');
        ($fakes[0]->commands)[$before][2];
    } qw(first second);
}


sub committed {
    my ($key) = @_;
    return poll_until(sub {
        return ($redis->command('GET', stored($key)) || '') eq 'd';
    }, 10);
}


# code for as many cases at once as there are stores, and what holds for all
# of them: the statuses, and good deliveries after it

sub batch {
    my ($code, @cases) = @_;

    while (my @some = splice @cases, 0, $STORES) {
        for my $i (0 .. $#some) {
            %{$some[$i]} = (%{$some[$i]}, key => $t->next_key, n => $i,
                uri => "/s$i", status => []);
        }
        sleep($CALM);
        $up->forget;
        $code->(@some);

        for my $case (@some) {
            my @odd = grep { !/\A(?:200|409|503)\z/ } @{$case->{status}};
            is("@odd", '', "$case->{what}: 200, 409 or 503");
            $fakes[$case->{n}]->rules;
            $case->{key} = $t->next_key;
        }
        until_accepted(@some);
        is($_->{status}[-1], 200, "$_->{what}: a good delivery") for @some;
        ok(poll_until(sub { $t->descriptors <= $descriptors }, 5),
            'no descriptor is left open') or diag($t->descriptors);
    }
    return;
}


# all at the same time

sub deliver {
    my (@cases) = @_;

    my @clients = map { $t->start($_->{key}, $_->{uri}) } @cases;
    for my $i (0 .. $#cases) {
        push @{$cases[$i]{status}}, $clients[$i]->read_response->status;
    }
    return;
}


# retries as a sender does

sub until_accepted {
    my (@cases) = @_;

    deliver(@cases);
    poll_until(sub {
        my @left = grep { $_->{status}[-1] != 200 } @cases;
        deliver(@left);
        return !@left;
    }, 15);
    return;
}


sub forwards {
    my ($case) = @_;
    return scalar grep { $_->{body} =~ /"$case->{key}"/ } $up->requests;
}


# the case meets a claim

sub claims {
    my (@cases) = @_;

    $fakes[$_->{n}]->rules($_->{first} || (), $_->{rule}) for @cases;
    my @lasting = grep { exists $_->{rule}{times} && !$_->{rule}{times} }
        @cases;
    deliver(@cases);
    deliver(@lasting);
    for my $case (@cases) {
        my $status = $case->{status}[0];
        is(forwards($case), $status == 200 ? 1 : 0,
            "$case->{what}: not without a claim");
        is($status, $case->{only}, "$case->{what}: $case->{only}")
            if $case->{only};
    }

    $fakes[$_->{n}]->rules for @lasting;
    until_accepted(@cases);
    is(forwards($_), 1, "$_->{what}: forwarded once, in the end")
        or diag("@{$_->{status}}") for @cases;
    return;
}


# the case meets the claim of a duplicate

sub duplicates {
    my (@cases) = @_;

    until_accepted(@cases);
    for my $case (@cases) {
        ok(committed($case->{key}), 'an event');
        $fakes[$case->{n}]->rules($case->{rule});
    }
    sleep($CALM);
    until_accepted(@cases);
    is(forwards($_), 1, "$_->{what}: not forwarded") for @cases;
    return;
}


# the case meets what comes after the claim: the sender has its answer, the
# record follows.  (WRONGTYPE says for good that there can be none)

sub commits {
    my (@cases) = @_;

    for my $case (@cases) {
        $case->{uri} = "/long$case->{n}";
        $fakes[$case->{n}]->rules({%{$case->{rule}}, skip => 1, times => 1});
    }
    deliver(@cases);
    for my $case (@cases) {
        is("@{$case->{status}}", 200, "$case->{what}: answered");
        ok(committed($case->{key}), "$case->{what}: written in the end");
    }
    until_accepted(@cases);
    is(forwards($_), 1, "$_->{what}: once") for @cases;
    return;
}
