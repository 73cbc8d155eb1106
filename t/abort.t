#!/usr/bin/perl

# Uploads that end before they are whole, behind every byte of a request: the
# sender closes, resets, or closes its half and waits.  Nothing is forwarded,
# nothing is claimed: the same event comes once more, whole, and is delivered.
# What comes after the upload is in hangup.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Http2;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new(log => 'warn');
my $up = $t->upstream('up');
my ($serial, $cuts, $good) = (0, 0, 0);

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$status $plum_verdict [$plum_dedupe]';
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:4m;
    plum_allowlist id { allow id; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        listen 127.0.0.1:%%PORT_tls%% ssl;
        %%TLS_SERVER%%
        access_log %%TESTDIR%%/access.log plum;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow id;
        plum_capture $id id;
        plum_idempotency deliveries in_flight=refuse;
        plum_idempotency_key $id;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }
    }
}
CONF
$t->run;
my @workers = $t->workers;

for my $way ('close', 'reset', 'half') {
    every_cut("a length, $way", \&with_length, $way, 1);
    every_cut("chunks, $way", \&with_chunks, $way, 1);
    every_cut("expected, $way", \&with_expect, $way, 5);
    every_cut("HTTP/2, $way", \&with_h2, $way, 1, 'h2');
    every_cut("TLS, $way", \&with_length, $way, 17, 'tls')
        if $way ne 'half';
    every_cut("large, $way", \&large, $way, 9973);
    every_cut("large, chunks, $way", \&large_chunks, $way, 9973);
}

# (NGINX says 500 where it cannot send 100 Continue, 000 where it is too late)
my @lines;
poll_until(sub {
    @lines = split /\n/, $t->read_file('access.log');
    return $good == grep { $_ eq '200 accepted [new]' } @lines;
}, 3);
is(scalar(grep { $_ eq '200 accepted [new]' } @lines), $good,
    "$good whole ones after $cuts that were cut");
is(join("\n", grep { !/^200 accepted|^(?:000|400|499|500) - \[-\]$/ }
    @lines), '', 'all others are no deliveries');
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


# cuts what make returns for an event behind each byte (or each step-th) but
# the last

sub every_cut {
    my ($what, $make, $way, $step, $port) = @_;

    my ($length, $n, @wrong) = (length $make->('x00000'), 0);
    my $start = $length % $step;

    for (my $at = $start; $at < $length; $at += $step) {
        my $key = sprintf 'x%05d', ++$serial;
        my $answer = cut(substr($make->($key), 0, $at), $way, $port || 0);
        push @wrong, "$at: answered $answer" if $answer =~ /\b200\b/;

        $up->forget;
        my $status = $t->request(signed($key))->status;
        my @got = map { $_->{body} } $up->requests;
        push @wrong, "$at: then $status, @got"
            if $status != 200 || "@got" ne qq({"id":"$key"});
        $n++;
    }
    $cuts += $n;
    $good += $n;
    is(join("\n", @wrong), '', "$what: $n cuts, a good one after each");
    return;
}


# sends some bytes and ends that way; what came back

sub cut {
    my ($bytes, $way, $port) = @_;

    my $c = $t->client($port, tls => $port eq 'tls');
    my $socket = $c->connect or return 'no connection';
    $c->write($bytes);

    if ($way eq 'half') {
        shutdown $socket, 1;
        my $answer = $c->read_raw(5);
        return $c->connected ? '200 not closed' : $answer;
    }
    $c->$way;
    return '';
}


sub signed {
    my ($key, $more) = @_;

    $more = defined $more ? $more : 'y' x 20;
    return $t->signed(scheme => 'github', secret => $SECRET,
        body => qq({"id":"$key","x":"$more"}));
}


sub bytes {
    my ($key, $more, %opt) = @_;

    my %request = (signed($key, $more), %opt);
    my $body = $opt{chunked}
        ? Test::Plum::Client::chunks($request{body}, $opt{chunked})
        : $request{body};
    return $t->client(0)->head(%request) . $body;
}


sub with_length { return bytes($_[0]) }
sub with_chunks { return bytes($_[0], undef, chunked => [7]) }
sub with_expect { return bytes($_[0], undef, expect => 1) }
sub large { return bytes($_[0], 'y' x 150_000) }
sub large_chunks { return bytes($_[0], 'y' x 150_000, chunked => [4096]) }


sub with_h2 {
    my ($key) = @_;

    my %request = signed($key);
    my ($first, $second) = unpack 'a5 a*', $request{body};
    return Test::Plum::Http2::preface()
        . Test::Plum::Http2->headers(1, %request)
        . Test::Plum::Http2->data(1, $first)
        . Test::Plum::Http2->data(1, $second, 1);
}
