#!/usr/bin/perl

# Slow senders: one byte at a time from the first to the last of a request,
# over every kind of connection; those that stop, and are let go in time; and
# those that have closed their half.  After each of them one good delivery.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Http2;
use Time::HiRes qw(sleep time);

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":7,"x":"kept out"}';

my $t = Test::Plum->new(log => 'info');
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$server_port $status $plum_verdict';
    access_log %%TESTDIR%%/access.log plum;
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist id { allow id; }
    plum_signature github secret=plum;
    plum_allow id;
    plum_tls off;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }

    server {
        listen 127.0.0.1:%%PORT_short%%;
        listen 127.0.0.1:%%PORT_short_h2%% http2;
        client_header_timeout 1s;
        client_body_timeout 1s;
        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;
my @workers = $t->workers;

byte_by_byte();
stopped();
steady();
half_closed();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


sub signed {
    return $t->signed(scheme => 'github', secret => $SECRET, body => $BODY);
}


sub bytes {
    my (%opt) = @_;

    my %request = (signed(), %opt);
    my $body = $opt{chunked}
        ? Test::Plum::Client::chunks($BODY, $opt{chunked}) : $BODY;
    return $t->client(0)->head(%request) . $body;
}


sub h2_bytes {
    my (@sizes) = @_;

    my ($body, $bytes) = ($BODY, Test::Plum::Http2->headers(1, signed()));
    $bytes .= Test::Plum::Http2->data(1, substr $body, 0, $_, '') for @sizes;
    return Test::Plum::Http2::preface() . $bytes
        . Test::Plum::Http2->data(1, $body, 1);
}


# each byte in a write of its own, and in a segment of its own

sub drip {
    my ($c, $bytes, $pause) = @_;

    $c->connect;
    for my $byte (split //, $bytes) {
        return if !$c->connected || !$c->write($byte);
        sleep $pause;
    }
    return 1;
}


sub forwarded {
    my @bodies = map { $_->{body} } $up->requests;
    $up->forget;
    return "@bodies";
}


sub good {
    my ($what) = @_;

    my $r = $t->request(signed());
    is($r->status, 200, "$what, then a good one");
    is(forwarded(), '{"id":7}', '... which arrives');
    return;
}


sub byte_by_byte {
    for my $how ([], [chunked => [1]], [chunked => [9]],
        [version => 'HTTP/1.0'])
    {
        for my $port (0, 'tls') {
            my $c = $t->client($port, tls => $port eq 'tls');
            ok(drip($c, bytes(@$how), 0.0005), "$port, @$how, byte by byte");
            is($c->read_response->status, 200, '... is accepted');
            is(forwarded(), '{"id":7}', '... and arrives');
            good("$port, @$how");
        }
    }

    for my $sizes ([], [(1) x length $BODY], [0, 3, 0, 0, 5]) {
        my $h2 = Test::Plum::Http2->new($t->client('h2'), preface => 0);
        ok(drip($h2->client, h2_bytes(@$sizes), 0.0005),
            'HTTP/2, byte by byte, ' . @$sizes . ' frames more');
        is($h2->answer(1), 200, '... is accepted');
        is(forwarded(), '{"id":7}', '... and arrives');
        good('HTTP/2');
    }
    return;
}


# in the request line, in the headers, behind them, in the body: let go as
# NGINX's timeouts say, and nothing is forwarded

sub stopped {
    my $whole = bytes();
    my $head = index($whole, "\r\n\r\n") + 4;
    my $chunked = bytes(chunked => [9]);

    for my $at (1, 20, $head - 1, $head, $head + 5, -1) {
        for my $bytes ($whole, $chunked) {
            my $what = "stopped at $at of " . length $bytes;
            my ($c, $patient) = map { $t->client($_) } 'short', 0;
            $_->write(substr $bytes, 0, $at) for $patient, $c;
            unlike($c->read_raw(20), qr{^HTTP/\S+ 200}m, $what);
            ok(!$c->connected, "$what: closed");
            is($patient->read_raw(0), '', "$what: a patient server waits");
            ok($patient->connected, "$what: ... and has not closed");
            $patient->close;
            is(forwarded(), '', "$what: nothing is forwarded");
            good($what);
        }
    }

    my $bytes = h2_bytes(5);
    my $head_h2 = length(Test::Plum::Http2::preface())
        + length(Test::Plum::Http2->headers(1, signed()));
    for my $at ($head_h2, length($bytes) - 1) {
        my $what = "HTTP/2, stopped at $at";
        my $h2 = Test::Plum::Http2->new($t->client('short_h2'), preface => 0);
        $h2->write(substr $bytes, 0, $at);
        isnt($h2->answer(1, 4) || 'nothing', 200, $what);
        is(forwarded(), '', "$what: nothing is forwarded");
        good($what);
    }
    return;
}


# a byte now and then is within a timeout that counts from byte to byte

sub steady {
    my ($head, $body) = split /(?<=\r\n\r\n)/, bytes();
    my $c = $t->client('short');

    $c->write($head);
    ok(drip($c, $body, 0.1), 'slow and steady');
    is($c->read_response->status, 200, '... is accepted');
    is(forwarded(), '{"id":7}', '... and arrives');
    return;
}


# a sender that closes its half behind the last byte is answered

sub half_closed {
    for my $how ([], [chunked => [9]]) {
        my $c = $t->client(0);
        $c->write(bytes(@$how));
        shutdown $c->socket, 1;
        is($c->read_response->status, 200, "half closed, @$how");
        is(forwarded(), '{"id":7}', '... arrives');
        good('half closed');
    }

    my $h2 = Test::Plum::Http2->new($t->client('h2'), preface => 0);
    $h2->write(h2_bytes(5));
    shutdown $h2->client->socket, 1;
    my $answer = $h2->answer(1) || 'nothing';
    like($answer, qr/^(?:200|closed)$/, "half closed, HTTP/2: $answer");
    my $arrived = forwarded();
    like($arrived, qr/^(?:\{"id":7\})?$/, '... arrives clean or not at all');
    is($arrived, '{"id":7}', '... if it is answered') if $answer eq '200';
    good('half closed, HTTP/2');
    return;
}
