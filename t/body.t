#!/usr/bin/perl

# However a body comes in, it is judged by its very bytes, in memory only, and
# what goes on is the clean one with its own length.

use strict;
use warnings;

use File::Basename qw(dirname);
use lib dirname(__FILE__) . '/lib';
use Test::More;

use Test::Plum;

my $SECRET = 'correct horse battery staple';
my $LUA = '/usr/lib/nginx/modules/ngx_http_lua_module.so';
my $has_lua = -e $LUA;

my $t = Test::Plum->new(modules =>
    $has_lua ? [$LUA =~ s/ngx_http_lua/ndk_http/r, $LUA] : []);
my $up = $t->upstream('up');
my $serial = 0;

$t->secret('key', $SECRET);
$t->write_conf(<<'CONF' =~ s/^\s*#lua (.*)\n/$has_lua ? "$1\n" : ''/gemr);
%%GLOBALS%%
events {
}
http {
    %%HTTP_GLOBALS%%
    log_format plum '$request_uri $status $plum_verdict $plum_reason '
                    'in:$plum_bytes_in out:$plum_bytes_out '
                    'length:$content_length';

    plum_secret key %%TESTDIR%%/key;
    plum_allowlist clean { allow id; }
    plum_signature github secret=key;
    plum_allow clean;
    plum_tls off;
    plum_ack off;

    proxy_set_header X-Length $content_length;
    proxy_set_header X-Body $request_body;
    client_max_body_size 1m;
    keepalive_timeout 30s;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        listen 127.0.0.1:%%PORT_h2%% http2;
        access_log %%TESTDIR%%/access.log plum;

        # removed once nginx runs: no file can be written
        client_body_temp_path %%TESTDIR%%/gone;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /max {
            plum on;
            plum_max_body 1000;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /renamed {
            plum on;
            plum_max_body 1000;
            plum_refuse body_too_large 422;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /lower {
            plum on;
            client_max_body_size 500;
            if ($http_x_if) { set $inside 1; }
            proxy_pass http://127.0.0.1:%%PORT_up%%;

            location /lower/inside {
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }

            location /lower/higher {
                client_max_body_size 600;
                proxy_pass http://127.0.0.1:%%PORT_up%%;
            }
        }

        location /file {
            plum on;
            client_body_in_file_only on;
            client_body_buffer_size 1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /streamed {
            plum on;
            proxy_http_version 1.1;
            proxy_request_buffering off;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /looked {
            plum on;
            set $early $content_length$request_body;
            if ($early = x) {
                return 400;
            }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }

    server {
        listen 127.0.0.1:%%PORT_lua%%;
        access_log %%TESTDIR%%/access.log plum;
        client_body_buffer_size 1k;
        plum_max_body 8k;
#lua    server_rewrite_by_lua_block {
#lua        if ngx.var.uri == "/server" then
#lua            ngx.req.read_body()
#lua            ngx.log(ngx.WARN, "file ", ngx.req.get_body_file() or "-")
#lua        end
#lua    }

        location / {
            plum on;
#lua        rewrite_by_lua_block {
#lua            if ngx.var.uri == "/rewrite" then ngx.req.read_body() end
#lua        }
#lua        access_by_lua_block {
#lua            if ngx.var.uri == "/access" then ngx.req.read_body() end
#lua            local seen = ngx.var.request_body
#lua        }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /observed {
            plum on;
            plum_mode observe;
            plum_max_body 1000;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /file {
            plum on;
            client_body_in_file_only clean;
#lua        rewrite_by_lua_block {
#lua            ngx.req.read_body()
#lua            ngx.log(ngx.WARN, "file ", ngx.req.get_body_file() or "-")
#lua        }
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;
rmdir $t->path('gone') or die "gone: $!";

framings();
limits();
no_files();
read_before();
observed();
aborted();
$t->done_testing;


# a body of that many bytes; all but the id is stripped

sub body_of {
    my ($size) = @_;
    return '{"id":7,"x":"' . 'y' x ($size - 15) . '"}';
}


# one delivery, and what became of it in the log and at the upstream: only
# the clean body; or, where a status and a log line are given, nothing

sub deliver {
    my ($what, %opt) = @_;

    my $status = delete $opt{status} || 200;
    my $h2 = delete $opt{h2};
    $opt{body} = '{ "x": 1, "id" : 7 }' if !defined $opt{body};
    my $log = delete $opt{log}
        || "accepted - in:" . length($opt{body}) . ' out:8 length:8';
    $opt{uri} = ($opt{uri} || '/') . '?n=' . ++$serial;

    my %request = (scheme => 'github', secret => $SECRET, %opt);
    my $r = $h2 ? $t->client('h2')->h2($t->signed(%request))
        : $t->deliver(%request);

    # curl may miss an early answer: then the log has to do
    is($r->status, $status, "$what: status") or diag($r->error || '')
        if !$h2 || $r->status || $status == 200;

    my $line = $t->wait_log(qr/^\Q$opt{uri}\E /, 3, 'access.log') || '';
    like($line, qr/\A\S+ $status $log\z/, "$what: log");

    my @got = grep { $_->{uri} eq $opt{uri} } $up->requests;
    is(scalar @got, $status == 200 ? 1 : 0, "$what: forwarded or not");
    good($what, $got[0]) if @got;
    deliver("$what, then a good one") if $status != 200;
    return $r;
}


sub good {
    my ($what, $got) = @_;

    is($got->{body}, '{"id":7}', "$what: clean");
    is(join(' ', map { my $v = $up->header($got, $_); defined $v ? $v : '-' }
        qw(content-length x-length x-body transfer-encoding digest content-md5
        content-digest x-hub-signature-256)), '8 8 {"id":7} - - - - -',
        "$what: headers");
    return;
}


sub framings {
    my @digests = map { [$_, 'abc'] } qw(Digest Content-MD5 Content-Digest);

    deliver('a length', headers => \@digests);
    deliver('a length, 1-byte pieces', pieces => 20, delay => 0.001);
    deliver('chunked', chunked => 1, headers => \@digests);
    deliver('1-byte chunks', chunked => [1]);
    deliver('1-byte chunks in pieces', chunked => [1], pieces => 60,
        delay => 0.001);
    deliver('odd chunks', chunked => [3, 1, 7, 2, 100]);
    deliver('HTTP/2', h2 => 1, headers => \@digests);
    deliver('HTTP/2, no length', h2 => 1, no_length => 1);
    deliver('HTTP/1.0', version => 'HTTP/1.0');
    ok(deliver('expect', expect => 1)->continued, '100 came first');
    ok(deliver('expect, chunked', expect => 1, chunked => [4])->continued,
        '100 came first');

    my %empty = (status => 400, body => '',
        log => 'refused json_invalid in:0 out:0 length:[-0]');
    deliver('empty', %empty);
    deliver('no body', %empty, length => undef);
    deliver('empty, chunked', %empty, chunked => 1);
    deliver('empty, HTTP/2', %empty, h2 => 1);

    my $c = $t->client(0);
    deliver("one connection, $_", client => $c, chunked => $_ % 2 ? [5] : 0)
        for 1 .. 4;
    ok($c->connected, 'kept');

    # variables of the body that were looked at before it was replaced
    deliver('looked at', uri => '/looked');
    deliver('looked at, chunked', uri => '/looked', chunked => [7]);
    return;
}


sub limits {
    my $counted = 'refused body_too_large in:\d+ out:0 length:.*';

    for my $case (['/max', 1000], ['/', 262_144]) {
        my ($uri, $max) = @$case;
        my %fits = (uri => $uri, body => body_of($max));
        my %over = (uri => $uri, body => body_of($max + 1), status => 413);
        my $declared = 'refused body_too_large in:0 out:0 length:'
            . ($max + 1);

        for my $how ([], [chunked => [999]], [h2 => 1],
            [h2 => 1, no_length => 1])
        {
            deliver("$max bytes, @$how", %fits, @$how);
            my $known = "@$how" !~ /chunked|no_length/;
            deliver("one more, @$how", %over, @$how,
                log => $known ? $declared : $counted);
        }
        deliver('one more, expected', %over, expect => 1, log => $declared);
    }

    deliver('client_max_body_size', uri => '/lower', body => body_of(501),
        status => 413,
        log => 'refused body_too_large in:0 out:0 length:501');
    deliver('client_max_body_size, "if"', uri => '/lower',
        headers => [['X-If', '1']], body => body_of(501), status => 413,
        log => 'refused body_too_large in:0 out:0 length:501');
    deliver('client_max_body_size, a location inside', uri => '/lower/inside',
        body => body_of(501), status => 413,
        log => 'refused body_too_large in:0 out:0 length:501');
    deliver('client_max_body_size, another one inside', body => body_of(601),
        uri => '/lower/higher', status => 413,
        log => 'refused body_too_large in:0 out:0 length:601');
    deliver('client_max_body_size, and less than that', body => body_of(600),
        uri => '/lower/higher');
    deliver('client_max_body_size, chunked', uri => '/lower',
        chunked => [250], body => body_of(501), status => 413,
        log => $counted);

    # what is left of a refused body is not the next request
    my $c = $t->client(0);
    my $next = $c->head(method => 'POST', uri => '/smuggled');
    deliver('refused midway', client => $c, uri => '/renamed',
        body => 'y' x 2000 . "\r\n0\r\n\r\n$next", chunked => [1500, 509],
        status => 422, log => $counted);
    ok(!$c->connected, 'the connection is closed');
    ok(!$t->wait_log(qr/smuggled/, 0.1, 'access.log'), 'nothing smuggled');
    return;
}


sub no_files {
    my $body = body_of(200_000);

    for my $uri ('/', '/file', '/streamed') {
        deliver("$uri, @$_", uri => $uri, body => $body, @$_)
            for [], [chunked => [8000]], [pieces => 7, delay => 0.01],
            [h2 => 1], [h2 => 1, no_length => 1];
    }

    # more framing than body: as a whole it does not fit into the buffer
    deliver('1-byte chunks', uri => '/max', body => body_of(1000),
        chunked => [1]);
    deliver('1-byte chunks, many', body => body_of(200_000), chunked => [1]);
    deliver('1-byte chunks, one too many', uri => '/max',
        body => body_of(1001), chunked => [1], status => 413,
        log => 'refused body_too_large in:\d+ out:0 length:.*');
    is(join("\n", grep { /temporary file/ } split /\n/, $t->error_log), '',
        'no file was written');
    return;
}


# another module has had the body, in memory or in a file

sub read_before {
    SKIP: {
        skip 'no lua module', 1 if !$has_lua;
        for my $where (qw(server rewrite access file)) {
            my %to = (port => 'lua', uri => "/$where");
            for my $size (500, 5000, 8192) {
                deliver("$where, $size", %to, body => body_of($size));
                deliver("$where, $size, chunked", %to, chunked => [100],
                    body => body_of($size));
            }
            deliver("$where, too large, chunked", %to, chunked => [100],
                body => body_of(8193), status => 413,
                log => 'refused body_too_large in:\d+ out:0 length:8193');
            deliver("$where, forged", %to, secret => 'another key',
                body => body_of(5000), status => 401, log =>
                'refused credential_mismatch in:5000 out:0 length:5000');
        }
        ok($t->wait_log(qr/file \/.* "POST \/$_\?/), "$_: in a file")
            for qw(server file);
    }
    return;
}


# forwarded as received, whatever its framing and size

sub observed {
    for my $size (100, 1000, 1001, 50_000) {
        for my $sizes (0, [1], [700]) {
            my $body = body_of($size);
            my $r = $t->deliver(scheme => 'github', secret => $SECRET,
                port => 'lua', uri => '/observed', body => $body,
                chunked => $sizes);
            is($r->status, 200, "observed, $size");
            is(($up->requests)[-1]{body}, $body, 'as it came');
        }
    }
    return;
}


sub aborted {
    for my $how ([], [chunked => [5]]) {
        for my $then ('close', 'reset') {
            my $uri = '/aborted?n=' . ++$serial;
            $t->deliver(scheme => 'github', secret => $SECRET, uri => $uri,
                body => body_of(100), hang_up => 'half', then => $then, @$how);
            ok($t->wait_log(qr/^\Q$uri\E 400 - - in:\d+ /, 3, 'access.log'),
                "$then @$how: seen");
            deliver("$then @$how, then a good one");
        }
    }
    is(scalar(grep { $_->{uri} =~ /aborted/ } $up->requests), 0,
        'nothing forwarded');
    return;
}
