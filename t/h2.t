#!/usr/bin/perl

# HTTP/2 frame by frame: bodies with a length and without, in frames of every
# size, and requests that two readers could read in two ways.  What is no
# genuine delivery does not reach the upstream, and after each a good one does.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Http2;
use Time::HiRes qw(sleep);

my $SECRET = 'a secret of many bytes 0123456789';
my $BODY = '{"id":7,"x":"kept out"}';
my $SIZE = length $BODY;

my $t = Test::Plum->new;
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist id { allow id; }
    plum_signature github secret=plum;
    plum_allow id;
    plum_tls off;

    upstream up { server 127.0.0.1:%%PORT_up%%; keepalive 4; }
    proxy_http_version 1.1;
    proxy_set_header Connection "";

    server {
        listen 127.0.0.1:%%PORT_0%% http2;
        location / { plum on; plum_max_body 1000; proxy_pass http://up; }
        location /streamed {
            plum on;
            proxy_request_buffering off;
            proxy_pass http://up;
        }
    }
}
CONF
$t->run;

my @workers = $t->workers;
my %request = $t->signed(scheme => 'github', secret => $SECRET, body => $BODY);
my ($signature) = grep { $_->[0] =~ /signature/i } @{$request{headers}};

accepted();
refused();
interleaved();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


sub forwarded {
    my @got = map { "$_->{method} $_->{uri} $_->{body} "
        . ($up->header($_, 'content-length') || '-') . ' '
        . ($up->header($_, 'transfer-encoding') || '-') } $up->requests;
    $up->forget;
    return join "\n", @got;
}


# opens a stream with these fields beyond the signed ones, then sends what
# frames returns for it; the answer, once it is there

sub sends {
    my ($fields, $frames, %opt) = @_;

    my $h2 = $opt{on} || Test::Plum::Http2->new($t->client(0));
    my $stream = $h2->stream;
    $h2->write($h2->headers($stream, %request, fields => $fields, %opt)
        . join '', $frames->($h2, $stream));
    return $h2->answer($stream) || 'nothing';
}


sub whole {
    my ($h2, $stream) = @_;
    return $h2->data($stream, $BODY, 1);
}


sub in_frames {
    my (@sizes) = @_;

    return sub {
        my ($h2, $stream) = @_;
        my $rest = $BODY;
        return (map { $h2->data($stream, substr $rest, 0, $_, '') } @sizes),
            $h2->data($stream, $rest, 1);
    };
}


sub padded {
    my ($h2, $stream) = @_;
    return Test::Plum::Http2::frame(0, 8 | 1, $stream,
        pack('C', 9) . $BODY . "\0" x 9);
}


sub with_trailers {
    my (@pairs) = @_;

    return sub {
        my ($h2, $stream) = @_;
        return $h2->data($stream, $BODY), $h2->trailers($stream, @pairs);
    };
}


sub accepted {
    my %frames = (
        'one frame' => \&whole,
        'a byte in each frame' => in_frames((1) x $SIZE),
        'nothing in the last one' => in_frames($SIZE),
        'empty ones between' => in_frames(0, 3, 0, 0, 5, 0),
        'padding' => \&padded,
    );
    for my $uri ('/', '/streamed') {
        for my $name (sort keys %frames) {
            for my $length ([], [['content-length', $SIZE]]) {
                my $what = "$uri, $name, " . (@$length ? 'length' : 'none');
                is(sends($length, $frames{$name}, uri => $uri), 200, $what);
                is(forwarded(), qq(POST $uri {"id":7} 8 -), "$what: clean");
            }
        }
    }
    return;
}


sub refused {
    my $long = sub { ['content-length', $_[0]] };
    my @refused = (
        ['a length that is too small', [$long->($SIZE - 1)]],
        ['a length that is too large', [$long->($SIZE + 1)]],
        ['no body for it', [$long->($SIZE)], frames => in_frames_of('')],
        ['two lengths', [$long->($SIZE), $long->(5)]],
        ['the same twice', [$long->($SIZE), $long->($SIZE)]],
        ['a length with a sign', [$long->("+$SIZE")]],
        ['a negative one', [$long->('-1')]],
        ['an empty one', [$long->('')]],
        ['a list of them', [$long->("$SIZE, $SIZE")]],
        ['too large a body', [], frames => in_frames_of('y' x 1001)],
        ['a credential twice', [[lc $signature->[0], $signature->[1]]]],
        ['two methods', [[':method', 'POST']]],
        ['two paths', [[':path', '/other']]],
        ['an unknown pseudo field', [[':other', 'x']]],
        ['another body', [], frames => in_frames_of('{"id":8}')],
        ['an empty body', [], frames => in_frames_of('')],
        ['no body', [], end => 1, frames => sub { () }],
        ['a line end in a value', [['x-a', "b\r\nx-c: d"]]],
        ['a line end in the path', [], uri => "/ HTTP/1.1\r\nx-a: b"],
        ['a NUL in a value', [['x-a', "b\0c"]]],
        ['a line end in a name', [["x-a: b\r\nx-c", 'd']]],
        ['data behind the end', [], frames => sub {
            return whole(@_), Test::Plum::Http2->data($_[1], 'more', 1) },
            may => 1],
    );
    for my $case (@refused) {
        my ($what, $fields, %opt) = @$case;
        my $frames = delete $opt{frames} || \&whole;
        my $may = delete $opt{may};

        my $answer = sends($fields, $frames, %opt);
        isnt($answer, 200, "$what: $answer") if !$may;
        sleep 0.02;
        my $got = forwarded();
        is($got, '', "$what: nothing is forwarded") if !$may;
        like($got, qr/\A(?:POST \/ \{"id":7\} 8 -)?\z/, "$what: or clean");

        is(sends([], \&whole), 200, "$what, then a good one");
        is(forwarded(), 'POST / {"id":7} 8 -', '... which is forwarded');
    }

    # whether NGINX takes these or not: the reading is the same
    my $chunked = ['transfer-encoding', 'chunked'];
    for my $case (['chunks without a length', [$chunked]],
        ['chunks', [$chunked, $long->($SIZE)]],
        ['another coding', [['transfer-encoding', 'gzip, chunked']]],
        ['Connection', [['connection', 'close, content-length']]],
        ['Upgrade', [['upgrade', 'h2c']]], ['another Host', [['host', 'x']]],
        ['trailers', [], with_trailers(['x-a', 'b'], ['content-length', 5])])
    {
        my ($what, $fields, $frames) = @$case;
        my $answer = sends($fields, $frames || \&whole);
        my $got = forwarded();
        is($got, $answer eq 200 ? 'POST / {"id":7} 8 -' : '',
            "$what: $answer, and clean or nothing");
        is(sends([], \&whole), 200, "$what, then a good one");
        forwarded();
    }
    return;
}


sub in_frames_of {
    my ($bytes) = @_;
    return sub { $_[0]->data($_[1], $bytes, 1) };
}


# two bodies on one connection, a byte of each in turn

sub interleaved {
    my $h2 = Test::Plum::Http2->new($t->client(0));
    my @streams = map { $h2->stream } 1 .. 3;

    $h2->write(join '', map { $h2->headers($_, %request) } @streams);
    for my $at (0 .. $SIZE - 1) {
        $h2->write($h2->data($_, substr($BODY, $at, 1), $at == $SIZE - 1))
            for @streams;
    }
    is(join(' ', map { $h2->answer($_) } @streams), '200 200 200',
        'three bodies in turn');
    is(forwarded(), join("\n", ('POST / {"id":7} 8 -') x 3), '... clean');
    is(sends([], \&whole, on => $h2), 200, 'one more on the connection');
    forwarded();
    return;
}
