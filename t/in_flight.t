#!/usr/bin/perl

# Copies that arrive while the first is under way: one is forwarded, the
# others wait or are refused, and none is acknowledged before it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until spawn_sub reap sockets unread);
use Time::HiRes qw(sleep);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(workers => 4);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$pid $uri $status [$plum_verdict] [$plum_reason] '
                    '[$plum_dedupe]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;

    server {
        listen 127.0.0.1:%%PORT_0%% reuseport;
        listen 127.0.0.1:%%PORT_h2%% http2 reuseport;
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency_key $id;

        location / {
            plum on;
            plum_idempotency deliveries in_flight=wait:20s;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /soon {
            plum on;
            plum_idempotency deliveries in_flight=wait:3s scope=soon;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /now {
            plum on;
            plum_idempotency deliveries in_flight=refuse scope=soon;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /refuse {
            plum on;
            plum_idempotency deliveries in_flight=refuse lease=2s;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

my $id = 0;

all_wait();
http2();
refused();
wait_runs_out();
first_fails();
hang_ups();
lease_is_renewed();

$t->done_testing;


sub signed { return $t->signed($t->keyed($SECRET, @_)) }


sub deliver {
    return $t->request(signed(@_))->status;
}


sub next_id { return 'e' . ++$id }


# n senders with one delivery each, their requests sent, no answer read

sub senders {
    my ($n, $uri, $key) = @_;

    my @clients = map { $t->client(0, timeout => 20) } 1 .. $n;
    $_->request(signed($uri, $key), no_read => 1) for @clients;
    return @clients;
}


# n connections, and all that was sent over them has been read: who is to wait
# waits now

sub taken {
    my ($n, $port) = @_;

    $port = $t->port($port || 0);
    return poll_until(sub { sockets($port) >= $n && !unread($port) }, 5);
}


sub statuses {
    return join ' ', sort map { $_->read_response->status } @_;
}


sub forwarded { return scalar(my @all = $up->requests) }


# what the access log says of the requests to uri, sorted, without the pid;
# a line is written after its answer

sub logged {
    my ($n, $uri) = @_;

    my @lines;
    poll_until(sub {
        @lines = grep { m{^\d+ \Q$uri\E } }
            split /\n/, $t->read_file('access.log');
        return @lines >= $n;
    }, 5);
    return map { s/^(\d+) \S+ //r } sort @lines;
}


sub workers_of {
    my ($uri) = @_;

    my %pid = map { m{^(\d+) \Q$uri\E } ? ($1 => 1) : () }
        split /\n/, $t->read_file('access.log');
    return scalar keys %pid;
}


sub all_wait {
    my $n = 16;
    $up->forget;
    $up->script({gate => 'all'});

    my @clients = senders($n, '/all', next_id());
    is(scalar(() = $up->wait_for(1)), 1, 'one is forwarded');
    ok(taken($n), 'all are here');
    is(forwarded(), 1, 'and no other');
    is($_->read_raw(0.02), '', 'nobody is told') for @clients[0, -1];

    $up->open_gate('all');
    is(statuses(@clients), join(' ', (200) x $n), 'then all are');
    is(forwarded(), 1, 'one forward in all');

    my %count;
    $count{$_}++ for logged($n, '/all');
    is($count{'200 [accepted] [-] [new]'}, 1, 'one is new');
    is($count{'200 [duplicate] [-] [duplicate]'}, $n - 1, 'others are not');
    cmp_ok(workers_of('/all'), '>', 1, 'of several workers');
    return;
}


sub http2 {
    my ($n, $key) = (6, next_id());
    $up->forget;
    $up->script({gate => 'h2'});

    my @pids;
    for my $i (1 .. $n) {
        push @pids, spawn_sub(sub {
            my $r = $t->client('h2', timeout => 20)->h2(signed('/h2', $key));
            $t->write_file("h2-status-$i", $r->status);
        });
    }
    is(scalar(() = $up->wait_for(1)), 1, 'HTTP/2: one is forwarded');
    ok(taken($n, 'h2'), 'HTTP/2: all are here');
    $up->open_gate('h2');
    ok(poll_until(sub { return !grep { !defined reap($_) } @pids }, 20),
        'HTTP/2: all are answered');
    is(join(' ', map { $t->read_file("h2-status-$_") } 1 .. $n),
        join(' ', (200) x $n), 'HTTP/2: with success');
    is(forwarded(), 1, 'HTTP/2: one forward in all');
    return;
}


sub refused {
    my $key = next_id();
    $up->forget;
    $up->script({gate => 'refused'});

    my ($first) = senders(1, '/refuse', $key);
    $up->wait_for(1);
    for my $n (1 .. 3) {
        my $r = $t->request(signed('/refuse', $key));
        is($r->status, 409, 'a copy is refused');
        is($r->header('retry-after'), 1, 'and told when to come again');
    }
    is((logged(3, '/refuse'))[0], '409 [refused] [in_flight] [in_flight]',
        'the reason');

    $up->open_gate('refused');
    is(statuses($first), 200, 'the first');
    is(deliver('/refuse', $key), 200, 'then a copy');
    is(forwarded(), 1, 'one forward');
    return;
}


sub wait_runs_out {
    my $key = next_id();
    $up->forget;
    $up->script({gate => 'soon'});

    my ($first) = senders(1, '/soon', $key);
    $up->wait_for(1);

    # one that does not wait comes later, and is answered before it
    my ($copy) = senders(1, '/soon', $key);
    is(deliver('/now', $key), 409, 'one that does not wait');
    is($copy->read_raw(0), '', 'before the one that waits');
    my $r = $copy->read_response;
    is($r->status, 409, 'which has waited in vain');
    is($r->header('retry-after'), 1, 'told when to come again');

    $up->open_gate('soon');
    is(statuses($first), 200, 'the first');
    is(deliver('/soon', $key), 200, 'then a copy');
    is(forwarded(), 1, 'one forward');
    return;
}


sub first_fails {
    for my $case (['500', {status => 500, gate => 'fails-0'}],
        ['502', {action => 'reset', gate => 'fails-1'}])
    {
        my ($status, $answer) = @$case;
        my $n = 6;
        $up->forget;
        $up->script($answer);

        my @clients = senders($n, '/fails', next_id());
        $up->wait_for(1);
        $up->open_gate($answer->{gate});
        is(statuses(@clients), join(' ', (200) x ($n - 1), $status),
            "one fails with $status, another is forwarded");
        is(forwarded(), 2, 'two forwards in all');
    }

    # each fails in its turn
    $up->forget;
    $up->answer(status => 503);
    my @clients = senders(4, '/fails', next_id());
    is(statuses(@clients), '503 503 503 503', 'all fail');
    is(forwarded(), 4, 'all were tried');
    $up->answer;
    return;
}


sub hang_ups {
    my $key = next_id();
    $up->forget;
    $up->script({gate => 'hang'});

    my ($first, @others) = senders(6, '/hang', $key);
    $up->wait_for(1);
    ok(taken(6), 'all are here');

    # one of them is forwarded, be it the one that leaves
    $others[0]->close;
    $others[1]->reset;
    $others[2]->close;
    $up->open_gate('hang');
    is(statuses($first, @others[3, 4]), '200 200 200', 'who stayed');
    is(deliver('/hang', $key), 200, 'who comes later');
    is(forwarded(), 1, 'one forward');

    # the last of them leaves, and the first fails: nobody holds the claim
    $key = next_id();
    $up->forget;
    $up->script({gate => 'fail', status => 500});
    ($first) = senders(1, '/hang', $key);
    $up->wait_for(1);
    my @waiting = senders(3, '/hang', $key);
    ok(taken(4), 'they wait');
    my $left = left();
    $_->reset for @waiting;
    ok(poll_until(sub { left() == $left + @waiting }, 5), 'seen to leave');
    $up->open_gate('fail');
    is(statuses($first), 500, 'the first fails');
    is(deliver('/hang', $key), 200, 'the retry');
    is(forwarded(), 2, 'is forwarded');
    return;
}


# so many senders were seen to leave

sub left {
    return scalar grep { /client .*closed connection|reset by peer/i }
        split /\n/, $t->error_log;
}


sub lease_is_renewed {
    my $key = next_id();
    $up->forget;
    $up->script({gate => 'renewed'});

    my ($first) = senders(1, '/refuse', $key);
    $up->wait_for(1);
    for my $n (1 .. 5) {
        sleep 0.5;
        is(deliver('/refuse', $key), 409, "a copy after $n half seconds");
    }
    $up->open_gate('renewed');
    is(statuses($first), 200, 'the first');
    is(forwarded(), 1, 'one forward, longer than the lease');
    return;
}
