#!/usr/bin/perl

# What becomes of a claim, by what the upstream really did: committed,
# released, or in doubt.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new;
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        plum_tls off;
        plum_signature github secret=plum;
        plum_allow all;
        plum_capture $id id;
        plum_idempotency deliveries in_flight=refuse;
        plum_idempotency_key $id;

        proxy_read_timeout 1s;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /pass {
            plum on;
            plum_ack off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /kept {
            plum on;
            plum_ack off;
            plum_idempotency deliveries in_flight=refuse answer=1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /hold {
            plum on;
            plum_idempotency deliveries in_flight=refuse in_doubt=hold
                             lease=2s;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /unresolved {
            plum on;
            set $nowhere nowhere.invalid;
            proxy_pass http://$nowhere;
        }
    }
}
CONF
$t->run;

my $id = 0;

successes();
refusals();
no_connection();
in_doubt();
held();
half_a_body();
interim_answers();
upgrade();

$t->done_testing;


sub deliver { return $t->deliver($t->keyed($SECRET, @_)) }


sub next_id { return 'e' . ++$id }


sub forwards {
    my ($code) = @_;

    $up->forget;
    $code->();
    return scalar(my @all = $up->requests);
}


# lines that speak of a doubt, so far; they are written before the answer is

sub doubts {
    my @lines = grep { /plum: in doubt/ }
        split /\n/, $t->read_file('error.log');
    return scalar @lines;
}


# a copy after the first was answered: 'forwarded', 'duplicate' or a status

sub retry {
    my ($uri, $key) = @_;

    my $status;
    my $n = forwards(sub { $status = deliver($uri, $key)->status });
    return $status == 200 ? ($n ? 'forwarded' : 'duplicate') : $status;
}


sub successes {
    for my $code (200, 201, 202, 204, 206, 299) {
        my $key = next_id();
        $up->script({status => $code, body => $code == 204 ? undef : 'x'});
        is(deliver('/', $key)->status, 200, "success by $code");
        is(retry('/', $key), 'duplicate', "$code is committed");
    }
    is(doubts(), 0, 'no doubt');
    return;
}


sub refusals {
    for my $uri ('/', '/hold') {
        for my $code (301, 304, 400, 401, 404, 422, 429, 500, 502, 503, 504) {
            my $key = next_id();
            $up->script({status => $code});
            is(deliver($uri, $key)->status, $code, "$uri $code");
            is(retry($uri, $key), 'forwarded', "$uri $code is released");
        }
    }
    is(doubts(), 0, 'no doubt');
    return;
}


sub no_connection {
    my @keys = map { next_id() } 1 .. 2;

    $up->stop;
    is(deliver('/', $keys[0])->status, 502, 'nobody listens');
    is(deliver('/hold', $keys[1])->status, 502, 'likewise, hold');
    $up->start;
    is(retry('/', $keys[0]), 'forwarded', 'it is released');
    is(retry('/hold', $keys[1]), 'forwarded', 'hold does not matter');

    my $key = next_id();
    is(deliver('/unresolved', $key)->status, 502, 'no such name');
    is(retry('/', $key), 'forwarded', 'it is released');
    is(doubts(), 0, 'no doubt');
    return;
}


# what an upstream does that may or may not have taken the event

sub unanswered {
    return (
        ['closed after the head', 502, action => 'head_close'],
        ['reset after the head', 502, action => 'head_reset'],
        ['closed after all', 502, action => 'close'],
        ['reset after all', 502, action => 'reset'],
        ['time-out', 504, action => 'hang'],
        ['half a status line', 502, action => 'raw', raw => 'HTTP/1.1 20'],
        ['half a header', 502, action => 'raw',
            raw => "HTTP/1.1 200 OK\r\nContent-Le"],
        ['a broken header', 502, action => 'raw',
            raw => "HTTP/1.1 200 OK\r\nA\0b: c\r\n\r\n"],
        ['a huge header', 502, action => 'raw',
            raw => "HTTP/1.1 200 OK\r\nX: " . 'x' x 70_000 . "\r\n\r\n"],
    );
}


sub in_doubt {
    for my $case (unanswered()) {
        my ($what, $status, %answer) = @$case;
        my $key = next_id();
        my $before = doubts();

        $up->script(\%answer);
        is(deliver('/', $key)->status, $status, $what);
        is(retry('/', $key), 'forwarded', "$what: released");
        is(doubts(), $before + 1, "$what: said so, once");
    }
    ok($t->wait_log(qr/in doubt: .* the claim is released/), 'how');

    # closed before anything was read: what was sent depends on the moment
    for my $action ('refuse', 'refuse_reset') {
        my $key = next_id();
        $up->script({action => $action});
        is(deliver('/', $key)->status, 502, $action);
        is(retry('/', $key), 'forwarded', "$action: released");
    }
    return;
}


sub held {
    for my $case ((unanswered())[2, 4]) {
        my ($what, $status, %answer) = @$case;
        my $key = next_id();

        $up->script(\%answer);
        is(deliver('/hold', $key)->status, $status, "hold, $what");
        is(retry('/hold', $key), 409, "hold, $what: it is not forwarded");
        ok(poll_until(sub { return retry('/hold', $key) eq 'forwarded' }, 10),
            "hold, $what: until the lease ends");
    }
    ok($t->wait_log(qr/in doubt: .* held until its lease ends/), 'how');
    return;
}


# the header said success: the event was taken, whatever is cut after it

sub half_a_body {
    my $before = doubts();

    for my $action ('half', 'half_reset') {
        for my $uri ('/', '/pass', '/kept') {
            my $key = next_id();
            $up->script({action => $action, body => 'z' x 500});
            my $r = deliver($uri, $key);

            # what is not passed on cannot be cut, and an answer that is to be
            # kept is passed on as a whole, or its loss is said
            my ($first, $copy) = $uri eq '/kept' ? (502, 409)
                : ($uri eq '/' ? 200 : 0, 'duplicate');
            is($r->status, $first, "$uri: $action body");
            is(forwards(sub { is(retry($uri, $key), $copy,
                "$uri: it is committed") }), 0, '... and not forwarded again');
        }
    }
    is(doubts(), $before, 'no doubt');

    my $key = next_id();
    $up->script({action => 'half', status => 500, body => 'z' x 500});
    deliver('/', $key);
    is(retry('/', $key), 'forwarded', 'half of a failure is released');
    return;
}


# NGINX up to 1.29 takes any of these for the answer; never is the sender told
# of a success that the gateway does not remember

sub interim_answers {
    my $final = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

    for my $first ('100 Continue', '103 Early Hints', '101 Switching',
        '102 Processing')
    {
        my $key = next_id();
        $up->script({action => 'raw', raw => "HTTP/1.1 $first\r\n\r\n$final"});
        my $status = deliver('/', $key)->status;
        like($status, qr/\A(?:200|502)\z/, "$first: $status");
        is(retry('/', $key), $status == 200 ? 'duplicate' : 'forwarded',
            "$first: as the sender was told");
    }
    return;
}


# a connection that turns into a tunnel would carry bytes that nobody judged

sub upgrade {
    my $key = next_id();
    $up->forget;
    $up->script({action => 'raw',
        raw => "HTTP/1.1 101 Switching\r\nUpgrade: x\r\n\r\ntunnel"});

    my $c = $t->client(0);
    my $r = deliver('/', $key, client => $c,
        headers => {upgrade => 'x', connection => 'upgrade'});
    is($r->status, 502, 'no tunnel');
    is($c->connected ? $c->read_raw(0.2) : '', '', 'nothing comes through');
    my ($got) = $up->requests;
    is($up->header($got, 'upgrade'), undef, 'it was not asked for');
    is(retry('/', $key), 'forwarded', 'and the retry is forwarded');
    return;
}
