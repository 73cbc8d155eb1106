#!/usr/bin/perl

# Requests that two readers could read in two ways: one reading only, or none.
# Whatever is sent, the upstream gets clean bodies of genuine deliveries, and
# nothing that stood in a body is ever taken for a request.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $SECRET = 'correct horse battery staple';
my $BODY = '{"id":1,"secret":"x"}';
my $CLEAN = '{"id":1}';

my $t = Test::Plum->new;
my $up = $t->upstream('up');
my $serial = 0;
my @dirty;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;
    plum_tls off;

    upstream up {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 4;
    }

    proxy_http_version 1.1;
    proxy_set_header Connection "";

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log plum;

        location / {
            plum on;
            proxy_pass http://up;
        }

        location /odd {
            plum on;
            plum_refuse method content_type content_encoding body_too_large
                        credential_missing credential_malformed
                        credential_mismatch json_invalid 422;
            plum_max_body 1000;
            proxy_pass http://up;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_lax%%;
        access_log %%TESTDIR%%/access.log plum;
        underscores_in_headers on;
        ignore_invalid_headers off;

        location / {
            plum on;
            proxy_pass http://up;
        }
    }
}
CONF
$t->run;

my $signed = signature($SECRET, $BODY);
my $length = 'Content-Length: ' . length($BODY) . "\r\n";
my $te = "Transfer-Encoding: chunked\r\n";
my $next = "POST /smuggled HTTP/1.1\r\nHost: localhost\r\n$length$signed\r\n"
    . $BODY;

lengths();
chunks();
header_names();
pipelines();

is(join("\n", @dirty), '', 'only clean bodies at the upstream');
is(join("\n", grep { /smuggled/ } split /\n/, $t->read_file('access.log')),
    '', 'nothing smuggled');
$t->done_testing;


# the headers of a delivery, but for its framing

sub signature {
    my ($secret, $body) = @_;

    my %request = $t->signed(scheme => 'github', secret => $secret,
        body => $body);
    return join '', map { "$_->[0]: $_->[1]\r\n" } @{$request{headers}};
}


sub chunked {
    my ($body) = @_;
    return sprintf "%x\r\n%s\r\n0\r\n\r\n", length $body, $body;
}


# Sends one request as it is written, then (after: on the same connection, in
# the same write) what is given.  Answered is with these statuses, until the
# server closes; each 200 is a delivery at the upstream, and nothing else is.
# may => a status that is as good, as another NGINX answers.

sub sends {
    my ($what, $head, $body, $expected, %opt) = @_;

    my $line = ($opt{method} || 'POST') . ' ' . ($opt{uri} || '/') . '?n='
        . ++$serial . ' HTTP/' . ($opt{http} || '1.1');
    $head = "Connection: close\r\n$head" if $expected eq '200';

    my $c = $t->client($opt{port} || 0);
    $c->write("$line\r\nHost: localhost\r\n$head\r\n$body");
    my $answers = $c->read_raw(10);
    my $statuses = join ' ', $answers =~ m{^HTTP/1\.1 (\d+)}gm;
    $expected = $statuses if $statuses eq ($opt{may} || '');
    is($statuses, $expected, $what) or diag($answers);
    ok(!$c->connected, "$what: closed");

    my $good = () = $expected =~ /\b200\b/g;
    is(forwarded(), $good, "$what: forwarded");
    return if $expected eq '200';

    my $r = $t->deliver(scheme => 'github', secret => $SECRET, body => $BODY);
    is($r->status, 200, "$what, then a good one");
    is(forwarded(), 1, 'which is forwarded');
    return;
}


# how many came to the upstream since the last look

sub forwarded {
    my @got = $up->requests;

    $up->forget;
    push @dirty, map { "$_->{uri} $_->{body}" }
        grep { $_->{body} ne $CLEAN || $_->{uri} =~ /smuggled/ } @got;
    return scalar @got;
}


sub lengths {
    sends('as it should be', "$length$signed", $BODY, 200);
    sends('as it should be, chunked', "$te$signed", chunked($BODY), 200);
    sends('zeros in front', "Content-Length: 00021\r\n$signed", $BODY, 200);

    sends("length and chunks, $_->[0]", "$_->[1]$signed",
        chunked($BODY) . $next, 400)
        for ['CL.TE', "$length$te"], ['TE.CL', "$te$length"],
            ['zero', "Content-Length: 0\r\n$te"];
    sends('two lengths', "$length$length$signed", $BODY . $next, 400);
    sends('two other lengths', "Content-Length: 0\r\n$length$signed",
        $BODY . $next, 400);
    sends("length $_", "Content-Length: $_\r\n$signed", $BODY . $next, 400)
        for '-1', '+21', '0x15', '21, 21', '21 21', '2 1', '', '21;',
            '99999999999999999999', '18446744073709551637';
    sends('a huge length', "Content-Length: 9223372036854775807\r\n$signed",
        $BODY . $next, 413);

    sends('chunked twice', "$te$te$signed", chunked($BODY) . $next, 400);
    sends("coding \"$_\"", "Transfer-Encoding: $_\r\n$signed",
        chunked($BODY) . $next, 501)
        for 'chunked, chunked', 'gzip, chunked', 'identity', 'xchunked',
            "\x0bchunked", 'chunked;q=1', '"chunked"', 'chunked,', '';
    sends('chunks in HTTP/1.0', "$te$signed", chunked($BODY) . $next, 400,
        http => '1.0');
    return;
}


sub chunks {
    my $size = sprintf '%x', length $BODY;
    my %good = (
        'an extension' => "$size;a=b\r\n$BODY\r\n0\r\n\r\n",
        'a quoted extension' => "$size;a=\"b;c\"\r\n$BODY\r\n0;d\r\n\r\n",
        'zeros in front' => "000$size\r\n$BODY\r\n000\r\n\r\n",
        'a trailer' => "$size\r\n$BODY\r\n0\r\nContent-Length: 5\r\n\r\n",
        'a space after it' => "$size \r\n$BODY\r\n0\r\n\r\n",
        'more after a space' => "$size 5\r\n$BODY\r\n0\r\n\r\n",
    );
    sends("chunks, $_", "$te$signed", $good{$_}, 200) for sort keys %good;
    sends('chunks, line feeds only', "$te$signed", "$size\n$BODY\n0\n\n", 200,
        may => 400);

    my %bad = (map({ ("size \"$_\"" => "$_\r\n$BODY\r\n0\r\n\r\n") }
        '', '-15', '+15', '0x15', ' 15', 'zz', 'g15',
        '10000000000000015', 'fffffffffffffffff', '7fffffffffffffff',
        '0' x 20 . 'x'),
        'too small a size' => "5\r\n$BODY\r\n0\r\n\r\n",
        'no end of the first' => "$size\r\n${BODY}0\r\n\r\n",
        'a carriage return only' => "$size\r$BODY\r0\r\r",
    );
    sends("chunks, $_", "$te$signed", $bad{$_} . $next, 400)
        for sort keys %bad;

    my $large = 'y' x 300_000;
    sends('a huge chunk', "$te$signed", "ffffffff\r\n$large$next",
        413);
    return;
}


sub header_names {
    my ($name, $value) = $signed =~ /(x-hub-signature-256): (\S+)/i;
    my $type = "Content-Type: application/json\r\n";
    my $only = "$length$type";

    for my $port (0, 'lax') {
        my %to = (port => $port);

        # refused as it has no credential, then the next one is answered
        my $after = $BODY . "POST / HTTP/1.1\r\nHost: localhost\r\n"
            . "Connection: close\r\n$length$signed\r\n$BODY";
        sends("$port, underscores", $only . $name =~ tr/-/_/r . ": $value\r\n",
            $after, '401 200', %to);
        my @lax = $port eq 'lax' ? ($after, '401 200') : ($BODY, 200);
        sends("$port, another one with underscores", "$length$signed"
            . $name =~ tr/-/_/r . ": sha256=00\r\n", @lax, %to);
        sends("$port, twice", "$length$signed$name: $value\r\n", $after,
            '401 200', %to);
        sends("$port, twice, one is wrong", "$length$name: sha256=00\r\n"
            . $signed, $after, '401 200', %to);
        sends("$port, named by Connection", "$length$signed"
            . "Connection: $name, content-length\r\n", $BODY, 200, %to);

        my %bad = (
            'a space behind the name' => "$only$name : $value\r\n",
            'a tab behind the name' => "$only$name\t: $value\r\n",
            'a space in it' => "${only}x hub: 1\r\n$signed",
            'folded' => "$only$name:\r\n $value\r\n",
            'folded by a tab' => "$length${signed}x-a: b\r\n\tc: d\r\n",
            'a space in front' => " $te$length$signed",
            'a space behind Transfer-Encoding' =>
                "${length}Transfer-Encoding : chunked\r\n$signed",
            'a NUL' => "$length${signed}x-a: b\0c\r\n",
            'two hosts' => "Host: other\r\n$length$signed",
        );
        sends("$port, $_", $bad{$_}, $BODY . $next, 400, %to)
            for sort keys %bad;
    }
    return;
}


# what is refused leaves the connection at the end of its body, or closed

sub pipelines {
    my $last = "POST / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        . "$length$signed\r\n$BODY";
    my $inner = "\r\n0\r\n\r\n$next\r\n\r\n";
    my $forged = signature('another key', $inner);
    my %framing = (
        length => ['Content-Length: ' . length($inner) . "\r\n", $inner],
        chunks => [$te, chunked($inner)],
    );

    sends('two good ones', "$length$signed", $BODY . $last, '200 200');
    sends('two good ones, chunks', "$te$signed", chunked($BODY) . $last,
        '200 200');

    for my $how (sort keys %framing) {
        my ($head, $body) = @{$framing{$how}};
        my %case = (
            mismatch => [$forged, 401],
            missing => ["Content-Type: application/json\r\n", 401],
            malformed => ["Content-Type: application/json\r\n"
                . "x-hub-signature-256: x\r\n", 401],
            'content type' => ["Content-Type: text/plain\r\n", 415],
            'content coding' => ["${forged}Content-Encoding: gzip\r\n", 415],
            method => [$forged, 405, method => 'PUT'],
            'no method' => [$forged, 405, method => 'PLUM'],
            json => [signature($SECRET, $inner), 400],
        );
        for my $name (sort keys %case) {
            my ($more, $status, @opt) = @{$case{$name}};
            my $closes = $status == 400;
            sends("$how, $name", $head . $more, $body . $last,
                $closes ? 400 : "$status 200", @opt);
            sends("$how, $name, 422", $head . $more, $body . $last,
                '422 200', @opt, uri => '/odd');
            sends("$how, $name, expected", $head . $more
                . "Expect: 100-continue\r\n", $body . $last,
                $name =~ /json|mismatch/ ? $closes ? '100 400'
                : "100 $status 200" : $status, @opt);
        }

        my $large = ('y' x 2000) . $inner;
        sends("$how, too large, 422", $how eq 'chunks' ? "$te$signed"
            : 'Content-Length: ' . length($large) . "\r\n$signed",
            ($how eq 'chunks' ? chunked($large) : $large) . $last,
            $how eq 'chunks' ? 422 : '422 200', uri => '/odd');
    }
    return;
}
