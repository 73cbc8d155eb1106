#!/usr/bin/perl

# A storm: senders retry every event until it is acknowledged, some with
# copies, while redis-server is killed and restarted and workers are killed.
# What was acknowledged was forwarded; what was forwarded twice, was so
# because of a kill.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;
use Time::HiRes qw(sleep time);

use Test::Plum::Gateway;
use Test::Plum::Process qw(spawn_sub reap poll_until);
use Test::Plum::Redis;

my $SENDERS = 4;
my $SECONDS = 12;       # of new events
my $PATIENCE = 8;       # for the last of them

my $t = Test::Plum::Gateway->new(workers => 2);
my $redis = Test::Plum::Redis->new(test => $t, aof => 1);

$t->gateway(
    default => 'events lease=2s in_flight=wait:1s',
    stores => 'plum_store events redis://127.0.0.1:%%PORT_redis%% '
        . 'timeout=300ms;',
);
my $up = $t->{up};
ok($t->recovers, 'a good delivery');
$up->forget;

srand $ENV{PLUM_STORM_SEED} if defined $ENV{PLUM_STORM_SEED};
my $end = time() + $SECONDS;
my @senders = map {
    my $n = $_;
    spawn_sub(sub { srand $n; sender($n) })
} 1 .. $SENDERS;

my @kills = storm();
for my $pid (@senders) {
    poll_until(sub { defined reap($pid) }, $PATIENCE + 5);
    is(reap($pid), 0, 'a sender has finished');
}
judge();
ok($t->recovers, 'a good delivery after the storm');
$t->done_testing;


sub sender {
    my ($n) = @_;

    open my $log, '>', $t->path("sender-$n") or die $!;
    $log->autoflush(1);

    for (my $i = 1; time() < $end; $i++) {
        my $key = "s$n-$i";
        my $tries = 0;
        my $ok = poll_until(sub {
            $tries++;
            return attempt($key, rand() < 0.3 ? 3 : 1);
        }, $end + $PATIENCE - time());
        print $log "$key $tries ", $ok ? 'acknowledged' : 'given up', "\n";
        sleep(0.01);
    }
    return;
}


sub attempt {
    my ($key, $copies) = @_;

    my @clients = map { $t->start($key) } 1 .. $copies;
    my @answers = map { $_->connected ? $_->read_response->status : 0 }
        @clients;
    my @odd = grep { !/\A(?:0|200|409|503)\z/ } @answers;
    die "answers: @answers\n" if @odd;
    return grep { $_ == 200 } @answers;
}


# [time, what was killed], ...

sub storm {
    my @kills;

    while (time() < $end - 0.5) {
        sleep(0.3 + rand 0.4);
        my $what = @kills % 2 ? 'a worker' : 'redis';
        my $time = time();
        if ($what eq 'redis') {
            $redis->kill;
            sleep(rand 0.5);
            $redis->start;
        } else {
            my @workers = $t->workers;
            $t->kill_worker($workers[rand @workers]);
        }
        push @kills, [$time, time(), $what];
    }
    return @kills;
}


sub judge {
    my %forwards;
    for my $request ($up->requests) {
        my ($key) = $request->{body} =~ /"id":"(.*?)"/;
        push @{$forwards{$key}}, $request->{time};
    }

    my @lines = map { split /\n/, $t->read_file("sender-$_") } 1 .. $SENDERS;
    my @given_up = grep { /given up/ } @lines;
    my @missing = grep { /(\S+) .*acknowledged/ && !$forwards{$1} } @lines;
    my $retried = grep { /\S+ (\d+) / && $1 > 1 } @lines;

    my $doubles = 0;
    my @unexplained;
    for my $key (sort keys %forwards) {
        my @times = @{$forwards{$key}};
        for my $i (1 .. $#times) {
            $doubles++;
            push @unexplained, "$key @times"
                if !grep { $_->[0] <= $times[$i]
                    && $_->[1] >= $times[$i - 1] } @kills;
        }
    }

    my $killed = @kills;
    diag(scalar(@lines), " events, $retried of them retried, $killed kills, ",
        "$doubles doubles");
    cmp_ok(scalar @lines, '>', 50, 'a storm');
    is("@given_up", '', 'every event was acknowledged');
    is("@missing", '', 'every acknowledged event was forwarded');
    cmp_ok($doubles, '<=', $killed, "$doubles doubles, $killed kills");
    is(join("\n", @unexplained), '', 'each double has its kill');
    return;
}
