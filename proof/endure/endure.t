#!/usr/bin/perl

# A queue for long: events are accepted and delivered, a million of them, half
# of them by the same workers, the other half with a reload after every lap.
# Nothing grows: neither memory nor descriptors of the master and the workers,
# nor what Redis holds once all is delivered and the records have lapsed; and
# no place of the consumer is lost.
#
# PLUM_EVENTS and PLUM_RELOADS say how many.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../../t/lib";

use JSON::PP ();
use List::Util qw(min sum);
use Test::More;
use Test::Plum;
use Test::Plum::Process qw(memory poll_until run_command spawn);
use Test::Plum::Redis;
use Time::HiRes qw(time);

my $EVENTS = $ENV{PLUM_EVENTS} || 1_000_000;
my $RELOADS = $ENV{PLUM_RELOADS} || 200;
my $SECRET = 'a secret of many bytes 0123456789';
my $BENCH = "$FindBin::Bin/../../build/bench";

# ms that Redis remembers an event
my $RETENTION = 2000;

# what may come on top without being growth: a page for every 1,000 events
# would be more, and so would a configuration for one in ten reloads
my %SLACK = (memory => 1024 * 1024, descriptors => 0, redis => 1024 * 1024);

my $t = Test::Plum->new(workers => 2, log => 'warn');
my $redis = Test::Plum::Redis->new(test => $t);
my $conf = <<'CONF';
%%GLOBALS%%
worker_shutdown_timeout 5s;
events { worker_connections 4096; }
http {
    %%HTTP_GLOBALS%%
    keepalive_requests 100000000;
    plum_secret plum %%TESTDIR%%/plum;
    plum_store events redis://127.0.0.1:%%PORT_redis%% timeout=5s;
    plum_allowlist orders {
        event_type type;
        allow  id type createdAt;
        allow  data.orderId data.currency data.amount;
        allow  data.items[].sku data.items[].qty;
    }
    plum_queue orders {
        store    events;
        accepted memory;
        deliver  billing /deliver/billing;
    }
    upstream consumer {
        server 127.0.0.1:CONSUMER;
        keepalive 64;
        keepalive_requests 100000000;
    }
    server {
        listen 127.0.0.1:%%PORT_0%% backlog=1024;
        location = /events {
            plum on;
            plum_tls off;
            plum_signature hmac secret=plum header=X-Plum-Signature
                           timestamp=X-Plum-Timestamp
                           "content={timestamp}.{body}";
            plum_allow orders;
            plum_capture $id id;
            plum_idempotency_key $id;
            plum_accept orders retention=RETENTION;
        }
        location = /deliver/billing {
            internal;
            plum_deliver concurrency=16 retry=1s,2s,4s,8s;
            proxy_http_version 1.1;
            proxy_set_header Connection "";
            proxy_pass http://consumer;
        }
    }
}
CONF
$conf =~ s/RETENTION/${RETENTION}ms/;

$t->secret('plum', $SECRET);
$t->write_conf($conf =~ s/CONSUMER/%%PORT_sink%%/r);
spawn(["$BENCH/plum_sink", '--port', $t->port('sink')]);
$t->run;

my %sent = (events => 0, seconds => 0);
my $LAPS = 100;
my $lap = int($EVENTS / 2 / $LAPS);
print "# after events, reloads: memory (KB) and descriptors of the master, ",
    "of the workers, and memory (KB) of redis\n";

laps('the same workers', $LAPS, $lap);
laps('reloads', $RELOADS, int($EVENTS / 2 / $RELOADS), 1);
places();
note(sprintf '%d events in %.0f s of load, %.0f a second', @sent{qw(events
    seconds)}, $sent{events} / $sent{seconds});
$t->done_testing;


# the last quarter must not need more than the second one; the first is for
# buffers that grow to their size

sub laps {
    my ($what, $laps, $events, $reload) = @_;

    my (@samples, $dead);
    my $quarter = int($laps / 4) || 1;
    for my $n (1 .. $laps) {
        load($events);
        if ($reload) {
            $t->reload(30) or die "reload $n did not come about\n";
        }
        poll_until(sub { waiting() == 0 }, 30) or die "$n: not delivered\n";
        next if $n % $quarter > 4 && $n % $quarter < $quarter - 1;
        push @{$samples[($n - 1) / $quarter]}, figures($reload ? $n : 0);
    }
    $dead = $redis->command('XLEN', 'plum:{orders}:dead:billing');
    is($dead, 0, "$what: all was delivered");

    for my $kind (sort keys %{$samples[1][0]}) {
        my ($before, $after) = map { my $quarter = $_;
            min(map { $_->{$kind} } @{$samples[$quarter]}) } 1, 3;
        my ($unit) = grep { $kind =~ /^$_/ } keys %SLACK;
        cmp_ok($after, '<=', $before + $SLACK{$unit},
            "$what: $kind: $before, then $after");
    }
    return;
}


sub load {
    my ($events) = @_;

    my ($status, $out) = run_command("$BENCH/plum_load",
        '--port', $t->port(0), '--path', '/events', '--secret', $SECRET,
        '--bodies', "$BENCH/bodies/1k", '--count', $events,
        '--warmup', 0, '--connections', 32);
    my $result = eval { JSON::PP::decode_json($out) };
    die "$out\n" if $status || !$result;

    my %status = %{$result->{status}{new}};
    my $good = sum(0, map { $status{$_} } grep {/^2/} keys %status);
    die "$out\n" if $good != $result->{events} || $result->{errors};
    $sent{events} += $result->{events};
    $sent{seconds} += $result->{seconds};
    return;
}


sub waiting {
    return $redis->command('XLEN', 'plum:{orders}:s:billing');
}


# when the workers of before are gone and records have lapsed

sub figures {
    my ($reload) = @_;

    poll_until(sub { $t->workers(all => 1) == 2 }, 30)
        or die "old workers stay\n";
    poll_until(sub { !@{$redis->command('KEYS', 'plum:{orders}:k:*')} },
        $RETENTION / 1000 + 10) or die "records do not lapse\n";

    my @workers = $t->workers;
    my %figure = (
        'memory of the master' => memory($t->pid),
        'descriptors of the master' => descriptors($t->pid),
        'memory of the workers' => sum(map { memory($_) } @workers),
        'descriptors of the workers' => sum(map { descriptors($_) }
            @workers),
        'redis memory' => $redis->info('used_memory'),
    );
    printf "# %8d %4d:  %6d %3d  %6d %3d  %6d\n", $sent{events}, $reload,
        $figure{'memory of the master'} / 1024,
        $figure{'descriptors of the master'},
        $figure{'memory of the workers'} / 1024,
        $figure{'descriptors of the workers'},
        $figure{'redis memory'} / 1024;
    return \%figure;
}


# connections to the consumer are kept, a few more or less

sub descriptors {
    my ($pid) = @_;

    my $consumer = sprintf ':%04X ', $t->port('sink');
    my %kept;
    open my $table, '<', '/proc/net/tcp' or die "/proc/net/tcp: $!";
    while (<$table>) {
        my (undef, $local, $remote, undef, undef, undef, undef, undef, undef,
            $inode) = split;
        $kept{"socket:[$inode]"} = 1 if "$remote " =~ /\Q$consumer\E/;
    }
    return scalar grep { !$kept{readlink($_) || ''} } glob "/proc/$pid/fd/*";
}


# all 16 places of the consumer can still be taken at once

sub places {
    my $up = $t->upstream('up');
    $up->answer(gate => 'end');
    $t->write_conf($conf =~ s/CONSUMER/%%PORT_up%%/r);
    $t->reload(30) or die "the last reload did not come about\n";
    load(32);
    my $n = $up->wait_for(16, 20);
    is($n, 16, 'all places of the consumer are there');
    $up->open_gate('end');
    ok(poll_until(sub { waiting() == 0 }, 20), 'and all is delivered');
    return;
}
