#!/usr/bin/perl

# Senders that never give up, an upstream that fails in every way, workers
# that are killed: no acknowledged event is missing, and few are doubled.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until spawn_sub reap);
use Time::HiRes qw(sleep time);

my $SECRET = 'a secret of many bytes 0123456789';
my $SENDERS = 4;
my $SECONDS = 8;

my $t = Test::Plum->new(workers => 2);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:4m;

    upstream u {
        server 127.0.0.1:%%PORT_up%% max_fails=0;
        keepalive 4;
    }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency deliveries in_flight=wait:3s lease=1s;
        plum_idempotency_key $id;

        proxy_read_timeout 1s;
        proxy_http_version 1.1;
        proxy_set_header Connection "";

        location / { plum on; proxy_pass http://u; }
    }
}
CONF
$t->run;

# the n-th request gets the n-th answer
my @answers = map { an_answer() } 1 .. 6000;
$up->script(@answers);

my $seed = int(rand 1e6);
note("srand $seed");

my $end = time() + $SECONDS;
my @pids = map { my $n = $_; spawn_sub(sub { sender($n) }) } 1 .. $SENDERS;
my $kills = kill_now_and_then();

ok(poll_until(sub { return !grep { !defined reap($_) } @pids }, 30),
    'every sender has got its acknowledgements');
judge();

$t->done_testing;


# four of five succeed, at once or a little later

sub an_answer {
    my $n = rand;

    return rand() < 0.3 ? {delay => 0.1 * rand} : {} if $n < 0.8;

    my @ways = (
        (map { {status => $_} } 500, 502, 503, 404, 429),
        (map { {action => $_} } qw(close reset head_close head_reset)),
        {action => 'raw', raw => "HTTP/1.1 200 OK\r\nContent-Le"},
        {action => 'raw', raw => 'HTT'},
    );
    return $n < 0.99 ? $ways[rand @ways] : {action => 'hang'};
}


sub succeeds {
    my ($answer) = @_;
    return !$answer->{action} && !$answer->{status};
}


# one event after the other, each until it is acknowledged, at times with
# copies of it at once; notes who was acknowledged, and what else was answered

sub sender {
    my ($n) = @_;

    srand $seed + $n;
    my ($i, %count, @acknowledged) = (0);

    while (time() < $end) {
        my $key = "$n-" . ++$i;
        my %request = $t->signed(scheme => 'github', secret => $SECRET,
            body => qq({"id":"$key"}));

        my $done;
        while (!$done) {
            my $copies = rand() < 0.3 ? 3 : 1;
            my @got = map { $_->status }
                $t->parallel({}, map { {%request} } 1 .. $copies);
            $count{$_}++ for @got;
            $done = grep { $_ == 200 } @got;
            sleep 0.02 if !$done;
        }
        push @acknowledged, $key;
        $count{late}++ if rand() < 0.2
            && $t->request(%request)->status !~ /\A(?:200|0)\z/;
    }
    $t->write_file("acknowledged-$n", join "\n", @acknowledged);
    $t->write_file("count-$n", join ' ', map { "$_ $count{$_}" } keys %count);
    return;
}


sub kill_now_and_then {
    my $n = 0;

    while (time() < $end - 1) {
        sleep 0.5 + rand;
        my @workers = $t->workers;
        $n++ if $t->kill_worker($workers[rand @workers]);
    }
    return $n;
}


sub judge {
    my %count;
    for my $n (1 .. $SENDERS) {
        my %of = split ' ', $t->read_file("count-$n");
        $count{$_} += $of{$_} for keys %of;
    }
    my @acknowledged = map { split /\n/, $t->read_file("acknowledged-$_") }
        1 .. $SENDERS;

    # what the upstream took, and what it was sent
    my (%taken, %sent);
    for my $request ($up->requests) {
        my ($key) = $request->{body} =~ /"id":"([^"]+)"/ or next;
        $sent{$key}++;
        $taken{$key}++ if succeeds($answers[$request->{n} - 1] || {});
    }

    my $doubles = 0;
    $doubles += $_ - 1 for values %taken;
    my @log = split /\n/, $t->error_log;
    my $doubts = grep { /plum: in doubt/ } @log;
    my $lapsed = grep { /lease of a claim lapsed/ } @log;
    my @missing = grep { !$taken{$_} } @acknowledged;

    diag(sprintf "%d events acknowledged, %d missing, %d taken twice; "
        . '%d workers killed, %d forwards in doubt, %d leases lapsed; '
        . 'answers: %s', scalar @acknowledged, scalar @missing, $doubles,
        $kills, $doubts, $lapsed, join ', ',
        map { "$_: $count{$_}" } sort keys %count);

    cmp_ok(scalar @acknowledged, '>', 50, 'a storm');
    cmp_ok($kills, '>', 2, 'with victims');
    is("@missing", '', 'no acknowledged event is missing');

    # a worker that dies takes what it has in flight along, one of each sender
    cmp_ok($doubles, '<=', $kills * $SENDERS + $doubts + $lapsed,
        'doubles are explained by deaths and doubts');
    is($count{late}, undef, 'who was acknowledged once, is so for ever');

    $up->script;
    my $r = $t->deliver(scheme => 'github', secret => $SECRET,
        body => '{"id":"calm"}');
    is($r->status, 200, 'then it is calm');
    return;
}
