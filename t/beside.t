#!/usr/bin/perl

# The modules of Debian that people load beside ours, all at work on the same
# delivery: lua reads the body before the gate, ModSecurity inspects it and the
# answer, headers-more and njs add headers, njs and lua see the answer pass,
# brotli compresses it.  In Debian's order of loading, and ours first: then what
# the others add to an answer is gone where plum_ack replaces it (also if ours is
# built in).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my @MODULES = map { "/usr/lib/nginx/modules/$_.so" } qw(ndk_http_module
    ngx_http_lua_module ngx_http_js_module ngx_http_modsecurity_module
    ngx_http_headers_more_filter_module ngx_http_brotli_filter_module
    ngx_http_brotli_static_module);

my @missing = grep { !-e } @MODULES;
plan(skip_all => "no @missing") if @missing;

my ($t, $up, $serial);

for my $first ('ours', 'theirs') {
    $t = Test::Plum->new($first eq 'ours' ? (modules => \@MODULES) : ());
    local $ENV{TEST_NGINX_MODULES} = $first eq 'ours' ? '' : "@MODULES";
    $up = $t->upstream('up');
    configure();
    $t->run;
    deliveries("$first first, $_") for '/', '/read', '/late';
    refusals($first);
    answers($first);
    ok($t->quit, "$first first: nginx quits");
    is(join("\n", $t->damage), '', "$first first: no damage");
}
$t->done_testing;


sub configure {
    $t->secret('plum', $SECRET);
    $t->write_file('main.js', <<'END');
function name(r) { return "njs " + r.method; }
function seen(r, data, flags) { r.sendBuffer(data, flags); }
function stamp(r) { r.headersOut["X-Njs"] = "yes"; }
export default {name, seen, stamp};
END
    $t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist orders { allow id data.a; }
    plum_store deliveries memory:1m;
    client_body_buffer_size 1k;

    js_import main from %%TESTDIR%%/main.js;
    js_set $js_name main.name;
    modsecurity_rules '
        SecRuleEngine On
        SecRequestBodyAccess On
        SecResponseBodyAccess On
        SecResponseBodyMimeType application/json
        SecRule REQUEST_BODY "@contains evil" "id:1,phase:2,deny"
        SecRule RESPONSE_BODY "@contains leak" "id:2,phase:4,deny"
    ';

    server {
        listen 127.0.0.1:%%PORT_0%%;

        modsecurity on;
        more_set_input_headers "X-More: more";
        more_set_headers "X-Out: out";
        brotli on;
        brotli_min_length 1;
        brotli_types *;
        brotli_static on;
        header_filter_by_lua_block { ngx.header["X-Lua"] = "yes" }
        body_filter_by_lua_block { local chunk = ngx.arg[1] }
        log_by_lua_block { local size = ngx.var.plum_verdict }
        proxy_set_header X-Js $js_name;

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow orders;
        plum_capture $id id;
        plum_idempotency deliveries;
        plum_idempotency_key $id;

        location / {
            js_header_filter main.stamp;
            js_body_filter main.seen;
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /read {
            js_header_filter main.stamp;
            js_body_filter main.seen;
            rewrite_by_lua_block { ngx.req.read_body() }
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /late {
            js_header_filter main.stamp;
            js_body_filter main.seen;
            access_by_lua_block { ngx.req.read_body() ngx.sleep(0.001) }
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /answer {
            js_header_filter main.stamp;
            js_body_filter main.seen;
            plum on;
            plum_ack off;
            plum_idempotency deliveries answer=4k;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
    return;
}


sub deliver {
    my ($id, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET, body =>
        qq({"id": "$id", "data": {"a": 1.50, "b": 2}, "x": "kept out"}), %more);
}


# each event is forwarded once, and clean, with what the others add

sub deliveries {
    my ($what) = @_;

    my ($uri) = $what =~ m{(/\w*)\z};
    for my $how ([], [chunked => [7]], [pieces => 9, delay => 0.001],
        [headers => {'accept-encoding' => 'br'}])
    {
        my $id = ++$serial;
        $up->forget;
        for my $copy (1, 2) {
            my $r = deliver($id, uri => $uri, @$how);
            is($r->status, 200, "$what, @$how: $copy");
            is($r->body, '', '... no body');
            my $replaced = $copy == 1 && ($what =~ /\Aours/ || !$t->{module});
            is(join(' ', map { $r->header($_) || '-' } qw(x-out x-lua x-njs)),
                $replaced ? '- - -' : 'out yes yes', '... what they add');
        }
        my @got = $up->requests;
        is(scalar @got, 1, '... forwarded once');
        is($got[0]{body}, qq({"id":"$id","data":{"a":1.50}}), '... clean');
        is(join(' ', map { $up->header($got[0], $_) || '-' } qw(x-more x-js
            x-hub-signature-256)), 'more njs POST -', '... its headers');
    }
    return;
}


sub refusals {
    my ($first) = @_;

    $up->forget;
    is(deliver(++$serial, secret => 'another')->status, 401, 'forged');
    is(deliver(++$serial, body => '{"id":"x","y":"evil"}')->status, 403,
        'ModSecurity');
    is(deliver(++$serial, body => '{"id":')->status, 400, 'no JSON');
    is(scalar(() = $up->requests), 0, "$first first: nothing is forwarded");
    is(deliver(++$serial)->status, 200, 'then a good one');
    return;
}


# an answer that is kept is the consumer's, not what brotli made of it

sub answers {
    my ($first) = @_;

    my %br = (headers => {'accept-encoding' => 'br'});
    $up->answer(body => '{"ok":true}' x 20,
        headers => [['content-type', 'application/json']]);

    for my $order ([[], [%br], []], [[%br], [], [%br]]) {
        my $id = ++$serial;
        for my $how (@$order) {
            my $r = deliver($id, uri => '/answer', @$how);
            my $what = "$first first: kept, @{[@$how ? 'br' : 'plain']}";
            is($r->status, 200, $what);
            is($r->header('content-encoding'), @$how ? 'br' : undef, $what);
            is($r->body, '{"ok":true}' x 20, $what) if !@$how;
        }
    }
    $up->answer;
    return;
}
