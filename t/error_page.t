#!/usr/bin/perl

# An error page may be a file or a "return": never a way for a body that was
# not judged, whoever refused the request.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';

my $t = Test::Plum->new;
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_file('denied.html', 'a page', 0644);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    limit_req_zone $server_port zone=tight:128k rate=1r/m;

    plum_tls off;
    plum_signature github secret=plum;
    plum_allow all;

    server {
        listen 127.0.0.1:%%PORT_0%%;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /named {
            plum on;
            error_page 401 400 413 = @raw;
            plum_max_body 1k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /uri {
            plum on;
            error_page 401 /raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /denied {
            plum on;
            deny all;
            error_page 403 = @raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /limited {
            plum on;
            limit_req zone=tight;
            error_page 503 = @raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /small {
            plum on;
            client_max_body_size 10;
            error_page 413 = @raw;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /file {
            plum on;
            error_page 401 /denied.html;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /return {
            plum on;
            error_page 401 = @text;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /gate-behind {
            plum on;
            error_page 401 /;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /rewritten {
            plum on;
            rewrite ^ /then last;
        }

        location = /denied.html { root %%TESTDIR%%; }

        location /raw { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location @raw { proxy_pass http://127.0.0.1:%%PORT_up%%; }
        location @text { return 403 'a text'; }
    }
}
CONF
$t->run;

sub deliver {
    my ($uri, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET,
        body => '{"id":"a good one"}', uri => $uri, %more);
}

sub refused {
    my ($name, $uri, $status, %more) = @_;

    my %forged = (secret => 'another secret of many bytes', %more);
    my $before = () = $up->requests;

    is(deliver($uri, %forged)->status, $status, $name);
    is(deliver('/')->status, 200, '... and a good one after it');
    is(scalar(() = $up->requests), $before + 1, '... alone got through');
}

refused('a named location that proxies', '/named', 403);
refused('... chunked', '/named', 403, chunked => 1);
refused('... body not JSON', '/named', 403, secret => $SECRET, body => '{');
refused('... too large', '/named', 403, body => 'x' x 2000);
refused('... too large, chunked', '/named', 403, body => 'x' x 2000,
    chunked => 1);
refused('a location that proxies', '/uri', 403);
refused('denied before the gate', '/denied', 403);
deliver('/limited');
refused('limited before the gate', '/limited', 403);
refused('larger than client_max_body_size', '/small', 403);
refused('... chunked', '/small', 403, chunked => 1);
refused('a page behind the gate', '/gate-behind', 403);

my $page = deliver('/file', secret => 'another secret of many bytes');
is($page->status, 401, 'a file keeps the status');
is($page->body, 'a page', '... and is sent');

is(deliver('/return', secret => 'another secret of many bytes')->body,
    'a text', 'a "return" is sent');

refused('a rewrite to other rules, forged', '/rewritten', 401);
is(deliver('/rewritten')->status, 200, '... and good');

is(scalar(grep { $_->{body} ne '{"id":"a good one"}' } $up->requests), 0,
    'nothing else reached the upstream');

$t->done_testing;
