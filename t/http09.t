#!/usr/bin/perl

# An upstream that answers without a status line: NGINX takes that for an
# HTTP/0.9 success, the gateway for no answer.

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
$t->write_conf(<<'CONF');
%%GLOBALS%%
events {}
http {
    %%HTTP_GLOBALS%%
    plum_secret plum %%TESTDIR%%/plum;
    plum_store deliveries memory:1m;
    plum_allowlist orders { allow id; }

    server {
        listen 127.0.0.1:%%PORT_0%%;
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
    }
}
CONF
$t->run;

sub deliver {
    return $t->deliver(scheme => 'github', secret => $SECRET,
        body => '{"id":1}')->status;
}

$up->script({action => 'raw', raw => "nonsense\r\n"}, {status => 200});

is(deliver(), 502, 'no status line is no answer');
is(deliver(), 200, 'the retry is forwarded');
is(deliver(), 200, 'its copy is a duplicate');
is(scalar(@{[$up->requests]}), 2, 'two forwards in all');

$t->done_testing;
