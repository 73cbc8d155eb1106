#!/usr/bin/perl

# plum_body_budget: what all bodies under way may hold together.  Strangers
# with slow uploads cannot keep genuine deliveries out, in no version of HTTP;
# deliveries that wait for their upstream are not given up for others.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;
use Test::Plum::Client;
use Test::Plum::Http2;
use Test::Plum::Process qw(poll_until);

my $SECRET = 'a secret of many bytes 0123456789';
my $KEY = 'a key of many bytes, which are static';
my $LUA = '/usr/lib/nginx/modules/ngx_http_lua_module.so';
my $has_lua = -e $LUA;

# the budget of 1m has room for three such bodies while they come in without a
# length, and for two that wait with their clean copies
my $SIZE = 200_000;
my $BODY = '{"id":7,"x":"' . 'y' x ($SIZE - 15) . '"}';

my $t = Test::Plum->new(modules =>
    $has_lua ? [$LUA =~ s/ngx_http_lua/ndk_http/r, $LUA] : []);
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('plum', $SECRET);
$t->secret('key', $KEY);
$t->write_conf(<<'CONF' =~ s/^\s*#lua (.*)\n/$has_lua ? "$1\n" : ''/gemr);
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason';
    plum_body_budget 1m;
    plum_secret plum %%TESTDIR%%/plum;
    plum_secret key %%TESTDIR%%/key;
    plum_allowlist list { allow id x; }
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow list;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }

        location /renamed {
            plum on;
            plum_refuse body_budget 429;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /known {
            plum on;
            plum_signature api-key secret=key;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /observed {
            plum on;
            plum_mode observe;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /lua {
            plum on;
#lua        rewrite_by_lua_block { ngx.req.read_body() }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

flood('/');
flood('/renamed', 429);
flood('/lua') if $has_lua;
flood_http2();
slow_sender();
known_sender();
waiting();
observed();
$t->done_testing;


# --- what is sent

# the log's line tells one request from another

sub numbered { return "$_[0]?n=" . ++$serial }


sub logged {
    my ($uri) = @_;
    return ($t->wait_log(qr/^\Q$uri\E /, 5, 'access.log') || '')
        =~ s/^\S+ //r;
}


sub honest {
    my ($what, %opt) = @_;

    my $uri = numbered('/');
    $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => $BODY, %opt);
    is(logged($uri), '200 accepted -', "$what: a genuine delivery");
    return;
}


# an upload in chunks; forged, unless there is a key.  Nearly all of it is sent

sub upload {
    my ($path, %opt) = @_;

    my %request = $t->signed(scheme => 'github', uri => numbered($path),
        secret => $SECRET, body => $BODY, %opt);
    my $sent = Test::Plum::Client::chunks($opt{sends} || 'z' x $SIZE, [4000]);

    my $c = $t->client(0);
    $c->{uri} = $request{uri};
    $c->{rest} = substr $sent, -1000, 1000, '';
    $c->write($c->head(%request, chunked => 1) . $sent);
    return $c;
}


sub drip {
    for my $c (grep { $_->connected } @_) {
        $c->write(substr $c->{rest}, 0, 1, '');
    }
    return;
}


# the answer that one has got, if any

sub answered {
    my ($c) = @_;

    $c->{answer} ||= $c->connected && IO::Select->new($c->socket)->can_read(0)
        ? $c->read_response : undef;
    return $c->{answer};
}


# --- cases

# uploads that fill the budget several times: the oldest make room, each is
# told so, and genuine deliveries pass all the time

sub flood {
    my ($path, $status) = @_;

    my @uploads;
    for my $n (1 .. 15) {
        push @uploads, upload($path);
        drip(@uploads);
        honest("$path, $n uploads under way") if $n % 5 == 0;
    }

    my $n = poll_until(sub { (grep { answered($_) } @uploads) >= 11 }, 5);
    ok($n, "$path: the budget has no room for more than four at a time");
    my @cut = grep { $uploads[$_]{answer} } 0 .. $#uploads;
    is("@cut", join(' ', 0 .. $#cut), '... the oldest were given up');

    for my $c (@uploads[@cut]) {
        my $r = $c->{answer};
        is($r->status, $status || 503, "... $c->{uri}");
        is($r->header('retry-after'), 1, '... to come again');
        is(logged($c->{uri}), ($status || 503) . ' refused body_budget',
            '... and the reason in the log');
        ok(!$c->connected, '... not on this connection');
    }
    like($t->error_log, qr/plum: refused \(body_budget\)/, 'the log line');

    # those that are left are judged as ever
    my $c = $uploads[-1];
    $c->write($c->{rest});
    is($c->read_response->status, 401, "$path: a forged one to its end");
    $_->close for @uploads;
    honest("$path: after the flood");
    return;
}


# streams of one connection; the ones given up do not harm the others

sub flood_http2 {
    my %request = $t->signed(scheme => 'github', secret => $SECRET,
        body => $BODY);

    for my $length ([], [['content-length', $SIZE]]) {
        my $h2 = Test::Plum::Http2->new($t->client('h2'));
        my $what = 'HTTP/2, ' . (@$length ? 'a length' : 'none');
        my @streams;

        for my $n (1 .. 12) {
            push @streams, $h2->stream;
            $h2->write($h2->headers($streams[-1], %request,
                fields => $length));
            for (my $at = 1; $at < $SIZE; $at += 10_000) {
                $h2->write($h2->data($streams[-1],
                    substr $BODY, $at, 10_000));
            }
            honest("$what, $n streams under way")
                if $n % 4 == 0;
        }

        is($h2->answer($streams[0]), 503, "$what: the oldest is given up");
        is($h2->answer($streams[5]), 503, '... and the next ones');
        is($h2->answer($streams[-1], 0.1), undef, '... the last one is not');
        $h2->write($h2->data($streams[-1], 'y', 1));
        is($h2->answer($streams[-1]), 401, '... and is judged');

        my $stream = $h2->stream;
        $h2->write($h2->headers($stream, %request)
            . join('', map { $h2->data($stream, $_) } $BODY =~ /.{1,8000}/gs)
            . $h2->data($stream, '', 1));
        is($h2->answer($stream), 200, "$what: a genuine one among them");
        $h2->client->close;
    }
    return;
}


# a genuine delivery may be slow, too: it takes more than a budget of newer
# uploads to lose it

sub slow_sender {
    my %good = (sends => $BODY);

    my @before = map { upload('/') } 1 .. 10;
    my $slow = upload('/', %good);
    my @after = map { upload('/') } 1 .. 2;
    $slow->write($slow->{rest});
    is($slow->read_response->status, 200, 'slower than two newer ones');
    is(logged($slow->{uri}), '200 accepted -', '... accepted');

    my $late = upload('/', %good);
    push @after, map { upload('/') } 1 .. 6;
    ok(poll_until(sub { answered($late) }, 5), 'slower than a whole budget');
    is(logged($late->{uri}), '503 refused body_budget', '... given up');

    $_->close for @before, @after;
    honest('and a fast one');
    return;
}


# who has shown a static key cannot be pushed out by those who have none

sub known_sender {
    my $known = upload('/known', sends => $BODY,
        sign => [{scheme => 'github', secret => $SECRET},
            {scheme => 'api-key', secret => $KEY}]);
    my @uploads = map { upload('/') } 1 .. 10;
    honest('while a known sender is slow');
    $known->write($known->{rest});
    is($known->read_response->status, 200, 'a slow sender with its key');
    is(logged($known->{uri}), '200 accepted -', '... accepted');
    $_->close for @uploads;
    return;
}


# Bodies at an upstream that does not answer count with their clean copies.
# What is declared and would not fit is refused before it is sent.

sub waiting {
    $up->on('/', gate => 'open');
    my @open = map { waits() } 1 .. 2;
    $up->on('/');

    my %next = (scheme => 'github', secret => $SECRET, body => $BODY);
    my $uri = numbered('/');
    my $r = $t->deliver(%next, uri => $uri, expect => 1);
    is($r->status, 503, 'no room for what is declared');
    ok(!$r->continued, '... so that it was not asked for');
    is($r->header('retry-after'), 1, '... now');
    is(logged($uri), '503 refused body_budget', '... the reason');

    $uri = numbered('/');
    $t->deliver(%next, uri => $uri, chunked => [3000]);
    is(logged($uri), '503 refused body_budget', 'nor for what is not');
    honest('small', body => '{"id":7}');

    $up->open_gate('open');
    is($_->read_response->status, 200, 'what waited is forwarded') for @open;
    honest('when the upstream has answered');
    return;
}


sub waits {
    my $uri = numbered('/');
    my $n = $up->requests;
    my $c = $t->client(0);
    $c->request($t->signed(scheme => 'github', secret => $SECRET,
        uri => $uri, body => "$BODY "), no_read => 1);
    is(scalar $up->wait_for($n + 1), $n + 1, "$uri waits at its upstream");
    return $c;
}


# observed uploads are refused for nothing, and take nothing from others

sub observed {
    my @uploads = map { upload('/observed') } 1 .. 10;
    honest('ten are observed');
    $_->write($_->{rest}) for @uploads;
    is($_->read_response->status, 200, 'observed, and forwarded')
        for @uploads;

    my %forwarded = map { $_->{uri} => $_->{body} } $up->requests;
    is($forwarded{$_->{uri}}, 'z' x $SIZE, '... as it came') for @uploads;
    my %count;
    $count{logged($_->{uri})}++ for @uploads;
    is_deeply([sort keys %count], ['200 refused body_budget',
        '200 refused credential_mismatch'], '... judged where there was room')
        or diag(explain(\%count));
    like($t->error_log, qr/plum: would refuse \(body_budget\)/, 'the log');
    return;
}
