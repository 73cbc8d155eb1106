#!/usr/bin/perl

# A body of which a part comes along with its header: the whole of it is
# judged, whatever the cut, and what follows it is the next request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Process qw(poll_until unread);

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
    plum_allowlist list { allow id; }
    log_format captured '$status $plum_verdict $plum_bytes_in $id';

    plum_tls off;
    plum_signature github secret=plum;
    plum_capture $id id;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        access_log %%TESTDIR%%/access.log captured;
        client_header_buffer_size 1k;
        client_body_timeout 1s;

        location / {
            plum on;
            plum_allow list;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /all {
            plum on;
            plum_allow all;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /observed {
            plum on;
            plum_mode observe;
            plum_allow list;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

cuts();
followed();
followed_chunks();
cut_short();
$t->done_testing;


sub body_of {
    my ($id, $size) = @_;
    return sprintf '{"id":"%s","x":"%s"}', $id, 'y' x $size;
}


# head and body, as bytes; signed: what the signature is over

sub request {
    my ($uri, $body, $signed) = @_;

    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => defined $signed ? $signed : $body);
    return $t->client(0)->head(method => 'POST', uri => $uri, body => $body,
        headers => $request{headers}), $body;
}


# sent in writes that end so many bytes after the header

sub sends {
    my ($c, $head, $body, @cuts) = @_;

    my $at = 0;
    for my $cut (@cuts, length $body) {
        $c->write(($at ? '' : $head) . substr $body, $at, $cut - $at);
        $at = $cut;
        poll_until(sub { !unread($t->port(0)) }, 5) if $at < length $body;
    }
    return $c->read_response;
}


sub forwarded {
    my @bodies = map { $_->{body} } $up->requests;

    $up->forget;
    return \@bodies;
}


sub cuts {
    my $c = $t->client(0);
    my $n = 0;

    for my $size (100, 2000, 70_000) {
        for my $cuts ([], [1], [1, 2], [50, 60], [98], [99, 100]) {
            my $body = body_of('n' . ++$n, $size);
            my $what = "$size bytes, @$cuts";

            for my $uri ('/', '/all', '/observed') {
                my $clean = $uri eq '/' ? qq({"id":"n$n"}) : $body;
                my $r = sends($c, request($uri, $body), @$cuts);
                is($r->status, 200, "$what, $uri") or diag($r->error);
                is_deeply(forwarded(), [$clean], "$what, $uri: forwarded");
            }

            my $forged = $body =~ s/yy"\}\z/yz"}/r;
            is(sends($c, request('/', $forged, $body), @$cuts)->status, 401,
                "$what, forged at its end");
            is(sends($c, request('/', $forged =~ s/"id"/"ID"/r, $forged),
                @$cuts)->status, 401, "$what, forged at its start");
            is_deeply(forwarded(), [], "$what, forged: nothing forwarded");
        }
    }
    return;
}


# two requests in one write, the first one larger than the header's buffer

sub followed {
    my $c = $t->client(0);

    my ($first, $second) = (body_of('first', 3000), body_of('second', 10));
    $c->write(join('', request('/', $first), request('/', $second)));
    is($c->read_response->status, 200, "the first of two in a write, $_")
        for 1, 2;
    is_deeply(forwarded(), ['{"id":"first"}', '{"id":"second"}'],
        'both forwarded, in order');
    is(sends($c, request('/', $first), 10)->status, 200, 'and a third one');
    is_deeply(forwarded(), ['{"id":"first"}'], 'which is forwarded');
    return;
}


# in chunks, and more than what is read at once: what follows is read along
# with the end of the body

sub followed_chunks {
    for my $size (10, 3000, 15_000, 16_384, 30_000, 65_000, 200_000) {
        my $c = $t->client(0);
        my $bytes = '';
        for my $id ('first', 'second') {
            my $body = body_of($id, $size);
            my %request = $t->signed(scheme => 'github', secret => $SECRET,
                body => $body);
            $bytes .= $c->head(%request, chunked => 1)
                . Test::Plum::Client::chunks($body, [3, 700, 5000]);
        }
        $c->write($bytes);
        is($c->read_response->status, 200, "two of $size in chunks, $_")
            for 1, 2;
        is_deeply(forwarded(), ['{"id":"first"}', '{"id":"second"}'],
            'both forwarded, in order');
    }
    return;
}


# a sender that stops in the middle, and one that hangs up there

sub cut_short {
    my ($head, $body) = request('/', body_of('late', 3000));

    my $c = $t->client(0);
    $c->write($head . substr $body, 0, 100);
    is($c->read_raw(5), '', 'the rest did not come: closed');
    ok($t->wait_log(qr/^408 /, 3, 'access.log'), 'and logged');

    $c = $t->client(0);
    $c->write($head . substr $body, 0, 100);
    poll_until(sub { !unread($t->port(0)) }, 5);
    $c->close;
    ok($t->wait_log(qr/^400 /, 3, 'access.log'), 'hung up');
    is_deeply(forwarded(), [], 'nothing forwarded');

    is(sends($t->client(0), $head, $body, 100)->status, 200, 'a good one');
    is_deeply(forwarded(), ['{"id":"late"}'], 'which is forwarded');
    is((split ' ', ($t->wait_log(qr/ late$/, 3, 'access.log') || ''))[3],
        'late', 'its capture is in the log');
    return;
}
