#!/usr/bin/perl

# Bodies that ModSecurity has read before the gate, in memory or in a file.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Test::Plum;

my $SECRET = 'a secret of many bytes 0123456789';
my $MODULE = '/usr/share/nginx/modules/ngx_http_modsecurity_module.so';

plan(skip_all => "no $MODULE") if !-e $MODULE;

my $t = Test::Plum->new(modules => [$MODULE]);
my $up = $t->upstream('up');

$t->secret('plum', $SECRET);
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_allowlist orders { allow id data.a; }
    plum_store deliveries memory:1m;

    server {
        listen 127.0.0.1:%%PORT_0%%;
        client_body_buffer_size 1k;

        modsecurity on;
        modsecurity_rules '
            SecRuleEngine On
            SecRequestBodyAccess On
            SecRule REQUEST_BODY "@contains evil" "id:1,phase:2,deny"
        ';

        plum_tls off;
        plum_signature github secret=plum;
        plum_allow orders;
        plum_capture $id id;
        plum_idempotency deliveries;
        plum_idempotency_key $id;

        location / {
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }

        location /file {
            client_body_in_file_only clean;
            plum on;
            proxy_pass http://127.0.0.1:%%PORT_up%%;
        }
    }
}
CONF
$t->run;

sub deliver {
    my ($id, $text, %more) = @_;

    return $t->deliver(scheme => 'github', secret => $SECRET,
        body => qq({"id": "$id", "data": {"a": 1.50, "b": 2}, "x": "$text"}),
        %more)->status;
}

my $n = 0;

for my $uri ('/', '/file') {
    for my $size (10, 5_000, 200_000) {
        for my $chunked (0, 1) {
            is(deliver(++$n, 'y' x $size, uri => $uri, chunked => $chunked),
                200, "$uri, $size bytes" . ($chunked ? ', chunked' : ''));
        }
    }
}

is(deliver(++$n, 'evil'), 403, 'ModSecurity refuses what it does not like');
is(deliver(++$n, 'good'), 200, 'a good one after it');

is_deeply(
    [map { $_->{body} } $up->requests],
    [map { qq({"id":"$_","data":{"a":1.50}}) } 1 .. 12, 14],
    'the upstream got the clean bodies'
);

$t->done_testing;
