#!/usr/bin/perl

# What the sender is told: a bare acknowledgement for any success, and never a
# success that no upstream has given.  For what is no success see ack_failed.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $LUA = '/usr/lib/nginx/modules/ngx_http_lua_module.so';
my $has_lua = -e $LUA;
my @INSIDE = (['Set-Cookie', 'session=1'], ['X-Internal', 'host-17'],
    ['Content-Type', 'text/html'], ['ETag', '"e"'], ['Location', '/inside'],
    ['Last-Modified', 'Tue, 24 Nov 2026 00:00:00 GMT'],
    ['Cache-Control', 'private'], ['Accept-Ranges', 'bytes']);

my $t = Test::Plum->new(modules =>
    $has_lua ? [$LUA =~ s/ngx_http_lua/ndk_http/r, $LUA] : []);
my $up = $t->upstream('up');
my $other = $t->upstream('other');
my $n = 0;

$t->secret('key', $SECRET);
$t->write_file('page', "an error page\n");
$t->write_conf(<<'CONF' =~ s/^\s*#lua (.*)\n/$has_lua ? "$1\n" : ''/gemr);
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$http_x_n $status $plum_verdict $plum_dedupe';
    plum_secret key %%TESTDIR%%/key;
    plum_store deliveries memory:1m;
    plum_signature github secret=key;
    plum_allow all;
    plum_tls off;
    keepalive_requests 100000;

    upstream u {
        server 127.0.0.1:%%PORT_up%%;
        keepalive 4;
    }
    proxy_http_version 1.1;
    proxy_set_header Connection "";
    proxy_next_upstream off;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;
        root %%TESTDIR%%;
        plum_capture $id id;

        location / { plum on; proxy_pass http://u; }
        location /202 { plum on; plum_ack 202; proxy_pass http://u; }
        location /204 { plum on; plum_ack 204; proxy_pass http://u; }
        location /off { plum on; plum_ack off; proxy_pass http://u; }
        location /streamed {
            plum on;
            proxy_buffering off;
            proxy_pass http://u;
        }
        location /once {
            plum on;
            plum_ack 202;
            plum_idempotency deliveries;
            plum_idempotency_key $id;
            proxy_pass http://u;
        }
        location /gzip { plum on; gzip on; gzip_types *; proxy_pass http://u; }

        # pages that would tell the sender that all is well
        location /page-200 {
            plum on;
            error_page 502 500 404 =200 /page;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /page-own {
            plum on;
            error_page 502 500 404 = /page;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /page-return {
            plum on;
            error_page 502 500 404 = @fine;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /page-204 {
            plum on;
            plum_ack off;
            error_page 502 500 404 =204 @fine;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /page-honest {
            plum on;
            error_page 500 =503 /page;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location /page-other {
            plum on;
            error_page 502 500 404 = @other;
            proxy_intercept_errors on;
            proxy_pass http://u;
        }
        location = /page { internal; }
        location @fine { return 200 "fine"; }
        location @other { proxy_pass http://127.0.0.1:%%PORT_other%%; }

        #lua location /lua { plum on; content_by_lua_block { ngx.say("inside") } }
        #lua location /lua-500 { plum on; content_by_lua_block { ngx.exit(500) } }
    }
}
CONF
$t->run;
my @workers = $t->workers;

bare($_) for '/', '/streamed', '/gzip';
codes();
conditional();
drained();
http2();
cut();
pages();
accelerated();
content_handlers();
is(join(' ', $t->workers), "@workers", 'the worker of the beginning');
$t->done_testing;


sub deliver {
    my ($uri, %opt) = @_;

    my %headers = (%{delete $opt{headers} || {}}, 'x-n' => ++$n);
    return $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
        body => qq({"id":$n}), headers => \%headers, %opt);
}


sub names {
    my ($r) = @_;
    return join ' ', sort map { $_->[0] } @{$r->headers};
}


# not a byte of the upstream's answer

sub is_bare {
    my ($r, $status, $what) = @_;

    is($r->status, $status, $what);
    is($r->body, '', '... has no body');
    is(names($r), $status == 204 ? 'connection date server'
        : 'connection content-length date server', '... nor any header');
    return;
}


sub good {
    my ($what) = @_;

    $up->answer(status => 200);
    is(deliver('/')->status, 200, "$what: a good one after it");
    return;
}


sub bare {
    my ($uri) = @_;

    for my $status (200, 201, 202, 204, 206, 299) {
        $up->script({status => $status, headers => [@INSIDE],
            body => $status == 204 ? '' : 'from inside' x 100});
        is_bare(deliver($uri, headers => {'accept-encoding' => 'gzip'}), 200,
            "$uri: $status");
    }
    $up->script({status => 200, headers => [@INSIDE, ['Transfer-Encoding',
        'chunked']], body => "6\r\ninside\r\n0\r\nX-Trailer: 1\r\n\r\n"});
    is_bare(deliver($uri), 200, "$uri: in chunks");

    $up->script({status => 200, headers => [@INSIDE], body => 'inside'});
    is(deliver($uri, version => 'HTTP/1.0')->body, '', "$uri: HTTP/1.0");
    return;
}


sub codes {
    for my $code (202, 204) {
        $up->script({status => 201, headers => [@INSIDE], body => 'inside'});
        is_bare(deliver("/$code"), $code, "plum_ack $code");
    }

    my %twice = (body => '{"id":"twice"}');
    is_bare(deliver('/once', %twice), 202, 'the first');
    my $r = deliver('/once', %twice);
    is($r->status, 202, 'a duplicate has the same code');
    is($r->body, '', '... and no body');
    is(($t->wait_log(qr/\A$n /, 5, 'access.log')),
        "$n 202 duplicate duplicate", '... and was one');

    $up->script({status => 201, headers => [@INSIDE], body => 'inside'});
    $r = deliver('/off');
    is($r->status, 201, 'plum_ack off: the status');
    is($r->body, 'inside', 'the body');
    is($r->header('x-internal'), 'host-17', 'the headers');
    return;
}


# conditions and ranges of the sender change nothing

sub conditional {
    my %headers = ('if-none-match' => '"e"', range => 'bytes=0-1',
        'if-modified-since' => 'Tue, 24 Nov 2026 00:00:00 GMT');

    for my $name (sort keys %headers) {
        $up->script({status => 200, headers => [@INSIDE], body => 'inside'});
        is_bare(deliver('/', headers => {$name => $headers{$name}}), 200,
            $name);
    }
    return;
}


# a large answer is read to its end, and the connection used again

sub drained {
    $up->answer(status => 200, headers => [@INSIDE], body => 'large',
        repeat => 600_000);

    for my $uri ('/', '/streamed', '/202') {
        my $client = $t->client(0);
        my $status = $uri eq '/202' ? 202 : 200;
        $up->forget;
        is_bare(deliver($uri, client => $client), $status, "$uri: 3 MB, $_")
            for 1 .. 4;

        my %conns = map { $_->{conn} => 1 } $up->requests;
        is(scalar(keys %conns), 1, 'over one connection');
        ok($client->connected, 'and one of the sender');
    }
    return;
}


sub http2 {
    my $client = $t->client('h2');

    for my $size (0, 10, 3_000_000) {
        $up->answer(status => 201, headers => [@INSIDE], repeat => $size,
            body => $size ? 'x' : '');
        for my $uri ('/', '/streamed', '/204') {
            my %request = $t->signed(scheme => 'github', secret => $SECRET,
                body => '{"id":"h2"}', uri => $uri);
            my $r = $client->h2(%request);
            is($r->status, $uri eq '/204' ? 204 : 200, "HTTP/2 $uri: $size");
            is($r->body, '', '... has no body');
            is($r->header('x-internal'), undef, '... no header');
        }
    }
    return;
}


# the upstream has said success, whatever becomes of the rest

sub cut {
    for my $uri ('/', '/streamed') {
        for my $action (qw(half half_reset)) {
            $up->script({action => $action, body => 'x' x 100_000});
            is(deliver($uri)->status, 200, "$uri: $action");
            good($action);
        }
    }
    return;
}


sub pages {
    my %failure = (404 => {status => 404}, 500 => {status => 500},
        502 => {action => 'reset'});

    for my $uri (qw(/page-200 /page-own /page-return /page-204)) {
        for my $status (sort keys %failure) {
            $up->script($failure{$status});
            my $r = deliver($uri);
            is($r->status, 502, "$uri: $status is not acknowledged");
            unlike($r->body, qr/fine|page\n/, '... nor is the page shown');
            good("$uri $status");
        }
        is(deliver($uri)->status, 200, "$uri: a success");
    }

    $up->script({status => 500});
    is_bare(deliver('/page-honest'), 503, 'a page that speaks of failure');

    # another upstream may take the delivery, and then it is taken
    $up->script({status => 500}, {status => 500});
    $other->script({status => 201, headers => [@INSIDE], body => 'inside'});
    is_bare(deliver('/page-other'), 200, 'another upstream accepts');
    is(($other->requests)[-1]{body}, qq({"id":$n}), '... what was sent');
    $other->script({status => 503});
    is(deliver('/page-other')->status, 503, 'another upstream fails, too');
    ok($t->wait_log(qr/would acknowledge a delivery/), 'the log tells');
    return;
}


# X-Accel-Redirect leads on to a page: what counts is who sent it

sub accelerated {
    my @to = (headers => [['X-Accel-Redirect', '/page']]);

    $up->script({status => 200, @to});
    is_bare(deliver('/'), 200, 'X-Accel-Redirect of a success');
    $up->script({status => 500, @to});
    is(deliver('/')->status, 502, 'X-Accel-Redirect of a failure');
    good('X-Accel-Redirect');
    return;
}


sub content_handlers {
    SKIP: {
        skip "no $LUA", 5 if !$has_lua;
        is_bare(deliver('/lua'), 200, 'a content handler');
        is(($t->wait_log(qr/\A$n /, 5, 'access.log')), "$n 200 accepted off",
            '... has accepted it');
        is(deliver('/lua-500')->status, 500, 'one that fails');
    }
    return;
}
