#!/usr/bin/perl

# A refused request has no body, no arguments and no headers of the stranger
# any more, whoever makes the error page: a file, "return", dav, SSI, lua.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $FORGED = 'another secret of many bytes 012';
my $DIR = '/usr/lib/nginx/modules';
my @LUA = ("$DIR/ndk_http_module.so", "$DIR/ngx_http_lua_module.so");
my $has_lua = !$ENV{TEST_NGINX_BINARY} && !grep { !-e } @LUA;

# lua stands behind the module, so that its handlers are registered later
my $t = Test::Plum->new(modules => [$has_lua ? @LUA : ()]);
my $up = $t->upstream('up');
my $raw = $t->upstream('raw');

$t->secret('plum', $SECRET);
mkdir $t->path('dav'), 0777;
chmod 0777, $t->path('dav');
$t->write_file('page.shtml', 'args [<!--#echo var="args" default="" -->]'
    . ' <!--#include virtual="/raw" -->');
$t->write_file('page.html', 'a page');
$t->write_conf(<<'CONF' =~ s/^\s*#lua (.*)\n/$has_lua ? "$1\n" : ''/gemr);
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    #lua rewrite_by_lua_no_postpone on;
    log_format plum '$request_method $request_uri $status [$http_x_n] '
                    '[$args] [$request_body] $plum_verdict $plum_reason';
    plum_secret plum %%TESTDIR%%/plum;
    limit_req_zone $server_port zone=tight:128k rate=1r/m;
    plum_tls off;
    plum_signature github secret=plum;
    plum_allow all;
    keepalive_requests 100000;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;
        root %%TESTDIR%%;

        location / { plum on; proxy_pass http://127.0.0.1:%%PORT_up%%; }

        location /dav {
            plum on;
            error_page 400 401 405 413 415 = @dav;
            plum_max_body 1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /dav-denied {
            plum on;
            deny all;
            error_page 403 = @dav;
        }
        location /dav-limited {
            plum on;
            limit_req zone=tight;
            error_page 503 = @dav;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /dav-returned {
            plum on;
            error_page 403 = @dav;
            return 403;
        }
        location /dav-inside {
            internal;
            plum on;
            error_page 404 = @dav;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /dav-chain {
            plum on;
            recursive_error_pages on;
            error_page 405 = @chain;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location @chain {
            recursive_error_pages on;
            error_page 418 = @dav;
            return 418;
        }
        location @dav { root %%TESTDIR%%/dav; dav_methods PUT DELETE MKCOL; create_full_put_path on; }

        location /said {
            plum on;
            error_page 401 405 = @said;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location @said {
            return 403 '$request_method|$args|$arg_a|$http_x_n|$content_type|$content_length|$request_uri|$cookie_c';
        }
        location /own {
            plum on;
            error_page 401 405 /own-page?own=1;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location = /own-page { return 403 '$args|$http_x_n'; }
        location /asked {
            plum on;
            error_page 401 405 /own-page?$args;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /file {
            plum on;
            error_page 401 /page.html;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /ssi {
            plum on;
            error_page 401 405 /page.shtml;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /ssi-denied { plum on; deny all; error_page 403 /page.shtml; }
        location = /page.shtml { ssi on; default_type text/html; }
        location = /page.html { }

        location /proxied {
            plum on;
            error_page 401 405 = @raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /observed {
            plum on;
            plum_mode observe;
            error_page 401 405 = @raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
        location /raw { proxy_pass http://127.0.0.1:%%PORT_raw%%; }
        location @raw { proxy_pass http://127.0.0.1:%%PORT_raw%%; }

        #lua location /lua-exit { plum on; error_page 403 = @raw; rewrite_by_lua_block { ngx.exit(403) } }
        #lua location /lua-read { plum on; error_page 403 = @raw; access_by_lua_block { ngx.req.read_body() ngx.exit(403) } }
        #lua location /lua-page { plum on; error_page 401 405 = @lua; proxy_pass http://127.0.0.1:%%PORT_up%%; }
        #lua location @lua { rewrite_by_lua_block { ngx.req.read_body() ngx.header.X_Saw = (ngx.req.get_body_data() or "") .. "|" .. (ngx.var.args or "") .. "|" .. (ngx.req.get_headers()["x-n"] or "") ngx.status = 403 ngx.say("lua") ngx.exit(403) } }
    }
}
CONF
$t->run;

my $n = 0;

dav();
said();
ssi();
proxied();
lua() if $has_lua;
in_step();
http2();
observed();
is(scalar($raw->requests), 2, 'the observed ones alone reached @raw');
is(scalar(grep { $_->{uri} ne '/' && $_->{uri} !~ /observed/ } $up->requests),
    0, 'and the good ones alone the upstream');
$t->done_testing;


# a stranger's request with all that it may bring

sub stranger {
    my ($uri, %opt) = @_;

    return $t->deliver(scheme => 'github', secret => $FORGED,
        body => '{"id":"evil"}', uri => "$uri?a=evil", %opt,
        headers => {'x-n' => ++$n, cookie => 'c=evil', %{$opt{headers} || {}}});
}


sub good {
    is($t->deliver(scheme => 'github', secret => $SECRET, body => '{"id":1}')
        ->status, 200, '... and a good one');
    return;
}


sub written { return join ' ', glob $t->path('dav') . '/*' }


sub dav {
    my %put = (method => 'PUT');
    my @cases = (
        ['/dav', 'refused', %put], ['/dav', 'chunked', %put, chunked => 1],
        ['/dav', 'in pieces', %put, pieces => 3, delay => 0.1],
        ['/dav', 'expected', %put, expect => 1],
        ['/dav', 'deleted', method => 'DELETE'],
        ['/dav', 'made', method => 'MKCOL', body => ''],
        ['/dav', 'too large', %put, body => 'x' x 2000],
        ['/dav', 'forged', method => 'POST'],
        ['/dav-denied', 'denied', %put],
        ['/dav-denied', 'denied, chunked', %put, chunked => 1],
        ['/dav-returned', 'returned', %put],
        ['/dav-inside', 'internal', %put],
        ['/dav-chain', 'in a chain', %put],
    );
    stranger('/dav-limited', %put);
    for my $case (@cases, ['/dav-limited', 'limited', %put]) {
        my ($uri, $what, %opt) = @$case;
        my $status = stranger("$uri/file", %opt)->status;
        like($status, qr/\A4\d\d\z/, "dav, $what: refused");
        is(written(), '', '... nothing is written');
        good();
    }
    return;
}


sub said {
    for my $method (qw(PUT POST)) {
        is(stranger('/said', method => $method)->body, 'GET||||||/said|',
            "$method: nothing of it is left for the page");
        is(stranger('/said', method => $method, pieces => 2, delay => 0.3)
            ->body, 'GET||||||/said|', '... while the body still comes');
        is(stranger('/own', method => $method)->body, 'own=1|',
            '... which keeps arguments of its own');
        is(stranger('/asked', method => $method)->body, '|',
            '... and gets none that it asks for');
        my $code = $method eq 'PUT' ? 'method' : 'credential_mismatch';
        like($t->wait_log(qr/^$method \/said\?a=evil /, 5, 'access.log'),
            qr/ 403 \[\d+\] \[a=evil\] \[-?\] refused $code\z/,
            '... the log has all but the body');
        good();
    }
    my $page = stranger('/file');
    is($page->status . ' ' . $page->body, '401 a page', 'a file is sent');
    good();
    return;
}


sub ssi {
    for my $case (['/ssi', 401], ['/ssi', 405, method => 'PUT'],
        ['/ssi', 405, method => 'GET', body => '', length => undef],
        ['/ssi-denied', 403])
    {
        my ($uri, $status, %opt) = @$case;
        my $r = stranger($uri, %opt);
        is($r->status, $status, "SSI, $uri $status");
        unlike($r->body, qr/evil/, '... knows nothing of the request');
        good();
    }
    return;
}


sub proxied {
    for my $method (qw(POST PUT GET)) {
        is(stranger('/proxied', method => $method)->status, 403,
            "proxied, $method");
        good();
    }
    return;
}


sub lua {
    for my $uri (qw(/lua-exit /lua-read)) {
        is(stranger($uri)->status, 403, "$uri");
        good();
    }
    for my $method (qw(POST PUT)) {
        my $r = stranger('/lua-page', method => $method);
        is($r->status, 403, "lua makes the page, $method");
        is($r->header('x-saw'), '||', '... and sees nothing');
        good();
    }
    return;
}


# what is not read is discarded, and the connection stays in step

sub in_step {
    for my $uri ('/dav', '/said', '/own', '/file', '/dav-denied',
        '/dav-returned', '/ssi')
    {
        for my $opt ([], [chunked => 1], [chunked => [1, 2, 3]],
            [pieces => 4, delay => 0.05], [body => 'x' x 900])
        {
            my $client = $t->client(0);
            my @seen = stranger($uri, client => $client, @$opt)->status;
            push @seen, $t->deliver(client => $client, scheme => 'github',
                secret => $SECRET, body => '{"id":2}')->status;
            like("@seen", qr/\A4\d\d 200\z/, "$uri: in step, @$opt");
        }
    }
    return;
}


sub http2 {
    for my $uri ('/dav', '/said', '/own', '/dav-denied', '/proxied') {
        for my $method (qw(PUT POST)) {
            my %body = $method eq 'PUT' ? (body => '{"id":"evil"}') : ();
            my $r = $t->client('h2')->h2(method => $method,
                uri => "$uri?a=evil", %body,
                headers => [['content-type', 'application/json'],
                    ['x-n', ++$n]]);
            unlike($r->body, qr/evil/, "HTTP/2, $method $uri");
            is(written(), '', '... nothing is written');
        }
        good();
    }
    is($t->client('h2')->h2(method => 'GET', uri => '/said?a=evil')->body,
        'GET||||||/said|', 'HTTP/2, the page sees nothing');
    return;
}


# nothing changes there: the request goes on as it is

sub observed {
    is(stranger('/observed', method => $_)->status, 200, "observed, $_")
        for qw(PUT POST);
    my @got = grep { $_->{uri} =~ /observed/ } $up->requests;
    is(join(' ', map { "$_->{method} $_->{uri} $_->{body}" } @got),
        join(' ', map { "$_ /observed?a=evil {\"id\":\"evil\"}" }
            qw(PUT POST)), '... as it was sent');
    stranger('/raw') for 1, 2;
    return;
}
